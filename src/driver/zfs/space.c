#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "driver/zfs/pool.h"

/* How much there is, how well it is, and more of it. */

#define OUTPUT 4096

static int read_numbers(struct zfs_pool *pool, struct pool_stats *stats, struct fl_error *err)
{
	const char *const arguments[] = {
		"get",
		"-H",
		"-p",
		"-o",
		"name,property,value,source",
		"used,available,readonly",
		pool->dataset,
		NULL,
	};
	own_text struct text text = { 0 };
	own_free char *lines = NULL;
	struct get_line line;
	char *rest;

	if (zfs_run(PROGRAM_ZFS, arguments, OUTPUT, &text, err) < 0)
		return fl_failed(err);
	lines = text_take(&text);
	rest = lines;
	while (get_line_next(&rest, &line)) {
		if (strcmp(line.property, "used") == 0)
			stats->used = strtoull(line.value, NULL, 10);
		else if (strcmp(line.property, "available") == 0)
			stats->free = strtoull(line.value, NULL, 10);
		else
			stats->read_only = strcmp(line.value, "on") == 0;
	}
	stats->size = stats->used + stats->free;
	return 0;
}

static int read_health(struct zfs_pool *pool, struct pool_stats *stats, struct fl_error *err)
{
	const char *const arguments[] = { "list", "-H", "-o", "health", pool->zpool, NULL };
	own_text struct text text = { 0 };
	const char *health;

	if (zfs_run(PROGRAM_ZPOOL, arguments, OUTPUT, &text, err) < 0)
		return fl_failed(err);
	health = text_get(&text);
	if (strcmp(health, "ONLINE\n") != 0)
		snprintf(stats->health, sizeof(stats->health),
			 "the ZFS pool is %.*s: see zpool status %.64s", (int)strcspn(health, "\n"),
			 health, pool->zpool);
	else
		snprintf(stats->health, sizeof(stats->health), "%s",
			 stats->read_only ? "read-only" : "ok");
	return 0;
}

/* A pool in a file is imported anew: a server that was restarted does not know of it. */
static int find_state(struct zfs_pool *pool, struct fl_error *err)
{
	own_fd int state = -1;
	int rc;

	rc = state_open(pool, &state, err);
	if (rc != -FL_NOT_FOUND || pool->pool.spec.kind != POOL_FILE)
		return rc;
	if (find_in_file(pool, err) < 0)
		return fl_failed(err);
	return state_open(pool, &state, err);
}

int revive(struct zfs_pool *pool, struct fl_error *err)
{
	own_free char *root = NULL;

	if (pool->features.kernel)
		return 0;
	{
		own_places(guard, pool);
		root = pool->root ? xstrdup(pool->root) : NULL;
	}
	if (find_state(pool, err) < 0)
		return fl_failed(err);
	return root ? zfs_expose(&pool->pool, root, err) : 0;
}

int zfs_stats(struct pool *pool, struct pool_stats *ret, struct fl_error *err)
{
	struct zfs_pool *p = zfs_pool(pool);
	struct pool_stats stats = { .share = true, .quota = true };

	if (revive(p, err) < 0 || read_numbers(p, &stats, err) < 0 ||
	    read_health(p, &stats, err) < 0)
		return fl_failed(err);
	if (pool->spec.kind == POOL_FILE && medium_stats(&pool->spec, &p->medium, &stats, err) < 0)
		return fl_failed(err);
	*ret = stats;
	return 0;
}

/* --- growing -------------------------------------------------------------------------------- */

static void let_go(struct zfs_pool *pool)
{
	own_lock(guard, &pool->mutex);

	place_await_closings(pool);
	for (size_t i = 0; i < pool->index.count; i++)
		place_release(pool, pool->index.items[i]);
	own_fdp(&pool->state);
	pool->state = -1;
}

/*
 * zfs-fuse looks at the size of a file only when it imports the pool: so it is let
 * go for a moment, which takes that nobody uses it.
 */
static int import_anew(struct zfs_pool *pool, struct fl_error *err)
{
	own_places(guard, pool);
	own_free char *root = pool->root ? xstrdup(pool->root) : NULL;
	struct fl_error later;
	int rc;

	if (root && zfs_conceal(&pool->pool, root, err) < 0)
		return fl_failed(err);
	let_go(pool);
	rc = zpool_do(err, "set", "autoexpand=on", pool->zpool);
	if (rc == 0)
		rc = zpool_do(err, "export", pool->zpool);
	if (rc == 0)
		rc = find_in_file(pool, err);
	if (root && zfs_expose(&pool->pool, root, rc < 0 ? &later : err) < 0 && rc == 0)
		return fl_failed(err);
	return rc;
}

static int expand(struct zfs_pool *pool, struct fl_error *err)
{
	if (!pool->features.kernel) {
		own_shape(shape, write_shape(pool));
		return import_anew(pool, err);
	}
	return zpool_do(err, "online", "-e", pool->zpool, pool->medium.path);
}

int zfs_grow(struct pool *pool, uint64_t size, struct fl_error *err)
{
	struct zfs_pool *p = zfs_pool(pool);
	struct stat st;

	if (pool->spec.kind != POOL_FILE) {
		fl_fail(err, FL_UNSUPPORTED, "the pool grows with the ZFS pool '%s'", p->zpool);
		return fl_hint(err, "add devices to it: zpool add");
	}
	if (fstat(p->medium.lock, &st) < 0)
		return fl_fail_errno(err, "cannot look at '%s'", p->medium.path);
	size = size ? size - size % 4096 : (uint64_t)st.st_size;
	if (size < (uint64_t)st.st_size)
		return fl_fail(err, FL_INVALID, "the pool has %llu bytes: it cannot shrink to %llu",
			       (unsigned long long)st.st_size, (unsigned long long)size);
	if (size > (uint64_t)st.st_size && medium_enlarge(&pool->spec, &p->medium, size, err) < 0)
		return fl_failed(err);
	return expand(p, err);
}
