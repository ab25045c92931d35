/*
 * What goes on by itself.  The caretaker (sched/caretaker.c) calls one pass
 * after another; each says when the next is wanted.
 */

#include <fcntl.h>
#include <string.h>

#include "base/fsat.h"
#include "base/text.h"
#include "engine/halfway.h"
#include "engine/internal.h"

#define PASS_IDLE (10 * CLOCK_MINUTE)
#define PASS_AFTER_ERROR (30 * CLOCK_SECOND)
#define PASS_HELD (2 * CLOCK_SECOND)   /* while replaced heads are still in use */
#define PASS_SYNC (1 * CLOCK_SECOND)   /* so that the syncs of many verbs are one */
#define PASS_SPARSE (1 * CLOCK_SECOND) /* while a pool may outgrow its host */

/*
 * What the host must have free below a sparse pool: room for what the kernel
 * has accepted and not yet written, twice, and this much.
 */
#define HOST_RESERVE (UINT64_C(256) << 20)

void engine_on_care(struct engine *engine, void (*wake)(void *arg), void *arg)
{
	own_lock(guard, &engine->care_mutex);

	engine->care_wake = wake;
	engine->care_arg = arg;
}

void care_soon(struct engine *engine)
{
	own_lock(guard, &engine->care_mutex);

	if (engine->care_wake)
		engine->care_wake(engine->care_arg);
}

void engine_care_soon(struct engine *engine)
{
	care_soon(engine);
}

void sync_soon(struct engine *engine)
{
	own_lock(guard, &engine->care_mutex);

	if (engine->sync_due == 0)
		engine->sync_due = clock_boot() + PASS_SYNC;
	if (engine->care_wake)
		engine->care_wake(engine->care_arg);
}

/* How long until a sync is due; 0: now, and it counts as done; -1: none is wanted. */
static int64_t take_sync(struct engine *engine)
{
	own_lock(guard, &engine->care_mutex);
	int64_t left = engine->sync_due - clock_boot();

	if (engine->sync_due == 0)
		return -1;
	if (left > 0)
		return left;
	engine->sync_due = 0;
	return 0;
}

/* What was to be synced then still is. */
static void sync_after_error(struct engine *engine)
{
	own_lock(guard, &engine->care_mutex);

	if (engine->sync_due == 0)
		engine->sync_due = clock_boot() + PASS_AFTER_ERROR;
}

void note_facts_unwritten(struct engine *engine, const struct fl_error *why)
{
	own_lock(guard, &engine->care_mutex);

	engine->facts_failures++;
	failing_set(engine, FAILING_FACTS, NULL, why);
}

static uint64_t count_facts_failures(struct engine *engine)
{
	own_lock(guard, &engine->care_mutex);

	return engine->facts_failures;
}

/* Unless there was another one while all were compared. */
static void clear_facts_failures(struct engine *engine, uint64_t seen)
{
	own_lock(guard, &engine->care_mutex);

	if (engine->facts_failures != seen)
		return;
	engine->facts_failures = 0;
	failing_clear(engine, FAILING_FACTS, NULL);
}

/* On a full pool they wait for the space that deletions and a sync bring. */
static int64_t care_for_facts(struct engine *engine)
{
	uint64_t failures = count_facts_failures(engine);
	struct fl_error err;

	if (failures == 0)
		return PASS_IDLE;
	if (facts_refresh_all(engine, &err) < 0)
		return PASS_AFTER_ERROR;
	clear_facts_failures(engine, failures);
	return PASS_IDLE;
}

static int64_t care_for_durability(struct engine *engine)
{
	int64_t left = take_sync(engine);
	struct fl_error err;
	size_t forgot = 0;
	int r;

	if (left != 0)
		return left < 0 ? PASS_IDLE : left;
	r = intents_forget(engine, &forgot, &err);
	if (failing_note(engine, FAILING_SYNC, NULL, r, &err) < 0) {
		sync_after_error(engine);
		return PASS_AFTER_ERROR;
	}
	/* The file system cleans up behind a deletion, and gives the space back with one more sync.
	 */
	if (forgot > 0)
		sync_soon(engine);
	return PASS_IDLE;
}

/* Are there any?  From now on there are `due`, beside those that came meanwhile. */
static bool take_deletions(struct engine *engine, bool due)
{
	own_lock(guard, &engine->care_mutex);
	bool was = engine->deletions_due;

	engine->deletions_due = due;
	return was;
}

static int64_t care_for_deletions(struct engine *engine)
{
	struct fl_error err;

	if (!take_deletions(engine, false))
		return PASS_IDLE;
	if (failing_note(engine, FAILING_DELETION, NULL, finish_deletions(engine, &err), &err) == 0)
		return PASS_IDLE;
	(void)take_deletions(engine, true);
	return PASS_AFTER_ERROR;
}

static int64_t care_for_retired(struct engine *engine)
{
	struct fl_error err;
	size_t left;
	int r = retired_release(engine, &left, &err);

	if (failing_note(engine, FAILING_RETIRED, NULL, r, &err) < 0)
		return PASS_AFTER_ERROR;
	return left > 0 ? PASS_HELD : PASS_IDLE;
}

static int64_t care_for_trash(struct engine *engine)
{
	struct fl_error err;
	int64_t next;
	int r = trash_expire(engine, &next, &err);

	if (failing_note(engine, FAILING_TRASH, NULL, r, &err) < 0)
		return PASS_AFTER_ERROR;
	return next < PASS_IDLE ? next : PASS_IDLE;
}

static int64_t care_for_operations(struct engine *engine)
{
	operations_record(engine);
	return PASS_IDLE;
}

static int64_t care_for_reserve(struct engine *engine)
{
	struct fl_error err;
	int r = failing_note(engine, FAILING_RESERVE, NULL, reserve_fill(engine, &err), &err);

	return r == 0 ? PASS_IDLE : PASS_AFTER_ERROR;
}

/* --- the host below a sparse pool ------------------------------------------------ */

static uint64_t unwritten_bytes(void)
{
	own_text struct text meminfo = { 0 };
	unsigned long dirty = 0, writeback = 0;
	const char *found;
	struct fl_error err;

	if (fsat_read(AT_FDCWD, "/proc/meminfo", 64 * 1024, &meminfo, &err) < 0)
		return 0;
	found = strstr(text_get(&meminfo), "Dirty:");
	if (found)
		sscanf(found, "Dirty: %lu", &dirty);
	found = strstr(text_get(&meminfo), "Writeback:");
	if (found)
		sscanf(found, "Writeback: %lu", &writeback);
	return (uint64_t)(dirty + writeback) * 1024;
}

static void raise_alarm(struct engine *engine, const struct pool_stats *stats)
{
	struct fl_error why;

	fl_fail(&why, FL_NO_SPACE, "the host has only %" PRIu64 " MiB left below it",
		stats->host_free >> 20);
	fl_hint(&why, "free space on the host; the pool is writable again by itself then");
	failing_set(engine, FAILING_HOST, engine->pool->spec.path, &why);
}

static int watch_host(struct engine *engine, const struct pool_stats *stats, struct fl_error *err)
{
	uint64_t reserve = HOST_RESERVE + 2 * unwritten_bytes();
	bool on = failing_is(engine, FAILING_HOST);

	if (!on && stats->host_free < reserve && stats->host_needed > 0) {
		if (driver_of(engine)->set_read_only(engine->pool, true, err) < 0)
			return fl_failed(err);
		raise_alarm(engine, stats);
	} else if (on && stats->host_free > 2 * reserve) {
		if (driver_of(engine)->set_read_only(engine->pool, false, err) < 0)
			return fl_failed(err);
		failing_clear(engine, FAILING_HOST, engine->pool->spec.path);
	}
	return 0;
}

static int64_t care_for_host(struct engine *engine)
{
	struct pool_stats stats;
	struct fl_error err;
	int r;

	if (!engine->pool->spec.sparse)
		return PASS_IDLE;
	r = driver_of(engine)->stats(engine->pool, &stats, &err);
	if (r == 0)
		r = watch_host(engine, &stats, &err);
	r = failing_note(engine, FAILING_HOST_WATCH, engine->pool->spec.path, r, &err);
	return r == 0 ? PASS_SPARSE : PASS_AFTER_ERROR;
}

/* --- one pass ------------------------------------------------------------------------ */

int64_t engine_care(struct engine *engine)
{
	static int64_t (*const cares[])(struct engine * engine) = {
		care_for_host,	    care_for_deletions, care_for_durability, care_for_facts,
		care_for_retired,   care_for_trash,	care_for_reserve,    care_for_operations,
		care_for_retention, care_for_thinning,	care_for_space,	     care_for_forecast,
		care_for_halfway,
	};
	own_gate struct engine *inside = NULL;
	int64_t next = care_for_audit(engine);
	struct fl_error closed;

	if (gate_enter(engine, &inside, &closed) < 0)
		return next;
	for (size_t i = 0; i < array_size(cares); i++) {
		int64_t wanted = cares[i](engine);

		next = wanted < next ? wanted : next;
	}
	return next;
}
