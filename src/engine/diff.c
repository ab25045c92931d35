/*
 * diff: what differs between two moments.
 *
 * Like an export it looks at private, read-only snapshots in staging: of a
 * branch as it is at this instant, of a snapshot that may be thinned while the
 * comparison runs.  So no lock is held during it, and nobody waits for it.
 * After a crash staging is swept.
 *
 * Where a snapshot is a copy of everything that would cost more than the
 * comparison: there the trees themselves are looked at, and their volumes keep
 * their shape meanwhile.
 */

#include "engine/internal.h"

struct comparison {
	struct engine *engine;
	change_each *each;
	void *arg;
};

static struct tree tree_of(const struct target *target)
{
	return target->is_snapshot ? snapshot_tree(&target->snapshot)
				   : tree_head(&target->branch.uuid);
}

static int compare(const struct comparison *c, const struct tree trees[static 2],
		   struct fl_error *err)
{
	return driver_of(c->engine)->diff(c->engine->pool, &trees[0], &trees[1], c->each, c->arg,
					  err);
}

static int compare_in_place(const struct comparison *c, const struct ref refs[static 2],
			    struct fl_error *err)
{
	own_claim struct claim claim = { 0 };

	if (claim_take(c->engine, refs, 2, CLAIM_USE, &claim, err) < 0)
		return fl_failed(err);
	return compare(
		c, (const struct tree[]){ tree_of(&claim.targets[0]), tree_of(&claim.targets[1]) },
		err);
}

static int stage(struct engine *engine, const struct ref refs[static 2],
		 const struct tree staging[static 2], struct fl_error *err)
{
	own_claim struct claim claim = { 0 };

	if (claim_take(engine, refs, 2, CLAIM_HEAD, &claim, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < 2; i++) {
		struct tree tree = tree_of(&claim.targets[i]);

		if (driver_of(engine)->snapshot(engine->pool, &tree, &staging[i], err) < 0)
			return fl_failed(err);
	}
	return 0;
}

static void forget(struct engine *engine, const struct tree *staging)
{
	struct fl_error err;

	if (driver_of(engine)->tree_delete(engine->pool, staging, &err) < 0)
		log_warning("a tree that was compared stays until the next start", "error=%s",
			    err.text);
}

static int compare_staged(const struct comparison *c, const struct ref refs[static 2],
			  struct fl_error *err)
{
	const struct uuid names[] = { uuid_new(), uuid_new() };
	const struct tree staging[] = { tree_staging(&names[0]), tree_staging(&names[1]) };
	int r = stage(c->engine, refs, staging, err);

	if (r == 0)
		r = compare(c, staging, err);
	forget(c->engine, &staging[0]);
	forget(c->engine, &staging[1]);
	return r;
}

/* The branch that a moment belongs to. */
static int branch_of(struct engine *engine, const struct ref *ref, struct ref *ret,
		     struct fl_error *err)
{
	own_target struct target target = { 0 };
	char text[REF_SHORT];

	if (resolve_now(engine, ref, &target, err) < 0)
		return fl_failed(err);
	snprintf(text, sizeof(text), "%s/%s", target.volume.name, target.branch.name);
	return ref_parse(text, ret, err);
}

int engine_diff(struct engine *engine, const struct ref *earlier, const struct ref *later,
		change_each *each, void *arg, struct fl_error *err)
{
	const struct comparison comparison = { engine, each, arg };
	own_gate struct engine *inside = NULL;
	own_ref struct ref head = { 0 };
	struct ref refs[2] = { *earlier };

	if (gate_enter(engine, &inside, err) < 0 ||
	    check_form(earlier, FORM_ANY, "diff", err) < 0 ||
	    (later && check_form(later, FORM_ANY, "diff", err) < 0))
		return fl_failed(err);
	if (!(driver_of(engine)->capabilities & DRIVER_CAN_DIFF))
		return fl_fail(err, FL_UNSUPPORTED, "the driver '%s' can't compare trees",
			       driver_of(engine)->name);
	if (!later && branch_of(engine, earlier, &head, err) < 0)
		return fl_failed(err);
	refs[1] = later ? *later : head; /* borrowed */
	return driver_of(engine)->capabilities & DRIVER_CAN_SHARE
		       ? compare_staged(&comparison, refs, err)
		       : compare_in_place(&comparison, refs, err);
}
