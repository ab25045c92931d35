/*
 * Want of space: what is given up so that the pool does not fill.
 *
 * While less than thin.min-free of the pool is free, the caretaker gives up, a
 * little at a time: what was half received and waits for the rest; what is longest in the trash;
 * then, of all branches of this instance, the snapshots with the lowest scores, beyond what the
 * policies say; and only where there are no others, those that are younger than keep-all. What is
 * pinned or in use stays, and so do the newest and the oldest.
 *
 * File systems clean up behind deletions, and the space comes back later.  So as
 * long as it grows from one look to the next, nothing more is given up.
 *
 * In a pool that shares its file system with others (a directory, a data set)
 * the space is not the pool's to give; there it is done only where the setting
 * is in the configuration.
 */

#include <math.h>
#include <string.h>

#include "engine/halfway.h"
#include "engine/thin.h"

#define SPACE_LOOK CLOCK_MINUTE
#define SPACE_SHORT (10 * CLOCK_SECOND) /* while there is too little */
#define SPACE_STEP 64			/* snapshots at a time */

struct squeeze {
	struct engine *engine;
	struct thin_plan **plans;
	size_t count;
};

static void squeeze_done(struct squeeze *squeeze)
{
	for (size_t i = 0; i < squeeze->count; i++)
		thin_plan_free(squeeze->plans[i]);
	free(squeeze->plans);
}

/* --- which snapshots --------------------------------------------------------------- */

struct loading {
	struct squeeze *squeeze;
	struct tx *tx;
};

static int add_plan(void *arg, const struct branch_row *row, struct fl_error *err)
{
	struct loading *loading = arg;
	struct squeeze *squeeze = loading->squeeze;
	struct thin_plan *plan;

	if (thin_plan_new(squeeze->engine, loading->tx, &row->uuid, 0, &plan, err) < 0)
		return fl_failed(err);
	*array_add(squeeze->plans, squeeze->count) = plan;
	return 0;
}

/*
 * Of all branches, since a branch whose lowest score is the lowest of all can't be told
 * from its row.  That reads the rows of all snapshots in one transaction, at each look
 * that gives something up (SPACE_SHORT): bounded by what the policies let stay, and only
 * while space is short and does not come back.
 */
static int load_plans(struct squeeze *squeeze, struct fl_error *err)
{
	own_tx struct tx *tx = NULL;
	struct loading loading = { .squeeze = squeeze };

	if (tx_begin(squeeze->engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	loading.tx = tx;
	return tx_branch_each(tx, NULL, false, add_plan, &loading, err);
}

/* The plan whose next snapshot has the lowest score of all; NULL: none may go. */
static struct thin_plan *lowest(const struct squeeze *squeeze)
{
	struct thin_plan *found = NULL;
	double least = INFINITY, score;

	for (size_t i = 0; i < squeeze->count; i++)
		if (thin_plan_peek(squeeze->plans[i], &score) && (!found || score < least)) {
			found = squeeze->plans[i];
			least = score;
		}
	return found;
}

/* How many were chosen. */
static size_t choose(struct squeeze *squeeze, bool young)
{
	size_t chosen = 0;
	struct thin_plan *plan;

	for (size_t i = 0; i < squeeze->count; i++)
		thin_plan_squeeze(squeeze->plans[i], young);
	while (chosen < SPACE_STEP && (plan = lowest(squeeze))) {
		thin_plan_take(plan);
		chosen++;
	}
	return chosen;
}

static size_t count_gone(const struct thinned_list *list)
{
	size_t gone = 0;

	for (size_t i = 0; i < list->count; i++)
		gone += !list->items[i].held;
	return gone;
}

/* What is in use is in the list too. */
static const char *first_gone(const struct thinned_list *list)
{
	size_t i = 0;

	while (list->items[i].held)
		i++;
	return list->items[i].ref;
}

/* At least one went. */
static void tell(struct engine *engine, const struct thinned_list *list, size_t gone, bool young)
{
	const char *first = first_gone(list);
	char text[96];

	snprintf(text, sizeof(text), "%zu snapshots%s", gone,
		 young ? ", younger than keep-all" : "");
	log_warning("the pool has too little space: snapshots were given up",
		    "first=%s what=\"%s\"", first, text);
	events_add(&engine->events, "snapshots-given-up", first, text);
	thin_count_gone(engine, gone);
}

/* Those that were chosen; `*ret_gone`: how many went. */
static int run_chosen(struct squeeze *squeeze, bool young, size_t *ret_gone, struct fl_error *err)
{
	own(thinned_list_done) struct thinned_list list = { 0 };
	const struct thin_plan *plan;

	for (size_t i = 0; i < squeeze->count; i++) {
		plan = squeeze->plans[i];
		if (plan->victim_count > 0 && thin_plan_run(squeeze->engine, plan, &list, err) < 0)
			return fl_failed(err);
	}
	*ret_gone = count_gone(&list);
	if (*ret_gone > 0)
		tell(squeeze->engine, &list, *ret_gone, young);
	return 0;
}

/* Until some went, or there are none that may. */
static int run(struct squeeze *squeeze, bool young, size_t *ret_gone, struct fl_error *err)
{
	*ret_gone = 0;
	while (*ret_gone == 0 && choose(squeeze, young) > 0) {
		if (run_chosen(squeeze, young, ret_gone, err) < 0)
			return fl_failed(err);
		for (size_t i = 0; *ret_gone == 0 && i < squeeze->count; i++)
			thin_plan_pass_over(squeeze->plans[i]);
	}
	return 0;
}

static int give_up_snapshots(struct engine *engine, size_t *ret_gone, struct fl_error *err)
{
	own(squeeze_done) struct squeeze squeeze = { .engine = engine };

	if (load_plans(&squeeze, err) < 0 || run(&squeeze, false, ret_gone, err) < 0)
		return fl_failed(err);
	return *ret_gone > 0 ? 0 : run(&squeeze, true, ret_gone, err);
}

/* --- what ------------------------------------------------------------------------------ */

/* `*ret_any`: was anything given up? */
static int give_up(struct engine *engine, bool *ret_any, struct fl_error *err)
{
	struct trash_item item;
	size_t gone = 0;
	int r;

	*ret_any = halfway_give_up(engine);
	if (*ret_any)
		return 0;
	r = trash_empty_oldest(engine, &item, err);
	*ret_any = r == 0;
	if (r == 0) {
		log_warning("the pool has too little space: an item of the trash was given up",
			    "item=%s", item.ref);
		events_add(&engine->events, "trash-given-up", item.ref, NULL);
	}
	if (r != -FL_NOT_FOUND)
		return r;
	if (give_up_snapshots(engine, &gone, err) < 0)
		return fl_failed(err);
	*ret_any = gone > 0;
	return 0;
}

static bool shares_its_space(const struct pool_spec *spec)
{
	return spec->kind == POOL_DIRECTORY || spec->kind == POOL_DATASET;
}

/* Percent of the pool. */
static uint64_t wanted_free(struct engine *engine)
{
	if (shares_its_space(&engine->pool->spec) &&
	    !config_is_set(engine->config, CONFIG_THIN_MIN_FREE))
		return 0;
	return (uint64_t)config_number(engine->config, CONFIG_THIN_MIN_FREE);
}

static int fail_short(const struct pool_stats *stats, struct fl_error *err)
{
	char free[SIZE_TEXT], size[SIZE_TEXT];

	return fl_fail(err, FL_NO_SPACE,
		       "only %s of %s are free, and there is nothing more that may be given up",
		       size_text(stats->free, free), size_text(stats->size, size));
}

/* For who asks how it goes. */
static void note_state(struct engine *engine, enum thin_state state)
{
	own_lock(guard, &engine->care_mutex);

	engine->thin_status.state = state;
}

static void note_wanted(struct engine *engine, uint64_t wanted)
{
	own_lock(guard, &engine->care_mutex);

	engine->thin_status.min_free = wanted;
}

static int relieve(struct engine *engine, const struct pool_stats *stats, struct fl_error *err)
{
	bool grows = engine->space_short && stats->free > engine->space_free;
	bool any = false;

	engine->space_short = true;
	engine->space_free = stats->free;
	note_state(engine, grows ? THIN_STATE_CLEANING : THIN_STATE_SPACE);
	if (grows)
		return 0;
	if (give_up(engine, &any, err) < 0)
		return fl_failed(err);
	return any ? 0 : fail_short(stats, err);
}

/* Parts of a percent are of no matter; an overflow would be. */
static bool has_room(const struct pool_stats *stats, uint64_t wanted)
{
	return stats->read_only || stats->free >= stats->size / 100 * wanted;
}

int64_t space_look(struct engine *engine)
{
	uint64_t wanted = wanted_free(engine);
	struct pool_stats stats;
	struct fl_error err;
	int r = 0;

	if (wanted > 0)
		r = driver_of(engine)->stats(engine->pool, &stats, &err);
	note_wanted(engine, wanted);
	if (wanted == 0 || (r == 0 && has_room(&stats, wanted))) {
		engine->space_short = false;
		note_state(engine, THIN_STATE_IDLE);
	} else if (r == 0) {
		r = relieve(engine, &stats, &err);
	}
	failing_note(engine, FAILING_SPACE, NULL, r, &err);
	return engine->space_short && (r == 0 || err.code == FL_NO_SPACE) ? SPACE_SHORT
									  : SPACE_LOOK;
}

/* --- when -------------------------------------------------------------------------------- */

static void set_due(struct engine *engine, int64_t due)
{
	own_lock(guard, &engine->care_mutex);

	engine->space_due = due;
}

static int64_t get_due(struct engine *engine)
{
	own_lock(guard, &engine->care_mutex);

	return engine->space_due;
}

void engine_space_wanted(struct engine *engine)
{
	set_due(engine, 0);
	care_soon(engine);
}

/* Passes come for other reasons too; asking a pool may be dear. */
int64_t care_for_space(struct engine *engine)
{
	int64_t left = get_due(engine) - clock_boot();

	if (left > 0)
		return left;
	left = space_look(engine);
	set_due(engine, clock_boot() + left);
	return left;
}
