#pragma once

/*
 * Snapshots by themselves, as sched/snapshotter.c drives them: which branches may have been
 * written to (watching.c), a snapshot of one that was (save.c), the policy that it goes by, and
 * what is known of those that wait.
 */

#include "engine/engine.h"

/* `late`: nobody knows when it was written to; it may have been told already. */
typedef void change_told(void *arg, const struct uuid *branch, bool late);

/*
 * Calls `each` for every branch that may have been written to since the last
 * call; at the first call since the pool was opened, for every one that no
 * snapshot holds as it is.  `each` calls no verb.  Answers the nanoseconds until it wants to be
 * called again, though nothing is told until then: see engine_changes_fd().  By one thread.
 */
int64_t engine_changes(struct engine *engine, change_told *each, void *arg);
/* Readable when there is something to tell; the same as long as the engine lives.  -1: none. */
int engine_changes_fd(const struct engine *engine);

enum saved {
	SAVED_NEW,     /* there is a new snapshot */
	SAVED_NOTHING, /* the last one holds all that there is */
	SAVED_GONE,    /* there is no such branch any more */
};

struct saving {
	enum saved saved;
	char ref[REF_SHORT]; /* the branch, as it is called now; "" = not known */
	int64_t waited;	     /* ns: for its hooks, which is no load of the disk's */
};

/*
 * A snapshot of the live contents of a branch, if it would hold anything new.
 * `age`: nanoseconds since the first change that it is for.  `ret->ref` is filled
 * after a failure too.
 */
must_check int engine_save(struct engine *engine, const struct uuid *branch, enum reason reason,
			   int64_t age, struct saving *ret, struct fl_error *err);

/* The policy that counts for a branch. */
must_check int engine_policy(struct engine *engine, const struct uuid *branch, struct policy *ret,
			     struct fl_error *err);
struct unsaved {
	int64_t since; /* of the first change that waits for a snapshot by itself; wall clock; 0:
			  none */
	char *failure; /* heap: why the last attempt failed; NULL: it did not */
};
typedef void unsaved_told(void *context, const struct uuid *branch, int64_t since);

/* Who knows which branches wait; called from any thread, for answers.  Calls no verb. */
struct unsaved_source {
	/* Fills what is known of one. */
	void (*tell)(void *arg, const struct uuid *branch, struct unsaved *ret);
	/* Calls told() for each that waits; `since` as in struct unsaved. */
	void (*each)(void *arg, unsaved_told *told, void *context);
	void *arg;
};
/* One of them, borrowed; NULL: none. */
void engine_on_unsaved(struct engine *engine, const struct unsaved_source *source);
/* Called, from any thread, when a branch's policy or the instance's may have changed.  One hook;
 * NULL: none. */
void engine_on_policy(struct engine *engine, void (*changed)(void *arg), void *arg);
