/*
 * Reconciliation: at start the catalogue and the pool are made to agree.
 *
 * First the intents: each is finished or undone (intent.c).  Then every tree in
 * the pool is held against the catalogue, as a stream, so that memory does not
 * grow with the number of snapshots:
 *
 *	staging		swept, unless a rollback that could not be finished needs it
 *	snapshot	without a row: adopted (a crash came between the two), unless
 *			it was destroyed and the pool could not delete it yet
 *	head		without a row: its branch is adopted from its facts;
 *			of a destroyed branch: retired, as the row says
 *	retired		without a row: kept and reported; nothing that may hold
 *			data is deleted on a guess
 *
 * If fewer snapshots were seen than there are rows, the rows whose tree is
 * missing are looked for and dropped, loudly.  A branch of ours whose head was
 * not seen gets a new one from its newest snapshot, loudly too: without a head
 * every verb on it would fail.
 */

#include <string.h>

#include "base/text.h"
#include "engine/internal.h"

/* --- comparing ------------------------------------------------------------------ */

/* Filled, sorted, then asked. */
struct uuid_set {
	struct uuid *items;
	size_t count;
};

static void set_add(struct uuid_set *set, const struct uuid *uuid)
{
	set->items = xrealloc(set->items, set->count + 1, sizeof(*set->items));
	set->items[set->count++] = *uuid;
}

static int compare_uuids(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct uuid));
}

static void set_sort(struct uuid_set *set)
{
	if (set->count > 1)
		qsort(set->items, set->count, sizeof(*set->items), compare_uuids);
}

static bool set_has(const struct uuid_set *set, const struct uuid *uuid)
{
	return set->count > 0 &&
	       bsearch(uuid, set->items, set->count, sizeof(*set->items), compare_uuids);
}

static int compare_trees(const void *a, const void *b)
{
	const struct tree *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (!uuid_equal(&x->uuid, &y->uuid))
		return memcmp(&x->uuid, &y->uuid, sizeof(x->uuid));
	return x->snapshot.time < y->snapshot.time ? -1 : x->snapshot.time > y->snapshot.time;
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
	struct uuid_set heads; /* branches that have one */
	uint64_t living;       /* of those, branches of ours */
	uint64_t wanted;       /* branches of ours that should have one */
};

static void comparison_done(struct comparison *comparison)
{
	free(comparison->odd);
	free(comparison->known.items);
	free(comparison->doomed);
	free(comparison->heads.items);
}

static void note_odd(struct comparison *comparison, const struct tree *tree)
{
	comparison->odd = xrealloc(comparison->odd, comparison->count + 1,
				   sizeof(*comparison->odd));
	comparison->odd[comparison->count++] = *tree;
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
	if (strcmp(row->verb, "delete-snapshot") != 0 ||
	    delete_snapshot_parse(row, &tree, &unreadable) < 0)
		return 0;
	comparison->doomed = xrealloc(comparison->doomed, comparison->doomed_count + 1,
				      sizeof(*comparison->doomed));
	comparison->doomed[comparison->doomed_count++] = tree;
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

	set_add(&comparison->heads, &tree->uuid);
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
	case TREE_RETIRED:
	case TREE_STAGING:
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
	set_sort(&comparison->heads);
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
			    "tree=%s reason=%s", tree_format(tree, text), err->text);
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
	row.sequence = branch.last_sequence + 1;
	snprintf(row.host, sizeof(row.host), "%s", adoption->engine->host);
	return tx_snapshot_insert(tx, &row, err);
}

int adopt_snapshot(struct engine *engine, const struct tree *tree, bool *ret_known,
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
		log_warning("a half-made tree stays until the next start", "tree=%s error=%s",
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

/* --- what is missing ------------------------------------------------------------------ */

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
	missing->positions = xrealloc(missing->positions, missing->count + 1,
				      sizeof(*missing->positions));
	missing->positions[missing->count++] = row->position;
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

static int drop_missing(struct engine *engine, struct fl_error *err)
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

static int count_rows(struct engine *engine, uint64_t *ret, struct fl_error *err)
{
	own_tx struct tx *tx = NULL;

	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	return tx_snapshot_count(tx, ret, err);
}

/* --- branches without a head ------------------------------------------------------- */

struct headless {
	struct engine *engine;
	const struct uuid_set *heads;
	struct branch_row *branches;
	size_t count;
};

static int note_headless(void *arg, const struct branch_row *row, struct fl_error *err)
{
	struct headless *headless = arg;

	if (!uuid_equal(&row->instance, &headless->engine->instance) ||
	    set_has(headless->heads, &row->uuid))
		return 0;
	headless->branches = xrealloc(headless->branches, headless->count + 1,
				      sizeof(*headless->branches));
	headless->branches[headless->count++] = *row;
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
			  "volume=%s branch=%s error=%s", volume.name, branch->name, err.text);
}

static int replace_heads(struct engine *engine, const struct uuid_set *heads, struct fl_error *err)
{
	struct headless headless = { .engine = engine, .heads = heads };
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
	scan->branches = xrealloc(scan->branches, scan->count + 1, sizeof(*scan->branches));
	scan->branches[scan->count++] = *branch;
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

int reconcile(struct engine *engine, struct fl_error *err)
{
	own(comparison_done) struct comparison comparison = { .engine = engine };
	uint64_t rows;

	if (finish_intents(engine, err) < 0 || intents_settle(engine, err) < 0 ||
	    compare(engine, &comparison, err) < 0 || count_rows(engine, &rows, err) < 0)
		return fl_failed(err);
	if (comparison.count > 1)
		qsort(comparison.odd, comparison.count, sizeof(*comparison.odd), compare_trees);
	for (size_t i = 0; i < comparison.count; i++)
		if (settle_tree(engine, &comparison.odd[i], err) < 0)
			return fl_failed(err);
	/* What was swept gives its space back when that is on the disk. */
	if (comparison.count > 0)
		sync_soon(engine);
	if (comparison.matched < rows && drop_missing(engine, err) < 0)
		return fl_failed(err);
	if (comparison.living < comparison.wanted &&
	    replace_heads(engine, &comparison.heads, err) < 0)
		return fl_failed(err);
	return sweep_orphans(engine, err);
}
