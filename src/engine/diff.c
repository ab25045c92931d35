/*
 * diff: what differs between two moments.
 *
 * Snapshots are compared as they are, noted as being read; of a branch as it is
 * at this instant a private snapshot in staging is taken.  So no lock is held
 * during the comparison, and nobody waits for it.  After a crash staging is
 * swept.
 *
 * Where a snapshot is a copy of everything that would cost more than the
 * comparison: there the trees themselves are looked at, and their volumes keep
 * their shape meanwhile.
 *
 * A path on either side makes it a comparison of that file or directory alone
 * (diff-path.c).
 */

#include <string.h>

#include "engine/diff-path.h"
#include "engine/internal.h"

struct comparison {
	struct engine *engine;
	struct diff_path path; /* without paths: all of both trees */
};

static struct tree tree_of(const struct target *target)
{
	return target->is_snapshot ? snapshot_tree(&target->snapshot)
				   : tree_head(&target->branch.uuid);
}

static int compare_whole(const struct comparison *c, const struct tree trees[static 2],
			 change_each *each, void *arg, struct fl_error *err)
{
	return driver_of(c->engine)->diff(c->engine->pool, &trees[0], &trees[1], each, arg, err);
}

static int compare_part(const struct comparison *c, const struct tree trees[static 2],
			struct fl_error *err)
{
	const struct driver *driver = driver_of(c->engine);
	struct diff_path path = c->path;
	own_fd int earlier = -1;
	own_fd int later = -1;

	if (driver->tree_open(c->engine->pool, &trees[0], &earlier, err) < 0 ||
	    driver->tree_open(c->engine->pool, &trees[1], &later, err) < 0)
		return fl_failed(err);
	if (!diff_path_is_one(&path))
		return diff_path_compare(&path, (const int[]){ earlier, later },
					 !(driver->capabilities & DRIVER_CAN_SHARE), err);
	if (diff_path_check(&path, (const int[]){ earlier, later }, err) < 0)
		return fl_failed(err);
	return compare_whole(c, trees, diff_path_filter, &path, err);
}

static int compare(const struct comparison *c, const struct tree trees[static 2],
		   struct fl_error *err)
{
	return c->path.paths[0] ? compare_part(c, trees, err)
				: compare_whole(c, trees, c->path.each, c->path.arg, err);
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

/* --- where clones share ----------------------------------------------------------- */

struct side {
	struct tree tree;
	enum { SIDE_NONE, SIDE_READ, SIDE_STAGED } held;
};

static void forget(struct engine *engine, const struct tree *staging)
{
	struct fl_error err;

	if (driver_of(engine)->tree_delete(engine->pool, staging, &err) < 0)
		log_warning("a tree that was compared stays until the next start", "error=\"%s\"",
			    err.text);
}

static void side_drop(struct engine *engine, const struct side *side)
{
	if (side->held == SIDE_READ)
		reading_end(engine, &side->tree);
	else if (side->held == SIDE_STAGED)
		forget(engine, &side->tree);
}

/* Under a claim. */
static int side_take(struct engine *engine, const struct target *target, struct side *ret,
		     struct fl_error *err)
{
	struct tree tree = tree_of(target);
	struct uuid name;

	if (target->is_snapshot) {
		reading_begin(engine, &tree);
		*ret = (struct side){ tree, SIDE_READ };
		return 0;
	}
	name = uuid_new();
	*ret = (struct side){ tree_staging(&name), SIDE_STAGED }; /* also where it fails half-way */
	return driver_of(engine)->snapshot(engine->pool, &tree, &ret->tree, err);
}

static int take_sides(struct engine *engine, const struct ref refs[static 2],
		      struct side sides[static 2], struct fl_error *err)
{
	own_claim struct claim claim = { 0 };

	if (claim_take(engine, refs, 2, CLAIM_FROM, &claim, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < 2; i++)
		if (side_take(engine, &claim.targets[i], &sides[i], err) < 0)
			return fl_failed(err);
	return 0;
}

/* One snapshot, named in two ways. */
static bool same_side(const struct side *a, const struct side *b)
{
	char first[TREE_TEXT], second[TREE_TEXT];

	return strcmp(tree_format(&a->tree, first), tree_format(&b->tree, second)) == 0;
}

static int compare_apart(const struct comparison *c, const struct ref refs[static 2],
			 struct fl_error *err)
{
	struct side sides[2] = { 0 };
	int r = take_sides(c->engine, refs, sides, err);

	if (r == 0 && (c->path.paths[0] || !same_side(&sides[0], &sides[1])))
		r = compare(c, (const struct tree[]){ sides[0].tree, sides[1].tree }, err);
	side_drop(c->engine, &sides[0]);
	side_drop(c->engine, &sides[1]);
	return r;
}

/* --- the verb ----------------------------------------------------------------------- */

/* The branch that a moment belongs to. */
static int branch_of(struct engine *engine, const struct ref *ref, struct ref *ret,
		     struct fl_error *err)
{
	own_target struct target target = { 0 };

	if (resolve_now(engine, ref, &target, err) < 0)
		return fl_failed(err);
	return ref_of_branch(engine, &target.branch.uuid, ret, err);
}

/* A path on one side alone counts for both.  The root is all of a tree. */
static void take_paths(const struct ref *earlier, const struct ref *later, struct diff_path *ret)
{
	const char *first = earlier->path && earlier->path[0] ? earlier->path : NULL;
	const char *second = later && later->path && later->path[0] ? later->path : NULL;

	ret->paths[0] = first ? first : second;
	ret->paths[1] = second ? second : first;
}

int engine_diff(struct engine *engine, const struct ref *earlier, const struct ref *later,
		change_each *each, void *arg, struct fl_error *err)
{
	struct comparison comparison = { engine, { .each = each, .arg = arg } };
	own_gate struct engine *inside = NULL;
	own_ref struct ref head = { 0 };
	struct ref refs[2] = { *earlier };

	if (gate_enter(engine, &inside, err) < 0 ||
	    check_form(earlier, FORM_ANY | FORM_PATH, "diff", err) < 0 ||
	    (later && check_form(later, FORM_ANY | FORM_PATH, "diff", err) < 0))
		return fl_failed(err);
	if (!(driver_of(engine)->capabilities & DRIVER_CAN_DIFF))
		return fl_fail(err, FL_UNSUPPORTED, "the driver '%s' can't compare trees",
			       driver_of(engine)->name);
	if (!later && branch_of(engine, earlier, &head, err) < 0)
		return fl_failed(err);
	take_paths(earlier, later, &comparison.path);
	refs[1] = later ? *later : head; /* borrowed */
	return driver_of(engine)->capabilities & DRIVER_CAN_SHARE
		       ? compare_apart(&comparison, refs, err)
		       : compare_in_place(&comparison, refs, err);
}
