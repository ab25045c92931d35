/*
 * What the catalogue tells of and the pool has not: found at start, by its
 * numbers (reconcile.c).
 *
 * The rows of snapshots whose tree is missing are dropped, loudly.  A branch of
 * ours without a head gets a new one from its newest snapshot, loudly too:
 * without a head every verb on it would fail.
 */

#include "base/text.h"
#include "engine/internal.h"
#include "engine/past.h"
#include "engine/quota.h"

/* --- snapshots ------------------------------------------------------------------ */

struct missing {
	struct engine *engine;
	struct position *positions;
	size_t count;
	struct position last; /* seen */
	size_t seen;
};

static int check_row(void *arg, const struct snapshot_row *row, struct fl_error *err)
{
	struct missing *missing = arg;
	struct tree tree = snapshot_tree(row);
	struct tree_info info;
	int r = driver_of(missing->engine)->tree_info(missing->engine->pool, &tree, &info, err);

	missing->last = row->position;
	missing->seen++;
	if (r != -FL_NOT_FOUND)
		return r;
	*array_add(missing->positions, missing->count) = row->position;
	return 0;
}

static int drop_rows(struct tx *tx, void *arg, struct fl_error *err)
{
	const struct missing *missing = arg;

	for (size_t i = 0; i < missing->count; i++)
		if (tx_snapshot_delete(tx, &missing->positions[i], err) < 0)
			return fl_failed(err);
	return 0;
}

static int find_missing(struct engine *engine, struct missing *missing, struct fl_error *err)
{
	own_tx struct tx *tx = NULL;
	size_t before;

	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	do {
		before = missing->seen;
		if (tx_snapshot_each_all(tx, &missing->last, 1000, check_row, missing, err) < 0)
			return fl_failed(err);
	} while (missing->seen > before);
	return 0;
}

int drop_missing(struct engine *engine, struct fl_error *err)
{
	struct missing missing = { .engine = engine };
	own_free struct position *positions = NULL;
	char uuid[UUID_TEXT], time[CLOCK_TEXT];
	int r = find_missing(engine, &missing, err);

	positions = missing.positions;
	for (size_t i = 0; r == 0 && i < missing.count; i++)
		log_error("a snapshot is missing from the pool; it is no longer listed",
			  "branch=%s time=%s", uuid_format(&positions[i].branch, uuid),
			  clock_format(positions[i].time, time));
	if (r == 0 && missing.count > 0)
		r = catalog_write(engine->catalog, CATALOG_DURABLE, drop_rows, &missing, err);
	return r;
}

/* --- branches without a head ------------------------------------------------------- */

struct headless {
	struct engine *engine;
	struct branch_row *branches;
	size_t count;
};

static int note_headless(void *arg, const struct branch_row *row, struct fl_error *err)
{
	struct headless *headless = arg;
	const struct tree head = tree_head(&row->uuid);
	struct tree_info info;
	int r;

	if (!uuid_equal(&row->instance, &headless->engine->instance))
		return 0;
	r = driver_of(headless->engine)->tree_info(headless->engine->pool, &head, &info, err);
	if (r != -FL_NOT_FOUND && r != -FL_CORRUPT)
		return r;
	*array_add(headless->branches, headless->count) = *row;
	return 0;
}

/* From the snapshot that the head went on from; empty where there was none. */
static int make_head(struct engine *engine, struct tx *tx, const struct branch_row *branch,
		     struct fl_error *err)
{
	own_snapshot_row struct snapshot_row tip = { 0 };
	struct position position;
	struct tree tree;

	if (head_position(tx, &branch->uuid, &position, err) < 0 ||
	    quota_account(engine, branch, err) < 0)
		return fl_failed(err);
	if (position_is_none(&position))
		return driver_of(engine)->head_create(engine->pool, &branch->uuid, err);
	if (tx_snapshot_get(tx, &position, &tip, err) < 0)
		return fl_failed(err);
	tree = snapshot_tree(&tip);
	return driver_of(engine)->head_clone(engine->pool, &branch->uuid, &tree, err);
}

/* One that can't be made keeps none of the other branches from being served. */
static void replace_head(struct engine *engine, struct tx *tx, const struct branch_row *branch)
{
	own_volume_row struct volume_row volume = { 0 };
	struct fl_error err;

	if (tx_volume_get(tx, &branch->volume, &volume, &err) == 0 &&
	    make_head(engine, tx, branch, &err) == 0)
		log_error("a branch had no head in the pool; it has a new one, made from its "
			  "newest snapshot: what was written after that is lost",
			  "volume=%s branch=%s", volume.name, branch->name);
	else
		log_error("a branch has no head in the pool, and none could be made",
			  "volume=%s branch=%s error=\"%s\"", volume.name, branch->name, err.text);
}

int replace_heads(struct engine *engine, struct fl_error *err)
{
	struct headless headless = { .engine = engine };
	own_free struct branch_row *branches = NULL;
	own_tx struct tx *tx = NULL;
	int r;

	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	r = tx_branch_each(tx, NULL, false, note_headless, &headless, err);
	branches = headless.branches;
	for (size_t i = 0; r == 0 && i < headless.count; i++)
		replace_head(engine, tx, &branches[i]);
	if (r < 0 || headless.count == 0)
		return r;
	return driver_of(engine)->sync(engine->pool, err);
}
