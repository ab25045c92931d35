/*
 * What goes on by itself.  The caretaker (sched/caretaker.c) calls one pass
 * after another; each says when the next is wanted.
 */

#include <fcntl.h>
#include <string.h>

#include "base/fsat.h"
#include "base/text.h"
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

void note_facts_unwritten(struct engine *engine, const struct fl_error *why)
{
	own_lock(guard, &engine->care_mutex);

	if (engine->facts_failures++ == 0)
		log_warning("facts could not be written; they will be tried again", "error=\"%s\"",
			    why->text);
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

	if (engine->facts_failures == seen)
		engine->facts_failures = 0;
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
	size_t forgot;

	if (left != 0)
		return left < 0 ? PASS_IDLE : left;
	if (driver_of(engine)->sync(engine->pool, &err) < 0 ||
	    intents_forget(engine, &forgot, &err) < 0) {
		log_warning("the pool could not be synced", "error=\"%s\"", err.text);
		return PASS_AFTER_ERROR;
	}
	/* The file system cleans up behind a deletion, and gives the space back with one more sync.
	 */
	if (forgot > 0)
		sync_soon(engine);
	return PASS_IDLE;
}

static bool take_deletions(struct engine *engine)
{
	own_lock(guard, &engine->care_mutex);
	bool due = engine->deletions_due;

	engine->deletions_due = false;
	return due;
}

static int64_t care_for_deletions(struct engine *engine)
{
	struct fl_error err;

	if (take_deletions(engine) && finish_deletions(engine, &err) < 0)
		log_warning("what was deleted while it was read stays until the next start",
			    "error=\"%s\"", err.text);
	return PASS_IDLE;
}

static int64_t care_for_retired(struct engine *engine)
{
	struct fl_error err;
	size_t left;

	if (retired_release(engine, &left, &err) == 0)
		return left > 0 ? PASS_HELD : PASS_IDLE;
	log_warning("a replaced head could not be let go", "error=\"%s\"", err.text);
	return PASS_AFTER_ERROR;
}

static int64_t care_for_trash(struct engine *engine)
{
	struct fl_error err;
	int64_t next;

	if (trash_expire(engine, &next, &err) == 0)
		return next < PASS_IDLE ? next : PASS_IDLE;
	log_warning("the trash could not be emptied", "error=\"%s\"", err.text);
	return PASS_AFTER_ERROR;
}

static int64_t care_for_operations(struct engine *engine)
{
	operations_record(engine);
	return PASS_IDLE;
}

static int64_t care_for_reserve(struct engine *engine)
{
	struct fl_error err;

	if (reserve_fill(engine, &err) == 0)
		return PASS_IDLE;
	log_warning("deletions have no reserve", "error=\"%s\"", err.text);
	return PASS_AFTER_ERROR;
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
	own_lock(guard, &engine->care_mutex);

	fl_fail(&engine->alarm, FL_NO_SPACE,
		"the host has only %" PRIu64
		" MiB left below the sparse pool %s: it is read-only now",
		stats->host_free >> 20, engine->pool->spec.path);
	fl_hint(&engine->alarm,
		"free space on the host; the pool is writable again by itself then");
	events_add(&engine->events, "host-full", engine->pool->spec.path, engine->alarm.text);
	log_error("the host is full: the pool is read-only", "path=%s free=%" PRIu64,
		  engine->pool->spec.path, stats->host_free);
}

static void clear_alarm(struct engine *engine)
{
	own_lock(guard, &engine->care_mutex);

	engine->alarm = (struct fl_error){ 0 };
	events_add(&engine->events, "host-free", engine->pool->spec.path, NULL);
	log_info("the pool is writable again", "path=%s", engine->pool->spec.path);
}

static bool alarm_is_on(struct engine *engine)
{
	own_lock(guard, &engine->care_mutex);

	return engine->alarm.code != FL_OK;
}

static int watch_host(struct engine *engine, const struct pool_stats *stats, struct fl_error *err)
{
	uint64_t reserve = HOST_RESERVE + 2 * unwritten_bytes();
	bool on = alarm_is_on(engine);

	if (!on && stats->host_free < reserve && stats->host_needed > 0) {
		if (driver_of(engine)->set_read_only(engine->pool, true, err) < 0)
			return fl_failed(err);
		raise_alarm(engine, stats);
	} else if (on && stats->host_free > 2 * reserve) {
		if (driver_of(engine)->set_read_only(engine->pool, false, err) < 0)
			return fl_failed(err);
		clear_alarm(engine);
	}
	return 0;
}

static int64_t care_for_host(struct engine *engine)
{
	struct pool_stats stats;
	struct fl_error err;

	if (!engine->pool->spec.sparse)
		return PASS_IDLE;
	if (driver_of(engine)->stats(engine->pool, &stats, &err) < 0 ||
	    watch_host(engine, &stats, &err) < 0) {
		log_error("the space below the pool can't be watched", "error=\"%s\"", err.text);
		return PASS_AFTER_ERROR;
	}
	return PASS_SPARSE;
}

/* --- one pass ------------------------------------------------------------------------ */

int64_t engine_care(struct engine *engine)
{
	static int64_t (*const cares[])(struct engine * engine) = {
		care_for_host,	   care_for_deletions, care_for_durability, care_for_facts,
		care_for_retired,  care_for_trash,     care_for_reserve,    care_for_operations,
		care_for_thinning, care_for_space,
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
