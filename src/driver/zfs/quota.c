#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
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
#define ROOM (1 << 20)
#define QUOTA_ATTEMPTS 10 /* what is used may grow between asking and setting */

char *account_argument(const struct account_name *account, char text[static ACCOUNT_ARGUMENT])
{
	char value[ACCOUNT_TEXT];

	snprintf(text, ACCOUNT_ARGUMENT, ACCOUNT_PROPERTY "=%s", account_format(account, value));
	return text;
}

static char *name_of_group(const struct zfs_pool *pool, uint64_t id, char name[static ZFS_NAME])
{
	char component[GROUP_TEXT];

	snprintf(name, ZFS_NAME, "%.100s/%s", pool->dataset, group_format(id, component));
	return name;
}

void count_for(struct zfs_pool *pool, struct item *item, const struct uuid *branch)
{
	own_lock(guard, &pool->mutex);

	item->group = accounts_group_of(&pool->index.accounts, branch);
	item->counted = item->group != 0;
	item->account = *branch;
}

/* --- groups ------------------------------------------------------------------------------- */

static bool has_group(struct zfs_pool *pool, uint64_t id)
{
	own_lock(guard, &pool->mutex);

	return accounts_find_group(&pool->index.accounts, id) != NULL;
}

/* A program that failed may have done its work. */
static bool is_made(const char *name, const struct account_name *account)
{
	own_text struct text value = { 0 };
	char wanted[ACCOUNT_TEXT];
	struct fl_error ignored;

	return property_get(name, ACCOUNT_PROPERTY, true, &value, &ignored) == 0 &&
	       strcmp(text_get(&value), account_format(account, wanted)) == 0;
}

/* Under `shape`, for writing: so there are no two who make one. */
static int make_group(struct zfs_pool *pool, const struct uuid *group, struct fl_error *err)
{
	const struct account_name account = { ACCOUNT_GROUP, *group };
	char argument[ACCOUNT_ARGUMENT], name[ZFS_NAME];

	if (has_group(pool, group_id(group)))
		return 0;
	name_of_group(pool, group_id(group), name);
	if (zfs_do(err, "create", "-o", "canmount=off", "-o", account_argument(&account, argument),
		   name) < 0 &&
	    !is_made(name, &account))
		return fl_wrap(err, "making what is to count the space of a volume");
	own_lock(guard, &pool->mutex);
	accounts_add_group(&pool->index.accounts, group);
	return 0;
}

/* Missing is success. */
static int destroy_group(struct zfs_pool *pool, uint64_t id, struct fl_error *err)
{
	char name[ZFS_NAME];

	if (zfs_do(err, "destroy", name_of_group(pool, id, name)) < 0 && err->code != FL_NOT_FOUND)
		return fl_failed(err);
	own_lock(guard, &pool->mutex);
	accounts_remove_group(&pool->index.accounts, id);
	return 0;
}

/* A group without items and branches; 0: there is none. */
static uint64_t find_empty_group(struct zfs_pool *pool, const uint64_t *tried, size_t count)
{
	own_lock(guard, &pool->mutex);
	const struct index *index = &pool->index;

	for (size_t g = 0; g < index->accounts.group_count; g++) {
		uint64_t id = index->accounts.groups[g].id;
		bool empty = true;

		for (size_t i = 0; i < index->count && empty; i++)
			empty = index->items[i]->group != id;
		for (size_t i = 0; i < count && empty; i++)
			empty = tried[i] != id;
		if (empty)
			return id;
	}
	return 0;
}

/* One in which others have put something stays. */
void remove_empty_groups(struct zfs_pool *pool)
{
	own_free uint64_t *tried = NULL;
	struct fl_error err;
	size_t count = 0;
	uint64_t id;

	while ((id = find_empty_group(pool, tried, count))) {
		tried = xrealloc(tried, count + 1, sizeof(*tried));
		tried[count++] = id;
		if (destroy_group(pool, id, &err) < 0)
			log_warning("what counted a volume that is gone stays", "error=%s",
				    err.text);
	}
}

/* --- in and out ----------------------------------------------------------------------------- */

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
	own_lock(guard, &pool->places);
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

int zfs_account(struct pool *pool, const struct uuid *branch, const struct uuid *group,
		struct fl_error *err)
{
	struct zfs_pool *p = zfs_pool(pool);
	own_shape(shape, write_shape(p));

	if (check_writable(p, err) < 0 || make_group(p, group, err) < 0 ||
	    move_head(p, branch, group_id(group), err) < 0)
		return fl_failed(err);
	figures_forget(p);
	own_lock(guard, &p->mutex);
	accounts_set(&p->index.accounts, branch, group_id(group));
	return 0;
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
	return group ? destroy_group(p, group_id(group), err) : 0;
}

/* --- limits ----------------------------------------------------------------------------------- */

int quota_set(const char *dataset, const char *value, struct fl_error *err)
{
	char argument[64];

	snprintf(argument, sizeof(argument), "quota=%.40s",
		 strcmp(value, "0") == 0 ? "none" : value);
	return zfs_do(err, "set", argument, dataset);
}

static int read_number(const char *dataset, const char *property, uint64_t *ret,
		       struct fl_error *err)
{
	own_text struct text value = { 0 };

	if (property_get(dataset, property, false, &value, err) < 0)
		return fl_failed(err);
	*ret = strtoull(text_get(&value), NULL, 10);
	return 0;
}

int quota_set_to_used(const char *dataset, struct fl_error *err)
{
	own_text struct text used = { 0 };
	int rc = -1;

	for (int i = 0; i < QUOTA_ATTEMPTS && rc < 0; i++) {
		if (property_get(dataset, "used", false, &used, err) < 0)
			return fl_failed(err);
		rc = quota_set(dataset, text_get(&used), err);
	}
	return rc;
}

static void note_wanted(struct zfs_pool *pool, uint64_t group, uint64_t wanted)
{
	own_lock(guard, &pool->mutex);
	struct group *found = accounts_find_group(&pool->index.accounts, group);

	if (found)
		found->wanted = wanted;
}

/*
 * ZFS refuses a quota of less than what is used.  The least that it takes does the same
 * for writers; it follows down to what is wanted when something is deleted.
 */
static int set_limit(struct zfs_pool *pool, uint64_t group, uint64_t bytes, struct fl_error *err)
{
	char name[ZFS_NAME], value[24];
	struct fl_error unknown;
	uint64_t used = 0;

	name_of_group(pool, group, name);
	snprintf(value, sizeof(value), "%llu", (unsigned long long)bytes);
	figures_forget(pool);
	if (quota_set(name, value, err) == 0) {
		note_wanted(pool, group, 0);
		return 0;
	}
	if (bytes == 0 || read_number(name, "used", &used, &unknown) < 0 || used <= bytes ||
	    quota_set_to_used(name, err) < 0)
		return fl_failed(err);
	note_wanted(pool, group, bytes);
	return 0;
}

static uint64_t find_exceeded(struct zfs_pool *pool, size_t *next, uint64_t *ret_wanted)
{
	own_lock(guard, &pool->mutex);
	const struct accounts *accounts = &pool->index.accounts;

	for (; *next < accounts->group_count; (*next)++) {
		*ret_wanted = accounts->groups[*next].wanted;
		if (*ret_wanted)
			return accounts->groups[(*next)++].id;
	}
	return 0;
}

void quotas_follow(struct zfs_pool *pool)
{
	uint64_t group, wanted = 0;
	struct fl_error err;
	size_t next = 0;

	if (!find_exceeded(pool, &next, &wanted))
		return;
	own_shape(shape, write_shape(pool));
	next = 0;
	while ((group = find_exceeded(pool, &next, &wanted)))
		if (set_limit(pool, group, wanted, &err) < 0)
			log_warning("a quota is larger than it should be", "error=%s", err.text);
}

int quota_lend(struct zfs_pool *pool, uint64_t group, uint64_t *ret_limit, struct fl_error *err)
{
	char name[ZFS_NAME], value[24];
	uint64_t limit = 0, used = 0;

	name_of_group(pool, group, name);
	if (read_number(name, "quota", &limit, err) < 0 ||
	    read_number(name, "used", &used, err) < 0)
		return fl_failed(err);
	if (limit == 0 || used + ROOM <= limit)
		return fl_fail(err, FL_INVALID, "'%s' has room", name);
	{
		own_lock(guard, &pool->mutex);
		const struct group *found = accounts_find_group(&pool->index.accounts, group);

		limit = found && found->wanted ? found->wanted : limit;
	}
	snprintf(value, sizeof(value), "%llu", (unsigned long long)(used + ROOM));
	if (quota_set(name, value, err) < 0)
		return fl_failed(err);
	*ret_limit = limit;
	return 0;
}

void quota_take_back(struct zfs_pool *pool, uint64_t group, uint64_t limit)
{
	struct fl_error err;

	note_wanted(pool, group, limit);
	if (set_limit(pool, group, limit, &err) < 0)
		log_warning("a quota is larger than it should be", "error=%s", err.text);
}

int zfs_limit(struct pool *pool, const struct uuid *group, uint64_t bytes, struct fl_error *err)
{
	struct zfs_pool *p = zfs_pool(pool);
	own_shape(shape, write_shape(p));

	if (bytes == 0 && !has_group(p, group_id(group)))
		return 0;
	if (check_writable(p, err) < 0 || make_group(p, group, err) < 0)
		return fl_failed(err);
	if (set_limit(p, group_id(group), bytes, err) < 0)
		return fl_wrap(err, "setting a quota");
	return 0;
}
