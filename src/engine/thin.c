/*
 * thin: what the policies do not keep goes, at once; and why the rest stays.
 */

#include <string.h>

#include "engine/thin.h"

struct branches {
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

	*array_add(branches->items, branches->count) = row->uuid;
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
	return dry ? thin_plan_try(engine, plan, list, err)
		   : thin_plan_run(engine, plan, list, err);
}

int engine_thin(struct engine *engine, const struct ref *ref, bool dry, struct thinned_list *ret,
		struct fl_error *err)
{
	own(thinned_list_done) struct thinned_list list = { 0 };
	own(branches_done) struct branches branches = { 0 };
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
