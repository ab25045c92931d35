#include <string.h>
#include <time.h>

#include "driver/zfs/pool.h"

/*
 * Space by branch.
 *
 * A quota of ZFS holds for a dataset with all that lies in and below it: snapshots, and
 * datasets with theirs.  So a group of branches is a dataset of its own, which is never
 * mounted, and the heads of its branches are made in it:
 *
 *	POOL/DATASET/v.ID		a group: quota = the limit, flocker:account = groups/UUID
 *	POOL/DATASET/v.ID/UUID.ID	a head, flocker:account = branches/BRANCH
 *
 * What the group has `used` is what was written to the heads and is held since, by heads or
 * by snapshots, each block once; and ZFS itself refuses a write beyond the quota, with
 * EDQUOT, but neither snapshots nor clones nor deletions.  `refquota` would be for one
 * head, without its snapshots: that is no limit for a volume.
 *
 * What several share counts for the dataset that has the snapshot which it lies in.  A copy
 * in another group has it for nothing; reap.c sees to it that it keeps so while the original
 * has snapshots.
 *
 * A dataset is renamed only to leave a group (and to enter one, in pools that were made
 * when nothing was counted), never while it is a head that somebody sees.
 */

#define PAUSE (20 * 1000 * 1000)
#define ATTEMPTS 25

void count_for(struct zfs_pool *pool, struct item *item, const struct uuid *branch)
{
	own_lock(guard, &pool->mutex);

	item->group = accounts_group_of(&pool->index.accounts, branch);
	item->counted = item->group != 0;
	item->account = *branch;
}

/* zfs-fuse lets go of a mount some time after the kernel did. */
static int rename_patiently(const char *from, const char *to, dev_t device, struct fl_error *err)
{
	const struct timespec pause = { .tv_nsec = PAUSE };
	int rc = -FL_BUSY;

	for (int i = 0; i < ATTEMPTS && rc == -FL_BUSY; i++) {
		if (i > 0)
			nanosleep(&pause, NULL);
		rc = zfs_do(err, "rename", from, to);
	}
	if (rc < 0)
		name_users(device, err);
	return rc;
}

/* Into the group, or with 0 out of all.  Under `shape`, for writing. */
static int move(struct zfs_pool *pool, struct item *item, uint64_t group, struct fl_error *err)
{
	own_places(guard, pool);
	struct item moved = *item;
	char name[ZFS_NAME];

	moved.group = group;
	dataset_name(pool, &moved, name);
	place_await_closings(pool);
	place_release(pool, item);
	if (rename_patiently(item->name, name, item->device, err) < 0)
		return fl_failed(err);
	own_lock(index_guard, &pool->mutex);
	free(item->name);
	item->name = xstrdup(name);
	item->group = group;
	return 0;
}

static int move_head(struct zfs_pool *pool, const struct uuid *branch, uint64_t group,
		     struct fl_error *err)
{
	const struct account_name account = { ACCOUNT_BRANCH, *branch };
	const struct tree tree = tree_head(branch);
	char argument[ACCOUNT_ARGUMENT];
	struct fl_error none;
	struct item *head = item_get(pool, &tree, &none);

	if (!head || (head->counted && head->group == group))
		return 0;
	if (zfs_do(err, "set", account_argument(&account, argument), head->name) < 0 ||
	    (head->group != group && move(pool, head, group, err) < 0))
		return fl_wrap(err, "counting what '%s' holds", head->name);
	own_lock(guard, &pool->mutex);
	head->counted = true;
	head->account = *branch;
	return 0;
}

/* Where the group is there and no head has to be moved, which is the rule. */
static bool account_at_once(struct zfs_pool *pool, const struct uuid *branch,
			    const struct uuid *group)
{
	own_lock(guard, &pool->mutex);
	struct group *found = accounts_find_group(&pool->index.accounts, group_id(group));
	const struct tree tree = tree_head(branch);
	const struct item *head = index_find(&pool->index, &tree);

	if (!found || found->state == GROUP_GONE ||
	    (head && (!head->counted || head->group != found->id)))
		return false;
	found->state = GROUP_USED;
	accounts_set(&pool->index.accounts, branch, found->id);
	return true;
}

static int account_and_move(struct zfs_pool *pool, const struct uuid *branch,
			    const struct uuid *group, struct fl_error *err)
{
	own_shape(shape, write_shape(pool));

	if (group_make(pool, group, err) < 0 || move_head(pool, branch, group_id(group), err) < 0)
		return fl_failed(err);
	own_lock(guard, &pool->mutex);
	accounts_set(&pool->index.accounts, branch, group_id(group));
	return 0;
}

int zfs_account(struct pool *pool, const struct uuid *branch, const struct uuid *group,
		struct fl_error *err)
{
	struct zfs_pool *p = zfs_pool(pool);

	if (check_writable(p, err) < 0)
		return fl_failed(err);
	figures_forget(p);
	{
		own_shape(shape, read_shape(p));

		if (account_at_once(p, branch, group))
			return 0;
	}
	return account_and_move(p, branch, group, err);
}

static int stop_counting(struct zfs_pool *pool, const struct tree *tree, struct fl_error *err)
{
	struct fl_error none;
	struct item *item = item_get(pool, tree, &none);

	if (!item || !item->group)
		return 0;
	if (move(pool, item, 0, err) < 0)
		return fl_failed(err);
	own_lock(guard, &pool->mutex);
	item->counted = false;
	return 0;
}

int zfs_unaccount(struct pool *pool, const struct tree *tree, const struct uuid *branch,
		  const struct uuid *group, struct fl_error *err)
{
	struct zfs_pool *p = zfs_pool(pool);
	own_shape(shape, write_shape(p));

	figures_forget(p);
	if (check_writable(p, err) < 0 || stop_counting(p, tree, err) < 0)
		return fl_failed(err);
	{
		own_lock(guard, &p->mutex);

		accounts_set(&p->index.accounts, branch, 0);
	}
	return group ? group_destroy(p, group_id(group), err) : 0;
}
