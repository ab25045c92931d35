#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "driver/zfs/pool.h"

/*
 * Limits of groups, as the quotas of their datasets: see quota.c.
 *
 * ZFS refuses a quota of less than what is used.  The least that it takes does the same
 * for writers.  What was asked for is then written down as flocker:limit, and the quota follows
 * down to it when something is deleted.
 */

#define OUTPUT_LIMIT (16ul << 20)

#define ROOM (1 << 20)
#define QUOTA_ATTEMPTS 10 /* what is used may grow between asking and setting */

int number_get(const char *dataset, const char *property, uint64_t *ret, struct fl_error *err)
{
	own_text struct text value = { 0 };

	if (property_get(dataset, property, false, &value, err) < 0)
		return fl_failed(err);
	*ret = strtoull(text_get(&value), NULL, 10);
	return 0;
}

int quota_set(const char *dataset, const char *value, struct fl_error *err)
{
	char argument[64];

	snprintf(argument, sizeof(argument), "quota=%.40s",
		 strcmp(value, "0") == 0 ? "none" : value);
	return zfs_do(err, "set", argument, dataset);
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

static uint64_t get_wanted(struct zfs_pool *pool, uint64_t group)
{
	own_lock(guard, &pool->mutex);
	const struct group *found = accounts_find_group(&pool->index.accounts, group);

	return found ? found->wanted : 0;
}

/* 0: the quota is what is wanted. */
static int note_wanted(struct zfs_pool *pool, uint64_t group, uint64_t wanted, struct fl_error *err)
{
	char name[ZFS_NAME], argument[64];
	int rc;

	if (get_wanted(pool, group) == wanted)
		return 0;
	group_name(pool, group, name);
	snprintf(argument, sizeof(argument), LIMIT_PROPERTY "=%llu", (unsigned long long)wanted);
	rc = wanted ? zfs_do(err, "set", argument, name)
		    : zfs_do(err, "inherit", LIMIT_PROPERTY, name);
	if (rc < 0)
		return fl_failed(err);
	own_lock(guard, &pool->mutex);
	accounts_find_group(&pool->index.accounts, group)->wanted = wanted;
	return 0;
}

static void read_wanted(struct zfs_pool *pool, const struct get_line *line)
{
	own_lock(guard, &pool->mutex);
	struct group *group;
	char name[ZFS_NAME];
	uint64_t id;

	if (strcmp(line->source, "local") != 0 || !component_id(line->name, &id))
		return;
	group = accounts_find_group(&pool->index.accounts, id);
	if (group && strcmp(group_name(pool, id, name), line->name) == 0)
		group->wanted = strtoull(line->value, NULL, 10);
}

int limits_read(struct zfs_pool *pool, struct fl_error *err)
{
	const char *const arguments[] = {
		"get",		"-H",	       "-p", "-d", "1", "-o", "name,property,value,source",
		LIMIT_PROPERTY, pool->dataset, NULL
	};
	own_text struct text text = { 0 };
	own_free char *lines = NULL;
	struct get_line line;
	char *rest;

	if (zfs_run(PROGRAM_ZFS, arguments, OUTPUT_LIMIT, &text, err) < 0)
		return fl_wrap(err, "reading quotas in '%s'", pool->dataset);
	lines = text_take(&text);
	rest = lines;
	while (get_line_next(&rest, &line))
		read_wanted(pool, &line);
	return 0;
}

static int set_limit(struct zfs_pool *pool, uint64_t group, uint64_t bytes, struct fl_error *err)
{
	char name[ZFS_NAME], value[24];
	struct fl_error unknown;
	uint64_t used = 0;

	group_name(pool, group, name);
	snprintf(value, sizeof(value), "%llu", (unsigned long long)bytes);
	figures_forget(pool);
	if (quota_set(name, value, err) == 0)
		return note_wanted(pool, group, 0, err);
	if (bytes == 0 || number_get(name, "used", &used, &unknown) < 0 || used <= bytes ||
	    note_wanted(pool, group, bytes, err) < 0 || quota_set_to_used(name, err) < 0)
		return fl_failed(err);
	return 0;
}

static uint64_t find_exceeded(struct zfs_pool *pool, size_t *next, uint64_t *ret_wanted)
{
	own_lock(guard, &pool->mutex);
	const struct accounts *accounts = &pool->index.accounts;

	for (; *next < accounts->group_count; (*next)++) {
		*ret_wanted = accounts->groups[*next].wanted;
		if (*ret_wanted && accounts->groups[*next].state != GROUP_GONE)
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
			log_warning("a quota is larger than it should be", "error=\"%s\"",
				    err.text);
}

int quota_lend(struct zfs_pool *pool, uint64_t group, uint64_t *ret_limit, struct fl_error *err)
{
	char name[ZFS_NAME], value[24];
	uint64_t limit = 0, used = 0;

	group_name(pool, group, name);
	if (number_get(name, "quota", &limit, err) < 0 || number_get(name, "used", &used, err) < 0)
		return fl_failed(err);
	if (limit == 0 || used + ROOM <= limit)
		return fl_fail(err, FL_INVALID, "'%s' has room", name);
	if (get_wanted(pool, group))
		limit = get_wanted(pool, group);
	snprintf(value, sizeof(value), "%llu", (unsigned long long)(used + ROOM));
	if (note_wanted(pool, group, limit, err) < 0 || quota_set(name, value, err) < 0)
		return fl_failed(err);
	*ret_limit = limit;
	return 0;
}

void quota_take_back(struct zfs_pool *pool, uint64_t group, uint64_t limit)
{
	struct fl_error err;

	if (set_limit(pool, group, limit, &err) < 0)
		log_warning("a quota is larger than it should be", "error=\"%s\"", err.text);
}

int zfs_limit(struct pool *pool, const struct uuid *group, uint64_t bytes, struct fl_error *err)
{
	struct zfs_pool *p = zfs_pool(pool);
	own_shape(shape, write_shape(p));

	figures_forget(p);
	if (bytes == 0 && !group_exists(p, group_id(group))) {
		own_lock(guard, &p->mutex);

		accounts_remove_group(&p->index.accounts, group_id(group));
		return 0;
	}
	if (check_writable(p, err) < 0 || group_make(p, group, err) < 0)
		return fl_failed(err);
	if (set_limit(p, group_id(group), bytes, err) < 0)
		return fl_wrap(err, "setting a quota");
	return 0;
}
