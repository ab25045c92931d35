#include "driver/btrfs/ioctl.h"
#include "driver/btrfs/pool.h"
#include "driver/kept.h"

#include <string.h>

/*
 * Trees in staging that become snapshots.
 *
 * A snapshot of the tree in staging is what is wanted, in one step: the kernel brings all
 * that was written to the disk, makes it read-only where it belongs, and commits once.  Then the
 * tree in staging goes; all that it has is shared with the snapshot, so there is next to nothing
 * to clean up.  (To rename it and set its read-only flag takes three commits, since the kernel
 * moves no subvolume that is read-only, and leaves a snapshot without its flag when it is cut.)
 *
 * After a crash in between both are there.  The snapshot knows the tree that it was taken of: so
 * the same call made again goes on with the second step, and one for another tree is refused.
 */

int btrfs_staging_clone(struct pool *pool, const struct uuid *operation, const struct uuid *branch,
			const struct tree *from, struct fl_error *err)
{
	const struct tree staging = tree_staging(operation);

	return tree_clone(btrfs_pool(pool), from, &staging, branch, err);
}

static int info_of(struct pool *pool, const struct tree *tree,
		   struct btrfs_ioctl_get_subvol_info_args *ret, struct fl_error *err)
{
	own_fd int fd = -1;

	if (btrfs_tree_open(pool, tree, &fd, err) < 0)
		return fl_failed(err);
	return subvol_info(fd, ret, err);
}

/* Was `target` taken of `staging`? */
static bool is_of(struct pool *pool, const struct tree *target, const struct tree *staging)
{
	struct btrfs_ioctl_get_subvol_info_args from, to;
	struct fl_error ignored;

	return info_of(pool, staging, &from, &ignored) == 0 &&
	       info_of(pool, target, &to, &ignored) == 0 &&
	       memcmp(to.parent_uuid, from.uuid, BTRFS_UUID_SIZE) == 0;
}

int btrfs_staging_commit(struct pool *pool, const struct uuid *operation, const struct tree *target,
			 struct fl_error *err)
{
	struct btrfs_pool *p = btrfs_pool(pool);
	const struct tree staging = tree_staging(operation);
	struct fl_error ignored;
	bool is_there;

	if (layout_has(p->root, &staging, &is_there, err) < 0)
		return fl_failed(err);
	if (!is_there)
		return layout_moved(p->root, &staging, target, err);
	if (btrfs_snapshot(pool, &staging, target, err) < 0 &&
	    !(err->code == FL_EXISTS && is_of(pool, target, &staging)))
		return fl_failed(err);
	/* What can't be deleted now is swept at the next opening. */
	(void)!btrfs_tree_delete(pool, &staging, &ignored);
	return 0;
}
