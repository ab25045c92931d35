/*
 * A branch is born.
 *
 * Facts first, then the head, then the link, then the rows in one durable
 * commit.  No intent is needed: a head without a row whose facts are complete
 * is adopted at the next start (reconcile.c), one without facts is swept, so
 * that after a crash the branch either is there as asked or is not.
 *
 * Contents that were made in staging (import.c) and count for the branch already
 * become the head itself, by one rename.  They were synced before, so a head that is there is
 * whole, and the rule above holds for it too: it may be adopted.  Its first snapshot comes after
 * it: a snapshot without a head, which a crash in the other order would leave,
 * would belong to nobody.  One that has no row yet is adopted with the head.
 */

#include <string.h>

#include "engine/birth.h"
#include "engine/internal.h"
#include "engine/quota.h"

struct branch_row birth_branch(struct engine *engine, const struct volume_row *volume,
			       const char *name)
{
	struct branch_row row = {
		.uuid = uuid_new(),
		.volume = volume->uuid,
		.instance = engine->instance,
		.created = clock_now(),
		.mounted = true,
	};

	snprintf(row.name, sizeof(row.name), "%s", name);
	return row;
}

void birth_from(struct birth *birth, const struct target *target, const struct snapshot_row *taken)
{
	const struct snapshot_row *from = taken ? taken : &target->snapshot;
	struct origin *origin = &birth->branch.origin;
	char id[SNAPID_TEXT];

	birth->taken = taken;
	birth->has_from = true;
	birth->from = snapshot_tree(from);
	origin->snapshot = from->id;
	snprintf(origin->ref, sizeof(origin->ref), "%s%s%s/%s@{%s}", target->instance,
		 target->instance[0] ? "/" : "", target->volume.name, target->branch.name,
		 snapid_format(from->id, id));
}

static int make_head(struct engine *engine, const struct birth *birth, struct fl_error *err)
{
	const struct driver *driver = driver_of(engine);

	if (birth->has_from && birth->from.kind == TREE_STAGING) { /* it counts already */
		if (driver->head_restore(engine->pool, &birth->from, &birth->branch.uuid, err) < 0)
			return fl_failed(err);
		return driver->sync(engine->pool, err);
	}
	if (quota_begin(engine, birth->volume, birth->new_volume, &birth->branch, err) < 0)
		return fl_failed(err);
	if (birth->has_from) {
		if (driver->head_clone(engine->pool, &birth->branch.uuid, &birth->from, err) < 0)
			return fl_failed(err);
		restore_sweep(engine, &birth->branch.uuid);
		return 0;
	}
	if (driver->head_create(engine->pool, &birth->branch.uuid, err) < 0)
		return fl_failed(err);
	return driver->sync(engine->pool, err);
}

static int make_in_pool(struct engine *engine, const struct birth *birth, struct fl_error *err)
{
	own_tx struct tx *tx = NULL;

	if (tx_begin(engine->catalog, &tx, err) < 0 ||
	    facts_save(engine, tx, birth->volume, &birth->branch, &birth->line, err) < 0)
		return fl_failed(err);
	return make_head(engine, birth, err);
}

/* What goes into the catalogue. */
struct rows {
	const struct birth *birth;
	bool has_first;
	struct snapshot_row first; /* of contents that were made in staging */
};

static int insert_rows(struct tx *tx, void *arg, struct fl_error *err)
{
	const struct rows *rows = arg;
	const struct birth *birth = rows->birth;

	if (birth->new_volume && tx_volume_insert(tx, birth->volume, err) < 0)
		return fl_failed(err);
	if (birth->taken && tx_snapshot_insert(tx, birth->taken, err) < 0)
		return fl_failed(err);
	if (tx_branch_insert(tx, &birth->branch, err) < 0)
		return fl_failed(err);
	if (birth->policy && birth->policy->count > 0 &&
	    tx_branch_policy_set(tx, &birth->branch.uuid, birth->policy, err) < 0)
		return fl_failed(err);
	if (rows->has_first && tx_snapshot_insert(tx, &rows->first, err) < 0)
		return fl_failed(err);
	if (birth->operation && tx_operation_update(tx, birth->operation, err) < 0)
		return fl_failed(err);
	return tx_line_insert(tx, &birth->line, err);
}

/* What can't be taken back now is swept at the next start; the user sees the first error. */
static void take_back(struct engine *engine, const struct rows *rows, bool linked)
{
	const struct birth *birth = rows->birth;
	struct tree head = tree_head(&birth->branch.uuid);
	struct fl_error err;

	if (linked && unlink_branch(engine, birth->volume->name, birth->branch.name, &err) < 0)
		log_warning("a link stays behind", "error=\"%s\"", err.text);
	if (linked && birth->new_volume)
		unlink_volume(engine, birth->volume->name);
	if (rows->has_first)
		snapshot_abort(engine, &rows->first);
	if (driver_of(engine)->tree_delete(engine->pool, &head, &err) < 0 ||
	    driver_of(engine)->facts_delete(engine->pool, &birth->branch.uuid, &err) < 0)
		log_warning("a half-made branch stays behind", "error=\"%s\"", err.text);
	if (birth->taken)
		snapshot_abort(engine, birth->taken);
}

static int take_first(struct engine *engine, struct rows *rows, struct fl_error *err)
{
	const struct snapshot_options hidden = { .reason = REASON_IMPORT };
	const struct birth *birth = rows->birth;

	if (!birth->has_from || birth->from.kind != TREE_STAGING)
		return 0;
	if (snapshot_take(engine, &birth->branch, &hidden, &rows->first, err) < 0)
		return fl_failed(err);
	rows->has_first = true;
	return 0;
}

int birth_run(struct engine *engine, const struct birth *birth, struct fl_error *err)
{
	bool linked = false;
	struct rows rows = { .birth = birth };

	if (make_in_pool(engine, birth, err) == 0 && take_first(engine, &rows, err) == 0) {
		linked = link_branch(engine, birth->volume->name, &birth->branch, err) == 0;
		if (linked &&
		    catalog_write(engine->catalog, CATALOG_DURABLE, insert_rows, &rows, err) == 0) {
			care_soon(engine);
			data_containers_look(engine, birth->volume->mount_path);
			return 0;
		}
	}
	take_back(engine, &rows, linked);
	return fl_failed(err);
}
