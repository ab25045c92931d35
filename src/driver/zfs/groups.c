#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "driver/zfs/pool.h"

/* The datasets of groups: see quota.c. */

char *account_argument(const struct account_name *account, char text[static ACCOUNT_ARGUMENT])
{
	char value[ACCOUNT_TEXT];

	snprintf(text, ACCOUNT_ARGUMENT, ACCOUNT_PROPERTY "=%s", account_format(account, value));
	return text;
}

char *group_name(const struct zfs_pool *pool, uint64_t id, char name[static ZFS_NAME])
{
	char component[GROUP_TEXT];

	snprintf(name, ZFS_NAME, "%.100s/%s", pool->dataset, group_format(id, component));
	return name;
}

bool group_exists(struct zfs_pool *pool, uint64_t id)
{
	own_lock(guard, &pool->mutex);

	const struct group *group = accounts_find_group(&pool->index.accounts, id);

	return group && group->state != GROUP_GONE;
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

/* From now on it is wanted, also if nothing lies in it. */
static void set_used(struct zfs_pool *pool, uint64_t id)
{
	own_lock(guard, &pool->mutex);

	accounts_find_group(&pool->index.accounts, id)->state = GROUP_USED;
}

/* "quota=...": that which it had when it was there before. */
static void limit_argument(struct zfs_pool *pool, uint64_t id, char text[static 40])
{
	own_lock(guard, &pool->mutex);
	const struct group *group = accounts_find_group(&pool->index.accounts, id);

	if (group && group->wanted)
		snprintf(text, 40, "quota=%llu", (unsigned long long)group->wanted);
	else
		snprintf(text, 40, "quota=none");
}

int group_make(struct zfs_pool *pool, const struct uuid *group, struct fl_error *err)
{
	const struct account_name account = { ACCOUNT_GROUP, *group };
	char argument[ACCOUNT_ARGUMENT], quota[40], name[ZFS_NAME];

	if (group_exists(pool, group_id(group))) {
		set_used(pool, group_id(group));
		return 0;
	}
	limit_argument(pool, group_id(group), quota);
	group_name(pool, group_id(group), name);
	if (zfs_do(err, "create", "-o", "canmount=off", "-o", account_argument(&account, argument),
		   "-o", quota, name) < 0 &&
	    !is_made(name, &account))
		return fl_wrap(err, "making what is to count the space of a volume");
	own_lock(guard, &pool->mutex);
	accounts_remove_group(&pool->index.accounts, group_id(group));
	accounts_add_group(&pool->index.accounts, group);
	return 0;
}

int group_destroy(struct zfs_pool *pool, uint64_t id, struct fl_error *err)
{
	char name[ZFS_NAME];

	if (zfs_do(err, "destroy", group_name(pool, id, name)) < 0 && err->code != FL_NOT_FOUND)
		return fl_failed(err);
	own_lock(guard, &pool->mutex);
	accounts_remove_group(&pool->index.accounts, id);
	return 0;
}

/* A group in which nothing lies and no branch is to count; 0: there is none. */
static uint64_t find_empty_group(struct zfs_pool *pool)
{
	own_lock(guard, &pool->mutex);
	const struct index *index = &pool->index;
	const struct accounts *accounts = &index->accounts;

	for (size_t g = 0; g < accounts->group_count; g++) {
		uint64_t id = accounts->groups[g].id;
		bool empty = accounts->groups[g].state == GROUP_USED;

		for (size_t i = 0; i < index->count && empty; i++)
			empty = index->items[i]->group != id;
		for (size_t i = 0; i < accounts->branch_count && empty; i++)
			empty = accounts->branches[i].group != id;
		if (empty)
			return id;
	}
	return 0;
}

/*
 * The limit of a volume without branches is still its limit.  What others have put there stays,
 * and the dataset with it.
 */
static void retire_group(struct zfs_pool *pool, uint64_t id)
{
	char name[ZFS_NAME];
	struct fl_error err;
	uint64_t limit = 0;
	int rc;

	group_name(pool, id, name);
	rc = number_get(name, "quota", &limit, &err);
	if (rc == 0)
		rc = zfs_do(&err, "destroy", name);
	if (rc < 0 && rc != -FL_NOT_FOUND)
		log_warning("what counted a volume that is gone stays", "error=\"%s\"", err.text);
	own_lock(guard, &pool->mutex);
	if (rc == 0 && limit > 0)
		accounts_suspend_group(&pool->index.accounts, id, limit);
	else if (rc == 0 || rc == -FL_NOT_FOUND)
		accounts_remove_group(&pool->index.accounts, id);
	else
		accounts_find_group(&pool->index.accounts, id)->state = GROUP_KEPT;
}

void remove_empty_groups(struct zfs_pool *pool)
{
	uint64_t id;

	if (!find_empty_group(pool))
		return;
	own_shape(shape, write_shape(pool));
	while ((id = find_empty_group(pool)))
		retire_group(pool, id);
}
