/*
 * mount and unmount: whether a branch or a snapshot has a path.
 */

#include "engine/systems.h"

static int write_branch(struct tx *tx, void *arg, struct fl_error *err)
{
	return tx_branch_update(tx, arg, err);
}

static int set_mounted(struct engine *engine, struct target *target, bool mounted,
		       struct fl_error *err)
{
	if (target->branch.mounted == mounted)
		return 0;
	target->branch.mounted = mounted;
	if (catalog_write(engine->catalog, CATALOG_DURABLE, write_branch, &target->branch, err) < 0)
		return fl_failed(err);
	facts_refresh(engine, &target->branch.uuid);
	return 0;
}

static int mount_branch(struct engine *engine, struct target *target, struct fl_error *err)
{
	if (link_check(engine, target->volume.name, target->branch.name, err) < 0 ||
	    link_branch(engine, target->volume.name, &target->branch, err) < 0)
		return fl_failed(err);
	return set_mounted(engine, target, true, err);
}

static int check_visible(struct engine *engine, struct fl_error *err)
{
	if (driver_of(engine)->capabilities & DRIVER_CAN_EXPOSE)
		return 0;
	return fl_fail(err, FL_UNSUPPORTED, "the driver '%s' can't make trees visible",
		       driver_of(engine)->name);
}

#define MOUNTABLE (FORM_ANY)

int engine_mount(struct engine *engine, const struct ref *ref, char **ret_path,
		 struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_claim struct claim claim = { 0 };
	struct target *target;

	if (check_form(ref, MOUNTABLE, "mount", err) < 0 || gate_enter(engine, &inside, err) < 0 ||
	    check_visible(engine, err) < 0 ||
	    claim_take(engine, ref, 1, CLAIM_HEAD, &claim, err) < 0)
		return fl_failed(err);
	target = &claim.targets[0];
	if (target->is_snapshot) {
		if (link_snapshot(engine, target->volume.name, &target->snapshot, err) < 0)
			return fl_failed(err);
		*ret_path = snapshot_link_path(engine, target->volume.name, target->snapshot.id);
		return 0;
	}
	if (mount_branch(engine, target, err) < 0)
		return fl_failed(err);
	*ret_path = link_path(engine, target->volume.name, target->branch.name);
	return 0;
}

static int unmount_snapshot(struct engine *engine, const struct target *target, const char *name,
			    struct fl_error *err)
{
	struct tree tree = snapshot_tree(&target->snapshot);

	if (!snapshot_is_linked(engine, target->volume.name, target->snapshot.id))
		return 0;
	if (refuse_if_held(engine, &tree, 1, name, err) < 0)
		return fl_failed(err);
	return unlink_snapshot(engine, target->volume.name, target->snapshot.id, err);
}

static int unmount_branch(struct engine *engine, struct target *target, const char *name,
			  struct fl_error *err)
{
	struct tree head = tree_head(&target->branch.uuid);

	if (!target->branch.mounted)
		return 0;
	if (system_refuse(engine, &target->branch.uuid, name, err) < 0 ||
	    refuse_if_held(engine, &head, 1, name, err) < 0 ||
	    set_mounted(engine, target, false, err) < 0)
		return fl_failed(err);
	return unlink_branch(engine, target->volume.name, target->branch.name, err);
}

int engine_unmount(struct engine *engine, const struct ref *ref, struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_claim struct claim claim = { 0 };
	char name[REF_SHORT];

	if (check_form(ref, MOUNTABLE, "unmount", err) < 0 ||
	    gate_enter(engine, &inside, err) < 0 || check_visible(engine, err) < 0 ||
	    claim_take(engine, ref, 1, CLAIM_HEAD, &claim, err) < 0)
		return fl_failed(err);
	target_format(&claim.targets[0], name);
	if (claim.targets[0].is_snapshot)
		return unmount_snapshot(engine, &claim.targets[0], name, err);
	return unmount_branch(engine, &claim.targets[0], name, err);
}
