#pragma once

/*
 * Operations under way.  The table of them is in memory, the records are in the
 * catalogue; a record is written when an operation begins and when it ends, and
 * what changes in between (how far it is) is asked of the table.
 *
 * An operation does not hold the gate while it runs, or it would hold up
 * whoever wants to pass it alone, and everybody behind him, for hours.  Instead
 * whoever wants to close the pool drains the table first: all that run are
 * cancelled and waited for, and none begins.
 */

#include <pthread.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/spawn.h"
#include "model/nouns.h"

struct engine;
struct running; /* one of them; from operation_begin() to operation_end() */

struct operation_table {
	pthread_mutex_t mutex; /* of all below, and of what `running` points at */
	pthread_cond_t ended;
	struct running *running;
	struct running *unrecorded; /* ended; the catalogue had no room for that yet */
	bool draining;
	bool stopping; /* the daemon is: that is why what talks with peers was cancelled */
};

void operation_table_init(struct operation_table *table);
void operation_table_done(struct operation_table *table);

/*
 * Behind the gate; what follows needs it no more, since the pool and the
 * catalogue stay open as long as an operation runs.  Of `wanted` count verb,
 * object, total_bytes and id (none: a new one); FL_EXISTS for an id that is taken.
 */
must_check int operation_begin(struct engine *engine, const struct operation *wanted,
			       struct running **ret, struct fl_error *err);
const struct uuid *operation_id(const struct running *running);
const char *operation_object(const struct running *running);
/* What it is about, where that was not known when it began. */
void operation_name(struct running *running, const char *object);
/* Bytes so far. */
void operation_progress(struct running *running, uint64_t bytes);
/* About so many bytes it will be; 0: that is not known.  Its end, or more bytes, correct it. */
void operation_expect(struct running *running, uint64_t bytes);
/*
 * From now on whoever cancels kills `child`, at once if it was cancelled before.
 * NULL: none any more; only then may the child be released.
 */
void operation_child(struct running *running, const struct spawned *child);
/*
 * From now on whoever cancels calls cut(arg), at once if it was cancelled before;
 * under the table's mutex, so it must not block.  NULL: nothing any more.
 */
void operation_on_cancel(struct running *running, void (*cut)(void *arg), void *arg);
/* Fails with fl_fail_cancelled() if it was cancelled. */
must_check int operation_check(struct running *running, struct fl_error *err);
/* It is done: what its record says then, to be written in the transaction of its outcome. */
struct operation operation_outcome(struct running *running);
/* As engine_operation_cancel(). */
void operation_cancel(struct running *running);
/* The same was cancelled at the other end, which gave `why`: that is what operation_check() says.
 */
void operation_cancelled_there(struct running *running, const struct fl_error *why);
/* Another that runs is about the very same; false: none. */
bool operation_twin(const struct running *running, struct uuid *ret);
/* Ends it and releases `running`.  `failure` NULL: done.  `ret` (may be NULL): the record. */
void operation_end(struct running *running, const struct fl_error *failure, struct operation *ret);

/*
 * Cancels those that talk with a peer, and waits until they have ended, up to `patience` ns: so
 * that they can still tell it.
 */
void operations_cancel_transfers(struct engine *engine, int64_t patience);
/* Those that run now. */
void operations_running(struct engine *engine, struct operation_list *ret);
/* Cancels all, waits for their ends, and lets none begin until operations_resume(). */
void operations_drain(struct engine *engine);
void operations_resume(struct engine *engine);
/* Records ends that could not be recorded when they came; tried by engine_care(). */
void operations_record(struct engine *engine);

/* At start: those that a crash cut off have failed. */
void operations_recover(struct engine *engine);
