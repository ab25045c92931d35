/*
 * create: a new volume with its trunk, empty or from a snapshot of another.
 */

#include <string.h>

#include "engine/birth.h"
#include "engine/hooks.h"
#include "engine/quota.h"

int check_create_options(const struct create_options *options, struct fl_error *err)
{
	if (name_check("volume", options->name, err) < 0)
		return fl_failed(err);
	if (options->description && check_description(options->description, err) < 0)
		return fl_failed(err);
	if (options->mount_path && check_mount_path(options->mount_path, err) < 0)
		return fl_failed(err);
	if (options->quota && quota_check_size(options->quota, err) < 0)
		return fl_failed(err);
	if (options->from)
		return check_form(options->from, FORM_ANY, "create --from", err);
	return 0;
}

int birth_volume_free(struct engine *engine, const char *name, struct fl_error *err)
{
	own_volume_row struct volume_row row = { 0 };
	own_tx struct tx *tx = NULL;
	int r;

	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	r = tx_volume_find(tx, name, &row, err);
	if (r == -FL_NOT_FOUND)
		return link_check(engine, name, TRUNK, err);
	if (r < 0)
		return r;
	fl_fail(err, FL_EXISTS, "there is a volume called '%s' already", name);
	return fl_object(err, "%s", name);
}

void fill_volume_row(struct engine *engine, const struct create_options *options,
		     struct volume_row *row)
{
	*row = (struct volume_row){
		.uuid = uuid_new(),
		.owner = engine->instance,
		.epoch = 1,
		.created = clock_now(),
		.quota = options->quota,
	};
	snprintf(row->name, sizeof(row->name), "%s", options->name);
	if (options->description && options->description[0])
		row->description = xstrdup(options->description);
	if (options->mount_path && options->mount_path[0])
		row->mount_path = xstrdup(options->mount_path);
	if (options->metadata)
		metadata_copy(options->metadata, &row->metadata);
}

static int create_volume(struct engine *engine, const struct create_options *options,
			 const struct target *from, const struct snapshot_row *taken,
			 struct volume *ret, struct fl_error *err)
{
	own_volume_row struct volume_row row = { 0 };
	own_tx struct tx *tx = NULL;
	struct birth birth = { .volume = &row, .new_volume = true, .policy = options->policy };

	fill_volume_row(engine, options, &row);
	birth.branch = birth_branch(engine, &row, TRUNK);
	birth.line = (struct line){ .branch = birth.branch.uuid, .start = 1 };
	if (from)
		birth_from(&birth, from, taken);
	row.origin = birth.branch.origin;
	if (birth_run(engine, &birth, err) < 0 || tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	return answer_volume(engine, tx, &row, ret, err);
}

static int create_from(struct engine *engine, const struct create_options *options,
		       struct hooking *hooks, struct volume *ret, struct fl_error *err)
{
	const struct snapshot_options hidden = { .reason = REASON_BRANCH, .hooks = hooks };
	own_claim struct claim claim = { 0 };
	own_snapshot_row struct snapshot_row taken = { 0 };
	const struct target *from;

	if (claim_take(engine, options->from, 1, CLAIM_FROM, &claim, err) < 0)
		return fl_failed(err);
	from = &claim.targets[0];
	if (from->is_snapshot)
		return create_volume(engine, options, from, NULL, ret, err);
	if (snapshot_take(engine, &from->branch, &hidden, &taken, err) < 0)
		return fl_failed(err);
	return create_volume(engine, options, from, &taken, ret, err);
}

/* `hooks`: of what it is made from, if it is. */
static int create_named(struct engine *engine, const struct create_options *options,
			struct hooking *hooks, struct volume *ret, struct fl_error *err)
{
	own_metadata struct metadata policy = { 0 };
	struct create_options checked = *options;
	own_gate struct engine *inside = NULL;
	own_locks struct lock_set name = { 0 };

	if (gate_enter(engine, &inside, err) < 0 ||
	    policy_of_new(engine, options->policy, &policy, err) < 0)
		return fl_failed(err);
	checked.policy = &policy;
	lock_take_names(&engine->locks, &options->name, 1, &name);
	if (birth_volume_free(engine, options->name, err) < 0)
		return fl_failed(err);
	if (options->from)
		return create_from(engine, &checked, hooks, ret, err);
	return create_volume(engine, &checked, NULL, NULL, ret, err);
}

int engine_create(struct engine *engine, const struct create_options *options, struct volume *ret,
		  struct fl_error *err)
{
	struct hooking hooking;
	int r;

	if (check_create_options(options, err) < 0 ||
	    refuse_if_data_taken(engine, options->name, options->mount_path, err) < 0)
		return fl_failed(err);
	if (!options->from)
		return create_named(engine, options, NULL, ret, err);
	if (hooks_begin(engine, options->from, 1, HOOK_SNAPSHOT, REASON_BRANCH, &hooking, err) < 0)
		return fl_failed(err);
	r = create_named(engine, options, &hooking, ret, err);
	hooks_end(&hooking, r == 0);
	return r;
}
