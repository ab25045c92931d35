#pragma once

/*
 * One dialogue with a hook: a program that makes an application hold still while
 * something is done to its files.
 *
 *	hook                            daemon
 *	starts, in the environment of hook_start()
 *	"ready\n"   it holds still
 *	                                does what it is about
 *	                                "go\n"
 *	"done\n"    it goes on; exit 0
 *	"failed TEXT\n"                 instead of "ready" or "done": why not
 *	                                end of file instead of "go": it was given
 *	                                up, or the daemon is dead; the hook lets the
 *	                                application go on at once, and ends
 *
 * Lines go over the hook's standard input and output.  Anything else on its output, more than
 * HOOK_OUTPUT bytes of it, its end too early, an exit status but 0: failures.  What
 * it wrote to its standard error becomes a part of the failure's text.
 *
 * All of it ends at the timeout, whatever whoever waits for the hook is doing: then the hook's
 * process group is sent SIGTERM, and SIGKILL HOOK_PATIENCE later.  A hook outlives
 * the daemon by no more than that.
 *
 * One that runs in a container is a shell script, which is handed to /bin/sh there; the same holds
 * for it, but that nobody ends it should the daemon die: it sees the end of its input.
 *
 * A `struct hook` belongs to one thread.
 */

#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/own.h"
#include "model/metadata.h"

#define HOOK_OUTPUT 4096
#define HOOK_PATIENCE (2 * CLOCK_SECOND)

struct hook_container {	    /* where it runs, if not here */
	const char *engine; /* the container engine's socket */
	const char *id;	    /* of the container */
	const char *name;   /* FLOCKER_CONTAINER */
	const char *script; /* what it does (hook_read_script) */
};

struct hook_call {
	const char *name;   /* of the hook */
	const char *path;   /* of its program: absolute */
	const char *event;  /* FLOCKER_EVENT: "snapshot", "rollback" */
	const char *branch; /* FLOCKER_BRANCH */
	const char *tree;   /* FLOCKER_PATH: where the branch's files are for it; "": nowhere */
	const char *reason; /* FLOCKER_REASON */
	const struct metadata *settings;	/* FLOCKER_SET_KEY, checked (hook-file.h) */
	int64_t timeout;			/* ns; FLOCKER_TIMEOUT, in seconds rounded down */
	const struct hook_container *container; /* NULL: it runs here */
};

struct hook;

/* Starts it.  Does not wait for it; `call` may go afterwards. */
must_check int hook_start(const struct hook_call *call, struct hook **ret, struct fl_error *err);
/* Blocks until it is ready.  Its failure: FL_SYSTEM, which names it. */
must_check int hook_await_ready(struct hook *hook, struct fl_error *err);
/* Does it still hold, after it was ready?  Its failure otherwise. */
must_check int hook_is_holding(struct hook *hook, struct fl_error *err);
/* Tells it to go on, and blocks until it has ended. */
must_check int hook_go(struct hook *hook, struct fl_error *err);
/* Gives it up, unless it was told to go on, and blocks until nothing is left of it. */
void hook_free(struct hook *hook);
OWN_FREEP(hook, hook_free)
#define own_hook own(hook_freep)
