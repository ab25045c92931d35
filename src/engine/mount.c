/*
 * mount and unmount: whether a branch or a snapshot has a path.
 */

#include "engine/systems.h"
#include "engine/users.h"

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
	data_containers_look(engine, target->volume.mount_path);
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

/* What is to be unmounted, and what holds it. */
struct unmounting {
	const struct ref *ref;
	char name[REF_SHORT];
	struct holders holders;
};

static int unmount_snapshot(struct engine *engine, const struct target *target,
			    struct unmounting *unmounting, struct fl_error *err)
{
	struct tree tree = snapshot_tree(&target->snapshot);

	if (!snapshot_is_linked(engine, target->volume.name, target->snapshot.id))
		return 0;
	if (refuse_if_held(engine, &tree, 1, unmounting->name, &unmounting->holders, err) < 0)
		return fl_failed(err);
	return unlink_snapshot(engine, target->volume.name, target->snapshot.id, err);
}

static int unmount_branch(struct engine *engine, struct target *target,
			  struct unmounting *unmounting, struct fl_error *err)
{
	struct tree head = tree_head(&target->branch.uuid);

	if (!target->branch.mounted)
		return 0;
	if (system_refuse(engine, &target->branch.uuid, unmounting->name, err) < 0 ||
	    refuse_if_held(engine, &head, 1, unmounting->name, &unmounting->holders, err) < 0 ||
	    set_mounted(engine, target, false, err) < 0)
		return fl_failed(err);
	return unlink_branch(engine, target->volume.name, target->branch.name, err);
}

static int unmount(struct engine *engine, struct unmounting *unmounting, struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_claim struct claim claim = { 0 };

	if (gate_enter(engine, &inside, err) < 0 || check_visible(engine, err) < 0 ||
	    claim_take(engine, unmounting->ref, 1, CLAIM_HEAD, &claim, err) < 0)
		return fl_failed(err);
	target_format(&claim.targets[0], unmounting->name);
	if (claim.targets[0].is_snapshot)
		return unmount_snapshot(engine, &claim.targets[0], unmounting, err);
	return unmount_branch(engine, &claim.targets[0], unmounting, err);
}

/* Containers see a branch at its place under the mount root, and a volume there is its trunk. */
static int refuse_if_branch_contained(struct engine *engine, const struct ref *ref,
				      struct fl_error *err)
{
	struct ref branch = *ref;

	if (!(form_of(ref) & (FORM_VOLUME | FORM_BRANCH)))
		return 0;
	if (ref->kind == REF_VOLUME) {
		branch.kind = REF_BRANCH;
		snprintf(branch.branch, sizeof(branch.branch), TRUNK);
	}
	return refuse_if_contained(engine, &branch, err);
}

int engine_unmount(struct engine *engine, const struct ref *ref, struct fl_error *err)
{
	struct unmounting unmounting = { .ref = ref };

	if (check_form(ref, MOUNTABLE, "unmount", err) < 0 ||
	    refuse_if_branch_contained(engine, ref, err) < 0)
		return fl_failed(err);
	if (unmount(engine, &unmounting, err) < 0)
		return name_refusal(engine, &unmounting.holders, err);
	return 0;
}
