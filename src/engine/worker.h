#pragma once

/*
 * A run of flocker-tree, the program that packs, unpacks and copies trees: so
 * that what reads archives from anywhere is not in the daemon.  What it reports
 * becomes the operation's progress and the outcome.  It finds the tree's root
 * directory as descriptor 3, and reports to descriptor 4, in lines:
 *
 *	progress ENTRIES BYTES
 *	done ENTRIES BYTES
 *	failed CODE<tab>ERRNO<tab>TEXT<tab>HINT<tab>OBJECT
 *
 * The last line is one of the latter two; a run without it has crashed.
 */

#include <stdbool.h>

#include "base/spawn.h"
#include "engine/operation.h"

#define WORKER_TREE 3
#define WORKER_REPORT 4
#define WORKER_SOURCE 5 /* copy: the directory to copy */

struct worker { /* stays where it is from worker_start() to worker_end() */
	struct running *running;
	struct spawned child;
	int report;
	bool told;   /* the last line came; `failure` is what it said */
	bool killed; /* because of what it reported */
	struct fl_error failure;
};

/* Is there such a program?  FL_UNSUPPORTED. */
must_check int worker_check(const struct engine *engine, struct fl_error *err);
/* `arguments`: of the program, after its name, ended by NULL; at most 4.  `fds`: but the report. */
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
