#include "driver/btrfs/pool.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/fsat.h"
#include "driver/btrfs/ioctl.h"
#include "driver/kept.h"

/*
 * Heads.
 *
 * A swap goes through these states, each reached by one atomic call:
 *
 *		heads/B		staging/O	retired/O
 *	0	old
 *	1	old		clone
 *	2	clone		old
 *	3	clone				old
 *
 * 0 to 1 is the snapshot call, which is durable; 1 to 2 exchanges the two names;
 * 2 to 3 renames.  A later call with the same operation looks where it is and
 * goes on.  What it must tell apart is 1 and 2, and the file system's own
 * numbers tell: a new subvolume gets a greater number than any that exists, so
 * of the two the clone is the one with the greater number.  (UUIDs of parents do
 * not tell: the old head may be a clone of the same snapshot.)
 */

static int move_new(struct btrfs_pool *pool, const struct tree *from, const struct tree *to,
		    struct fl_error *err)
{
	char from_path[TREE_TEXT], to_path[TREE_TEXT];

	return fsat_rename_new(pool->root, tree_format(from, from_path), pool->root,
			       tree_format(to, to_path), err);
}

/* What mkdir would leave to the umask; and compression where it cannot be a mount option. */
static int set_attributes(struct btrfs_pool *pool, const struct tree *tree, struct fl_error *err)
{
	static const char property[] = "btrfs.compression", value[] = "zstd";
	own_fd int fd = -1;
	int rc;

	rc = btrfs_tree_open(&pool->pool, tree, &fd, err);
	if (rc < 0)
		return rc;
	if (fchmod(fd, 0755) < 0)
		return fl_fail_errno(err, "cannot set the mode of a new head");
	if (pool->pool.spec.compress && pool->pool.spec.kind == POOL_DIRECTORY &&
	    fsetxattr(fd, property, value, sizeof(value) - 1, 0) < 0)
		return fl_fail_errno(err, "cannot turn on compression");
	return 0;
}

int btrfs_staging_create(struct pool *pool, const struct uuid *operation, const struct uuid *branch,
			 struct fl_error *err)
{
	struct btrfs_pool *p = btrfs_pool(pool);
	const struct tree staging = tree_staging(operation);
	char name[SNAPNAME_TEXT];
	struct fl_error ignored;
	own_fd int dir = -1;
	int rc;

	rc = tree_place(p, &staging, true, &dir, name, err);
	if (rc < 0)
		return rc;
	rc = subvol_create(dir, name, branch ? account_number(p, branch) : 0, err);
	if (rc < 0)
		return rc;
	rc = set_attributes(p, &staging, err);
	if (rc < 0)
		(void)!subvol_delete(dir, name, &ignored);
	return rc;
}

/* Made in staging under the branch's UUID and moved into its place when it is complete. */
int btrfs_head_create(struct pool *pool, const struct uuid *branch, struct fl_error *err)
{
	struct btrfs_pool *p = btrfs_pool(pool);
	const struct tree half = tree_staging(branch), head = tree_head(branch);
	struct fl_error ignored;
	int rc;

	rc = btrfs_tree_delete(pool, &half, err); /* left by a crash */
	if (rc < 0)
		return rc;
	rc = btrfs_staging_create(pool, branch, branch, err);
	if (rc < 0)
		return rc;
	rc = move_new(p, &half, &head, err);
	if (rc < 0)
		(void)!btrfs_tree_delete(pool, &half, &ignored);
	return rc;
}

int btrfs_head_clone(struct pool *pool, const struct uuid *branch, const struct tree *from,
		     struct fl_error *err)
{
	const struct tree head = tree_head(branch);

	return tree_clone(btrfs_pool(pool), from, &head, branch, err);
}

static int number_of(struct btrfs_pool *pool, const struct tree *tree, uint64_t *ret,
		     struct fl_error *err)
{
	struct btrfs_ioctl_get_subvol_info_args info;
	own_fd int fd = -1;
	int rc;

	rc = btrfs_tree_open(&pool->pool, tree, &fd, err);
	if (rc < 0)
		return rc;
	rc = subvol_info(fd, &info, err);
	if (rc < 0)
		return rc;
	*ret = info.treeid;
	return 0;
}

/* Is the head the clone already (state 2), and not what it replaces (state 1)? */
static int is_exchanged(struct btrfs_pool *pool, const struct tree *head,
			const struct tree *staging, bool *ret, struct fl_error *err)
{
	uint64_t at_head, at_staging;
	int rc;

	rc = number_of(pool, head, &at_head, err);
	if (rc < 0)
		return rc;
	rc = number_of(pool, staging, &at_staging, err);
	if (rc < 0)
		return rc;
	*ret = at_head > at_staging;
	return 0;
}

/* From state 0 or 1 to 2. */
static int exchange(struct btrfs_pool *pool, const struct tree *head, const struct tree *staging,
		    bool have_clone, const struct tree *from, struct fl_error *err)
{
	char head_path[TREE_TEXT], staging_path[TREE_TEXT];
	struct fl_error ignored;
	int rc;

	rc = have_clone ? 0 : tree_clone(pool, from, staging, &head->uuid, err);
	if (rc < 0)
		return rc;
	rc = fsat_exchange(pool->root, tree_format(head, head_path), pool->root,
			   tree_format(staging, staging_path), err);
	if (rc < 0)
		(void)!btrfs_tree_delete(&pool->pool, staging, &ignored);
	return rc;
}

int btrfs_head_swap(struct pool *pool, const struct uuid *branch, const struct tree *from,
		    const struct uuid *operation, struct fl_error *err)
{
	struct btrfs_pool *p = btrfs_pool(pool);
	const struct tree head = tree_head(branch), staging = tree_staging(operation),
			  retired = tree_retired(operation);
	bool have_head, have_staging, done, exchanged = false;
	char path[TREE_TEXT];
	int rc;

	rc = layout_has(p->root, &retired, &done, err);
	if (rc < 0 || done)
		return rc;
	rc = layout_has(p->root, &head, &have_head, err);
	if (rc < 0)
		return rc;
	if (!have_head)
		return fl_fail(err, FL_NOT_FOUND, "the pool has no %s", tree_format(&head, path));
	rc = layout_has(p->root, &staging, &have_staging, err);
	if (rc == 0 && have_staging)
		rc = is_exchanged(p, &head, &staging, &exchanged, err);
	if (rc == 0 && !exchanged)
		rc = exchange(p, &head, &staging, have_staging, from, err);
	if (rc < 0)
		return rc;
	return move_new(p, &staging, &retired, err);
}

/* Renames that may have happened before. */
static int move_once(struct btrfs_pool *pool, const struct tree *from, const struct tree *to,
		     struct fl_error *err)
{
	int rc = move_new(pool, from, to, err);

	return rc == -FL_NOT_FOUND ? layout_moved(pool->root, from, to, err) : rc;
}

int btrfs_head_retire(struct pool *pool, const struct uuid *branch, const struct uuid *operation,
		      struct fl_error *err)
{
	const struct tree head = tree_head(branch), retired = tree_retired(operation);

	return move_once(btrfs_pool(pool), &head, &retired, err);
}

int btrfs_head_restore(struct pool *pool, const struct tree *from, const struct uuid *branch,
		       struct fl_error *err)
{
	const struct tree head = tree_head(branch);

	return move_once(btrfs_pool(pool), from, &head, err);
}
