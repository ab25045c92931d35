#pragma once

/*
 * Around a rollback, for src/engine alone: what uses a branch is stopped before its
 * head is replaced, and started again after it; or it is given the new head as it runs.
 *
 *	around_begin()	without a lock and outside of the gate.  Notes in the catalogue what
 *			it is about to stop, and stops it, what was started last first; or that
 *			the head is about to be replaced under what runs
 *	the verb	takes its claim and swaps the head; around_live() with the claim
 *	around_end()	again without a lock: starts all again, what was started first first, and
 *			forgets the notes
 *
 * What is stopped is of several kinds: containers, user systems.  Each is an entry in
 * the table of around.c.  A kind's calls hold no lock and may take as long as
 * what they are about; an id means something to its kind alone, and outlives the daemon.
 * A rollback with --live is noted as one more kind, whose start puts the new head where a daemon
 * that died did not come to.
 */

#include "engine/internal.h"
#include "engine/rollback.h"

/* The branch, as values: nothing of it is locked. */
struct around_branch {
	struct uuid uuid;
	char volume[NAME_TEXT], name[NAME_TEXT];
};

struct around_kind;

/* One that uses the branch, and runs. */
struct around_user {
	const struct around_kind *kind;
	char id[80];		/* "" is none */
	char name[AROUND_NAME]; /* for people */
	int64_t started;	/* UTC, ns: those are stopped first that were started last */
	pid_t pid;
};

struct around_users {
	struct around_user *items; /* heap */
	size_t count;
};

struct around_kind {
	const char *word;     /* "container": in messages, and before the id in the catalogue */
	const char *done;     /* for the log: what was noted is done now */
	enum failing failing; /* while it can't be done */
	int64_t patience;     /* ns until that is tried again */

	/*
	 * Adds those that use the branch and run.  `stop`: they are to be stopped; FL_BUSY where
	 * one must not be.  FL_UNREACHABLE: nobody can tell.  NULL: it has none.
	 */
	int (*list)(struct engine *engine, const struct around_branch *branch, bool stop,
		    struct around_users *users, struct fl_error *err);
	/* Returns when it has ended, and does not come back by itself.  What has ended is a
	 * success. */
	int (*stop)(struct engine *engine, const char *id, struct fl_error *err);
	/*
	 * What runs is a success, unless it was started before `since` (UTC, ns; 0: never): that
	 * one uses what is no more the branch, and is stopped first.  FL_NOT_FOUND: it is gone for
	 * good.
	 */
	int (*start)(struct engine *engine, const char *id, int64_t since, struct fl_error *err);
};

#define AROUND_PATIENCE (2 * CLOCK_SECOND) /* a container engine that is started takes a while */

extern const struct around_kind around_containers, around_systems, around_lives;

struct around {
	struct engine *engine;
	enum around_mode mode;
	bool entered;  /* in the engine's table */
	bool noted;    /* `live` is */
	bool replaced; /* the head is another one now; the verb says so */
	struct around_branch branch;
	struct around_users users; /* in the order of their start */
	struct around_user live;   /* with AROUND_LIVE: what is noted */
	struct around_report report;
	int64_t began, stopped, swapped; /* clock_monotonic() when that was over */
};

/*
 * `refs`: the branch, and what it is to become; where that is a point in time or the like it is
 * made the very snapshot that it is now, before anything is stopped that may write.
 * On failure nothing is stopped, or what was is started again.
 */
must_check int around_begin(struct engine *engine, struct ref refs[static 2], enum around_mode mode,
			    struct around *ret, struct fl_error *err);
/* With the claim of the branch held, after its head was replaced.  What fails is in the report. */
void around_live(struct around *around);
/* `err` (may be NULL): gets as hint what does not run again. */
void around_end(struct around *around, struct around_report *ret, struct fl_error *err);

/* --- within around*.c --------------------------------------------------------------- */

/* The note of one: "container:ID NAME"; and one from that, FL_NOT_FOUND where its kind is unknown.
 */
struct stopped_row around_note(const struct around_branch *branch, const struct around_user *user);
must_check int around_user_of(const struct stopped_row *row, struct around_user *ret,
			      struct fl_error *err);
/* What can't be done is in status. */
void around_tell(struct engine *engine, const struct around_user *user, int outcome,
		 const struct fl_error *why);
/* When the branch's head was replaced last, or made.  0: the branch is gone. */
must_check int around_last_swap(struct engine *engine, const struct uuid *branch, int64_t *ret,
				struct fl_error *err);
/* The note of a rollback with --live.  Whoever dies before around_live_end() has it done later. */
must_check int around_live_begin(struct around *around, struct fl_error *err);
void around_live_end(struct around *around);
struct around_item *around_report_add(struct around_report *report, const char *name,
				      enum around_outcome outcome);
