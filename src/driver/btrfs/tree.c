#include "driver/btrfs/pool.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fsat.h"
#include "driver/btrfs/ioctl.h"

/*
 * A tree is a subvolume at the path that tree_format() gives it.  Its
 * directories are opened anew by every call: that costs two microseconds, and
 * no descriptor can be left that belongs to something renamed meanwhile.
 */

int tree_place(struct btrfs_pool *pool, const struct tree *tree, bool make, int *ret_dir,
	       char name[static SNAPNAME_TEXT], struct fl_error *err)
{
	char path[TREE_TEXT];
	char *slash;
	int rc;

	slash = strrchr(tree_format(tree, path), '/');
	snprintf(name, SNAPNAME_TEXT, "%s", slash + 1);
	*slash = '\0';
	rc = fsat_open_dir(pool->root, path, ret_dir, err);
	if (rc != -FL_NOT_FOUND || !make)
		return rc;
	rc = fsat_mkdir(pool->root, path, 0711, err);
	if (rc < 0)
		return rc;
	return fsat_open_dir(pool->root, path, ret_dir, err);
}

int btrfs_tree_open(struct pool *pool, const struct tree *tree, int *ret_fd, struct fl_error *err)
{
	char path[TREE_TEXT];
	int rc;

	rc = fsat_open_dir(btrfs_pool(pool)->root, tree_format(tree, path), ret_fd, err);
	if (rc == -FL_NOT_FOUND)
		return fl_fail(err, FL_NOT_FOUND, "the pool has no %s", path);
	return rc;
}

/*
 * Btrfs gives the number of a deleted subvolume again when it was the greatest
 * one at the last mount; its UUID it never gives again.  So the id is taken from
 * the UUID: 63 bits, which any language's integer can hold.
 */
uint64_t tree_id(const uint8_t uuid[static BTRFS_UUID_SIZE])
{
	uint64_t id;

	memcpy(&id, uuid + 8, sizeof(id));
	return id & INT64_MAX;
}

int btrfs_tree_info(struct pool *pool, const struct tree *tree, struct tree_info *ret,
		    struct fl_error *err)
{
	struct btrfs_ioctl_get_subvol_info_args info;
	char path[TREE_TEXT];
	own_fd int fd = -1;
	struct stat st;
	int rc;

	rc = btrfs_tree_open(pool, tree, &fd, err);
	if (rc < 0)
		return rc;
	if (fstat(fd, &st) < 0)
		return fl_fail_errno(err, "cannot look at %s", tree_format(tree, path));
	if (st.st_ino != BTRFS_FIRST_FREE_OBJECTID)
		return fl_fail(err, FL_CORRUPT, "%s in the pool is no subvolume",
			       tree_format(tree, path));
	rc = subvol_info(fd, &info, err);
	if (rc < 0)
		return rc;
	*ret = (struct tree_info){
		.id = tree_id(info.uuid),
		.device = st.st_dev,
		.created = (int64_t)info.otime.sec * CLOCK_SECOND + info.otime.nsec,
	};
	snprintf(ret->mount, sizeof(ret->mount), "subvolid=%llu", info.treeid);
	return 0;
}

int btrfs_tree_delete(struct pool *pool, const struct tree *tree, struct fl_error *err)
{
	char name[SNAPNAME_TEXT];
	char path[TREE_TEXT];
	own_fd int dir = -1;
	int rc;

	rc = tree_place(btrfs_pool(pool), tree, false, &dir, name, err);
	if (rc == -FL_NOT_FOUND)
		return 0;
	if (rc < 0)
		return rc;
	rc = inside_delete(btrfs_pool(pool), dir, name, err);
	if (rc < 0)
		return fl_wrap(err, "deleting %s", tree_format(tree, path));
	return 0;
}

int tree_clone(struct btrfs_pool *pool, const struct tree *from, const struct tree *to,
	       const struct uuid *branch, struct fl_error *err)
{
	char name[SNAPNAME_TEXT];
	own_fd int source = -1;
	own_fd int dir = -1;
	int rc;

	rc = btrfs_tree_open(&pool->pool, from, &source, err);
	if (rc < 0)
		return rc;
	rc = tree_place(pool, to, true, &dir, name, err);
	if (rc < 0)
		return rc;
	return subvol_clone(source, dir, name, branch ? account_number(pool, branch) : 0, err);
}
