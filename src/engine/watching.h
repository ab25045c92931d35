#pragma once

/*
 * Which branches have changed: between the watcher, the driver and the
 * catalogue.  For src/engine alone; what others call is in engine.h.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "catalog/catalog.h"
#include "driver/driver.h"
#include "engine/engine.h"
#include "engine/save.h"
#include "watch/heads.h"
#include "watch/watch.h"

#define WATCHING_TICK CLOCK_SECOND /* from one search to the next */

struct watching {
	struct watch watch;
	bool kernel_tells; /* of changes in the open pool; constant while it is open */

	pthread_mutex_t mutex; /* of what follows */
	struct heads heads;
	struct watch_since since;
	uint64_t opened;     /* the pool's point when all was compared first */
	uint64_t round;	     /* each call of engine_changes() is one */
	int64_t searched;    /* clock_monotonic() of the last search */
	bool lost;	     /* all are to be compared */
	bool failing;	     /* the last round did */
	int64_t rests_until; /* clock_monotonic(): nothing is looked at before */
	struct uuid *plain;  /* heap: the branches that are asked about in turn */
	size_t plain_count, plain_at;
	uint64_t *active; /* heap: the numbers of the heads that something was changed in of late */
	size_t active_count, active_at;
};

/* One call of engine_changes(). */
struct round {
	struct engine *engine;
	struct watching *watching;
	change_told *each;
	void *arg;
	uint64_t *candidates; /* heap: numbers of trees to compare */
	size_t count;
	bool unknown; /* an event named a tree that is not known */
	bool all;
};

struct watching *watching_new(void);
void watching_free(struct watching *watching);

/* The pool has been opened, is being closed.  Behind the closed gate. */
void watching_begin(struct engine *engine);
void watching_end(struct watching *watching);

/* A head before it is snapshotted by itself. */
struct save_base {
	struct uuid branch;
	bool changed;	 /* else there is nothing to save */
	uint64_t number; /* of the tree */
	uint64_t bound;	 /* a snapshot whose contents were not changed later holds nothing new; 0:
			    that can't be told */
	uint64_t floor;	 /* the head's (watch/heads.h) before, for watching_undo() */
};

/* Under the branch's lock, which is held until after the others.  `age`: see engine_save(). */
must_check int watching_before(struct engine *engine, const struct uuid *branch, int64_t age,
			       struct save_base *ret, struct fl_error *err);
/* `taken` is in the pool: does it hold anything new?  From now on the head is unchanged since. */
must_check int watching_after(struct engine *engine, const struct save_base *base,
			      const struct tree *taken, bool *ret_new, struct fl_error *err);
/* It came to nothing, and is deleted again: the head is as changed as before. */
void watching_undo(struct engine *engine, const struct save_base *base);

/* --- what the files of it share ------------------------------------------------- */

/* The snapshot that a head continues from; `*ret_known` false: none, or one that is gone. */
must_check int tip_tree(struct tx *tx, const struct uuid *branch, struct tree *ret, bool *ret_known,
			struct fl_error *err);
/* How the head stands to it. */
must_check int motion_of(struct engine *engine, struct tx *tx, const struct uuid *branch,
			 struct motion *ret, bool *ret_tip, struct fl_error *err);
/* Is the head another than its tip?  Asks the driver; what is still in caches counts. */
must_check int head_changed(struct engine *engine, const struct uuid *branch, bool *ret,
			    struct fl_error *err);
/* One round each. */
must_check int look_at_events(struct round *round, struct fl_error *err);
/* `watched` is active from now on. */
void keep_active(struct watching *watching, struct watched *watched);
/* Asks the active ones; what was changed becomes a candidate. */
must_check int ask_active(struct round *round, struct fl_error *err);
/* Its tree is compared at the end of the round. */
void compare_later(struct round *round, uint64_t number);
/* Asks for one turn's time, about at least one. */
must_check int look_plainly(struct round *round, struct fl_error *err);
