/*
 * Emptying the trash: deletes the rows of an item, with intents to delete what
 * the pool holds of it, and then that (delete.c).
 */

#include <string.h>

#include "base/text.h"
#include "engine/internal.h"
#include "engine/trash.h"

struct emptying {
	const struct engine *engine;
	struct load *load;
	struct intent_row *intents; /* in the order in which they are carried out */
	size_t count;
};

static void emptying_done(struct emptying *emptying)
{
	for (size_t i = 0; i < emptying->count; i++)
		intent_row_done(&emptying->intents[i]);
	free(take_ptr(emptying->intents));
	emptying->count = 0;
}

/* Stashes of the branch go with it: their snapshots do. */
struct stash_sweep {
	struct tx *tx;
	const struct uuid *branch;
	uint32_t *numbers;
	size_t count;
};

static int collect_stash(void *arg, const struct stash_row *row, struct fl_error *err)
{
	struct stash_sweep *sweep = arg;

	if (!uuid_equal(&row->snapshot.branch, sweep->branch))
		return 0;
	*array_add(sweep->numbers, sweep->count) = row->number;
	return 0;
}

static int delete_stashes(struct tx *tx, const struct branch_row *branch, struct fl_error *err)
{
	struct stash_sweep sweep = { .tx = tx, .branch = &branch->uuid };
	own_free uint32_t *numbers = NULL;
	int r = tx_stash_each(tx, &branch->volume, collect_stash, &sweep, err);

	numbers = sweep.numbers;
	for (size_t i = 0; r == 0 && i < sweep.count; i++)
		r = tx_stash_delete(tx, &branch->volume, numbers[i], err);
	return r;
}

/* Replaced heads of the branch that somebody still held go with it. */
struct retired_sweep {
	const struct uuid *branch;
	struct uuid *operations;
	size_t count;
};

static int collect_retired(void *arg, const struct retired_row *row, struct fl_error *err)
{
	struct retired_sweep *sweep = arg;

	if (!uuid_equal(&row->branch, sweep->branch))
		return 0;
	*array_add(sweep->operations, sweep->count) = row->operation;
	return 0;
}

static int delete_retired(struct emptying *emptying, struct tx *tx, const struct branch_row *branch,
			  struct fl_error *err)
{
	struct retired_sweep sweep = { .branch = &branch->uuid };
	own_free struct uuid *operations = NULL;
	int r = tx_retired_each(tx, collect_retired, &sweep, err);

	operations = sweep.operations;
	for (size_t i = 0; r == 0 && i < sweep.count; i++) {
		struct intent_row *intent = array_add(emptying->intents, emptying->count);

		*intent = (struct intent_row){ .operation = operations[i],
					       .verb = "delete-retired",
					       .body = xstrdup("{}") };
		r = tx_retired_delete(tx, &operations[i], err);
		if (r == 0)
			r = tx_intent_insert(tx, intent, err);
	}
	return r;
}

struct children {
	struct position *parents;
	size_t count;
};

static int collect_parent(void *arg, const struct line *line, struct fl_error *err)
{
	struct children *children = arg;

	if (uuid_equal(&line->branch, &line->parent.branch))
		return 0;
	*array_add(children->parents, children->count) = line->parent;
	return 0;
}

/* What had begun from it in the trash begins from nothing. */
static int forget_children(struct tx *tx, const struct branch_row *branch, struct fl_error *err)
{
	const struct stretch all = { branch->uuid, 1, INT64_MAX };
	const struct position none = { 0 };
	struct children children = { 0 };
	own_free struct position *parents = NULL;
	int r = tx_line_children(tx, &all, true, collect_parent, &children, err);

	parents = children.parents;
	for (size_t i = 0; r == 0 && i < children.count; i++)
		r = tx_line_repoint(tx, &parents[i], &none, err);
	return r;
}

static int intend_snapshot(void *arg, const struct snapshot_row *row, struct fl_error *err)
{
	struct emptying *emptying = arg;
	const struct tree tree = snapshot_tree(row);

	*array_add(emptying->intents, emptying->count) = delete_snapshot_intend(&tree);
	return 0;
}

/* It may be sent again at once: only what is here now may go. */
static int intend_remote(struct emptying *emptying, struct tx *tx, const struct branch_row *branch,
			 struct fl_error *err)
{
	const struct stretch all = { branch->uuid, 1, INT64_MAX };
	size_t first = emptying->count;

	if (tx_snapshot_each(tx, &all, SIZE_MAX, intend_snapshot, emptying, err) < 0)
		return fl_failed(err);
	*array_add(emptying->intents, emptying->count) = delete_facts_intend(&branch->uuid);
	for (size_t i = first; i < emptying->count; i++)
		if (tx_intent_insert(tx, &emptying->intents[i], err) < 0)
			return fl_failed(err);
	return 0;
}

static int intend_branch(struct emptying *emptying, struct tx *tx, const struct branch_row *branch,
			 struct fl_error *err)
{
	if (is_remote(emptying->engine, branch))
		return intend_remote(emptying, tx, branch, err);
	return delete_branch_intend(tx, branch, array_add(emptying->intents, emptying->count), err);
}

static int delete_rows(struct tx *tx, void *arg, struct fl_error *err)
{
	struct emptying *emptying = arg;
	const struct load *load = emptying->load;

	emptying_done(emptying); /* of an attempt before this one that found no space */
	if (!load->item.volume && refuse_if_needed(tx, &load->branches[0], load->item.ref, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < load->count; i++) {
		const struct branch_row *branch = &load->branches[i];

		if (intend_branch(emptying, tx, branch, err) < 0 ||
		    delete_retired(emptying, tx, branch, err) < 0)
			return fl_failed(err);
		if (load->item.volume)
			continue;
		if (delete_stashes(tx, branch, err) < 0 || forget_children(tx, branch, err) < 0 ||
		    tx_branch_delete(tx, &branch->uuid, err) < 0)
			return fl_failed(err);
	}
	return load->item.volume ? tx_volume_delete(tx, &load->volume.uuid, err) : 0;
}

/* Gone for everyone; what the pool can't do now it does at the next start. */
static void finish_all(struct engine *engine, const struct emptying *emptying)
{
	struct fl_error later;

	for (size_t i = 0; i < emptying->count; i++)
		if (intent_finish(engine, &emptying->intents[i], &later) < 0)
			log_warning("what was emptied stays in the pool until the next start",
				    "item=%s error=\"%s\"", emptying->load->item.ref, later.text);
}

static int empty_item(struct engine *engine, const struct trash_item *item, struct fl_error *err)
{
	own(load_done) struct load load = { 0 };
	own(emptying_done) struct emptying emptying = { .engine = engine, .load = &load };

	if (load_take(engine, item, true, &load, err) < 0 ||
	    catalog_write_deletion(engine, delete_rows, &emptying, err) < 0)
		return fl_wrap(err, "emptying '%s' from the trash", item->ref);
	finish_all(engine, &emptying);
	return 0;
}

/* --- what is known of another instance's branch ------------------------------------------ */

struct tag_sweep {
	const struct uuid *branch;
	struct tag_row *rows;
	size_t count;
};

static int collect_tag(void *arg, const struct tag_row *row, struct fl_error *err)
{
	struct tag_sweep *sweep = arg;

	if (uuid_equal(&row->snapshot.branch, sweep->branch))
		*array_add(sweep->rows, sweep->count) = *row;
	return 0;
}

/* They are the owner's, and come back with the snapshots. */
static int delete_tags(struct tx *tx, const struct branch_row *branch, struct fl_error *err)
{
	struct tag_sweep sweep = { .branch = &branch->uuid };
	own_free struct tag_row *rows = NULL;
	int r = tx_tag_each(tx, &branch->volume, NULL, collect_tag, &sweep, err);

	rows = sweep.rows;
	for (size_t i = 0; r == 0 && i < sweep.count; i++)
		r = tx_tag_delete(tx, &branch->volume, rows[i].name, err);
	return r;
}

static int count_branch(void *arg, const struct branch_row *row, struct fl_error *err)
{
	(*(size_t *)arg)++;
	return 0;
}

/* Without a branch nothing is known of the volume but its name. */
static int delete_volume_if_bare(struct tx *tx, const struct uuid *volume, struct fl_error *err)
{
	size_t count = 0;

	if (tx_branch_each(tx, volume, false, count_branch, &count, err) < 0 ||
	    tx_branch_each(tx, volume, true, count_branch, &count, err) < 0)
		return fl_failed(err);
	return count > 0 ? 0 : tx_volume_delete(tx, volume, err);
}

static int forget_rows(struct tx *tx, void *arg, struct fl_error *err)
{
	struct emptying *emptying = arg;
	const struct load *load = emptying->load;

	if (delete_tags(tx, &load->branches[0], err) < 0 || delete_rows(tx, arg, err) < 0)
		return fl_failed(err);
	if (load->whole)
		return delete_volume_if_bare(tx, &load->volume.uuid, err);
	return 0;
}

int forget_remote(struct engine *engine, struct target *target, struct fl_error *err)
{
	struct load load = { /* borrows */
			     .volume = target->volume,
			     .branches = &target->branch,
			     .count = 1,
			     .whole = !uuid_equal(&target->volume.owner, &engine->instance)
	};
	own(emptying_done) struct emptying emptying = { .engine = engine, .load = &load };

	target_format(target, load.item.ref);
	if (catalog_write_deletion(engine, forget_rows, &emptying, err) < 0)
		return fl_failed(err);
	finish_all(engine, &emptying);
	return 0;
}

/* --- verbs ----------------------------------------------------------------------------- */

int engine_trash_empty(struct engine *engine, const char *item, uint64_t *ret_count,
		       struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own(trash_list_done) struct trash_list list = { 0 };
	struct trash_item found;
	uint64_t count = 0;

	if (gate_enter(engine, &inside, err) < 0 || trash_load(engine, &list, err) < 0)
		return fl_failed(err);
	if (item) {
		if (trash_find(&list, item, &found, err) < 0)
			return fl_failed(err);
		*ret_count = 1;
		return empty_item(engine, &found, err);
	}
	for (size_t i = 0; i < list.count; i++) {
		int r = empty_item(engine, &list.items[i], err);

		/* Somebody has restored or emptied it meanwhile, or something began to need it. */
		if (r < 0 && r != -FL_NOT_FOUND && r != -FL_BUSY)
			return r;
		count += r == 0;
	}
	*ret_count = count;
	return 0;
}

/* Somebody has restored or emptied it meanwhile, or something began to need it: then it stays. */
static int expire_item(struct engine *engine, const struct trash_item *item, struct fl_error *err)
{
	int r = empty_item(engine, item, err);

	if (r < 0)
		return r == -FL_NOT_FOUND || r == -FL_BUSY ? 0 : r;
	events_add(&engine->events, "trash-expired", item->ref, NULL);
	return 0;
}

int trash_empty_oldest(struct engine *engine, struct trash_item *ret, struct fl_error *err)
{
	own(trash_list_done) struct trash_list list = { 0 };

	if (trash_load(engine, &list, err) < 0)
		return fl_failed(err);
	/* One that something needs stays; newest first. */
	for (size_t i = list.count; i-- > 0;) {
		int r = empty_item(engine, &list.items[i], err);

		if (r == 0)
			*ret = list.items[i];
		if (r != -FL_NOT_FOUND && r != -FL_BUSY)
			return r;
	}
	return fl_fail(err, FL_NOT_FOUND, "the trash holds nothing that can be emptied");
}

int trash_expire(struct engine *engine, int64_t *ret_next, struct fl_error *err)
{
	own(trash_list_done) struct trash_list list = { 0 };

	*ret_next = CLOCK_DAY;
	if (trash_load(engine, &list, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < list.count; i++) {
		int64_t left = list.items[i].left;

		if (left <= 0 && expire_item(engine, &list.items[i], err) < 0)
			return fl_failed(err);
		if (left > 0 && left < *ret_next)
			*ret_next = left;
	}
	return 0;
}
