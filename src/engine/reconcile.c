/*
 * Reconciliation: at start the catalogue and the pool are made to agree.
 *
 * First the intents: each is finished or undone (intent.c).  Then every tree in
 * the pool is held against the catalogue, as a stream, so that memory does not
 * grow with the number of snapshots:
 *
 *	staging		swept, unless a rollback that could not be finished needs it,
 *			or a transfer may go on with it (halfway.h)
 *	snapshot	without a row: adopted (a crash came between the two), unless
 *			it was destroyed and the pool could not delete it yet
 *	head		without a row: its branch is adopted from its facts;
 *			of a destroyed branch: retired, as the row says
 *	retired		without a row: kept and reported; nothing that may hold
 *			data is deleted on a guess
 *
 * If fewer snapshots were seen than there are rows, or fewer heads than branches
 * of ours, what is missing is looked for (missing.c).
 */

#include <string.h>

#include "base/text.h"
#include "engine/halfway.h"
#include "engine/internal.h"

/* --- comparing ------------------------------------------------------------------ */

/* Filled, sorted, then asked. */
struct uuid_set {
	struct uuid *items;
	size_t count;
};

static void set_add(struct uuid_set *set, const struct uuid *uuid)
{
	*array_add(set->items, set->count) = *uuid;
}

static void set_sort(struct uuid_set *set)
{
	array_sort(set->items, set->count, uuid_compare);
}

static bool set_has(const struct uuid_set *set, const struct uuid *uuid)
{
	return set->count > 0 &&
	       bsearch(uuid, set->items, set->count, sizeof(*set->items), uuid_compare);
}

struct comparison {
	struct engine *engine;
	struct tx *tx;
	uint64_t matched; /* snapshots with a row */
	struct tree *odd; /* trees that need something done; heap */
	size_t count;
	struct uuid_set known; /* operations whose trees rows and intents know of */
	struct tree *doomed;   /* snapshots that are to be deleted; heap */
	size_t doomed_count;
	uint64_t living; /* branches of ours that have a head */
	uint64_t wanted; /* that should have one */
};

static void comparison_done(struct comparison *comparison)
{
	free(comparison->odd);
	free(comparison->known.items);
	free(comparison->doomed);
}

static void note_odd(struct comparison *comparison, const struct tree *tree)
{
	*array_add(comparison->odd, comparison->count) = *tree;
}

static int know_held(void *arg, const struct retired_row *row, struct fl_error *err)
{
	set_add(arg, &row->operation);
	return 0;
}

static int know_destroyed(void *arg, const struct branch_row *row, struct fl_error *err)
{
	set_add(arg, &row->retired);
	return 0;
}

/* One that stays could not be carried out: a replaced head may be in its trees. */
static int know_intended(void *arg, const struct intent_row *row, struct fl_error *err)
{
	struct comparison *comparison = arg;
	struct fl_error unreadable;
	struct tree tree;

	set_add(&comparison->known, &row->operation);
	if (strcmp(row->verb, "delete-snapshot") == 0 &&
	    delete_snapshot_parse(row, &tree, &unreadable) == 0)
		*array_add(comparison->doomed, comparison->doomed_count) = tree;
	return 0;
}

static bool is_doomed(const struct comparison *comparison, const struct tree *tree)
{
	for (size_t i = 0; i < comparison->doomed_count; i++)
		if (compare_trees(&comparison->doomed[i], tree) == 0)
			return true;
	return false;
}

static int compare_snapshot(struct comparison *comparison, const struct tree *tree,
			    struct fl_error *err)
{
	struct position position = { tree->uuid, tree->snapshot.time };
	own_snapshot_row struct snapshot_row row = { 0 };
	int r = tx_snapshot_get(comparison->tx, &position, &row, err);

	if (r == 0)
		comparison->matched++;
	else if (r == -FL_NOT_FOUND && !is_doomed(comparison, tree))
		note_odd(comparison, tree);
	return r == -FL_NOT_FOUND ? 0 : r;
}

static int compare_head(struct comparison *comparison, const struct tree *tree,
			struct fl_error *err)
{
	struct branch_row row;
	int r = tx_branch_get(comparison->tx, &tree->uuid, &row, err);

	comparison->living += r == 0 && !row.destroyed &&
			      uuid_equal(&row.instance, &comparison->engine->instance);
	if (r == -FL_NOT_FOUND || (r == 0 && row.destroyed))
		note_odd(comparison, tree);
	return r == -FL_NOT_FOUND ? 0 : r;
}

static int compare_tree(void *arg, const struct tree *tree, const struct tree_info *info,
			struct fl_error *err)
{
	struct comparison *comparison = arg;

	switch (tree->kind) {
	case TREE_SNAPSHOT:
		return compare_snapshot(comparison, tree, err);
	case TREE_HEAD:
		return compare_head(comparison, tree, err);
	case TREE_STAGING:
		if (halfway_stays(comparison->engine, &tree->uuid))
			return 0;
		break;
	case TREE_RETIRED:
		break;
	}
	if (!set_has(&comparison->known, &tree->uuid))
		note_odd(comparison, tree);
	return 0;
}

static int compare(struct engine *engine, struct comparison *comparison, struct fl_error *err)
{
	own_tx struct tx *tx = NULL;

	if (tx_begin(engine->catalog, &tx, err) < 0 ||
	    tx_retired_each(tx, know_held, &comparison->known, err) < 0 ||
	    tx_intent_each(tx, know_intended, comparison, err) < 0 ||
	    each_destroyed_branch(tx, know_destroyed, &comparison->known, err) < 0)
		return fl_failed(err);
	set_sort(&comparison->known);
	comparison->tx = tx;
	if (driver_of(engine)->list(engine->pool, compare_tree, comparison, err) < 0)
		return fl_failed(err);
	return tx_branch_count(tx, &engine->instance, &comparison->wanted, err);
}

/* --- adopting --------------------------------------------------------------------- */

static int adopt_branch_rows(struct tx *tx, void *arg, struct fl_error *err)
{
	const struct facts *facts = arg;
	own_volume_row struct volume_row volume = { 0 };
	int r = tx_volume_get(tx, &facts->volume.uuid, &volume, err);

	if (r == -FL_NOT_FOUND)
		r = tx_volume_insert(tx, &facts->volume, err);
	if (r < 0 || tx_branch_insert(tx, &facts->branch, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < facts->line_count; i++)
		if (tx_line_insert(tx, &facts->lines[i], err) < 0)
			return fl_failed(err);
	return 0;
}

static int adopt_head(struct engine *engine, const struct tree *tree, struct fl_error *err)
{
	own_facts struct facts facts = { 0 };
	char text[TREE_TEXT];
	int r = facts_load(engine, &tree->uuid, &facts, err);

	if (r == 0)
		r = catalog_write(engine->catalog, CATALOG_DURABLE, adopt_branch_rows, &facts, err);
	if (r == 0)
		log_info("branch adopted from the pool", "volume=%s branch=%s", facts.volume.name,
			 facts.branch.name);
	else if (err->code == FL_NOT_FOUND || err->code == FL_EXISTS || err->code == FL_CORRUPT)
		log_warning("a head in the pool belongs to no branch; it is kept",
			    "tree=%s reason=\"%s\"", tree_format(tree, text), err->text);
	else
		return r;
	return 0;
}

/* The row says that the branch is in the trash: so is its head now. */
static int settle_head(struct engine *engine, const struct tree *tree, struct fl_error *err)
{
	own_tx struct tx *tx = NULL;
	struct branch_row row;
	int r;

	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	r = tx_branch_get(tx, &tree->uuid, &row, err);
	tx_end(take_ptr(tx));
	if (r == -FL_NOT_FOUND)
		return adopt_head(engine, tree, err);
	if (r < 0)
		return r;
	return driver_of(engine)->head_retire(engine->pool, &row.uuid, &row.retired, err);
}

struct adoption {
	struct engine *engine;
	const struct tree *tree;
	bool known; /* the branch has a row */
};

static int adopt_snapshot_row(struct tx *tx, void *arg, struct fl_error *err)
{
	struct adoption *adoption = arg;
	struct snapshot_row row = { .storage = adoption->tree->snapshot,
				    .reason = REASON_RECOVERED };
	struct branch_row branch;
	int r = tx_branch_get(tx, &adoption->tree->uuid, &branch, err);

	adoption->known = r == 0;
	if (r < 0)
		return r == -FL_NOT_FOUND ? 0 : r;
	row.position = (struct position){ branch.uuid, row.storage.time };
	row.id = snapname_id(&row.storage);
	row.late = retention_late(adoption->engine, clock_now());
	/* Another's clock is not compared with ours: it counts as made now (arrive-rows.c). */
	if (is_remote(adoption->engine, &branch))
		row.late = retention_late(adoption->engine, row.storage.time);
	row.sequence = branch.last_sequence + 1;
	snprintf(row.host, sizeof(row.host), "%s", adoption->engine->host);
	return tx_snapshot_insert(tx, &row, err);
}

/* Gives a snapshot in the pool its row; `*ret_known` false: its branch has none, and nothing is
 * done. */
static int adopt_snapshot(struct engine *engine, const struct tree *tree, bool *ret_known,
			  struct fl_error *err)
{
	struct adoption adoption = { .engine = engine, .tree = tree };

	if (catalog_write(engine->catalog, CATALOG_LAZY, adopt_snapshot_row, &adoption, err) < 0)
		return fl_failed(err);
	*ret_known = adoption.known;
	return 0;
}

static int settle_snapshot(struct engine *engine, const struct tree *tree, struct fl_error *err)
{
	char text[TREE_TEXT];
	bool known;

	if (adopt_snapshot(engine, tree, &known, err) < 0)
		return fl_failed(err);
	tree_format(tree, text);
	if (known)
		log_info("snapshot adopted from the pool", "tree=%s", text);
	else
		log_warning("a snapshot in the pool belongs to no branch; it is kept", "tree=%s",
			    text);
	return 0;
}

/* It may be large, and may count for a volume until its space is free. */
static void sweep_staging(struct engine *engine, const struct tree *tree)
{
	struct fl_error err;
	char text[TREE_TEXT];

	sync_soon(engine);
	if (driver_of(engine)->tree_delete(engine->pool, tree, &err) < 0)
		log_warning("a half-made tree stays until the next start", "tree=%s error=\"%s\"",
			    tree_format(tree, text), err.text);
}

static int settle_tree(struct engine *engine, const struct tree *tree, struct fl_error *err)
{
	char text[TREE_TEXT];

	switch (tree->kind) {
	case TREE_STAGING:
		sweep_staging(engine, tree);
		return 0;
	case TREE_HEAD:
		return settle_head(engine, tree, err);
	case TREE_SNAPSHOT:
		return settle_snapshot(engine, tree, err);
	case TREE_RETIRED:
		break;
	}
	log_warning("a replaced head of unknown origin is kept", "tree=%s",
		    tree_format(tree, text));
	return 0;
}

int compare_trees(const void *a, const void *b)
{
	const struct tree *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (!uuid_equal(&x->uuid, &y->uuid))
		return uuid_compare(&x->uuid, &y->uuid);
	return x->snapshot.time < y->snapshot.time ? -1 : x->snapshot.time > y->snapshot.time;
}

/* --- facts without anything ----------------------------------------------------------------- */

struct orphan_scan {
	struct engine *engine;
	struct tx *tx;
	struct uuid *branches;
	size_t count;
};

static int collect_orphan(void *arg, const struct uuid *branch, struct fl_error *err)
{
	struct orphan_scan *scan = arg;
	struct tree head = tree_head(branch);
	struct branch_row row;
	struct tree_info info;
	int r = tx_branch_get(scan->tx, branch, &row, err);

	if (r == -FL_NOT_FOUND)
		r = driver_of(scan->engine)->tree_info(scan->engine->pool, &head, &info, err);
	if (r != -FL_NOT_FOUND)
		return r;
	*array_add(scan->branches, scan->count) = *branch;
	return 0;
}

static int list_orphans(struct engine *engine, struct orphan_scan *scan, struct fl_error *err)
{
	own_tx struct tx *tx = NULL;

	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	scan->tx = tx;
	return driver_of(engine)->facts_list(engine->pool, collect_orphan, scan, err);
}

/* Facts of a branch that was never born, or whose last step of deletion was cut off. */
static int sweep_orphans(struct engine *engine, struct fl_error *err)
{
	struct orphan_scan scan = { .engine = engine };
	own_free struct uuid *branches = NULL;
	int r = list_orphans(engine, &scan, err);

	branches = scan.branches;
	for (size_t i = 0; r == 0 && i < scan.count; i++) {
		r = driver_of(engine)->facts_delete(engine->pool, &branches[i], err);
		if (r == -FL_BUSY) /* it has snapshots: reported above, and kept */
			r = 0;
	}
	return r;
}

static int count_rows(struct engine *engine, uint64_t *ret, struct fl_error *err)
{
	own_tx struct tx *tx = NULL;

	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	return tx_snapshot_count(tx, ret, err);
}

int reconcile(struct engine *engine, struct fl_error *err)
{
	own(comparison_done) struct comparison comparison = { .engine = engine };
	uint64_t rows;

	if (finish_intents(engine, err) < 0 || intents_settle(engine, err) < 0 ||
	    compare(engine, &comparison, err) < 0 || count_rows(engine, &rows, err) < 0)
		return fl_failed(err);
	array_sort(comparison.odd, comparison.count, compare_trees);
	for (size_t i = 0; i < comparison.count; i++)
		if (settle_tree(engine, &comparison.odd[i], err) < 0)
			return fl_failed(err);
	halfway_sweep(engine);
	/* What was swept may count for a volume until that is on the disk. */
	if (comparison.count > 0)
		sync_soon(engine);
	if (comparison.matched < rows && drop_missing(engine, err) < 0)
		return fl_failed(err);
	if (comparison.living < comparison.wanted && replace_heads(engine, err) < 0)
		return fl_failed(err);
	return sweep_orphans(engine, err);
}
