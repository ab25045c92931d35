#pragma once

/*
 * What goes on by itself and fails at present, and since when.
 *
 * Nobody waits for an answer from what the daemon does by itself, so whoever
 * does it says here when it fails, and when it works again; as often as it is
 * tried, since only the first of each is told:
 *
 *	failing_note(engine, FAILING_TRASH, NULL, trash_expire(...), &err);
 *
 * It is in the log and in the events once when it begins, once more if it
 * comes to fail with another code, and once when it ends; meanwhile `flocker
 * status` has it, and engine_health() where the kind says so.  A new kind is a
 * name below and a row in failing.c.
 *
 * In memory: what fails still after a restart is soon found to.  Any thread; a
 * caller may hold any lock, since nothing here takes one but its own and the
 * events'.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "engine/events.h"

/* The gravest first: so they are listed. */
enum failing {
	FAILING_POOL,	   /* it is not open, or its catalogue is not */
	FAILING_HOST,	   /* object: the sparse pool that the host has no room for */
	FAILING_SYNC,	   /* of the pool */
	FAILING_SNAPSHOT,  /* by itself; object: the branch */
	FAILING_STOPPED,   /* a rollback did; object: what is not started again yet */
	FAILING_OLD_HEAD,  /* object: the branch; something that runs has a replaced head of it */
	FAILING_SYSTEM,	   /* object: the branch; its system does not stay up */
	FAILING_HOOK,	   /* object: the branch; its snapshots may not be consistent */
	FAILING_AUDIT,	   /* changes are not recorded */
	FAILING_AUDIT_LOG, /* it is not as it was written */
	FAILING_AUDIT_SYNC,
	FAILING_SHADOW,	  /* object: the branch; the container engine has a volume of that name */
	FAILING_SPACE,	  /* there is too little, and none can be made */
	FAILING_WATCHING, /* for changes */
	FAILING_THINNING,
	FAILING_CLOCK, /* the retention clock is not kept */
	FAILING_FACTS,
	FAILING_RESERVE, /* for deletions where the catalogue's file system is full */
	FAILING_TRASH,	 /* what was there for long enough stays */
	FAILING_DELETION,
	FAILING_RETIRED,     /* replaced heads stay */
	FAILING_HOST_WATCH,  /* the space below a sparse pool is not known */
	FAILING_STATS,	     /* the space in the pool is not known */
	FAILING_POLICY,	     /* a branch's contradicts the instance's */
	FAILING_ENGINE,	     /* that of containers; it does not answer */
	FAILING_CONTAINER,   /* object: the branch, whose data container is not as it should be */
	FAILING_LISTENING,   /* for peers, at the address of the setting */
	FAILING_CERTIFICATE, /* this host's; it ends soon */
	FAILING_PEER,	     /* object: its name; it does not answer, as many often do not */
	FAILINGS,
};

/* Of one kind no more objects than these are kept: a disk that fails, fails for all. */
#define FAILING_OBJECTS 32

struct failure {
	enum failing what;
	const char *name;	/* "not-saved": also the event of its beginning; static */
	const char *title;	/* "a branch can't be snapshotted by itself"; static */
	char object[REF_SHORT]; /* "" = none */
	bool note;		/* is worth a line, and no trouble by itself */
	int64_t since;
	struct fl_error why; /* of the last time; has a hint */
};

struct failing_table {
	pthread_mutex_t mutex;
	struct failure *rows; /* heap */
	size_t count;
	bool more[FAILINGS]; /* than are kept */
	struct events *events;
};

struct engine;

void failing_init(struct failing_table *table, struct events *events);
void failing_done(struct failing_table *table);

/* `object` may be NULL. */
void failing_set(struct engine *engine, enum failing what, const char *object,
		 const struct fl_error *why);
void failing_clear(struct engine *engine, enum failing what, const char *object);
/* Without a word: it is not so any more, since what it was about is gone or is called otherwise. */
void failing_forget(struct engine *engine, enum failing what, const char *object);
/* The one or the other, as `outcome` is that of a call that fills `why` when it fails; returns it.
 */
int failing_note(struct engine *engine, enum failing what, const char *object, int outcome,
		 const struct fl_error *why);
bool failing_is(struct engine *engine, enum failing what);
/* Why the last time; FL_OK: it does not, or that was not kept. */
enum fl_code failing_code(struct engine *engine, enum failing what, const char *object);

/* Copies all, the gravest first, then the longest; `*ret` is heap.  `*ret_more`: there are others.
 */
void failing_list(struct engine *engine, struct failure **ret, size_t *ret_count, bool *ret_more);
/* The gravest of those that put the service itself in doubt; 0: there is none. */
must_check int failing_health(struct engine *engine, struct fl_error *err);
