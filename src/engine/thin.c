/*
 * Thinning of one branch: the plan, and carrying it out.
 *
 * The plan is made in one read transaction, from one statement: all snapshots
 * of the branch with their times and pins.  model/thinning.h says what goes and
 * in which order.
 *
 * It is carried out in batches.  Who uses a tree is asked once for a batch, and
 * only if somebody does, for each of its snapshots.  Then, with the volume
 * alone, so that nobody can come to need a snapshot meanwhile, what has been
 * pinned since the plan is left out, and the rows of the others go in one
 * transaction that notes the intents.  The trees follow without any lock, as
 * with `destroy`.
 */

#include <math.h>
#include <string.h>

#include "engine/internal.h"

#define THIN_BATCH 64

struct victim {
	size_t index;
	double score;
};

struct thin_plan {
	struct uuid volume, branch;
	char volume_name[NAME_TEXT], branch_name[NAME_TEXT];
	struct policy policy;
	int64_t now;
	struct kept_row *rows; /* oldest first */
	struct thinning_point *points;
	enum stay *stays;
	double *scores; /* INFINITY where it has none */
	size_t count;
	struct victim *victims;
	size_t victim_count;
	bool capped;
};

void thin_plan_free(struct thin_plan *plan)
{
	if (!plan)
		return;
	free(plan->rows);
	free(plan->points);
	free(plan->stays);
	free(plan->scores);
	free(plan->victims);
	free(plan);
}

/* --- the plan ---------------------------------------------------------------------- */

static int add_row(void *arg, const struct kept_row *row, struct fl_error *err)
{
	struct thin_plan *plan = arg;

	if ((plan->count & (plan->count - 1)) == 0)
		plan->rows = xrealloc(plan->rows, plan->count ? 2 * plan->count : 1,
				      sizeof(*plan->rows));
	plan->rows[plan->count++] = *row;
	return 0;
}

static void pin_linked(struct engine *engine, const char *volume, struct thin_plan *plan)
{
	if (!any_snapshot_is_linked(engine, volume))
		return;
	for (size_t i = 0; i < plan->count; i++)
		if (snapshot_is_linked(engine, volume, plan->rows[i].id))
			plan->rows[i].pins |= PIN_MOUNT;
}

/* A branch that is another's, or in the trash, has nothing to be thinned. */
static int load_rows(struct engine *engine, struct tx *tx, struct thin_plan *plan,
		     struct fl_error *err)
{
	own_volume_row struct volume_row volume = { 0 };
	struct branch_row branch;

	if (tx_branch_get(tx, &plan->branch, &branch, err) < 0 ||
	    tx_volume_get(tx, &branch.volume, &volume, err) < 0 ||
	    policy_of(engine, tx, &plan->branch, &plan->policy, err) < 0)
		return fl_failed(err);
	plan->volume = volume.uuid;
	memcpy(plan->volume_name, volume.name, NAME_TEXT);
	memcpy(plan->branch_name, branch.name, NAME_TEXT);
	if (branch.destroyed || !uuid_equal(&branch.instance, &engine->instance))
		return 0;
	if (tx_snapshot_each_kept(tx, &plan->branch, add_row, plan, err) < 0)
		return fl_failed(err);
	pin_linked(engine, volume.name, plan);
	return 0;
}

/* Times as thinning takes them: in the order of the sequence, none after now. */
static void fill_points(struct thin_plan *plan)
{
	int64_t last = INT64_MIN;

	for (size_t i = 0; i < plan->count; i++) {
		int64_t time = plan->rows[i].stamp < plan->now ? plan->rows[i].stamp : plan->now;

		last = time > last ? time : last;
		plan->points[i] = (struct thinning_point){ last, plan->rows[i].pins != 0 };
	}
}

static enum stay judge(const struct thin_plan *plan, size_t i)
{
	if (plan->rows[i].pins)
		return STAY_PINNED;
	if (i + 1 == plan->count)
		return STAY_NEWEST;
	if (i == 0)
		return STAY_OLDEST;
	if (plan->now - plan->points[i].time < plan->policy.limits.keep_all)
		return STAY_YOUNG;
	return plan->points[i].pinned ? STAY_CALENDAR : STAY_ROOM;
}

/* Of what nothing makes go: the gap that it would leave, by its age. */
static void score_rest(struct thin_plan *plan)
{
	size_t before = SIZE_MAX, middle = SIZE_MAX;

	for (size_t i = 0; i < plan->count; i++) {
		if (plan->stays[i] == STAY_NOT)
			continue;
		if (before != SIZE_MAX && plan->stays[middle] == STAY_ROOM &&
		    plan->now > plan->points[i].time)
			plan->scores[middle] =
				(double)(plan->points[i].time - plan->points[before].time) /
				(double)(plan->now - plan->points[i].time);
		before = middle;
		middle = i;
	}
}

static void choose(struct thin_plan *plan, size_t cap)
{
	struct thinning *thinning = thinning_new(plan->points, plan->count, plan->now,
						 plan->policy.limits.keep_all);
	struct victim victim;

	while (thinning_next(thinning, &plan->policy.limits, &victim.index, &victim.score)) {
		plan->capped = plan->victim_count == cap;
		if (plan->capped)
			break;
		thinning_drop(thinning);
		plan->stays[victim.index] = STAY_NOT;
		plan->scores[victim.index] = victim.score;
		plan->victims[plan->victim_count++] = victim;
	}
	thinning_free(thinning);
}

int thin_plan_new(struct engine *engine, struct tx *tx, const struct uuid *branch, size_t cap,
		  struct thin_plan **ret, struct fl_error *err)
{
	own_thin_plan struct thin_plan *plan = xcalloc(1, sizeof(*plan));

	plan->branch = *branch;
	plan->now = retention_now(engine);
	if (load_rows(engine, tx, plan, err) < 0)
		return fl_failed(err);
	plan->points = xcalloc(plan->count + 1, sizeof(*plan->points));
	plan->stays = xcalloc(plan->count + 1, sizeof(*plan->stays));
	plan->scores = xcalloc(plan->count + 1, sizeof(*plan->scores));
	plan->victims = xcalloc(plan->count + 1, sizeof(*plan->victims));
	fill_points(plan);
	thinning_pin_calendar(plan->points, plan->count, &plan->policy.calendar);
	for (size_t i = 0; i < plan->count; i++) {
		plan->stays[i] = judge(plan, i);
		plan->scores[i] = INFINITY;
	}
	choose(plan, cap);
	score_rest(plan);
	*ret = take_ptr(plan);
	return 0;
}

enum thin_rest thin_plan_rest(const struct thin_plan *plan)
{
	const struct thinning_limits *limits = &plan->policy.limits;
	size_t left = plan->count - plan->victim_count;

	if (plan->capped)
		return THIN_MORE;
	return left > 2 && (limits->resolution > 0 || (limits->count && left > limits->count))
		       ? THIN_LATER
		       : THIN_DONE;
}

/* --- a batch ------------------------------------------------------------------------- */

struct item {
	const struct victim *victim;
	struct position position;
	struct tree tree;
	uint64_t id;
	bool stays;   /* linked or pinned since the plan was made */
	bool held;    /* a process uses it */
	bool deleted; /* its row is gone */
	struct intent_row intent;
};

struct batch {
	struct engine *engine;
	const struct thin_plan *plan;
	struct item items[THIN_BATCH];
	size_t count;
	bool branch_gone; /* into the trash, or from there */
};

static void batch_fill(struct batch *batch, size_t first)
{
	const struct thin_plan *plan = batch->plan;

	for (size_t i = first; i < plan->victim_count && batch->count < THIN_BATCH; i++) {
		const struct kept_row *row = &plan->rows[plan->victims[i].index];
		struct snapname name = { row->instance, row->time };
		struct item *item = &batch->items[batch->count++];

		*item = (struct item){
			.victim = &plan->victims[i],
			.position = { plan->branch, row->time },
			.tree = tree_snapshot(&plan->branch, &name),
			.id = row->id,
		};
		item->intent = delete_snapshot_intend(&item->tree);
	}
}

static void batch_done(struct batch *batch)
{
	for (size_t i = 0; i < batch->count; i++)
		intent_row_done(&batch->items[i].intent);
}

static int batch_find_held(struct batch *batch, struct fl_error *err)
{
	struct tree trees[THIN_BATCH];
	struct holders holders;

	for (size_t i = 0; i < batch->count; i++)
		trees[i] = batch->items[i].tree;
	if (find_holders(batch->engine, trees, batch->count, true, &holders, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; holders.count > 0 && i < batch->count; i++) {
		struct holders own;

		if (find_holders(batch->engine, &trees[i], 1, true, &own, err) < 0)
			return fl_failed(err);
		batch->items[i].held = own.count > 0;
	}
	return 0;
}

/* With the volume alone.  It may have another name by now. */
static int batch_find_linked(struct batch *batch, struct fl_error *err)
{
	own_volume_row struct volume_row volume = { 0 };
	own_tx struct tx *tx = NULL;
	struct branch_row branch;
	int r;

	if (tx_begin(batch->engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	r = tx_branch_get(tx, &batch->plan->branch, &branch, err);
	batch->branch_gone = r == -FL_NOT_FOUND || (r == 0 && branch.destroyed);
	if (batch->branch_gone)
		return 0;
	if (r < 0 || tx_volume_get(tx, &branch.volume, &volume, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < batch->count; i++)
		batch->items[i].stays = snapshot_is_linked(batch->engine, volume.name,
							   batch->items[i].id);
	return 0;
}

static int delete_item(struct tx *tx, struct item *item, struct fl_error *err)
{
	unsigned pins;
	int r;

	item->deleted = false;
	if (item->held || item->stays)
		return 0;
	if (tx_snapshot_pins(tx, &item->position, &pins, err) < 0)
		return fl_failed(err);
	if (pins)
		return 0;
	r = tx_snapshot_delete(tx, &item->position, err);
	if (r < 0)
		return r == -FL_NOT_FOUND ? 0 : r; /* somebody destroyed it */
	item->deleted = true;
	return tx_intent_insert(tx, &item->intent, err);
}

static int delete_items(struct tx *tx, void *arg, struct fl_error *err)
{
	struct batch *batch = arg;

	for (size_t i = 0; i < batch->count; i++)
		if (delete_item(tx, &batch->items[i], err) < 0)
			return fl_failed(err);
	return 0;
}

static int batch_delete_rows(struct batch *batch, struct fl_error *err)
{
	struct lock_want volume = { LOCK_VOLUME, true, batch->plan->volume };
	own_locks struct lock_set locks = { 0 };

	lock_take(&batch->engine->locks, &volume, 1, &locks);
	if (batch_find_linked(batch, err) < 0)
		return fl_failed(err);
	if (batch->branch_gone)
		return 0;
	return catalog_write_deletion(batch->engine, delete_items, batch, err);
}

/* They are gone for everyone; what the pool could not do now is done at the next start. */
static void batch_delete_trees(struct batch *batch)
{
	struct fl_error err;

	for (size_t i = 0; i < batch->count; i++)
		if (batch->items[i].deleted &&
		    delete_snapshot_finish(batch->engine, &batch->items[i].intent, &err) < 0)
			log_warning("a thinned snapshot stays in the pool until the next start",
				    "error=%s", err.text);
}

static void add_thinned(struct thinned_list *list, const struct thin_plan *plan,
			const struct victim *victim, bool held)
{
	const struct kept_row *row = &plan->rows[victim->index];
	struct thinned *thinned = thinned_list_add(list);
	char id[SNAPID_TEXT];

	*thinned = (struct thinned){
		.id = row->id, .time = row->time, .score = victim->score, .held = held
	};
	snprintf(thinned->ref, sizeof(thinned->ref), "%s/%s@{%s}", plan->volume_name,
		 plan->branch_name, snapid_format(row->id, id));
}

static int run_batch(struct batch *batch, struct thinned_list *list, struct fl_error *err)
{
	if (batch_find_held(batch, err) < 0 || batch_delete_rows(batch, err) < 0)
		return fl_failed(err);
	batch_delete_trees(batch);
	for (size_t i = 0; i < batch->count; i++)
		if (batch->items[i].deleted || batch->items[i].held)
			add_thinned(list, batch->plan, batch->items[i].victim,
				    batch->items[i].held);
	return 0;
}

int thin_plan_run(struct engine *engine, struct thin_plan *plan, struct thinned_list *list,
		  struct fl_error *err)
{
	for (size_t i = 0; i < plan->victim_count; i += THIN_BATCH) {
		own(batch_done) struct batch batch = { .engine = engine, .plan = plan };

		batch_fill(&batch, i);
		if (run_batch(&batch, list, err) < 0)
			return fl_wrap(err, "thinning %s/%s", plan->volume_name, plan->branch_name);
	}
	return 0;
}

/* --- the verb ---------------------------------------------------------------------------- */

struct branches {
	struct uuid instance;
	struct uuid *items;
	size_t count;
};

static void branches_done(struct branches *branches)
{
	free(branches->items);
}

static int collect(void *arg, const struct branch_row *row, struct fl_error *err)
{
	struct branches *branches = arg;

	if (!uuid_equal(&row->instance, &branches->instance))
		return 0;
	branches->items = xrealloc(branches->items, branches->count + 1, sizeof(*branches->items));
	branches->items[branches->count++] = row->uuid;
	return 0;
}

static int find_branches(struct engine *engine, const struct ref *ref, struct branches *branches,
			 struct fl_error *err)
{
	own_target struct target target = { 0 };
	own_tx struct tx *tx = NULL;

	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	if (!ref)
		return tx_branch_each(tx, NULL, false, collect, branches, err);
	if (resolve(engine, tx, ref, &target, err) < 0)
		return fl_failed(err);
	return collect(branches, &target.branch, err);
}

static int thin_branch(struct engine *engine, const struct uuid *branch, bool dry,
		       struct thinned_list *list, struct fl_error *err)
{
	own_thin_plan struct thin_plan *plan = NULL;
	own_tx struct tx *tx = NULL;

	if (tx_begin(engine->catalog, &tx, err) < 0 ||
	    thin_plan_new(engine, tx, branch, SIZE_MAX, &plan, err) < 0)
		return fl_failed(err);
	tx_end(take_ptr(tx));
	if (!dry)
		return thin_plan_run(engine, plan, list, err);
	for (size_t i = 0; i < plan->victim_count; i++)
		add_thinned(list, plan, &plan->victims[i], false);
	return 0;
}

int engine_thin(struct engine *engine, const struct ref *ref, bool dry, struct thinned_list *ret,
		struct fl_error *err)
{
	own(thinned_list_done) struct thinned_list list = { 0 };
	own(branches_done) struct branches branches = { .instance = engine->instance };
	own_gate struct engine *inside = NULL;

	if ((ref && check_form(ref, FORM_VOLUME | FORM_BRANCH, "thin", err) < 0) ||
	    gate_enter(engine, &inside, err) < 0 || find_branches(engine, ref, &branches, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < branches.count; i++)
		if (thin_branch(engine, &branches.items[i], dry, &list, err) < 0 &&
		    (ref || err->code != FL_NOT_FOUND))
			return fl_failed(err);
	*ret = list;
	list = (struct thinned_list){ 0 };
	return 0;
}

/* --- why ------------------------------------------------------------------------------------ */

/* Both are in the order of time, the list backwards. */
static void explain_branch(const struct thin_plan *plan, struct snapshot_list *list)
{
	size_t at = plan->count;

	for (size_t i = 0; i < list->count; i++) {
		struct snapshot *snapshot = &list->items[i];

		if (!uuid_equal(&snapshot->branch_uuid, &plan->branch))
			continue;
		while (at > 0 && plan->rows[at - 1].time > snapshot->time)
			at--;
		if (at == 0 || plan->rows[at - 1].time != snapshot->time)
			continue;
		snapshot->stay = plan->stays[at - 1];
		snapshot->score = plan->scores[at - 1];
	}
}

static bool is_first_of_branch(const struct snapshot_list *list, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (uuid_equal(&list->items[j].branch_uuid, &list->items[i].branch_uuid))
			return false;
	return true;
}

int engine_explain(struct engine *engine, struct snapshot_list *list, struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_tx struct tx *tx = NULL;

	if (gate_enter(engine, &inside, err) < 0 || tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < list->count; i++) {
		own_thin_plan struct thin_plan *plan = NULL;
		int r;

		if (!is_first_of_branch(list, i))
			continue;
		r = thin_plan_new(engine, tx, &list->items[i].branch_uuid, SIZE_MAX, &plan, err);
		if (r < 0 && r != -FL_NOT_FOUND)
			return fl_failed(err);
		if (r == 0)
			explain_branch(plan, list);
	}
	return 0;
}
