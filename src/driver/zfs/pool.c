#include "driver/kept.h"
#include "driver/zfs/pool.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fsat.h"
#include "driver/zfs/zfs.h"

#define INDEX_LIMIT (1ul << 30)
#define LOCKS "/run/flocker-zfs"

void identity_property(const struct pool_identity *identity, struct text *out)
{
	own_text struct text text = { 0 };

	identity_encode(identity, &text);
	text_add_string(out, POOL_PROPERTY "=");
	property_encode(text_get(&text), text.length, out);
}

/* Is it the ZFS pool, or just our dataset in it? */
static int fail_missing(const struct zfs_pool *pool, struct fl_error *err)
{
	own_text struct text type = { 0 };
	struct fl_error why;

	if (property_get(pool->zpool, "type", false, &type, &why) == 0) {
		fl_fail(err, FL_NOT_FOUND, "the ZFS pool '%s' has no dataset '%s'", pool->zpool,
			pool->dataset);
		return fl_hint(err, "see what 'zfs list -r %s' says", pool->zpool);
	}
	fl_fail(err, FL_NOT_FOUND, "the ZFS pool '%s' is not imported", pool->zpool);
	return fl_hint(err, "see 'zpool import', then: zpool import %s, and restart flockerd",
		       pool->zpool);
}

static int read_identity(struct zfs_pool *pool, struct fl_error *err)
{
	own_text struct text value = { 0 };
	own_text struct text text = { 0 };
	const char *path = pool->pool.spec.path;
	int rc;

	rc = property_get(pool->dataset, POOL_PROPERTY, true, &value, err);
	if (rc == -FL_NOT_FOUND && pool->pool.spec.kind == POOL_DATASET)
		return fail_missing(pool, err);
	if (rc == -FL_NOT_FOUND && pool->pool.spec.kind == POOL_FILE)
		return fl_fail(err, FL_INVALID, "'%s' is no Flocker pool: its ZFS pool has no '%s'",
			       path, pool->dataset);
	if (rc < 0)
		return fl_wrap(err, "pool '%s'", path);
	if (value.length == 0)
		return fl_fail(err, FL_INVALID,
			       "'%s' is no Flocker pool: '%s' has no property " POOL_PROPERTY, path,
			       pool->dataset);
	if (!property_decode(text_get(&value), &text))
		return fl_fail(err, FL_INVALID, "pool '%s': its identity is malformed", path);
	if (identity_decode(text_get(&text), &pool->pool.identity, err) < 0)
		return fl_wrap(err, "pool '%s'", path);
	return 0;
}

/* --- having it alone -------------------------------------------------------------------- */

static int take_lock(struct zfs_pool *pool, struct fl_error *err)
{
	char path[ZFS_NAME + 64];
	size_t length;
	int rc;

	length = (size_t)snprintf(path, sizeof(path), LOCKS "/%s.lock", pool->dataset);
	for (size_t i = sizeof(LOCKS); i < length; i++)
		if (path[i] == '/')
			path[i] = '@'; /* in no dataset's name */
	if (fsat_mkdir_parents(AT_FDCWD, LOCKS, 0700, err) < 0 ||
	    fsat_open(AT_FDCWD, path, O_RDWR | O_CREAT, 0600, &pool->lock, err) < 0)
		return fl_failed(err);
	rc = fsat_lock(pool->lock, err);
	if (rc != -FL_BUSY)
		return rc;
	fl_fail(err, FL_BUSY, "pool '%s' is in use by another process", pool->pool.spec.path);
	return fl_hint(err, "is another flockerd running on it?");
}

static int find_pool(struct zfs_pool *pool, struct fl_error *err)
{
	const struct pool_spec *spec = &pool->pool.spec;
	char contents[MEDIUM_CONTENTS];

	if (spec->kind == POOL_DATASET) {
		if (dataset_of(spec, pool->zpool, pool->dataset, err) < 0)
			return fl_failed(err);
		return take_lock(pool, err);
	}
	if (spec->kind != POOL_FILE)
		return fl_fail(err, FL_UNSUPPORTED, "the zfs driver keeps no pool in %s",
			       pool_kind_names[spec->kind]);
	if (medium_open(spec, &pool->medium, err) < 0 ||
	    medium_contents(&pool->medium, contents, err) < 0)
		return fl_failed(err);
	if (strcmp(contents, "zfs_member") != 0)
		return fl_fail(err, FL_INVALID, "'%s' is no Flocker pool: it holds %s", spec->path,
			       contents[0] ? contents : "nothing known");
	return find_in_file(pool, err);
}

/* --- opening ------------------------------------------------------------------------------ */

static int read_index(struct zfs_pool *pool, struct fl_error *err)
{
	const char *const arguments[] = {
		"get",
		"-r",
		"-H",
		"-p",
		"-o",
		"name,property,value,source",
		INDEX_PROPERTIES,
		pool->dataset,
		NULL,
	};
	own_text struct text text = { 0 };
	own_free char *lines = NULL;

	if (zfs_run(PROGRAM_ZFS, arguments, INDEX_LIMIT, &text, err) < 0)
		return fl_wrap(err, "reading what is in '%s'", pool->dataset);
	if (text.length >= INDEX_LIMIT)
		return fl_fail(err, FL_INVALID, "'%s' holds too much", pool->dataset);
	lines = text_take(&text);
	index_read(&pool->index, pool->dataset, lines);
	return 0;
}

/* The place of mounts follows the kind of ZFS, which may be another than when the pool was made. */
static int set_place(struct zfs_pool *pool, struct fl_error *err)
{
	char path[PLACE_PATH] = "legacy", argument[PLACE_PATH + 16];
	own_text struct text now = { 0 };

	if (!pool->features.kernel)
		place_directory(pool->dataset, path);
	if (property_get(pool->dataset, "mountpoint", true, &now, err) < 0)
		return fl_failed(err);
	if (strcmp(text_get(&now), path) == 0)
		return 0;
	snprintf(argument, sizeof(argument), "mountpoint=%s", path);
	return zfs_do(err, "set", argument, pool->dataset);
}

static int make_state(struct zfs_pool *pool, struct fl_error *err)
{
	char name[ZFS_NAME + 8];
	own_fd int state = -1;
	int rc;

	snprintf(name, sizeof(name), "%s/state", pool->dataset);
	rc = state_open(pool, &state, err);
	if (rc == -FL_NOT_FOUND) {
		rc = zfs_do(err, "create", "-o", "canmount=noauto", name);
		if (rc == 0)
			rc = state_open(pool, &state, err);
	}
	if (rc < 0)
		return rc;
	pool->pool.grain = layout_grain(state);
	return fsat_mkdir(state, "facts", 0700, err);
}

static struct zfs_pool *pool_new(const struct pool_spec *spec)
{
	struct zfs_pool *pool = xcalloc(1, sizeof(*pool));
	pthread_mutexattr_t recursive;

	pool->medium = (struct medium)MEDIUM_NONE;
	pool->lock = pool->state = pool->turn = -1;
	pool->pool.driver = &zfs_driver;
	pool->pool.spec = *spec;
	pthread_mutexattr_init(&recursive);
	pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&pool->places, &recursive);
	pthread_mutex_init(&pool->carrying, NULL);
	pthread_mutex_init(&pool->mutex, NULL);
	pthread_rwlock_init(&pool->shape, NULL);
	pthread_mutexattr_destroy(&recursive);
	return pool;
}

static void close_poolp(struct zfs_pool **pool)
{
	if (*pool)
		zfs_close(&(*pool)->pool);
}

int zfs_open(const struct pool_spec *spec, struct pool **ret, struct fl_error *err)
{
	own(close_poolp) struct zfs_pool *pool = pool_new(spec);

	if (zfs_probe(&pool->features, err) < 0 || place_open(pool, err) < 0 ||
	    find_pool(pool, err) < 0 || read_identity(pool, err) < 0 || set_place(pool, err) < 0 ||
	    zfs_set_read_only(&pool->pool, false, err) < 0 || make_state(pool, err) < 0 ||
	    read_index(pool, err) < 0 || carry_read(pool, err) < 0 || limits_read(pool, err) < 0 ||
	    settle(pool, NULL, err) < 0)
		return fl_failed(err);
	reap(pool);
	remove_empty_groups(pool);
	*ret = &take_ptr(pool)->pool;
	return 0;
}

/* A pool in a file is let go, unless something of it is still visible or in use. */
void zfs_close(struct pool *pool)
{
	struct zfs_pool *p = zfs_pool(pool);
	struct fl_error in_use;

	if (!pool)
		return;
	place_await_closings(p);
	index_done(&p->index);
	facts_table_done(&p->facts);
	figures_forget(p);
	own_fdp(&p->state);
	if (pool->spec.kind == POOL_FILE && p->zpool[0] && !p->root)
		(void)!zpool_do(&in_use, "export", p->zpool);
	place_ended(p);
	own_fdp(&p->turn);
	own_fdp(&p->lock);
	medium_done(&p->medium);
	pthread_rwlock_destroy(&p->shape);
	pthread_mutex_destroy(&p->mutex);
	pthread_mutex_destroy(&p->places);
	pthread_mutex_destroy(&p->carrying);
	free(p->root);
	free(p);
}

int zfs_identify(struct pool *pool, const struct pool_identity *identity, struct fl_error *err)
{
	own_text struct text property = { 0 };

	identity_property(identity, &property);
	if (zfs_do(err, "set", text_get(&property), zfs_pool(pool)->dataset) < 0)
		return fl_failed(err);
	pool->identity = *identity;
	return 0;
}

/* --- sync and stop -------------------------------------------------------------------------- */

/* What waits in the kernel's caches goes to ZFS, and then ZFS ends a transaction group. */
static int sync_mounts(struct zfs_pool *pool, bool *ret_dead, struct fl_error *err)
{
	own_places(guard, pool);
	own_lock(index_guard, &pool->mutex);

	for (size_t i = 0; i < pool->index.count; i++) {
		int mount = pool->index.items[i]->mount;
		own_fd int fd = -1;

		if (mount < 0 || pool->index.items[i]->read_only)
			continue;
		if (fsat_open_dir(mount, ".", &fd, err) < 0) {
			if (err->sys != ENOTCONN)
				return fl_failed(err);
			*ret_dead = true; /* nothing waits where nobody answers */
			continue;
		}
		if (syncfs(fd) < 0)
			return fl_fail_errno(err, "cannot sync '%s': what was written may be lost",
					     pool->index.items[i]->name);
	}
	return 0;
}

int zfs_sync(struct pool *pool, struct fl_error *err)
{
	struct zfs_pool *p = zfs_pool(pool);
	char name[ZFS_NAME + 8];
	own_fd int state = -1;
	bool dead = false;

	figures_forget(p);
	if (sync_mounts(p, &dead, err) < 0 || (dead && revive(p, err) < 0) ||
	    state_open(p, &state, err) < 0)
		return fl_failed(err);
	if (syncfs(state) < 0)
		return fl_fail_errno(err, "cannot sync the pool: what was written may be lost");
	/* Setting a property waits for the end of a group, too. */
	if (!p->read_only && carry_write(p))
		return 0;
	if (p->features.kernel)
		return zpool_do(err, "sync", p->zpool);
	/*
	 * zfs-fuse has no such command.  Setting a property waits for the end of a group too,
	 * and a quota is one that can be set where no space is left.
	 */
	snprintf(name, sizeof(name), "%s/state", p->dataset);
	return p->read_only ? 0 : quota_set(name, "none", err);
}

int check_writable(struct zfs_pool *pool, struct fl_error *err)
{
	if (!pool->read_only)
		return 0;
	errno = EROFS;
	return fl_fail_errno(err, "pool '%s'", pool->pool.spec.path);
}

/*
 * `readonly` is inherited by every dataset of ours: nothing is opened for writing any
 * more.  zfs-fuse lets those write on who have a file open.  They meet a quota of what is
 * used already.  STOP_PROPERTY, set before and taken away after, says that it was us
 * who did it, and what the quota was.
 */
static int resume(struct zfs_pool *pool, struct fl_error *err)
{
	own_text struct text quota = { 0 };
	const char *value;

	if (property_get(pool->dataset, STOP_PROPERTY, true, &quota, err) < 0)
		return fl_failed(err);
	value = text_get(&quota);
	if (value[0] == '\0')
		return 0;
	if (quota_set(pool->dataset, value, err) < 0 ||
	    zfs_do(err, "inherit", "readonly", pool->dataset) < 0)
		return fl_failed(err);
	return zfs_do(err, "inherit", STOP_PROPERTY, pool->dataset);
}

static int stop(struct zfs_pool *pool, struct fl_error *err)
{
	own_text struct text quota = { 0 };
	char property[80];
	struct fl_error ignored;

	if (property_get(pool->dataset, "quota", false, &quota, err) < 0)
		return fl_failed(err);
	snprintf(property, sizeof(property), STOP_PROPERTY "=%.40s", text_get(&quota));
	if (zfs_do(err, "set", property, pool->dataset) < 0)
		return fl_failed(err);
	if (zfs_do(err, "set", "readonly=on", pool->dataset) == 0 &&
	    quota_set_to_used(pool->dataset, err) == 0)
		return 0;
	(void)!resume(pool, &ignored); /* else at the next opening */
	return fl_failed(err);
}

int zfs_set_read_only(struct pool *pool, bool read_only, struct fl_error *err)
{
	struct zfs_pool *p = zfs_pool(pool);
	int rc;

	if (read_only && p->read_only)
		return 0;
	rc = read_only ? stop(p, err) : resume(p, err);
	if (rc == 0)
		p->read_only = read_only;
	return rc;
}
