#include "engine/status.h"

#include <string.h>

#include "base/text.h"
#include "engine/containers.h"
#include "engine/internal.h"

/* To look at so many branches takes milliseconds, and their number is told as it was then. */
#define SUMMARY_DEAR 2000
#define SUMMARY_KEPT (10 * CLOCK_SECOND)

#define CLOCK_MATTERS CLOCK_MINUTE /* clocks are set by less all the time */

const char *const thin_state_names[THIN_STATES] = {
	[THIN_STATE_IDLE] = "idle",
	[THIN_STATE_MORE] = "more",
	[THIN_STATE_SPACE] = "making-room",
	[THIN_STATE_CLEANING] = "cleaning",
};

void status_done(struct status *status)
{
	free(status->unsaved);
	free(status->failing);
	operation_list_done(&status->operations);
	*status = (struct status){ 0 };
}

/* --- branches that wait ---------------------------------------------------------- */

struct unsaved_branch {
	struct uuid branch;
	int64_t since;
};

struct unsaved_set {
	struct unsaved_branch *items;
	size_t count;
};

static void unsaved_set_done(struct unsaved_set *set)
{
	free(set->items);
}

static void collect(void *context, const struct uuid *branch, int64_t since)
{
	struct unsaved_set *set = context;

	*array_add(set->items, set->count) = (struct unsaved_branch){ *branch, since };
}

static int compare(const void *a, const void *b)
{
	const struct unsaved_branch *x = a, *y = b;

	return (x->since > y->since) - (x->since < y->since);
}

/* One that is gone by now, or in the trash, counts no more. */
static int name_unsaved(struct tx *tx, const struct unsaved_branch *unsaved, struct status *status,
			struct fl_error *err)
{
	own_volume_row struct volume_row volume = { 0 };
	struct branch_row row;
	struct waiting *waiting = &status->unsaved[status->named];
	int r = tx_branch_get(tx, &unsaved->branch, &row, err);

	if (r == 0)
		r = tx_volume_get(tx, &row.volume, &volume, err);
	if (r == -FL_NOT_FOUND || (r == 0 && (row.destroyed || volume.destroyed))) {
		status->unsaved_count--;
		return 0;
	}
	if (r < 0)
		return r;
	snprintf(waiting->ref, sizeof(waiting->ref), "%s/%s", volume.name, row.name);
	waiting->since = unsaved->since;
	waiting->last_snapshot = row.last_sequence ? row.last_time : 0;
	status->named++;
	return 0;
}

static int fill_unsaved(struct engine *engine, struct tx *tx, struct status *status,
			struct fl_error *err)
{
	own(unsaved_set_done) struct unsaved_set set = { 0 };

	unsaved_each(engine, collect, &set);
	array_sort(set.items, set.count, compare);
	status->unsaved_count = set.count;
	status->unsaved = xcalloc(STATUS_UNSAVED, sizeof(*status->unsaved));
	for (size_t i = 0; i < set.count && status->named < STATUS_UNSAVED; i++)
		if (name_unsaved(tx, &set.items[i], status, err) < 0)
			return fl_failed(err);
	return 0;
}

/* --- the rest ----------------------------------------------------------------------- */

static void fill_thinning(struct engine *engine, struct thin_status *ret)
{
	own_lock(guard, &engine->care_mutex);

	*ret = engine->thin_status;
	ret->thinned = thin_tally_read(&engine->thin_tally, clock_boot());
	if (ret->state == THIN_STATE_IDLE && engine->thin_waits)
		ret->state = THIN_STATE_CLEANING;
	if (ret->state == THIN_STATE_IDLE && engine->thin_more)
		ret->state = THIN_STATE_MORE;
}

static void fill_clock(struct engine *engine, struct status *status)
{
	int64_t behind = status->time - retention_now(engine);

	if (behind >= CLOCK_MATTERS || behind <= -CLOCK_MATTERS)
		status->thinning.clock_behind = behind;
	status->thinning.clock_jumped = retention_jumped(engine);
}

static void fill_forecast(struct engine *engine, struct status *status)
{
	const struct pool_stats *stats = &status->pool.stats;
	own_lock(guard, &engine->care_mutex);

	status->forecast = forecast_read(&engine->forecast, stats->size - stats->free, stats->size,
					 &status->full_in);
}

void status_taken(struct engine *engine, int64_t time)
{
	own_lock(guard, &engine->care_mutex);

	if (engine->summary.newest < time)
		engine->summary.newest = time;
}

/* The last look, where another one would not be cheap and that is no more than a moment ago. */
static bool recall(struct engine *engine, struct branch_summary *ret)
{
	own_lock(guard, &engine->care_mutex);

	*ret = engine->summary;
	return ret->seen && ret->branches >= SUMMARY_DEAR &&
	       clock_boot() - ret->seen < SUMMARY_KEPT;
}

static int fill_summary(struct engine *engine, struct tx *tx, struct status *status,
			struct fl_error *err)
{
	struct branch_summary summary;

	if (!recall(engine, &summary)) {
		summary.seen = clock_boot();
		if (tx_branch_summary(tx, &engine->instance, &summary.branches, &summary.newest,
				      err) < 0)
			return fl_failed(err);
		own_lock(guard, &engine->care_mutex);
		engine->summary = summary;
	}
	status->branches = summary.branches;
	status->last_snapshot = summary.newest;
	return 0;
}

static int fill_pool(struct engine *engine, struct status *status, struct fl_error *err)
{
	own_tx struct tx *tx = NULL;

	if (tx_begin(engine->catalog, &tx, err) < 0 || fill_summary(engine, tx, status, err) < 0 ||
	    fill_unsaved(engine, tx, status, err) < 0)
		return fl_failed(err);
	tx_end(take_ptr(tx));
	if (pool_report(engine, &status->pool, err) < 0)
		return fl_failed(err);
	status->has_pool = true;
	fill_thinning(engine, &status->thinning);
	status->thinning.uncleaned = status->pool.stats.uncleaned;
	fill_clock(engine, status);
	fill_forecast(engine, status);
	operations_running(engine, &status->operations);
	return 0;
}

int engine_status(struct engine *engine, struct status *ret, struct fl_error *err)
{
	own(status_done) struct status status = { .time = clock_now() };
	own_gate struct engine *inside = NULL;
	struct fl_error closed;

	if (gate_enter(engine, &inside, &closed) == 0 && fill_pool(engine, &status, err) < 0)
		return fl_failed(err);
	gate_leave(&inside);
	inside = NULL;
	containers_report(engine, &status.containers);
	failing_list(engine, &status.failing, &status.failing_count, &status.failing_more);
	*ret = status;
	status = (struct status){ 0 };
	return 0;
}

/* --- how the pool's use moves ---------------------------------------------------------- */

int64_t care_for_forecast(struct engine *engine)
{
	int64_t now = clock_boot(), left = engine->forecast_due - now;
	struct pool_stats stats;
	struct fl_error err;
	int r;

	if (left > 0)
		return left;
	r = driver_of(engine)->stats(engine->pool, &stats, &err);
	if (failing_note(engine, FAILING_STATS, NULL, r, &err) == 0) {
		own_lock(guard, &engine->care_mutex);
		forecast_add(&engine->forecast, now, stats.size - stats.free);
	}
	engine->forecast_due = now + FORECAST_EVERY;
	return FORECAST_EVERY;
}

/* --- how many went lately; under the care_mutex ------------------------------------------ */

static uint64_t hour_of(int64_t boot)
{
	return (uint64_t)(boot / CLOCK_HOUR);
}

void thin_tally_add(struct thin_tally *tally, int64_t boot, uint64_t count)
{
	size_t at = hour_of(boot) % THIN_TALLY_HOURS;

	if (tally->hours[at] != hour_of(boot))
		tally->counts[at] = 0;
	tally->hours[at] = hour_of(boot);
	tally->counts[at] += count;
}

uint64_t thin_tally_read(const struct thin_tally *tally, int64_t boot)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < THIN_TALLY_HOURS; i++)
		if (hour_of(boot) - tally->hours[i] < THIN_TALLY_HOURS)
			sum += tally->counts[i];
	return sum;
}
