/*
 * Recovery: a catalogue made anew from the pool.
 *
 *	1. the backup: all that users wrote, and what was under way
 *	2. deletions that were under way: what users destroyed must not come back
 *	3. the facts of every branch: what the backup lacks, or all, without one
 *	4. every snapshot, by its storage name, in the order of its time, with what its note
 *	   says of it (note.h), where the driver keeps notes
 *	5. without a whole backup: tags and stashes, from the notes
 *
 * Rollbacks that were under way are finished or undone after that, as at every
 * start (reconcile.c): they need all of it.
 *
 * A branch that left snapshots or a head but no readable facts becomes the
 * trunk of a volume called recovered-<uuid>: nothing that the pool holds is
 * left out.
 */

#include <jansson.h>
#include <string.h>

#include "base/text.h"
#include "catalog/backup.h"
#include "engine/birth.h"
#include "engine/internal.h"
#include "engine/note.h"

#define BACKUP_FILE "catalog.backup"
#define SNAPSHOTS_AT_ONCE 10000 /* in one transaction: what it changes waits in memory */

static int restore_backup(struct engine *engine, struct recovery *recovery, struct fl_error *err)
{
	own_text struct text backup = { 0 };
	int r = driver_of(engine)->file_read(engine->pool, BACKUP_FILE, &backup, err);

	if (r == -FL_NOT_FOUND) {
		log_warning("the pool holds no backup of the catalogue", "%s",
			    driver_of(engine)->capabilities & DRIVER_CAN_NOTE
				    ? "instead=notes"
				    : "lost=tags,stashes,metadata");
		return 0;
	}
	if (r < 0)
		return r;
	recovery->backup_used = true;
	if (catalog_backup_restore(engine->catalog, backup.bytes, backup.length,
				   &recovery->backup_complete, err) < 0)
		return fl_wrap(err, "reading the backup of the catalogue");
	return 0;
}

/* --- branches from facts -------------------------------------------------------- */

/* What the snapshot was that a rollback took before its swap; none: it can't be read. */
static struct position position_before_swap(const struct intent_row *intent)
{
	json_error_t where;
	json_t *root = json_loads(intent->body, JSON_REJECT_DUPLICATES, &where);
	struct position position = { 0 };
	const char *branch;
	json_int_t time;
	struct fl_error err;

	if (root &&
	    json_unpack(root, "{s:{s:s, s:I}}", "taken", "branch", &branch, "time", &time) == 0 &&
	    uuid_parse(branch, &position.branch, &err) == 0)
		position.time = time;
	json_decref(root);
	return position;
}

struct rollbacks {
	struct position *before; /* of each that is under way */
	size_t count;
};

static int collect_rollback(void *arg, const struct intent_row *intent, struct fl_error *err)
{
	struct rollbacks *rollbacks = arg;

	if (strcmp(intent->verb, "rollback") != 0)
		return 0;
	*array_add(rollbacks->before, rollbacks->count) = position_before_swap(intent);
	return 0;
}

static void rollbacks_done(struct rollbacks *rollbacks)
{
	free(rollbacks->before);
}

/*
 * Facts get the line of a rollback before the catalogue does, and it may yet be
 * undone: whoever finishes it writes the line.  It is the only one of its
 * branch that begins after what was taken.
 */
static bool is_under_way(const struct rollbacks *rollbacks, const struct line *line)
{
	for (size_t i = 0; i < rollbacks->count; i++)
		if (uuid_equal(&rollbacks->before[i].branch, &line->branch) &&
		    line->start > rollbacks->before[i].time)
			return true;
	return false;
}

/* A name that another one has by now gets the UUID's beginning behind it. */
static void make_unique(char name[static NAME_TEXT], const struct uuid *uuid)
{
	char text[UUID_TEXT], unique[NAME_TEXT];

	snprintf(unique, sizeof(unique), "%.54s-%.8s", name, uuid_format(uuid, text));
	memcpy(name, unique, NAME_TEXT);
}

static int insert_volume(struct tx *tx, struct facts *facts, struct fl_error *err)
{
	int r = tx_volume_insert(tx, &facts->volume, err);

	if (r != -FL_EXISTS)
		return r;
	make_unique(facts->volume.name, &facts->volume.uuid);
	return tx_volume_insert(tx, &facts->volume, err);
}

static int insert_branch(struct tx *tx, struct facts *facts, struct fl_error *err)
{
	int r = tx_branch_insert(tx, &facts->branch, err);

	if (r != -FL_EXISTS)
		return r;
	make_unique(facts->branch.name, &facts->branch.uuid);
	return tx_branch_insert(tx, &facts->branch, err);
}

static int insert_lines(struct tx *tx, const struct facts *facts, struct fl_error *err)
{
	own(rollbacks_done) struct rollbacks rollbacks = { 0 };

	if (tx_intent_each(tx, collect_rollback, &rollbacks, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < facts->line_count; i++)
		if (!is_under_way(&rollbacks, &facts->lines[i]) &&
		    tx_line_insert(tx, &facts->lines[i], err) < 0 && err->code != FL_EXISTS)
			return fl_failed(err);
	return 0;
}

/* What the backup has told already stands: it was written with every change. */
static int insert_facts(struct tx *tx, void *arg, struct fl_error *err)
{
	struct facts *facts = arg;
	own_volume_row struct volume_row volume = { 0 };
	struct branch_row branch;
	int r = tx_volume_get(tx, &facts->volume.uuid, &volume, err);

	if (r == -FL_NOT_FOUND)
		r = insert_volume(tx, facts, err);
	if (r < 0)
		return r;
	r = tx_branch_get(tx, &facts->branch.uuid, &branch, err);
	if (r == -FL_NOT_FOUND)
		r = insert_branch(tx, facts, err);
	if (r < 0 || insert_lines(tx, facts, err) < 0)
		return fl_failed(err);
	return instance_remember(tx, &facts->branch.instance, facts->instance_name, err);
}

/* Facts for a branch that has none. */
static void invent_facts(struct engine *engine, const struct uuid *branch, struct facts *ret)
{
	char uuid[UUID_TEXT];

	*ret = (struct facts){ .volume = { .uuid = uuid_new(),
					   .owner = engine->instance,
					   .epoch = 1,
					   .created = clock_now() } };
	snprintf(ret->volume.name, NAME_TEXT, "recovered-%.8s", uuid_format(branch, uuid));
	ret->branch = birth_branch(engine, &ret->volume, TRUNK);
	ret->branch.uuid = *branch;
	ret->lines = xcalloc(1, sizeof(*ret->lines));
	ret->lines[0] = (struct line){ .branch = *branch, .start = 1 };
	ret->line_count = 1;
}

static int find_facts(struct engine *engine, const struct uuid *branch, struct facts *ret,
		      struct fl_error *err)
{
	int r = facts_load(engine, branch, ret, err);

	if (r != -FL_NOT_FOUND && r != -FL_CORRUPT)
		return r;
	log_warning("a branch has lost its facts", "reason=\"%s\"", err->text);
	invent_facts(engine, branch, ret);
	return 0;
}

/* --- what the pool holds ------------------------------------------------------------ */

struct holdings {
	struct tree *snapshots;
	size_t snapshot_count;
	struct uuid *branches;
	size_t branch_count;
};

static void holdings_done(struct holdings *holdings)
{
	free(holdings->snapshots);
	free(holdings->branches);
}

static int hold_branch(void *arg, const struct uuid *branch, struct fl_error *err)
{
	struct holdings *holdings = arg;

	*array_add(holdings->branches, holdings->branch_count) = *branch;
	return 0;
}

static int hold_tree(void *arg, const struct tree *tree, const struct tree_info *info,
		     struct fl_error *err)
{
	struct holdings *holdings = arg;

	if (tree->kind == TREE_HEAD)
		return hold_branch(arg, &tree->uuid, err);
	if (tree->kind != TREE_SNAPSHOT)
		return 0;
	*array_add(holdings->snapshots, holdings->snapshot_count) = *tree;
	return 0;
}

static int load_holdings(struct engine *engine, struct holdings *ret, struct fl_error *err)
{
	if (driver_of(engine)->facts_list(engine->pool, hold_branch, ret, err) < 0 ||
	    driver_of(engine)->list(engine->pool, hold_tree, ret, err) < 0)
		return fl_failed(err);
	array_sort(ret->branches, ret->branch_count, uuid_compare);
	array_sort(ret->snapshots, ret->snapshot_count, compare_trees);
	return 0;
}

/* --- branches --------------------------------------------------------------------------- */

struct records {
	struct facts *facts;
	size_t count;
};

static void records_done(struct records *records)
{
	for (size_t i = 0; i < records->count; i++)
		facts_done(&records->facts[i]);
	free(records->facts);
}

static int load_records(struct engine *engine, const struct holdings *holdings, struct records *ret,
			struct fl_error *err)
{
	ret->facts = xcalloc(holdings->branch_count, sizeof(*ret->facts));
	for (size_t i = 0; i < holdings->branch_count; i++) {
		if (i > 0 && uuid_equal(&holdings->branches[i], &holdings->branches[i - 1]))
			continue;
		if (find_facts(engine, &holdings->branches[i], &ret->facts[ret->count], err) < 0)
			return fl_failed(err);
		ret->count++;
	}
	return 0;
}

static int insert_records(struct engine *engine, const struct records *records, bool trunks,
			  struct fl_error *err)
{
	for (size_t i = 0; i < records->count; i++) {
		struct facts *facts = &records->facts[i];

		if ((strcmp(facts->branch.name, TRUNK) == 0) == trunks &&
		    catalog_write(engine->catalog, CATALOG_LAZY, insert_facts, facts, err) < 0)
			return fl_failed(err);
	}
	return 0;
}

/* Whoever comes first says what the volume is, and only its trunk is sure to know. */
static int recover_branches(struct engine *engine, const struct holdings *holdings,
			    struct fl_error *err)
{
	own(records_done) struct records records = { 0 };

	if (load_records(engine, holdings, &records, err) < 0 ||
	    insert_records(engine, &records, true, err) < 0)
		return fl_failed(err);
	return insert_records(engine, &records, false, err);
}

/* --- snapshots -------------------------------------------------------------------------- */

struct insertion {
	struct engine *engine;
	const struct holdings *holdings;
	const struct note_list *notes;
	bool alone;	   /* no backup tells names, messages, metadata, tags, stashes */
	size_t next;	   /* the first that is not inserted yet */
	uint64_t sequence; /* of the one before */
};

/* Borrows from the note. */
static void fill_from_note(const struct insertion *insertion, struct snapshot_row *row)
{
	const struct tree tree = snapshot_tree(row);
	const struct note *note = note_find(insertion->notes, &tree);

	if (!note)
		return;
	row->reason = note->row.reason;
	memcpy(row->host, note->row.host, sizeof(row->host));
	if (note->row.sequence > row->sequence)
		row->sequence = note->row.sequence;
	if (!insertion->alone)
		return;
	memcpy(row->name, note->row.name, sizeof(row->name));
	row->message = note->row.message;
	row->metadata = note->row.metadata;
}

/* Where another snapshot has the name by now, or what is left of a backup tells of it. */
static int insert_without_words(struct tx *tx, struct snapshot_row *row, struct fl_error *err)
{
	row->name[0] = '\0';
	row->message = NULL;
	row->metadata = (struct metadata){ 0 };
	return tx_snapshot_insert(tx, row, err);
}

static int insert_one(struct tx *tx, const struct insertion *insertion, struct snapshot_row *row,
		      struct fl_error *err)
{
	int r;

	fill_from_note(insertion, row);
	r = tx_snapshot_insert(tx, row, err);
	return r == -FL_EXISTS && row->name[0] ? insert_without_words(tx, row, err) : r;
}

/* Those of a branch are in the order in which they were taken. */
static int insert_some(struct tx *tx, void *arg, struct fl_error *err)
{
	struct insertion *insertion = arg;
	size_t end = insertion->next + SNAPSHOTS_AT_ONCE;

	if (end > insertion->holdings->snapshot_count)
		end = insertion->holdings->snapshot_count;
	for (; insertion->next < end; insertion->next++) {
		const struct tree *tree = &insertion->holdings->snapshots[insertion->next];
		bool same = insertion->next > 0 && uuid_equal(&tree->uuid, &tree[-1].uuid);
		struct snapshot_row row = { .storage = tree->snapshot, .reason = REASON_RECOVERED };

		row.sequence = same ? insertion->sequence + 1 : 1;
		row.position = (struct position){ tree->uuid, tree->snapshot.time };
		row.id = snapname_id(&row.storage);
		snprintf(row.host, sizeof(row.host), "%s", insertion->engine->host);
		if (insert_one(tx, insertion, &row, err) < 0)
			return fl_failed(err);
		insertion->sequence = row.sequence;
	}
	return 0;
}

/* Names and numbers that are there already were told by what is left of a backup. */
static int insert_marks(struct tx *tx, const struct note *note, struct fl_error *err)
{
	struct branch_row branch;
	int r = tx_branch_get(tx, &note->tree.uuid, &branch, err);

	if (r < 0)
		return r == -FL_NOT_FOUND ? 0 : r;
	for (size_t i = 0; i < note->tag_count; i++) {
		struct tag_row row = note->tags[i];

		row.volume = branch.volume;
		if (tx_tag_insert(tx, &row, err) < 0 && err->code != FL_EXISTS)
			return fl_failed(err);
	}
	for (size_t i = 0; i < note->stash_count; i++) {
		struct stash_row row = note->stashes[i];

		row.volume = branch.volume;
		if (tx_stash_insert(tx, &row, err) < 0 && err->code != FL_EXISTS)
			return fl_failed(err);
	}
	return 0;
}

static int insert_all_marks(struct tx *tx, void *arg, struct fl_error *err)
{
	const struct note_list *notes = arg;

	for (size_t i = 0; i < notes->count; i++)
		if (insert_marks(tx, &notes->items[i], err) < 0)
			return fl_failed(err);
	return 0;
}

static int insert_snapshots(struct engine *engine, const struct holdings *holdings, bool alone,
			    struct fl_error *err)
{
	own_note_list struct note_list notes = { 0 };
	struct insertion insertion = {
		.engine = engine, .holdings = holdings, .notes = &notes, .alone = alone
	};

	if (notes_load(engine, &notes, err) < 0)
		return fl_failed(err);
	while (insertion.next < holdings->snapshot_count)
		if (catalog_write(engine->catalog, CATALOG_LAZY, insert_some, &insertion, err) < 0)
			return fl_failed(err);
	return alone ? catalog_write(engine->catalog, CATALOG_LAZY, insert_all_marks, &notes, err)
		     : 0;
}

/* --- the whole ------------------------------------------------------------------------------ */

struct count {
	struct tx *tx;
	struct recovery *recovery;
};

static int count_tag(void *arg, const struct tag_row *row, struct fl_error *err)
{
	((struct count *)arg)->recovery->tags++;
	return 0;
}

static int count_stash(void *arg, const struct stash_row *row, struct fl_error *err)
{
	((struct count *)arg)->recovery->stashes++;
	return 0;
}

static int count_branch(void *arg, const struct branch_row *row, struct fl_error *err)
{
	((struct count *)arg)->recovery->branches++;
	return 0;
}

static int count_volume(void *arg, const struct volume_row *row, struct fl_error *err)
{
	struct count *count = arg;

	count->recovery->volumes++;
	if (tx_tag_each(count->tx, &row->uuid, NULL, count_tag, count, err) < 0 ||
	    tx_stash_each(count->tx, &row->uuid, count_stash, count, err) < 0)
		return fl_failed(err);
	return tx_branch_each(count->tx, &row->uuid, false, count_branch, count, err);
}

static int count_all(struct engine *engine, struct recovery *recovery, struct fl_error *err)
{
	own_tx struct tx *tx = NULL;
	struct count count = { .recovery = recovery };

	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	count.tx = tx;
	if (tx_snapshot_count(tx, &recovery->snapshots, err) < 0)
		return fl_failed(err);
	return tx_volume_each(tx, "", SIZE_MAX, count_volume, &count, err);
}

/* Of what was taken by this instance, or whose it was: the clocks of others say nothing. */
static int64_t newest_of(const struct engine *engine, const struct holdings *holdings)
{
	int64_t newest = 0;

	for (size_t i = 0; i < holdings->snapshot_count; i++) {
		const struct snapname *name = &holdings->snapshots[i].snapshot;
		bool ours = uuid_equal(&name->instance, &engine->instance) ||
			    uuid_equal(&name->instance, &engine->former);

		if (ours && name->time > newest)
			newest = name->time;
	}
	return newest;
}

struct dating {
	struct engine *engine;
	struct tx *tx;
};

static int date_branch(void *arg, const struct branch_row *row, struct fl_error *err)
{
	const struct dating *dating = arg;
	int64_t newest = 0;

	if (!is_remote(dating->engine, row))
		return 0;
	if (tx_snapshot_floor(dating->tx, &row->uuid, INT64_MAX, &newest, err) < 0)
		return fl_failed(err);
	return tx_snapshot_date(dating->tx, &row->uuid, retention_late(dating->engine, newest),
				err);
}

/* Of others' branches the newest counts as made now, as when they arrive (arrive-rows.c). */
static int date_copies(struct tx *tx, void *arg, struct fl_error *err)
{
	struct dating dating = { arg, tx };

	if (tx_branch_each(tx, NULL, false, date_branch, &dating, err) < 0)
		return fl_failed(err);
	return each_destroyed_branch(tx, date_branch, &dating, err);
}

int rebuild(struct engine *engine, struct recovery *ret, struct fl_error *err)
{
	own(holdings_done) struct holdings holdings = { 0 };
	struct recovery recovery = { 0 };

	if (restore_backup(engine, &recovery, err) < 0 || finish_deletions(engine, err) < 0 ||
	    load_holdings(engine, &holdings, err) < 0 ||
	    recover_branches(engine, &holdings, err) < 0 ||
	    insert_snapshots(engine, &holdings, !recovery.backup_complete, err) < 0 ||
	    retention_restart(engine, newest_of(engine, &holdings), err) < 0)
		return fl_failed(err);
	recovery.notes_used = !recovery.backup_complete &&
			      (driver_of(engine)->capabilities & DRIVER_CAN_NOTE);
	if (take_over_rows(engine, err) < 0 ||
	    catalog_write(engine->catalog, CATALOG_LAZY, date_copies, engine, err) < 0 ||
	    count_all(engine, &recovery, err) < 0)
		return fl_failed(err);
	*ret = recovery;
	return 0;
}
