#pragma once

/*
 * The systems of an engine, as it knows them while it runs; for src/engine alone.
 *
 * Each has an entry, made when it is first asked for.  Who wants to change what an entry says holds
 * it, for as long as that takes: start, stop, what keeps systems as they are wanted, and a
 * rollback around its swap.  A second one is refused, never made to wait: a
 * stop may take its ten seconds.  A hold is no lock: it is taken before claims, and
 * nobody who has a claim waits for one.  Verbs that take a tree away (destroy, unmount, rename)
 * look for it under their claim (system_refuse), and who holds has seen the branch alive behind a
 * claim (system_load): so either sees the other.
 */

#include "container/runtime.h"
#include "engine/internal.h"
#include "engine/system.h"

struct system_entry {
	struct system_entry *next;
	struct uuid branch;
	const char *verb; /* of who holds it, who alone changes what follows; NULL: nobody does */
	struct runtime_run run; /* pid 0: it does not run */
	enum system_state state;
	int exit_status;
	uint64_t restarts;
	int64_t asked; /* UTC, ns: since before its tree was looked at */
	int64_t began; /* clock_boot() when it was started */
	int64_t due;   /* clock_boot(): SYSTEM_RESTARTING */
	char *last_words;
};

enum systems_threads {
	SYSTEMS_TASK,	/* starts and stops */
	SYSTEMS_READER, /* of consoles */
	SYSTEMS_THREADS,
};

struct systems {
	struct runtime_places places;
	int events;   /* epoll: of `wake` and all keepers, once for each that ends */
	int wake;     /* eventfd */
	int stopping; /* eventfd: readable from the moment when everything is to end */

	pthread_mutex_t mutex; /* of what follows */
	pthread_cond_t fewer;  /* threads */
	struct system_entry *entries;
	size_t threads[SYSTEMS_THREADS];
	bool closed;
};

/* What is needed to run one; as true as claim and catalogue were when it was loaded. */
struct system_plan {
	char ref[REF_SHORT];
	struct system_record record;
	struct system_settings settings;
	char hostname[SYSTEM_HOSTNAME];
	char *tree; /* path of the head */
};

void system_plan_done(struct system_plan *plan);
#define own_system_plan own(system_plan_done)

/* --- systems.c ------------------------------------------------------------------------------ */

/* NULL without a directory to keep them in: then there are none. */
struct systems *systems_new(const struct engine_options *options);
/* Readers end, and nobody waits any longer for a system to end.  NULL is fine. */
void systems_give_up(struct systems *systems);
/* Ends all threads, but no system.  NULL is fine. */
void systems_close(struct systems *systems);
void systems_free(struct systems *systems);

struct system_hold {
	struct engine *engine;
	struct system_entry *entry;
};

/* FL_BUSY: another verb has it.  Not with a claim. */
must_check int system_hold(struct engine *engine, const struct uuid *branch, const char *verb,
			   struct system_hold *ret, struct fl_error *err);
/* FL_BUSY in the words of all. */
must_check int system_fail_held(const char *object, const char *verb, struct fl_error *err);
/* An empty one is fine. */
void system_release(struct system_hold *hold);
#define own_system_hold own(system_release)

/* FL_BUSY naming it, if the branch's system runs or is about to. */
must_check int system_refuse(struct engine *engine, const struct uuid *branch, const char *object,
			     struct fl_error *err);
/* The same for all living branches of a volume. */
must_check int system_refuse_volume(struct engine *engine, const struct volume_row *volume,
				    struct fl_error *err);

/* For a thread that systems_close() waits for; false: there are too many, or it is closed. */
must_check bool systems_thread(struct systems *systems, enum systems_threads kind,
			       void *(*run)(void *arg), void *arg);
void systems_thread_ends(struct systems *systems, enum systems_threads kind);

/* Under the mutex; NULL: nothing has been done with it. */
struct system_entry *systems_find(struct systems *systems, const struct uuid *branch);

/* A copy of the entry, heap parts excluded but for `last_words`, which is the caller's. */
void system_look(struct engine *engine, const struct uuid *branch, struct system_entry *ret);
/* Takes it out, with all that is known of it; held, and the hold is empty then. */
void system_drop_entry(struct system_hold *hold);

/* --- system-plan.c ------------------------------------------------------------------------------
 */

/* What the branch is called; FL_NOT_FOUND: it is gone, or in the trash. */
must_check int system_load(struct engine *engine, const struct uuid *branch,
			   struct system_plan *ret, struct fl_error *err);
/* What the reference of a verb stands for. */
must_check int system_resolve(struct engine *engine, const struct ref *ref, struct uuid *ret,
			      struct fl_error *err);
must_check int system_fill(struct engine *engine, const struct uuid *branch,
			   struct system_report *ret, struct fl_error *err);
/* Holds what a verb's reference stands for; with its plan. */
must_check int system_hold_ref(struct engine *engine, const struct ref *ref, const char *verb,
			       struct system_hold *ret, struct system_plan *ret_plan,
			       struct fl_error *err);
/* FL_INVALID: the tree can't be run like this. */
must_check int system_check_tree(const struct system_plan *plan, struct fl_error *err);
must_check int system_set_wanted(struct engine *engine, const struct uuid *branch, bool wanted,
				 struct fl_error *err);

/* --- system-run.c: those that hold --------------------------------------------------------- */

/* Starts it, and returns when its init runs, or has run: an entry that is "running" without a
 * process has ended already, and whoever cares for systems next finds out how. */
must_check int system_begin(struct system_hold *hold, const struct system_plan *plan,
			    struct fl_error *err);
/* Stops it, if it runs, and returns when nothing of it is left. */
must_check int system_end(struct system_hold *hold, const struct system_plan *plan,
			  struct fl_error *err);
/* It does not run any more: how it ended, and what is to become of it. */
void system_settle(struct system_hold *hold, bool wanted, enum system_restart policy);
/* It could not be started. */
void system_settle_failure(struct system_hold *hold, const struct fl_error *why);

/* The branch has become this instance's, or is so no longer: its system runs if it is wanted; ends.
 */
must_check int system_gained(struct engine *engine, const struct uuid *branch,
			     struct fl_error *err);
must_check int system_lost(struct engine *engine, const struct uuid *branch, struct fl_error *err);

/* --- system-care.c ------------------------------------------------------------------------------
 */

/* Finds again what an earlier process left running, when the catalogue was opened. */
must_check int systems_adopt(struct engine *engine, struct fl_error *err);
