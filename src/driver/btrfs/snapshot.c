#include "driver/btrfs/pool.h"

#include <string.h>

#include "base/fsat.h"
#include "driver/btrfs/ioctl.h"

/*
 * A snapshot takes one subvolume.  One that is nested in it would be an empty
 * directory there, and nobody would know before the day it is needed: it is
 * looked for each time (two microseconds) and refused.
 *
 * Parallel snapshots share one commit of the file system if they go into
 * different directories: snaps/<branch>/ is one per branch, and nothing here
 * takes a lock.
 */
static int refuse_nested(int fd, const struct tree *source, struct fl_error *err)
{
	char path[BTRFS_INO_LOOKUP_PATH_MAX + BTRFS_VOL_NAME_MAX];
	struct btrfs_ioctl_get_subvol_info_args info;
	struct subvol_reference inner;
	int rc;

	rc = subvol_info(fd, &info, err);
	if (rc < 0)
		return rc;
	rc = subvol_first_inside(fd, info.treeid, &inner, err);
	if (rc < 0 || inner.child == 0)
		return rc;
	rc = subvol_reference_path(fd, &inner, path, err);
	if (rc < 0)
		return rc;
	fl_fail(err, FL_UNSUPPORTED,
		"'%s' in the branch is a Btrfs subvolume, which a snapshot would leave out", path);
	return fl_hint(err, "replace it by an ordinary directory");
}

int btrfs_snapshot(struct pool *pool, const struct tree *source, const struct tree *target,
		   struct fl_error *err)
{
	char name[SNAPNAME_TEXT];
	own_fd int from = -1;
	own_fd int dir = -1;
	int rc;

	rc = btrfs_tree_open(pool, source, &from, err);
	if (rc < 0)
		return rc;
	rc = refuse_nested(from, source, err);
	if (rc < 0)
		return rc;
	rc = tree_place(btrfs_pool(pool), target, true, &dir, name, err);
	if (rc < 0)
		return rc;
	return subvol_snapshot(from, dir, name, err);
}

static bool same_uuid(const uint8_t *a, const uint8_t *b)
{
	return memcmp(a, b, BTRFS_UUID_SIZE) == 0;
}

static int info_of(struct pool *pool, const struct tree *tree,
		   struct btrfs_ioctl_get_subvol_info_args *ret, struct fl_error *err)
{
	own_fd int fd = -1;
	int rc;

	rc = btrfs_tree_open(pool, tree, &fd, err);
	if (rc < 0)
		return rc;
	return subvol_info(fd, ret, err);
}

/*
 * Let B be the later of the transactions that made the snapshot and the tree.
 * Once everything written is on disk, the tree is unchanged if neither its
 * ctransid (moved by every change) nor its generation (moved also by what the
 * log brought back after a power cut, which leaves ctransid alone) is past B.
 * That holds between a tree and its own snapshot, and between a clone and the
 * snapshot it was made from; for any other pair nothing is known.
 *
 * The snapshot's own ctransid is never looked at: deduplication moves it.
 */
int btrfs_motion(struct pool *pool, const struct tree *tree, const struct tree *since,
		 struct motion *ret, struct fl_error *err)
{
	struct btrfs_ioctl_get_subvol_info_args head, base;
	int rc;

	rc = info_of(pool, tree, &head, err);
	if (rc < 0)
		return rc;
	*ret = (struct motion){
		.number = head.treeid,
		.made = head.otransid,
		.contents = head.ctransid,
		.touched = head.ctransid > head.generation ? head.ctransid : head.generation,
		.bound = head.otransid,
	};
	if (!since)
		return 0;
	rc = info_of(pool, since, &base, err);
	if (rc < 0)
		return rc;
	if (base.otransid > ret->bound)
		ret->bound = base.otransid;
	if (!same_uuid(base.parent_uuid, head.uuid) && !same_uuid(head.parent_uuid, base.uuid))
		ret->bound = 0;
	return 0;
}

int btrfs_changed_since(struct pool *pool, const struct tree *tree, const struct tree *since,
			bool *ret, struct fl_error *err)
{
	struct motion motion;
	int rc;

	rc = btrfs_sync(pool, err);
	if (rc < 0)
		return rc;
	rc = btrfs_motion(pool, tree, since, &motion, err);
	if (rc < 0)
		return rc;
	*ret = motion.bound == 0 || motion.touched > motion.bound;
	return 0;
}
