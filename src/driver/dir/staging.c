#include "base/fsat.h"
#include "driver/dir/pool.h"
#include "driver/kept.h"

/*
 * Trees in staging.  One becomes a snapshot by a rename, when all that was written to it is on
 * the disk.  Its record loses the print then, which is that of the tree as it was before it was
 * written to; the id stays, so a head that is cloned from it later finds itself unchanged since.
 */

int dir_staging_create(struct pool *pool, const struct uuid *operation, const struct uuid *branch,
		       struct fl_error *err)
{
	const struct tree staging = tree_staging(operation);

	return dir_make_empty(dir_pool(pool), &staging, err);
}

int dir_staging_clone(struct pool *pool, const struct uuid *operation, const struct uuid *branch,
		      const struct tree *from, struct fl_error *err)
{
	const struct tree staging = tree_staging(operation);

	return dir_clone(dir_pool(pool), from, &staging, NULL, NULL, err);
}

static int settle_record(struct dir_pool *pool, const struct tree *staging, struct fl_error *err)
{
	struct record record;
	char path[TREE_TEXT];
	own_fd int dir = -1;

	if (dir_record(pool, staging, &record, err) < 0 ||
	    fsat_open_dir(pool->root, tree_format(staging, path), &dir, err) < 0)
		return fl_failed(err);
	record.print[0] = record.boot[0] = '\0';
	return record_write(dir, &record, err);
}

static int place(struct dir_pool *pool, const struct tree *staging, const struct tree *target,
		 struct fl_error *err)
{
	char path[TREE_TEXT];
	bool is_there;

	if (layout_has(pool->root, target, &is_there, err) < 0)
		return fl_failed(err);
	if (is_there)
		return fl_fail(err, FL_EXISTS, "the pool has %s", tree_format(target, path));
	if (settle_record(pool, staging, err) < 0 || dir_sync(&pool->pool, err) < 0)
		return fl_failed(err);
	return dir_move_to_snaps(pool, staging, target, err);
}

/* The name is synced also by the second call: the first may have died before that. */
int dir_staging_commit(struct pool *pool, const struct uuid *operation, const struct tree *target,
		       struct fl_error *err)
{
	struct dir_pool *p = dir_pool(pool);
	const struct tree staging = tree_staging(operation);
	bool is_there;
	int rc;

	if (layout_has(p->root, &staging, &is_there, err) < 0)
		return fl_failed(err);
	rc = is_there ? place(p, &staging, target, err)
		      : layout_moved(p->root, &staging, target, err);
	return rc < 0 ? rc : dir_sync_place(p, target, err);
}
