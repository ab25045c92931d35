#pragma once

/*
 * The hooks of branches, for src/engine alone: what joins a dialogue
 * (container/hook.h) to a verb.
 *
 *	hooks_begin()	without a lock and outside of the gate: hooks take their time.
 *			All hooks of all branches are ready then, in order of their names
 *	the verb	enters the gate, takes its claim, takes its snapshots with
 *			`snapshot_options.hooks`, and lets both go
 *	hooks_end()	lets the applications go on, in reverse order
 *
 * A hook in a container that does not run is passed over: what would have to hold still does.  So
 * it is before a rollback, for which containers are stopped.
 *
 * Where a hook fails before the snapshot is there, it is not to be trusted.  Then the
 * verb fails if the hook is required or the verb is a rollback, under which nothing
 * may run; and else the snapshot says so in its metadata.  What fails after that is told and
 * changes nothing.
 */

#include "container/hook.h"
#include "engine/internal.h"

#define ANY_CONTAINER "*"	  /* hook_row.container: the one that uses the branch */
#define HOOKS_KEY "flocker.hooks" /* in the metadata of a snapshot: "failed: NAME, NAME" */

enum hook_event { HOOK_SNAPSHOT, HOOK_ROLLBACK };

/* One hook of one branch. */
struct hooked {
	struct hook_row row;
	char ref[REF_SHORT];
	char *volume, *branch;	 /* heap */
	char *tree;		 /* heap; "": the branch is not mounted */
	struct hook *hook;	 /* NULL: not started, its container does not run, or it failed and
				    is gone */
	struct fl_error failure; /* code FL_OK: none */
	struct position late;	 /* the snapshot that was marked after it was taken; or none */
};

struct hooking {
	struct engine *engine;
	enum hook_event event;
	enum reason reason;
	struct uuid *branches; /* heap: all that were asked for, with or without hooks */
	size_t branch_count;
	struct hooked *items; /* heap */
	size_t count;
	int64_t took; /* ns, in all */
};

/*
 * Those of `refs` that are heads.  On failure nothing runs, and `ret` is empty: the
 * hook's failure is FL_SYSTEM and names it and its branch.
 */
must_check int hooks_begin(struct engine *engine, const struct ref *refs, size_t count,
			   enum hook_event event, enum reason reason, struct hooking *ret,
			   struct fl_error *err);
/* `done`: what they waited for is there; else they are given up.  Leaves it empty, but for `took`.
 */
void hooks_end(struct hooking *hooking, bool done);

/* For snapshot_take(), before: FL_BUSY if the branch is not one of those; marks the row. */
must_check int hooks_before(const struct hooking *hooking, const struct branch_row *branch,
			    struct snapshot_row *row, struct fl_error *err);
/* And after: do they still hold?  Fails, or marks the row. */
must_check int hooks_after(struct hooking *hooking, const struct branch_row *branch,
			   struct snapshot_row *row, struct fl_error *err);

/* Names have changed: what fails is found to again at the next snapshot. */
void hooks_look_anew(struct engine *engine);
/* Has the branch any?  In a transaction. */
must_check int hooks_any(struct tx *tx, const struct uuid *branch, bool *ret, struct fl_error *err);
