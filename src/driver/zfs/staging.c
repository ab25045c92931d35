#include "base/text.h"
#include "driver/zfs/pool.h"

/*
 * Trees in staging: datasets to be written to, and snapshots in ZFS that receive() made.
 *
 * A received one becomes visible by what its property says.  Of a dataset a snapshot is taken,
 * which says in the same step that it is the target, and carries the tree's note: that is the
 * commit.  Then the dataset is deleted, as a head whose snapshots go on.  A crash in between
 * leaves the tree in staging too; committed again, or deleted, it goes.
 */

int zfs_staging_create(struct pool *pool, const struct uuid *operation, const struct uuid *branch,
		       struct fl_error *err)
{
	struct zfs_pool *p = zfs_pool(pool);
	own_shape(shape, read_shape(p));
	const struct making making = {
		.label.tree = tree_staging(operation),
		.account = branch,
	};
	struct item *item;

	if (check_writable(p, err) < 0 || item_check_free(p, &making.label.tree, err) < 0)
		return fl_failed(err);
	return dataset_make(p, &making, &item, err);
}

int zfs_staging_clone(struct pool *pool, const struct uuid *operation, const struct uuid *branch,
		      const struct tree *from, struct fl_error *err)
{
	struct zfs_pool *p = zfs_pool(pool);
	own_shape(shape, read_shape(p));
	struct making making = { .label.tree = tree_staging(operation), .account = branch };
	struct item *base = NULL, *item;

	if (check_writable(p, err) < 0 || item_check_free(p, &making.label.tree, err) < 0 ||
	    snapshot_get(p, from, &base, err) < 0)
		return fl_failed(err);
	making.from = base;
	return dataset_make(p, &making, &item, err);
}

static struct item *find(struct zfs_pool *pool, const struct tree *tree)
{
	own_lock(guard, &pool->mutex);

	return index_find(&pool->index, tree);
}

static char *note_of(struct zfs_pool *pool, const struct item *item)
{
	own_lock(guard, &pool->mutex);

	return item->note ? xstrdup(item->note) : NULL;
}

/* Nobody writes to it any more, and nobody is to see it. */
static int put_away(struct zfs_pool *pool, struct item *dataset, struct fl_error *err)
{
	own_places(guard, pool);

	place_await_closings(pool);
	place_release(pool, dataset);
	return item_relabel(pool, dataset, NULL, err);
}

static int commit_dataset(struct zfs_pool *pool, struct item *dataset, const struct tree *target,
			  struct fl_error *err)
{
	const struct label label = { .tree = *target };
	own_free char *note = note_of(pool, dataset);
	struct item *made = find(pool, target);

	if (made && made->home != dataset)
		return item_check_free(pool, target, err);
	if (!made && (write_back(pool, dataset, err) < 0 ||
		      snapshot_make(pool, dataset, &label, note, &made, err) < 0))
		return fl_failed(err);
	return put_away(pool, dataset, err);
}

static int commit(struct zfs_pool *pool, const struct tree *staging, const struct tree *target,
		  struct fl_error *err)
{
	own_shape(shape, read_shape(pool));
	struct item *item = item_get(pool, staging, err);

	if (!item)
		return find(pool, target) ? 0 : fl_failed(err);
	if (!item->home)
		return commit_dataset(pool, item, target, err);
	if (item_check_free(pool, target, err) < 0)
		return fl_failed(err);
	return item_relabel(pool, item, target, err);
}

int zfs_staging_commit(struct pool *pool, const struct uuid *operation, const struct tree *target,
		       struct fl_error *err)
{
	struct zfs_pool *p = zfs_pool(pool);
	const struct tree staging = tree_staging(operation);
	int rc = check_writable(p, err);

	if (rc == 0)
		rc = commit(p, &staging, target, err);
	if (rc == 0)
		reap(p);
	return rc;
}
