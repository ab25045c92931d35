/*
 * diff: what differs between two moments.
 *
 * Like an export it looks at private, read-only snapshots in staging: of a
 * branch as it is at this instant, of a snapshot that may be thinned while the
 * comparison runs.  So no lock is held during it, and nobody waits for it.
 * After a crash staging is swept.
 */

#include "engine/internal.h"

static void forget(struct engine *engine, const struct tree *staging)
{
	struct fl_error err;

	if (driver_of(engine)->tree_delete(engine->pool, staging, &err) < 0)
		log_warning("a tree that was compared stays until the next start", "error=%s",
			    err.text);
}

/* One moment in staging; *ret_branch is the branch that it belongs to. */
static int take(struct engine *engine, const struct ref *ref, const struct tree *staging,
		char ret_branch[static REF_SHORT], struct fl_error *err)
{
	own_claim struct claim claim = { 0 };
	const struct target *target;
	struct tree source;

	if (claim_take(engine, ref, 1, CLAIM_HEAD, &claim, err) < 0)
		return fl_failed(err);
	target = &claim.targets[0];
	source = target->is_snapshot ? snapshot_tree(&target->snapshot)
				     : tree_head(&target->branch.uuid);
	snprintf(ret_branch, REF_SHORT, "%s/%s", target->volume.name, target->branch.name);
	return driver_of(engine)->snapshot(engine->pool, &source, staging, err);
}

static int compare(struct engine *engine, const struct ref *earlier, const struct ref *later,
		   const struct tree staging[static 2], change_each *each, void *arg,
		   struct fl_error *err)
{
	own_ref struct ref head = { 0 };
	char branch[REF_SHORT], unused[REF_SHORT];

	if (take(engine, earlier, &staging[0], branch, err) < 0)
		return fl_failed(err);
	if (!later && ref_parse(branch, &head, err) < 0)
		return fl_failed(err);
	if (take(engine, later ? later : &head, &staging[1], unused, err) < 0)
		return fl_failed(err);
	return driver_of(engine)->diff(engine->pool, &staging[0], &staging[1], each, arg, err);
}

int engine_diff(struct engine *engine, const struct ref *earlier, const struct ref *later,
		change_each *each, void *arg, struct fl_error *err)
{
	const struct uuid names[] = { uuid_new(), uuid_new() };
	const struct tree staging[] = { tree_staging(&names[0]), tree_staging(&names[1]) };
	own_gate struct engine *inside = NULL;
	int r;

	if (gate_enter(engine, &inside, err) < 0 ||
	    check_form(earlier, FORM_ANY, "diff", err) < 0 ||
	    (later && check_form(later, FORM_ANY, "diff", err) < 0))
		return fl_failed(err);
	if (!(driver_of(engine)->capabilities & DRIVER_CAN_DIFF))
		return fl_fail(err, FL_UNSUPPORTED, "the driver '%s' can't compare trees",
			       driver_of(engine)->name);
	r = compare(engine, earlier, later, staging, each, arg, err);
	forget(engine, &staging[0]);
	forget(engine, &staging[1]);
	return r;
}
