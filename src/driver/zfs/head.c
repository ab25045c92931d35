#include "base/log.h"
#include "driver/zfs/pool.h"

/*
 * Heads.  A swap goes through two calls of `zfs`:
 *
 *	heads/B			retired/O
 *	old
 *	clone "heads/B+O"	old, which still says heads/B
 *	clone "heads/B+O"	old
 *
 * The first makes the clone and is the swap; the second writes down what follows
 * from it.  If that does not come to pass, the next opening, or the next call that
 * changes the branch's head, does it: the note on the clone must not be lost before.
 */

static struct item *find_unwritten(struct zfs_pool *pool, const struct uuid *branch)
{
	own_lock(guard, &pool->mutex);

	for (size_t i = 0; i < pool->index.count; i++) {
		struct item *item = pool->index.items[i];

		if (item->unwritten && (!branch || uuid_equal(&item->branch, branch)))
			return item;
	}
	return NULL;
}

int settle(struct zfs_pool *pool, const struct uuid *branch, struct fl_error *err)
{
	struct item *item;

	while ((item = find_unwritten(pool, branch))) {
		const struct tree tree = item->tree;

		if (item_relabel(pool, item, &tree, err) < 0)
			return fl_wrap(err, "writing down a rollback");
	}
	return 0;
}

/* A new head, visible at once; a failure leaves none. */
static int make_head(struct zfs_pool *pool, const struct uuid *branch, const struct item *from,
		     struct fl_error *err)
{
	const struct making making = {
		.label.tree = tree_head(branch),
		.from = from,
		.account = branch,
	};
	struct fl_error ignored;
	struct item *item;
	int rc;

	if (item_check_free(pool, &making.label.tree, err) < 0 ||
	    dataset_make(pool, &making, &item, err) < 0)
		return fl_failed(err);
	rc = show_head(pool, item, err);
	if (rc < 0)
		(void)!item_destroy(pool, item, &ignored);
	return rc;
}

int zfs_head_create(struct pool *pool, const struct uuid *branch, struct fl_error *err)
{
	struct zfs_pool *p = zfs_pool(pool);
	own_shape(shape, read_shape(p));

	if (check_writable(p, err) < 0)
		return fl_failed(err);
	return make_head(p, branch, NULL, err);
}

/*
 * What a clone can be made of.  A dataset that stands for a snapshot needs one of
 * its own for that, which is hidden and goes with the clone.
 */
int snapshot_get(struct zfs_pool *pool, const struct tree *from, struct item **ret,
		 struct fl_error *err)
{
	struct label label = { .hidden = true };
	struct item *item = item_get(pool, from, err);

	if (!item)
		return fl_failed(err);
	*ret = item;
	if (item->home)
		return 0;
	if (!item->read_only)
		return fl_fail(err, FL_INVALID, "'%s' is no snapshot", item->name);
	label.tree = item->tree;
	return snapshot_make(pool, item, &label, NULL, ret, err);
}

int zfs_head_clone(struct pool *pool, const struct uuid *branch, const struct tree *from,
		   struct fl_error *err)
{
	struct zfs_pool *p = zfs_pool(pool);
	own_shape(shape, read_shape(p));
	struct item *base = NULL;

	if (check_writable(p, err) < 0 || snapshot_get(p, from, &base, err) < 0)
		return fl_failed(err);
	return make_head(p, branch, base, err);
}

/* The clone is the head, by what it says; in memory both are as they are in ZFS. */
static int swap(struct zfs_pool *pool, struct item *old, const struct item *base,
		const struct uuid *operation, struct fl_error *err)
{
	const struct making making = {
		.label = { .tree = old->tree, .replaces = true, .operation = *operation },
		.from = base,
		.account = &old->tree.uuid,
	};
	struct item *made = NULL;

	if (dataset_make(pool, &making, &made, err) < 0)
		return fl_failed(err);
	own_lock(guard, &pool->mutex);
	old->branch = old->tree.uuid;
	old->tree = tree_retired(operation);
	old->unwritten = true;
	return 0;
}

static bool is_swapped(struct zfs_pool *pool, const struct uuid *operation)
{
	own_lock(guard, &pool->mutex);
	const struct tree retired = tree_retired(operation);

	return index_find(&pool->index, &retired) != NULL;
}

int zfs_head_swap(struct pool *pool, const struct uuid *branch, const struct tree *from,
		  const struct uuid *operation, struct fl_error *err)
{
	struct zfs_pool *p = zfs_pool(pool);
	own_shape(shape, read_shape(p));
	const struct tree tree = tree_head(branch);
	struct item *old, *base = NULL, *now;

	if (check_writable(p, err) < 0 || settle(p, branch, err) < 0)
		return fl_failed(err);
	if (!is_swapped(p, operation)) {
		old = item_get(p, &tree, err);
		if (!old || snapshot_get(p, from, &base, err) < 0 ||
		    swap(p, old, base, operation, err) < 0)
			return fl_failed(err);
	}
	now = item_get(p, &tree, err);
	if (!now || show_head(p, now, err) < 0)
		return fl_failed(err);
	return settle(p, branch, err);
}

int zfs_head_retire(struct pool *pool, const struct uuid *branch, const struct uuid *operation,
		    struct fl_error *err)
{
	struct zfs_pool *p = zfs_pool(pool);
	own_shape(shape, read_shape(p));
	const struct tree tree = tree_head(branch), retired = tree_retired(operation);
	struct item *item;

	if (check_writable(p, err) < 0 || settle(p, branch, err) < 0)
		return fl_failed(err);
	item = item_get(p, &tree, err);
	if (!item)
		return is_swapped(p, operation) ? 0 : fl_failed(err);
	if (item_check_free(p, &retired, err) < 0 || item_relabel(p, item, &retired, err) < 0)
		return fl_failed(err);
	unshow_head(p, branch);
	return 0;
}

int zfs_head_restore(struct pool *pool, const struct tree *from, const struct uuid *branch,
		     struct fl_error *err)
{
	struct zfs_pool *p = zfs_pool(pool);
	own_shape(shape, read_shape(p));
	const struct tree tree = tree_head(branch);
	struct fl_error missing;
	struct item *item = item_get(p, from, &missing), *head;

	if (check_writable(p, err) < 0 || settle(p, branch, err) < 0)
		return fl_failed(err);
	if (item) {
		if (item_check_free(p, &tree, err) < 0 || item_relabel(p, item, &tree, err) < 0)
			return fl_failed(err);
	}
	head = item_get(p, &tree, err);
	if (!head) {
		*err = missing;
		return fl_failed(err);
	}
	return show_head(p, head, err);
}
