#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fsat.h"
#include "driver/zfs/pool.h"

/*
 * One run of `zfs` takes a snapshot and says in the same step what it is.  What
 * other trees than datasets are the source of is a clone that nobody can write to.
 */

/* What was written through mappings is still in the kernel's caches. */
int write_back(struct zfs_pool *pool, struct item *dataset, struct fl_error *err)
{
	own_places(guard, pool);
	own_fd int fd = -1;

	if (dataset->mount < 0 || fsat_open_dir(dataset->mount, ".", &fd, err) < 0)
		return 0; /* not in use; or its server died, and what it had is what there is */
	if (syncfs(fd) < 0)
		return fl_fail_errno(err, "cannot write back '%s'", dataset->name);
	return 0;
}

static int copy_read_only(struct zfs_pool *pool, struct item *source, const struct tree *target,
			  const char *note, struct fl_error *err)
{
	struct making making = {
		.label.tree = *target, .from = source, .read_only = true, .note = note
	};
	const struct label hidden = { .hidden = true, .tree = source->tree };
	struct item *base, *item;

	if (!source->home) {
		if (snapshot_make(pool, source, &hidden, NULL, &base, err) < 0)
			return fl_failed(err);
		making.from = base;
	}
	return dataset_make(pool, &making, &item, err);
}

int zfs_snapshot_noted(struct pool *pool, const struct tree *source, const struct tree *target,
		       const char *note, struct fl_error *err)
{
	struct zfs_pool *p = zfs_pool(pool);
	own_shape(shape, read_shape(p));
	const struct label label = { .tree = *target };
	struct item *from, *made;

	if (check_writable(p, err) < 0 || item_check_free(p, target, err) < 0)
		return fl_failed(err);
	from = item_get(p, source, err);
	if (!from)
		return fl_failed(err);
	if (from->home || from->read_only)
		return copy_read_only(p, from, target, note, err);
	if (write_back(p, from, err) < 0)
		return fl_failed(err);
	return snapshot_make(p, from, &label, note, &made, err);
}

int zfs_snapshot(struct pool *pool, const struct tree *source, const struct tree *target,
		 struct fl_error *err)
{
	return zfs_snapshot_noted(pool, source, target, NULL, err);
}

/*
 * Has it changed?  A stream of what changed between two snapshots is 624 bytes long,
 * its beginning and its end, when nothing did.  Unlike the properties that count
 * bytes that is exact, and both kinds of ZFS have it.
 *
 * It can be asked of a dataset and of its own snapshot, and of a clone and of the
 * snapshot that it was made from; any other pair counts as changed.
 */
#define EMPTY_STREAM 624

static int send_difference(const struct item *since, const struct item *now, bool *ret,
			   struct fl_error *err)
{
	own_text struct text stream = { 0 };
	char from[ZFS_NAME], to[ZFS_NAME];
	const char *const arguments[] = { "send", "-i", item_name(since, from), item_name(now, to),
					  NULL };

	if (zfs_run(PROGRAM_ZFS, arguments, EMPTY_STREAM + 1, &stream, err) < 0)
		return fl_failed(err);
	*ret = stream.length != EMPTY_STREAM;
	return 0;
}

int zfs_changed_since(struct pool *pool, const struct tree *tree, const struct tree *since,
		      bool *ret, struct fl_error *err)
{
	struct zfs_pool *p = zfs_pool(pool);
	own_shape(shape, read_shape(p));
	struct item *dataset = item_get(p, tree, err), *base, *look;
	const struct label hidden = { .hidden = true, .tree = *tree };
	struct fl_error later;
	int rc;

	base = dataset ? item_get(p, since, err) : NULL;
	if (!base)
		return fl_failed(err);
	*ret = true;
	if (dataset->home || (base->home != dataset && dataset->origin != base->id))
		return 0;
	if (write_back(p, dataset, err) < 0 ||
	    snapshot_make(p, dataset, &hidden, NULL, &look, err) < 0)
		return fl_failed(err);
	rc = send_difference(base, look, ret, err);
	(void)!item_destroy(p, look, &later); /* else it goes with the next reap() */
	return rc;
}
