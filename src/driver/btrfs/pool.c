#include "driver/btrfs/pool.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/fsat.h"
#include "driver/btrfs/btrfs.h"
#include "driver/btrfs/ioctl.h"
#include "driver/kept.h"

/* Looks before it mounts: a mount that fails says little, and other file systems do not come into
 * it. */
static int check_contents(const struct pool_spec *spec, const struct medium *medium,
			  struct fl_error *err)
{
	char contents[MEDIUM_CONTENTS];
	int rc;

	if (spec->kind == POOL_DIRECTORY)
		return 0;
	rc = medium_contents(medium, contents, err);
	if (rc < 0)
		return rc;
	if (strcmp(contents, "btrfs") == 0)
		return 0;
	return fl_fail(err, FL_INVALID, "'%s' is no Flocker pool: it holds %s", spec->path,
		       contents[0] ? contents : "nothing known");
}

static int open_medium(struct btrfs_pool *pool, struct fl_error *err)
{
	const struct pool_spec *spec = &pool->pool.spec;
	int rc;

	rc = medium_open(spec, &pool->medium, err);
	if (rc == 0)
		rc = check_contents(spec, &pool->medium, err);
	if (rc == 0)
		rc = medium_attach(spec, &pool->medium, err);
	if (rc == 0)
		rc = medium_mount(spec, &pool->medium, &pool->mount, err);
	if (rc == 0)
		rc = fsat_open_dir(pool->mount, ".", &pool->root, err);
	return rc;
}

static void close_poolp(struct btrfs_pool **pool)
{
	if (*pool)
		btrfs_close(&(*pool)->pool);
}

int btrfs_open(const struct pool_spec *spec, struct pool **ret, struct fl_error *err)
{
	own(close_poolp) struct btrfs_pool *pool = xcalloc(1, sizeof(*pool));
	struct btrfs_ioctl_get_subvol_info_args info;
	int rc;

	pool->medium = (struct medium)MEDIUM_NONE;
	pool->mount = -1;
	pool->root = -1;
	pool->balloon = -1;
	pool->groups = -1;
	pthread_mutex_init(&pool->occupied.mutex, NULL);
	pthread_mutex_init(&pool->stopping, NULL);
	pool->pool.driver = &btrfs_driver;
	pool->pool.spec = *spec;
	rc = open_medium(pool, err);
	if (rc < 0)
		return rc;
	rc = identity_read(pool->root, spec->path, &pool->pool.identity, err);
	if (rc < 0)
		return rc;
	rc = layout_make(pool->root, err);
	if (rc < 0)
		return rc;
	rc = stop_recover(pool, err);
	if (rc < 0)
		return rc;
	rc = subvol_info(pool->root, &info, err);
	if (rc < 0)
		return rc;
	pool->subvolume = info.treeid;
	pool->pool.grain = layout_grain(pool->root);
	if (quota_open(pool, err) < 0)
		return fl_failed(err);
	*ret = &take_ptr(pool)->pool;
	return 0;
}

void btrfs_close(struct pool *pool)
{
	struct btrfs_pool *p = btrfs_pool(pool);

	if (!pool)
		return;
	own_fdp(&p->balloon);
	own_fdp(&p->groups);
	own_fdp(&p->root); /* the mount first, then the device below it */
	own_fdp(&p->mount);
	medium_done(&p->medium);
	pthread_mutex_destroy(&p->stopping);
	pthread_mutex_destroy(&p->occupied.mutex);
	free(p);
}

int btrfs_identify(struct pool *pool, const struct pool_identity *identity, struct fl_error *err)
{
	int rc = identity_write(btrfs_pool(pool)->root, identity, err);

	if (rc == 0)
		pool->identity = *identity;
	return rc;
}

int btrfs_sync(struct pool *pool, struct fl_error *err)
{
	int root = btrfs_pool(pool)->root;

	/*
	 * The first tells of data that could not be written.  The ioctl has little
	 * left to do, but only it wakes the file system's cleaner, without which
	 * the space of deleted trees comes back a minute later.
	 */
	if (fsat_sync_all(root, err) < 0)
		return fl_failed(err);
	if (ioctl(root, BTRFS_IOC_SYNC) < 0)
		return fl_fail_errno(err, "cannot sync the pool: what was written may be lost");
	return 0;
}
