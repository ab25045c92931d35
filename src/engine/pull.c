/*
 * pull: a fetch, and then an own branch that began there goes forward to what came, if it has
 * nothing of its own.
 *
 * Forward is a rollback to a newer snapshot (rollback.h), with all that goes with one: hooks,
 * containers, a swap in one step.  The stash that it leaves holds what the branch was, which is a
 * snapshot of the remote branch that is here anyway, so it is dropped again.  But hooks, and
 * containers while they are stopped, write too, after the branch was found unchanged: so the two
 * are compared, once nobody holds the old head any more, and a stash that holds more stays.
 */

#include <inttypes.h>
#include <string.h>

#include "engine/internal.h"
#include "engine/past.h"
#include "engine/rollback.h"
#include "engine/transfer.h"

/* What an own branch stands on. */
struct footing {
	struct position at;   /* the snapshot that its head continues from */
	struct branch_row on; /* the branch that took it */
	struct uuid branch;
	struct ref origin; /* `on` as a reference */
	bool touched;	   /* something may have been written since `at` */
	struct ref since;  /* `at` as a reference */
	char name[REF_SHORT];
};

static int fail_own(const struct footing *footing, const char *what, struct fl_error *err)
{
	own_text struct text origin = { 0 };

	ref_format(&footing->origin, &origin);
	fl_fail(err, FL_DIVERGED, "'%s' has %s of its own", footing->name, what);
	return fl_hint(err,
		       "flocker diff %s %s compares; flocker rollback %s --to '%s@{latest}' goes "
		       "over to it, and stashes this",
		       text_get(&origin), footing->name, footing->name, text_get(&origin));
}

static int fail_no_origin(const struct footing *footing, struct fl_error *err)
{
	fl_fail(err, FL_INVALID, "'%s' was not made from another instance's branch", footing->name);
	return fl_hint(err, "flocker branch VOLUME/NEW --from INSTANCE/VOLUME/BRANCH makes one "
			    "that follows; flocker remotes lists what is here");
}

/* The branch that it was made from, also when it has snapshots of its own by now. */
static int find_made_from(struct tx *tx, const struct target *target, struct footing *footing,
			  struct fl_error *err)
{
	own_snapshot_row struct snapshot_row row = { 0 };
	const struct uuid *from = &footing->at.branch;
	int r = 0;

	if (position_is_none(&footing->at) || uuid_equal(from, &target->branch.uuid)) {
		r = target->branch.origin.ref[0]
			    ? tx_snapshot_get_id(tx, target->branch.origin.snapshot, &row, err)
			    : -FL_NOT_FOUND;
		from = &row.position.branch;
	}
	if (r == 0)
		r = tx_branch_get(tx, from, &footing->on, err);
	return r == -FL_NOT_FOUND ? fail_no_origin(footing, err) : r;
}

static int name_origin(struct engine *engine, struct tx *tx, const struct target *target,
		       struct footing *footing, struct fl_error *err)
{
	struct ref *origin = &footing->origin;

	if (find_made_from(tx, target, footing, err) < 0)
		return fl_failed(err);
	if (!is_remote(engine, &footing->on))
		return fail_no_origin(footing, err);
	*origin = (struct ref){ .kind = REF_BRANCH };
	answer_instance(engine, tx, &footing->on.instance, origin->instance);
	memcpy(origin->volume, target->volume.name, NAME_TEXT);
	memcpy(origin->branch, footing->on.name, NAME_TEXT);
	return 0;
}

static int look_at_head(struct engine *engine, struct tx *tx, struct footing *footing,
			struct fl_error *err)
{
	own_snapshot_row struct snapshot_row since = { 0 };
	struct tree head = tree_head(&footing->branch), tree;

	if (tx_snapshot_get(tx, &footing->at, &since, err) < 0)
		return fl_failed(err);
	footing->since = footing->origin;
	footing->since.point = POINT_ID_OR_NAME;
	snapid_format(since.id, footing->since.name);
	tree = snapshot_tree(&since);
	return driver_of(engine)->changed_since(engine->pool, &head, &tree, &footing->touched, err);
}

static int find_footing(struct engine *engine, const struct ref *ref, struct footing *ret,
			struct fl_error *err)
{
	own_target struct target target = { 0 };
	own_gate struct engine *inside = NULL;
	own_tx struct tx *tx = NULL;

	if (gate_enter(engine, &inside, err) < 0 || tx_begin(engine->catalog, &tx, err) < 0 ||
	    resolve(engine, tx, ref, &target, err) < 0)
		return fl_failed(err);
	ret->branch = target.branch.uuid;
	target_format(&target, ret->name);
	if (is_remote(engine, &target.branch)) {
		fl_fail(err, FL_INVALID, "pull moves a branch of this instance, and '%s' is none",
			ret->name);
		return fl_hint(err, "flocker fetch brings what it is there");
	}
	if (head_position(tx, &target.branch.uuid, &ret->at, err) < 0 ||
	    name_origin(engine, tx, &target, ret, err) < 0)
		return fl_failed(err);
	if (position_is_none(&ret->at) || uuid_equal(&ret->at.branch, &target.branch.uuid))
		return fail_own(ret, "snapshots", err);
	return look_at_head(engine, tx, ret, err);
}

static int stop_at_first(void *arg, const struct change *change, struct fl_error *err)
{
	*(bool *)arg = true;
	return fl_fail(err, FL_DIVERGED, "'%s' differs", change->path);
}

/* changed_since() takes a mere look at the branch, as of `flocker diff`, for a change. */
static int check_unchanged(struct engine *engine, const struct ref *ref,
			   const struct footing *footing, struct fl_error *err)
{
	bool differs = false;
	int r;

	if (!footing->touched)
		return 0;
	if (!(driver_of(engine)->capabilities & DRIVER_CAN_DIFF))
		return fail_own(footing, "changes", err);
	r = engine_diff(engine, &footing->since, ref, stop_at_first, &differs, err);
	return differs ? fail_own(footing, "changes", err) : r;
}

static int look(struct engine *engine, const struct ref *ref, struct footing *ret,
		struct fl_error *err)
{
	*ret = (struct footing){ 0 };
	if (find_footing(engine, ref, ret, err) < 0)
		return fl_failed(err);
	return check_unchanged(engine, ref, ret, err);
}

/* Surely nothing but what the branch stood on? */
static int check_stash(struct engine *engine, const struct footing *footing,
		       const struct ref *stash, struct fl_error *err)
{
	struct stash shown;
	bool differs = false;
	size_t left;

	if (retired_release(engine, &left, err) < 0 ||
	    engine_stash_show(engine, stash, &shown, err) < 0)
		return fl_failed(err);
	if (shown.held)
		return fl_fail(err, FL_BUSY, "what the branch was is still in use");
	return engine_diff(engine, &footing->since, stash, stop_at_first, &differs, err);
}

static void drop_stash(struct engine *engine, const struct footing *footing, uint32_t number)
{
	struct ref stash = { .kind = REF_STASH, .stash = number };
	struct fl_error err;
	char said[32];

	memcpy(stash.volume, footing->origin.volume, NAME_TEXT);
	if (check_stash(engine, footing, &stash, &err) == 0 &&
	    engine_stash_drop(engine, &stash, &err) == 0)
		return;
	log_warning("a pull leaves its stash", "branch=%s stash=%u reason=\"%s\"", footing->name,
		    number, err.text);
	snprintf(said, sizeof(said), "stash %" PRIu32, number);
	events_add(&engine->events, "stashed", footing->name, said);
}

/* To the newest snapshot of `origin`.  What has changed since the fetch began is refused here. */
static int go_forward(struct engine *engine, const struct ref *ref, const struct ref *origin,
		      bool *ret_moved, struct fl_error *err)
{
	own(rollback_done) struct rollback rollback = { 0 };
	struct ref target = *origin;
	struct footing footing;

	target.point = POINT_LATEST;
	if (look(engine, ref, &footing, err) < 0 ||
	    engine_rollback(engine, ref, &target, AROUND_RESTART, &rollback, err) < 0)
		return fl_failed(err);
	*ret_moved = true;
	drop_stash(engine, &footing, rollback.stash.number);
	return 0;
}

static bool is_newest(struct engine *engine, const struct footing *footing)
{
	own_gate struct engine *inside = NULL;
	own_tx struct tx *tx = NULL;
	struct position tip;
	struct fl_error err;

	return gate_enter(engine, &inside, &err) == 0 &&
	       tx_begin(engine->catalog, &tx, &err) == 0 &&
	       head_position(tx, &footing->on.uuid, &tip, &err) == 0 &&
	       position_equal(&tip, &footing->at);
}

int engine_pull(struct engine *engine, const struct transfer_options *options, struct transfer *ret,
		struct fl_error *err)
{
	struct transfer_options fetch = *options;
	struct footing footing;

	if (check_form(options->ref, FORM_VOLUME | FORM_BRANCH, "pull", err) < 0 ||
	    look(engine, options->ref, &footing, err) < 0)
		return fl_failed(err);
	fetch.ref = &footing.origin;
	fetch.as = NULL;
	if (engine_fetch(engine, &fetch, ret, err) < 0)
		return fl_failed(err);
	if (is_newest(engine, &footing))
		return 0;
	if (go_forward(engine, options->ref, &footing.origin, &ret->moved, err) < 0)
		return fl_wrap(err, "what came is here, but '%s' stays where it is", footing.name);
	return 0;
}
