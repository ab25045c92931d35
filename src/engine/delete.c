/*
 * Intents to delete: what has left the catalogue leaves the pool.
 *
 * The intent is written in the transaction that deletes the rows, with the volume locked.  It is
 * carried out at once, or when nobody reads the tree any more (reading.c), or at the next start; it
 * is forgotten after a sync of the pool, and the backup of the catalogue, which is in the pool,
 * may tell of it until the sync after that.  So later it may be carried out once more, and must
 * not meet anything then but what it was written for:
 *
 *	delete-snapshot	one tree: branch, instance, time
 *	delete-retired	one tree, named by the operation that made it; there is no second one
 *	delete-branch	of a branch of ours whatever has its UUID: that never comes back, since
 *			nothing comes into such a branch from outside, also when it is gone
 *	delete-facts	of another's branch what is left but for snapshots, and only while the
 *			branch has no row; each snapshot has a delete-snapshot of its own
 *
 * Another's branch may be sent again the moment after it was destroyed: the same UUID, and trees of
 * the same names.  That is safe by one rule: where the catalogue has an intent to delete a tree, it
 * has neither a row for it nor an intent to receive it.
 *
 *	An arrival locks the place of its tree.  What the catalogue still notes of a deletion
 *	there it carries out itself, durably, or fails while that is read.  Then it takes the
 *	notes away, and syncs if the backup may still tell of any.  Only then it announces what
 *	is to come: they are gone before there is anything that they could harm.
 *
 *	Who carries a deletion out locks the place, too, and looks whether the intent is still
 *	there: the list that it goes by may be older than the arrival.
 *
 * The arrival has the volume locked, so nobody writes a new intent meanwhile.
 */

#include <string.h>

#include "base/text.h"
#include "engine/internal.h"

void intent_carried_out(struct engine *engine, const struct uuid *operation)
{
	pthread_mutex_lock(&engine->care_mutex);
	*array_add(engine->carried_out, engine->carried_out_count) = *operation;
	pthread_mutex_unlock(&engine->care_mutex);
	sync_soon(engine);
}

struct forgetting {
	struct uuid *operations;
	size_t count;
};

static int forget(struct tx *tx, void *arg, struct fl_error *err)
{
	const struct forgetting *forgetting = arg;

	for (size_t i = 0; i < forgetting->count; i++)
		if (tx_intent_delete(tx, &forgetting->operations[i], err) < 0 &&
		    err->code != FL_NOT_FOUND)
			return fl_failed(err);
	return 0;
}

static size_t count_carried_out(struct engine *engine)
{
	own_lock(guard, &engine->care_mutex);

	return engine->carried_out_count;
}

static struct forgetting take_carried_out(struct engine *engine)
{
	own_lock(guard, &engine->care_mutex);
	struct forgetting forgetting = { take_ptr(engine->carried_out), engine->carried_out_count };

	engine->carried_out_count = 0;
	return forgetting;
}

/* Who finds that an intent is gone, and then has the mutex, finds that it was counted. */
static int forget_some(struct engine *engine, struct forgetting *forgetting, struct fl_error *err)
{
	own_lock(guard, &engine->forget_mutex);

	engine->forgotten++;
	return catalog_write_deletion(engine, forget, forgetting, err);
}

static uint64_t count_forgotten(struct engine *engine, bool *ret_synced)
{
	own_lock(guard, &engine->forget_mutex);

	*ret_synced = engine->forgotten_synced == engine->forgotten;
	return engine->forgotten;
}

static void note_synced(struct engine *engine, uint64_t forgotten)
{
	own_lock(guard, &engine->forget_mutex);

	if (engine->forgotten_synced < forgotten)
		engine->forgotten_synced = forgotten;
}

/* Of the pool, and with it of the backup; what was forgotten before is forgotten there, too. */
static int sync_forgotten(struct engine *engine, struct fl_error *err)
{
	bool synced;
	uint64_t forgotten = count_forgotten(engine, &synced);

	if (driver_of(engine)->sync(engine->pool, err) < 0)
		return fl_failed(err);
	note_synced(engine, forgotten);
	return 0;
}

int intents_settle(struct engine *engine, struct fl_error *err)
{
	size_t count;

	if (count_carried_out(engine) == 0)
		return 0;
	if (intents_forget(engine, &count, err) < 0)
		return fl_failed(err);
	return sync_forgotten(engine, err);
}

/* It did not go: next time. */
static void give_back(struct engine *engine, const struct forgetting *forgetting)
{
	own_lock(guard, &engine->care_mutex);

	for (size_t i = 0; i < forgetting->count; i++)
		*array_add(engine->carried_out,
			   engine->carried_out_count) = forgetting->operations[i];
}

/* What is carried out after they were taken waits for the next sync. */
int intents_forget(struct engine *engine, size_t *ret_count, struct fl_error *err)
{
	struct forgetting forgetting = take_carried_out(engine);
	int r = sync_forgotten(engine, err);

	if (r == 0 && forgetting.count > 0)
		r = forget_some(engine, &forgetting, err);
	if (r < 0)
		give_back(engine, &forgetting);
	free(forgetting.operations);
	*ret_count = forgetting.count;
	return r;
}

/* --- a snapshot ----------------------------------------------------------------------- */

#define DELETE_SNAPSHOT "delete-snapshot"

/* The body is the same for the same tree. */
struct intent_row delete_snapshot_intend(const struct tree *tree)
{
	struct intent_row intent = { .operation = uuid_new(), .verb = DELETE_SNAPSHOT };
	char branch[UUID_TEXT], name[SNAPNAME_TEXT];
	struct text body = { 0 };

	text_add_format(&body, "%s/%s", uuid_format(&tree->uuid, branch),
			snapname_format(&tree->snapshot, name));
	intent.body = text_take(&body);
	return intent;
}

int delete_snapshot_parse(const struct intent_row *intent, struct tree *ret, struct fl_error *err)
{
	char branch[UUID_TEXT];

	*ret = (struct tree){ .kind = TREE_SNAPSHOT };
	snprintf(branch, sizeof(branch), "%s", intent->body);
	if (strlen(intent->body) < UUID_TEXT || uuid_parse(branch, &ret->uuid, err) < 0 ||
	    snapname_parse(intent->body + UUID_TEXT, &ret->snapshot, err) < 0)
		return fl_fail(err, FL_CORRUPT,
			       "the note of an interrupted deletion can't be read");
	return 0;
}

static void lock_place(struct engine *engine, const struct tree *tree, struct lock_set *ret)
{
	char text[TREE_TEXT];

	lock_take_tree(&engine->locks, tree_format(tree, text), ret);
}

static int is_noted(struct engine *engine, const struct uuid *operation, bool *ret,
		    struct fl_error *err)
{
	own_tx struct tx *tx = NULL;

	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	return tx_intent_has(tx, operation, ret, err);
}

int delete_snapshot_finish(struct engine *engine, const struct intent_row *intent,
			   struct fl_error *err)
{
	own_locks struct lock_set place = { 0 };
	struct tree tree;
	bool noted;

	if (delete_snapshot_parse(intent, &tree, err) < 0)
		return fl_failed(err);
	lock_place(engine, &tree, &place);
	if (is_noted(engine, &intent->operation, &noted, err) < 0)
		return fl_failed(err);
	if (!noted || reading_defers(engine, &tree))
		return 0;
	if (driver_of(engine)->tree_delete(engine->pool, &tree, err) < 0)
		return fl_failed(err);
	intent_carried_out(engine, &intent->operation);
	return 0;
}

struct notes_of_tree {
	char *body; /* of those that are meant */
	struct forgetting forgetting;
};

static void notes_of_tree_done(struct notes_of_tree *notes)
{
	free(notes->body);
	free(notes->forgetting.operations);
}

static int collect_note(void *arg, const struct intent_row *intent, struct fl_error *err)
{
	struct notes_of_tree *notes = arg;
	struct forgetting *found = &notes->forgetting;

	if (strcmp(intent->verb, DELETE_SNAPSHOT) == 0 && strcmp(intent->body, notes->body) == 0)
		*array_add(found->operations, found->count) = intent->operation;
	return 0;
}

static int find_notes(struct engine *engine, const struct tree *tree, struct notes_of_tree *ret,
		      struct fl_error *err)
{
	own_intent_row struct intent_row wanted = delete_snapshot_intend(tree);
	own_tx struct tx *tx = NULL;

	ret->body = take_ptr(wanted.body);
	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	return tx_intent_each(tx, collect_note, ret, err);
}

static int clear_place(struct engine *engine, const struct tree *tree, struct fl_error *err)
{
	if (reading_defers(engine, tree)) {
		fl_fail(err, FL_BUSY,
			"the snapshot was destroyed here, and somebody still reads it");
		return fl_hint(err, "try again when nobody does");
	}
	if (driver_of(engine)->tree_delete(engine->pool, tree, err) < 0)
		return fl_failed(err);
	return driver_of(engine)->sync(engine->pool, err);
}

static int make_way(struct engine *engine, const struct tree *tree, struct fl_error *err)
{
	own(notes_of_tree_done) struct notes_of_tree notes = { 0 };
	bool synced;

	if (find_notes(engine, tree, &notes, err) < 0)
		return fl_failed(err);
	if (notes.forgetting.count > 0 &&
	    (clear_place(engine, tree, err) < 0 || forget_some(engine, &notes.forgetting, err) < 0))
		return fl_failed(err);
	(void)count_forgotten(engine, &synced);
	return synced ? 0 : sync_forgotten(engine, err);
}

int deletion_make_way(struct engine *engine, const struct tree *tree, struct lock_set *ret_place,
		      struct fl_error *err)
{
	own_locks struct lock_set place = { 0 };

	lock_place(engine, tree, &place);
	if (make_way(engine, tree, err) < 0)
		return fl_failed(err);
	*ret_place = place;
	place = (struct lock_set){ 0 };
	return 0;
}

/* --- a branch ------------------------------------------------------------------------- */

/* The body: the branch and the place of its head in retired/. */
int delete_branch_intend(struct tx *tx, const struct branch_row *branch, struct intent_row *ret,
			 struct fl_error *err)
{
	struct text body = { 0 };
	char uuid[UUID_TEXT], retired[UUID_TEXT];

	*ret = (struct intent_row){ .operation = uuid_new(), .verb = "delete-branch" };
	text_add_format(&body, "%s/%s", uuid_format(&branch->uuid, uuid),
			uuid_format(&branch->retired, retired));
	ret->body = text_take(&body);
	return tx_intent_insert(tx, ret, err);
}

struct deletion {
	struct uuid branch;
	struct uuid retired;
	struct tree *trees;
	size_t count;
};

static int parse_body(const char *body, struct deletion *ret, struct fl_error *err)
{
	char branch[UUID_TEXT];

	snprintf(branch, sizeof(branch), "%s", body);
	if (strlen(body) != 2 * UUID_TEXT - 1 || uuid_parse(branch, &ret->branch, err) < 0 ||
	    uuid_parse(body + UUID_TEXT, &ret->retired, err) < 0)
		return fl_fail(err, FL_CORRUPT,
			       "the note of an interrupted deletion can't be read");
	return 0;
}

static int collect_tree(void *arg, const struct tree *tree, const struct tree_info *info,
			struct fl_error *err)
{
	struct deletion *deletion = arg;
	const struct uuid *mine = tree->kind == TREE_RETIRED ? &deletion->retired
							     : &deletion->branch;

	if (tree->kind == TREE_STAGING || !uuid_equal(&tree->uuid, mine))
		return 0;
	*array_add(deletion->trees, deletion->count) = *tree;
	return 0;
}

int delete_branch_finish(struct engine *engine, const struct intent_row *intent,
			 struct fl_error *err)
{
	const struct driver *driver = driver_of(engine);
	struct deletion deletion = { 0 };
	own_free struct tree *trees = NULL;
	bool deferred = false;
	int r;

	if (parse_body(intent->body, &deletion, err) < 0)
		return fl_failed(err);
	r = driver->list(engine->pool, collect_tree, &deletion, err);
	trees = deletion.trees;
	for (size_t i = 0; r == 0 && i < deletion.count; i++) {
		if (reading_defers(engine, &trees[i]))
			deferred = true;
		else
			r = driver->tree_delete(engine->pool, &trees[i], err);
	}
	if (r == 0 && deferred)
		return 0;
	if (r < 0 || driver->facts_delete(engine->pool, &deletion.branch, err) < 0)
		return fl_failed(err);
	intent_carried_out(engine, &intent->operation);
	return 0;
}

struct intent_row delete_facts_intend(const struct uuid *branch)
{
	struct intent_row intent = { .operation = uuid_new(), .verb = "delete-facts" };
	char text[UUID_TEXT];

	intent.body = xstrdup(uuid_format(branch, text));
	return intent;
}

static int has_row(struct engine *engine, const struct uuid *branch, bool *ret,
		   struct fl_error *err)
{
	own_tx struct tx *tx = NULL;
	struct branch_row row;
	int r;

	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	r = tx_branch_get(tx, branch, &row, err);
	*ret = r == 0;
	return r == -FL_NOT_FOUND ? 0 : r;
}

int delete_facts_finish(struct engine *engine, const struct intent_row *intent,
			struct fl_error *err)
{
	struct uuid branch;
	bool back;
	int r = 0;

	if (uuid_parse(intent->body, &branch, err) < 0)
		return fl_fail(err, FL_CORRUPT,
			       "the note of an interrupted deletion can't be read");
	if (has_row(engine, &branch, &back, err) < 0)
		return fl_failed(err);
	if (!back)
		r = driver_of(engine)->facts_delete(engine->pool, &branch, err);
	/* It has snapshots: they are read, and this follows them; or the first of a new copy came.
	 */
	if (r == -FL_BUSY)
		return 0;
	if (r < 0)
		return r;
	intent_carried_out(engine, &intent->operation);
	return 0;
}
