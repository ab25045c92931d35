#pragma once

/*
 * Rollbacks and stashes (rollback.c, stash.c): a branch's head becomes a moment of the past, and
 * what it was is put aside; what becomes of the containers that use it meanwhile (around.h).
 */

#include "engine/engine.h"
#include "engine/users.h"

/* What becomes of the containers that use a branch while its head is replaced. */
enum around_mode {
	AROUND_RESTART, /* they are stopped before, and started again after it */
	AROUND_LIVE,	/* they run on; their mounts of the old head become such of the new one */
	AROUND_LEAVE,	/* nothing */
	AROUND_MODES,
};
extern const char *const around_mode_names[AROUND_MODES];

enum around_outcome {
	AROUND_RESTARTED,
	AROUND_PENDING,	 /* it is not started again yet; that is tried again by itself */
	AROUND_GONE,	 /* somebody removed it while it was stopped */
	AROUND_REPLACED, /* the mount in it */
	AROUND_KEPT,	 /* it still has the old head there */
	AROUND_OUTCOMES,
};
extern const char *const around_outcome_names[AROUND_OUTCOMES];

#define AROUND_NAME 256
struct around_item {
	char name[AROUND_NAME]; /* of the container; "": it is in none that is known */
	pid_t pid;		/* of a process there that is in none; else 0 */
	char *path;		/* heap: which mount, as seen there; NULL: it was restarted */
	enum around_outcome outcome;
	struct fl_error why; /* AROUND_PENDING, AROUND_KEPT */
};

struct around_report {
	enum around_mode mode;
	struct around_item *items; /* heap; in the order in which they were started or replaced */
	size_t count;
	int64_t stop, swap, start; /* ns that each took; `swap`: all that is not the others */
};
void around_report_done(struct around_report *report);

struct rollback {
	struct branch branch;	/* as it is now */
	struct stash stash;	/* what was put aside */
	struct holders holders; /* who still sees the replaced contents */
	struct around_report around;
};
void rollback_done(struct rollback *rollback);

/*
 * The head of `branch` becomes `target`: any snapshot, tag or stash of the
 * volume.  What it was is stash N.  Atomic and durable.
 *
 * AROUND_RESTART asks the container engine, which must answer (FL_UNREACHABLE), and stops
 * containers with nothing locked; FL_BUSY: one that does not stop, or must not be
 * stopped.  Whatever fails, and whatever happens to the daemon, those that were
 * stopped are started again.
 */
must_check int engine_rollback(struct engine *engine, const struct ref *branch,
			       const struct ref *target, enum around_mode mode,
			       struct rollback *ret, struct fl_error *err);
/*
 * Starts what a rollback stopped, and could not start again or did not live to.
 * `*ret_next`: ns until it is wanted again; 0: when something asks for it (engine_on_around).
 * Takes as long as the container engine does.
 */
void engine_around_care(struct engine *engine, int64_t *ret_next);
/* `wake` is called when it is wanted at once, by any thread; NULL: nobody is to be called. */
void engine_on_around(struct engine *engine, void (*wake)(void *arg), void *arg);

must_check int engine_stashes(struct engine *engine, const struct ref *volume,
			      struct stash_list *ret, struct fl_error *err);
must_check int engine_stash_show(struct engine *engine, const struct ref *stash, struct stash *ret,
				 struct fl_error *err);
/* Makes the stash the head of its branch again, as engine_rollback().  (As a new branch:
 * engine_branch.) */
must_check int engine_stash_restore(struct engine *engine, const struct ref *stash,
				    enum around_mode mode, struct rollback *ret,
				    struct fl_error *err);
must_check int engine_stash_drop(struct engine *engine, const struct ref *stash,
				 struct fl_error *err);
