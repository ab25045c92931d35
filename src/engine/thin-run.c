/*
 * Carrying out a plan, in batches.
 *
 * Who uses a tree is asked once for a batch, and only if somebody does, for each
 * of its snapshots.  Then, with the volume alone, so that nobody can come to need
 * a snapshot meanwhile, what has been pinned since the plan is left out, and the
 * rows of the others go in one transaction that notes the intents.  The trees
 * follow without any lock: what a crash leaves of them goes at the next start.
 */

#include <string.h>

#include "engine/thin.h"
#include "engine/users.h"

#define THIN_BATCH 64

struct item {
	const struct victim *victim;
	struct position position;
	struct tree tree;
	uint64_t id;
	bool linked;  /* somebody has it mounted since the plan was made */
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

/* With the volume alone: what became of the branch and its snapshots.  The volume may have another
 * name by now. */
static int batch_look_again(struct batch *batch, struct fl_error *err)
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
		batch->items[i].linked = snapshot_is_linked(batch->engine, volume.name,
							    batch->items[i].id);
	return 0;
}

static int delete_item(struct tx *tx, struct item *item, struct fl_error *err)
{
	unsigned pins;
	int r;

	item->deleted = false;
	if (item->held || item->linked)
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
	if (batch_look_again(batch, err) < 0)
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
				    "error=\"%s\"", err.text);
}

/* As users are told of it. */
static void tell(const struct thin_plan *plan, const struct victim *victim, bool held,
		 struct thinned_list *list)
{
	const struct kept_row *row = &plan->rows[victim->index];
	struct thinned *thinned = thinned_list_add(list);
	char id[SNAPID_TEXT];

	*thinned = (struct thinned){
		.id = row->id, .time = row->time, .score = victim->score, .held = held
	};
	snprintf(thinned->ref, sizeof(thinned->ref), "%s%s/%s@{%s}", plan->writer,
		 plan->volume_name, plan->branch_name, snapid_format(row->id, id));
}

static int run_batch(struct batch *batch, struct thinned_list *list, struct fl_error *err)
{
	if (batch_find_held(batch, err) < 0 || batch_delete_rows(batch, err) < 0)
		return fl_failed(err);
	batch_delete_trees(batch);
	for (size_t i = 0; i < batch->count; i++)
		if (batch->items[i].deleted || batch->items[i].held)
			tell(batch->plan, batch->items[i].victim, batch->items[i].held, list);
	return 0;
}

int thin_plan_run(struct engine *engine, const struct thin_plan *plan, struct thinned_list *list,
		  struct fl_error *err)
{
	for (size_t i = 0; i < plan->victim_count; i += THIN_BATCH) {
		own(batch_done) struct batch batch = { .engine = engine, .plan = plan };

		batch_fill(&batch, i);
		if (run_batch(&batch, list, err) < 0)
			return fl_wrap(err, "thinning %s%s/%s", plan->writer, plan->volume_name,
				       plan->branch_name);
	}
	return 0;
}

int thin_plan_try(struct engine *engine, const struct thin_plan *plan, struct thinned_list *list,
		  struct fl_error *err)
{
	for (size_t i = 0; i < plan->victim_count; i += THIN_BATCH) {
		own(batch_done) struct batch batch = { .engine = engine, .plan = plan };

		batch_fill(&batch, i);
		if (batch_find_held(&batch, err) < 0)
			return fl_wrap(err, "thinning %s%s/%s", plan->writer, plan->volume_name,
				       plan->branch_name);
		for (size_t j = 0; j < batch.count; j++)
			tell(plan, batch.items[j].victim, batch.items[j].held, list);
	}
	return 0;
}
