/*
 * Snapshots that nobody asked for (sched/snapshotter.c): of one branch, which is
 * named by its UUID, since names may change between the decision and the call.
 *
 * One that turns out to hold nothing new is deleted before the catalogue knows
 * of it.
 */

#include <string.h>

#include "engine/save.h"
#include "engine/watching.h"
#include "engine/hooks.h"

#define RENAMED_TRIES 4

static int claim_branch(struct engine *engine, const struct uuid *branch, struct claim *ret,
			struct fl_error *err)
{
	for (int i = 0; i < RENAMED_TRIES; i++) {
		own_claim struct claim claim = { 0 };
		struct ref ref;
		int r;

		if (ref_of_branch(engine, branch, &ref, err) < 0)
			return fl_failed(err);
		r = claim_take(engine, &ref, 1, CLAIM_HEAD, &claim, err);
		if (r == 0 && uuid_equal(&claim.targets[0].branch.uuid, branch)) {
			*ret = claim;
			claim = (struct claim){ 0 };
			return 0;
		}
		if (r < 0 && r != -FL_NOT_FOUND)
			return r;
	}
	return fl_fail(err, FL_BUSY, "the branch is being renamed again and again");
}

static int insert_row(struct tx *tx, void *arg, struct fl_error *err)
{
	return tx_snapshot_insert(tx, arg, err);
}

static int keep_or_drop(struct engine *engine, const struct save_base *base,
			struct snapshot_row *row, enum saved *ret, struct fl_error *err)
{
	const struct tree taken = snapshot_tree(row);
	bool new;

	if (watching_after(engine, base, &taken, &new, err) < 0)
		return fl_failed(err);
	*ret = new ? SAVED_NEW : SAVED_NOTHING;
	if (new)
		return catalog_write(engine->catalog,
				     row->metadata.count ? CATALOG_DURABLE : CATALOG_LAZY,
				     insert_row, row, err);
	snapshot_abort(engine, row);
	return 0;
}

static void tell_saved(struct engine *engine, const struct target *target,
		       const struct snapshot_row *row)
{
	char ref[REF_SHORT], id[SNAPID_TEXT], text[64];

	target_format(target, ref);
	snprintf(text, sizeof(text), "%s by itself (%s)", snapid_format(row->id, id),
		 reason_names[row->reason]);
	status_taken(engine, row->position.time);
	events_add_routine(&engine->events, "snapshot", ref, text);
}

static int save_target(struct engine *engine, const struct target *target,
		       const struct snapshot_options *options, int64_t age, enum saved *ret,
		       struct fl_error *err)
{
	own_snapshot_row struct snapshot_row row = { 0 };
	struct save_base base;

	*ret = SAVED_NOTHING;
	if (watching_before(engine, &target->branch.uuid, age, &base, err) < 0)
		return fl_failed(err);
	if (!base.changed)
		return 0;
	if (snapshot_take(engine, &target->branch, options, &row, err) < 0)
		return fl_failed(err);
	if (keep_or_drop(engine, &base, &row, ret, err) == 0) {
		if (*ret == SAVED_NEW)
			tell_saved(engine, target, &row);
		return 0;
	}
	snapshot_abort(engine, &row);
	watching_undo(engine, &base);
	return fl_failed(err);
}

/* One call of engine_save(). */
struct save {
	struct engine *engine;
	const struct uuid *branch;
	enum reason reason;
	int64_t age;
	struct saving *ret;
};

static int save_branch(const struct save *save, struct hooking *hooks, struct fl_error *err)
{
	const struct snapshot_options options = { .reason = save->reason, .hooks = hooks };
	int64_t age = save->age + (hooks ? hooks->took : 0);
	own_gate struct engine *inside = NULL;
	own_claim struct claim claim = { 0 };
	struct saving *ret = save->ret;
	int r;

	if (gate_enter(save->engine, &inside, err) < 0)
		return fl_failed(err);
	r = claim_branch(save->engine, save->branch, &claim, err);
	if (r == -FL_NOT_FOUND)
		return 0;
	if (r < 0)
		return r;
	target_format(&claim.targets[0], ret->ref);
	if (save_target(save->engine, &claim.targets[0], &options, age, &ret->saved, err) < 0)
		return fl_object(err, "%s", ret->ref);
	return 0;
}

/*
 * A hook is not asked to hold an application still for nothing.  That is more than
 * courtesy: what it does for that (a checkpoint) writes to the branch before the snapshot,
 * is told as a change, and would lead to one snapshot after the other.
 */
static int look_for_hooks(struct engine *engine, const struct uuid *branch, struct ref *ret_ref,
			  bool *ret_any, bool *ret_changed, struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_tx struct tx *tx = NULL;

	*ret_changed = true;
	if (gate_enter(engine, &inside, err) < 0 || tx_begin(engine->catalog, &tx, err) < 0 ||
	    hooks_any(tx, branch, ret_any, err) < 0)
		return fl_failed(err);
	tx_end(take_ptr(tx));
	if (!*ret_any)
		return 0;
	if (ref_of_branch(engine, branch, ret_ref, err) < 0)
		return fl_failed(err);
	return head_changed(engine, branch, ret_changed, err);
}

static int save_with_hooks(const struct save *save, const struct ref *ref, struct fl_error *err)
{
	struct hooking hooking;
	int r;

	snprintf(save->ret->ref, sizeof(save->ret->ref), "%s/%s", ref->volume, ref->branch);
	if (hooks_begin(save->engine, ref, 1, HOOK_SNAPSHOT, save->reason, &hooking, err) < 0)
		return fl_object(err, "%s", save->ret->ref);
	r = save_branch(save, &hooking, err);
	hooks_end(&hooking, r == 0);
	save->ret->waited = hooking.took;
	return r;
}

int engine_save(struct engine *engine, const struct uuid *branch, enum reason reason, int64_t age,
		struct saving *ret, struct fl_error *err)
{
	const struct save save = { engine, branch, reason, age, ret };
	bool hooks = false, changed = true;
	struct ref ref;
	int r;

	*ret = (struct saving){ .saved = SAVED_GONE };
	r = look_for_hooks(engine, branch, &ref, &hooks, &changed, err);
	if (r == -FL_NOT_FOUND && hooks) /* it is gone, or in the trash */
		return 0;
	if (r < 0)
		return r;
	if (!hooks)
		return save_branch(&save, NULL, err);
	if (changed)
		return save_with_hooks(&save, &ref, err);
	ret->saved = SAVED_NOTHING;
	return 0;
}
