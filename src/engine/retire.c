/*
 * Replaced heads are let go when nobody can write to them any more.
 *
 * A process that had the old head open before a rollback goes on writing there;
 * the kernel protects nothing of it.  So the old head stays, out of reach of
 * any path, until no descriptor, directory, mapping or mount holds it.  None
 * can come after that.  Then it is compared once more with the snapshot that
 * was taken before the swap; what was written since becomes one more snapshot,
 * right behind that one on the old line, and the stash points at it.
 */

#include <string.h>

#include "engine/internal.h"
#include "engine/note.h"
#include "engine/users.h"

struct release {
	struct retired_row row;
	struct snapshot_row final;  /* id 0: nothing was written after the swap */
	struct intent_row deletion; /* of the tree */
	bool adopted;		    /* the final snapshot has its row already */
};

struct release_list {
	struct retired_row *rows;
	size_t count;
};

static int collect(void *arg, const struct retired_row *row, struct fl_error *err)
{
	struct release_list *list = arg;

	*array_add(list->rows, list->count) = *row;
	return 0;
}

/* After a crash between the final snapshot and this commit the start has adopted it. */
static int insert_final(struct tx *tx, struct release *release, struct fl_error *err)
{
	own_snapshot_row struct snapshot_row there = { 0 };
	int r = tx_snapshot_get(tx, &release->final.position, &there, err);

	release->adopted = r == 0;
	return r == -FL_NOT_FOUND ? tx_snapshot_insert(tx, &release->final, err) : r;
}

static int write_release(struct tx *tx, void *arg, struct fl_error *err)
{
	struct release *release = arg;
	struct stash_row stash;
	int r;

	if (release->final.id) {
		if (insert_final(tx, release, err) < 0)
			return fl_failed(err);
		r = tx_stash_find(tx, &release->row.volume, release->row.stash, &stash, err);
		if (r < 0 && r != -FL_NOT_FOUND)
			return r;
		stash.snapshot = release->final.position;
		if (r == 0 && tx_stash_update(tx, &stash, err) < 0)
			return fl_failed(err);
	}
	if (tx_retired_delete(tx, &release->row.operation, err) < 0)
		return fl_failed(err);
	return tx_intent_insert(tx, &release->deletion, err);
}

/* Right behind the snapshot before the swap: rollback.c has left the place free. */
static int take_final(struct engine *engine, struct release *release, const struct tree *retired,
		      struct fl_error *err)
{
	struct snapshot_row *final = &release->final;
	own_snapshot_row struct snapshot_row before = { 0 };
	own_tx struct tx *tx = NULL;
	struct branch_row branch;

	if (tx_begin(engine->catalog, &tx, err) < 0 ||
	    tx_branch_get(tx, &release->row.branch, &branch, err) < 0 ||
	    tx_snapshot_get(tx, &release->row.snapshot, &before, err) < 0)
		return fl_failed(err);
	final->storage = (struct snapname){ before.storage.instance, before.storage.time + 1 };
	final->position = (struct position){ branch.uuid, final->storage.time };
	final->id = snapname_id(&final->storage);
	final->late = before.late;
	final->sequence = branch.last_sequence + 1;
	final->reason = REASON_ROLLBACK;
	snprintf(final->host, sizeof(final->host), "%s", engine->host);
	if (note_snapshot(engine, retired, final, err) == 0 || err->code == FL_EXISTS)
		return 0;
	return fl_failed(err);
}

int delete_retired_finish(struct engine *engine, const struct intent_row *intent,
			  struct fl_error *err)
{
	struct tree retired = tree_retired(&intent->operation);

	if (driver_of(engine)->tree_delete(engine->pool, &retired, err) < 0)
		return fl_failed(err);
	intent_carried_out(engine, &intent->operation);
	return 0;
}

static int release_head(struct engine *engine, const struct retired_row *row, struct fl_error *err)
{
	char empty[] = "{}";
	struct release release = {
		.row = *row,
		.deletion = { .operation = row->operation, .verb = "delete-retired", .body = empty }
	};
	struct tree retired = tree_retired(&row->operation), before;
	own_snapshot_row struct snapshot_row taken = { 0 };
	own_tx struct tx *tx = NULL;
	bool changed = false;
	int r;

	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	r = tx_snapshot_get(tx, &row->snapshot, &taken, err);
	tx_end(take_ptr(tx));
	if (r < 0 && r != -FL_NOT_FOUND)
		return r;
	/* Where the stash was dropped and the snapshot destroyed, nobody wants what came after it.
	 */
	before = snapshot_tree(&taken);
	if (r == 0)
		r = driver_of(engine)->changed_since(engine->pool, &retired, &before, &changed,
						     err);
	/* Nor is there anything to keep of a head that is not there. */
	if (r < 0 && r != -FL_NOT_FOUND)
		return r;
	if (changed && take_final(engine, &release, &retired, err) < 0)
		return fl_failed(err);
	/* Durable: once the tree is gone, the row must not come back. */
	if (catalog_write(engine->catalog, CATALOG_DURABLE, write_release, &release, err) < 0) {
		if (release.final.id && !release.adopted)
			snapshot_abort(engine, &release.final);
		return fl_failed(err);
	}
	if (release.final.id) { /* the stash has moved from one to the other */
		note_refresh(engine, &row->snapshot);
		note_refresh(engine, &release.final.position);
	}
	return delete_retired_finish(engine, &release.deletion, err);
}

static int list_retired(struct engine *engine, struct release_list *list, struct fl_error *err)
{
	own_tx struct tx *tx = NULL;

	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	return tx_retired_each(tx, collect, list, err);
}

/* With the branch locked: has the row not gone meanwhile, with its branch? */
static int is_still_retired(struct engine *engine, const struct retired_row *row, bool *ret,
			    struct fl_error *err)
{
	struct release_list list = { 0 };
	int r = list_retired(engine, &list, err);

	*ret = false;
	for (size_t i = 0; r == 0 && i < list.count; i++)
		*ret |= uuid_equal(&list.rows[i].operation, &row->operation);
	free(list.rows);
	return r;
}

static int try_release(struct engine *engine, const struct retired_row *row, bool *ret_held,
		       struct fl_error *err)
{
	struct tree retired = tree_retired(&row->operation);
	struct lock_want wants[] = { { LOCK_VOLUME, false, row->volume },
				     { LOCK_BRANCH, true, row->branch } };
	own(lock_drop) struct lock_set locks = { 0 };
	struct holders holders;
	bool still;

	if (find_holders(engine, &retired, 1, true, &holders, err) < 0)
		return fl_failed(err);
	*ret_held = holders.count > 0;
	if (*ret_held)
		return 0;
	lock_take(&engine->locks, wants, array_size(wants), &locks);
	if (is_still_retired(engine, row, &still, err) < 0)
		return fl_failed(err);
	return still ? release_head(engine, row, err) : 0;
}

int retired_release(struct engine *engine, size_t *ret_left, struct fl_error *err)
{
	struct release_list list = { 0 };
	own_free struct retired_row *rows = NULL;
	int r = list_retired(engine, &list, err);

	rows = list.rows;
	*ret_left = 0;
	/* One that can't be let go keeps none of the others. */
	for (size_t i = 0; i < list.count; i++) {
		struct fl_error here;
		bool held = false;

		if (try_release(engine, &rows[i], &held, &here) < 0) {
			*err = here;
			r = -(int)here.code;
		}
		*ret_left += held;
	}
	return r;
}
