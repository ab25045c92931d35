/*
 * Thinning by itself: the caretaker's passes.
 *
 * A pass looks at the branches where it can be of use: those with new snapshots
 * since the last pass, those where the last pass stopped at its cap, and now and
 * then those whose snapshots go as time passes.  So a branch that nobody writes
 * to costs one row of a list.
 *
 * A file system cleans up behind deletions for long, and whoever writes then
 * waits for it.  So a pass deletes no more than keeps what is uncleaned below a
 * limit (thin.max-uncleaned), and the next one, which comes soon, counts what
 * this one left as new once more.  Where space is short it does not wait.
 *
 * What was seen last of each branch is remembered here, in memory alone: after a
 * start nothing counts as new, and the first pass deletes little.
 */

#include <stdlib.h>
#include <string.h>

#include "engine/thin.h"

#define THIN_SOON CLOCK_MINUTE		/* so that many snapshots are one pass */
#define THIN_CLEANED (5 * CLOCK_SECOND) /* while the file system cleans up */
#define THIN_IDLE (10 * CLOCK_MINUTE)
#define THIN_AFTER_ERROR (30 * CLOCK_SECOND)
#define THIN_BY_TIME CLOCK_HOUR /* where snapshots go as they grow old */

struct thin_memory {
	struct uuid branch;
	uint64_t sequence; /* of its newest snapshot when it was looked at */
	bool more;	   /* to delete than one pass may */
	int64_t due;	   /* clock_boot() when it is to be looked at without new ones; 0: never */
};

void thin_soon(struct engine *engine, bool all)
{
	own_lock(guard, &engine->care_mutex);
	bool first = engine->thin_due == 0 || (all && !engine->thin_all);

	engine->thin_all |= all;
	if (engine->thin_due == 0)
		engine->thin_due = clock_boot() + THIN_SOON;
	if (first && engine->care_wake)
		engine->care_wake(engine->care_arg);
}

void thin_forget(struct engine *engine)
{
	free(take_ptr(engine->thinned));
	engine->thinned_count = 0;
}

/* --- what is remembered -------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	const struct thin_memory *x = a, *y = b;

	return memcmp(&x->branch, &y->branch, sizeof(x->branch));
}

static const struct thin_memory *recall(const struct engine *engine, const struct uuid *branch)
{
	struct thin_memory key = { .branch = *branch };

	if (engine->thinned_count == 0)
		return NULL;
	return bsearch(&key, engine->thinned, engine->thinned_count, sizeof(key), compare);
}

struct pass {
	struct engine *engine;
	struct thin_memory *memory; /* as it is to be after the pass */
	size_t count;
	bool all;
	size_t thinned;
	bool looked;   /* `room` is known */
	uint64_t room; /* how many may go until the file system has too much to clean */
	bool waits;
	bool failed;
	struct fl_error why; /* the first */
};

static void pass_done(struct pass *pass)
{
	free(pass->memory);
}

static int collect(void *arg, const struct branch_row *row, struct fl_error *err)
{
	struct pass *pass = arg;

	*array_add(pass->memory, pass->count) =
		(struct thin_memory){ .branch = row->uuid, .sequence = row->last_sequence };
	return 0;
}

/* --- a pass ---------------------------------------------------------------------------- */

static int find_room(struct pass *pass, struct fl_error *err)
{
	struct engine *engine = pass->engine;
	uint64_t most = (uint64_t)config_number(engine->config, CONFIG_THIN_MAX_UNCLEANED);
	struct pool_stats stats;

	if (pass->looked)
		return 0;
	pass->room = UINT64_MAX;
	if (!engine->space_short) {
		if (driver_of(engine)->stats(engine->pool, &stats, err) < 0)
			return fl_failed(err);
		pass->room = most > stats.uncleaned ? most - stats.uncleaned : 0;
	}
	pass->looked = true;
	return 0;
}

/*
 * Leaves of the plan what there is room for.  `made`, by which the next pass is
 * capped, then goes on counting, but for what goes now.
 */
static int limit_plan(struct pass *pass, struct thin_memory *memory, uint64_t made,
		      struct thin_plan *plan, struct fl_error *err)
{
	uint64_t going;

	if (plan->victim_count == 0)
		return 0;
	if (find_room(pass, err) < 0)
		return fl_failed(err);
	if (plan->victim_count > pass->room) {
		plan->victim_count = pass->room;
		going = plan->victim_count / 2;
		memory->sequence -= made > going ? made - going : 0;
		memory->due = clock_boot() + THIN_CLEANED;
		pass->waits = true;
	}
	pass->room -= plan->victim_count;
	return 0;
}

static int thin_one(struct pass *pass, struct thin_memory *memory, uint64_t made,
		    struct fl_error *err)
{
	static const int64_t waits[] = {
		[THIN_DONE] = 0, [THIN_LATER] = THIN_BY_TIME, [THIN_MORE] = THIN_SOON
	};
	own(thinned_list_done) struct thinned_list gone = { 0 };
	own_thin_plan struct thin_plan *plan = NULL;
	own_tx struct tx *tx = NULL;
	int64_t wait;

	if (tx_begin(pass->engine->catalog, &tx, err) < 0 ||
	    thin_plan_new(pass->engine, tx, &memory->branch, thinning_cap((size_t)made), &plan,
			  err) < 0)
		return fl_failed(err);
	tx_end(take_ptr(tx));
	wait = waits[thin_plan_rest(plan)];
	memory->more = wait == THIN_SOON;
	memory->due = wait ? clock_boot() + wait : 0;
	if (limit_plan(pass, memory, made, plan, err) < 0 ||
	    thin_plan_run(pass->engine, plan, &gone, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < gone.count; i++) {
		pass->thinned += !gone.items[i].held;
		if (gone.items[i].held && !wait)
			memory->due = clock_boot() + THIN_BY_TIME;
	}
	return 0;
}

/* One that fails does not keep the others; it counts as not looked at. */
static void look_at(struct pass *pass, struct thin_memory *memory)
{
	const struct thin_memory *before = recall(pass->engine, &memory->branch);
	uint64_t newest = memory->sequence, made = before ? newest - before->sequence : 0;
	struct fl_error err;

	if (before && made == 0 && !pass->all && (before->due == 0 || before->due > clock_boot())) {
		memory->due = before->due;
		memory->more = before->more;
		return;
	}
	if (thin_one(pass, memory, made, &err) == 0 || err.code == FL_NOT_FOUND)
		return;
	if (!pass->failed)
		pass->why = err;
	pass->failed = true;
	memory->due = clock_boot();
	memory->sequence = newest - made;
}

static void tell(struct engine *engine, size_t thinned)
{
	char text[48];

	snprintf(text, sizeof(text), "%zu snapshots", thinned);
	log_info("thinned", "snapshots=%zu", thinned);
	events_add(&engine->events, "thinned", NULL, text);
	thin_count_gone(engine, thinned);
}

void thin_count_gone(struct engine *engine, uint64_t count)
{
	own_lock(guard, &engine->care_mutex);

	thin_tally_add(&engine->thin_tally, clock_boot(), count);
	engine->thin_status.last = clock_now();
}

/* For who asks how it goes. */
static void note_rest(struct engine *engine)
{
	own_lock(guard, &engine->care_mutex);

	engine->thin_more = false;
	for (size_t i = 0; i < engine->thinned_count; i++)
		engine->thin_more |= engine->thinned[i].more;
}

static void set_waits(struct engine *engine, bool waits)
{
	own_lock(guard, &engine->care_mutex);

	if (waits && !engine->thin_waits)
		log_info("thinning waits while the file system cleans up", "most=%" PRId64,
			 config_number(engine->config, CONFIG_THIN_MAX_UNCLEANED));
	engine->thin_waits = waits;
}

/* What was asked for by thin_soon(). */
struct wish {
	bool all;
	int64_t due;
};

static struct wish take_wish(struct engine *engine)
{
	own_lock(guard, &engine->care_mutex);
	struct wish wish = { engine->thin_all, engine->thin_due };

	engine->thin_all = false;
	engine->thin_due = 0;
	return wish;
}

/* Nothing came of it.  Of two, the earlier one counts. */
static void give_back_wish(struct engine *engine, const struct wish *wish)
{
	own_lock(guard, &engine->care_mutex);

	engine->thin_all |= wish->all;
	if (wish->due)
		engine->thin_due = wish->due;
}

static int collect_all(struct pass *pass, struct fl_error *err)
{
	own_tx struct tx *tx = NULL;

	if (tx_begin(pass->engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	return tx_branch_each(tx, NULL, false, collect, pass, err);
}

int thin_pass(struct engine *engine, struct fl_error *err)
{
	const struct wish wish = take_wish(engine);
	own(pass_done) struct pass pass = { .engine = engine, .all = wish.all };

	if (collect_all(&pass, err) < 0) {
		give_back_wish(engine, &wish);
		return fl_failed(err);
	}
	for (size_t i = 0; i < pass.count; i++)
		look_at(&pass, &pass.memory[i]);
	array_sort(pass.memory, pass.count, compare);
	free(engine->thinned);
	engine->thinned = take_ptr(pass.memory);
	engine->thinned_count = pass.count;
	if (pass.thinned > 0)
		tell(engine, pass.thinned);
	set_waits(engine, pass.waits);
	note_rest(engine);
	if (!pass.failed)
		return 0;
	*err = pass.why;
	return fl_failed(err);
}

/* --- when ------------------------------------------------------------------------------------ */

/* When the next pass is due (clock_boot()): soon after snapshots, or for those that wait. */
static int64_t next_due(struct engine *engine)
{
	own_lock(guard, &engine->care_mutex);
	int64_t due = engine->thin_due ? engine->thin_due : INT64_MAX;

	for (size_t i = 0; i < engine->thinned_count; i++)
		if (engine->thinned[i].due && engine->thinned[i].due < due)
			due = engine->thinned[i].due;
	return due;
}

int64_t care_for_thinning(struct engine *engine)
{
	int64_t left = next_due(engine) - clock_boot();
	struct fl_error err;

	if (left <= 0) {
		if (failing_note(engine, FAILING_THINNING, NULL, thin_pass(engine, &err), &err) < 0)
			return THIN_AFTER_ERROR;
		left = next_due(engine) - clock_boot();
	}
	return left < THIN_IDLE ? (left > 0 ? left : 0) : THIN_IDLE;
}
