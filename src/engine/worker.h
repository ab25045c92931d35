#pragma once

/*
 * A run of flocker-tree, the program that copies trees, carries out deltas and makes digests of
 * trees, or of flocker-archive, which packs and unpacks them: so that what somebody else made is
 * not read in the daemon.  What it reports becomes the operation's progress and the outcome.
 * It finds the tree's root directory as descriptor 3, and reports to descriptor 4, in lines:
 *
 *	progress ENTRIES BYTES
 *	digest HEX		of the tree that was read: src/tree/digest.h
 *	done ENTRIES BYTES
 *	failed CODE<tab>ERRNO<tab>TEXT<tab>HINT<tab>OBJECT
 *
 * The last line is one of the last two; a run without it has crashed.
 */

#include <stdbool.h>

#include "base/spawn.h"
#include "engine/operation.h"

#define WORKER_TREE 3 /* apply: a socket, over which it comes (base/handover.h) */
#define WORKER_REPORT 4
#define WORKER_SOURCE 5	 /* copy: the directory to copy; apply: the base */
#define WORKER_POINT 6	 /* apply: the file for how far it came (delta/point.h) */
#define WORKER_DIGEST 64 /* hexadecimal digits */

struct worker { /* stays where it is from worker_start() to worker_end() */
	struct running *running;
	const char *name; /* of the program */
	struct spawned child;
	int report;
	bool quiet;			/* its progress is not the operation's; the caller's */
	bool told;			/* the last line came; `failure` is what it said */
	bool killed;			/* because of what it reported */
	char digest[WORKER_DIGEST + 1]; /* "" when it reported none */
	struct fl_error failure;
	/* Set after worker_start(), or NULL: once this is false it is killed, when it reports. */
	bool (*is_wanted)(void *arg);
	void *arg;
};

/* Is there a program for the verb?  FL_UNSUPPORTED. */
must_check int worker_check(const struct engine *engine, const char *verb, struct fl_error *err);
/* `arguments`: a verb and its options, ended by NULL; at most 5.  `fds`: but the report. */
must_check int worker_start(struct engine *engine, struct running *running,
			    const char *const arguments[], const struct spawn_fd *fds, size_t count,
			    struct worker *ret, struct fl_error *err);
/*
 * Reads its report to the end, which comes when it ends; one that reports what
 * are no lines is killed.  Any thread.
 */
void worker_follow(struct worker *worker);
/* Waits for it and releases it; its outcome. */
must_check int worker_end(struct worker *worker, struct fl_error *err);
