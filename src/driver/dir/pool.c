#include "driver/dir/pool.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fsat.h"
#include "base/mount.h"
#include "driver/dir/contents.h"
#include "driver/dir/dir.h"
#include "driver/kept.h"
#include "driver/medium.h"

#define XFS_MAGIC 0x58465342
#define BCACHEFS_MAGIC 0xca451a4e

/*
 * The lock is an flock() on the directory: the kernel drops it when the process
 * ends, however it ends.
 */
int dir_take(const char *path, int *ret_fd, struct fl_error *err)
{
	own_fd int fd = -1;
	struct stat st;

	if (fsat_open_named(path, O_RDONLY | O_NONBLOCK, &fd, err) < 0)
		return fl_failed(err);
	if (fstat(fd, &st) < 0)
		return fl_fail_errno(err, "cannot look at '%s'", path);
	if (!S_ISDIR(st.st_mode))
		return fl_fail(err, FL_INVALID, "'%s' is no directory", path);
	if (medium_lock(fd, path, err) < 0)
		return fl_failed(err);
	*ret_fd = take_fd(fd);
	return 0;
}

bool dir_is_pool(const struct pool_spec *spec)
{
	char path[POOL_PATH + sizeof("/scratch")];
	struct fl_error ignored;
	struct stat st;

	snprintf(path, sizeof(path), "%s/scratch", spec->path);
	return fsat_stat(AT_FDCWD, path, &st, &ignored) == 0 && S_ISDIR(st.st_mode);
}

/* --- opening ---------------------------------------------------------------- */

/* Do they move a file's time of change with every change, stores through mappings included? */
static bool tells_changes(int dir)
{
	static const unsigned long known[] = { EXT4_SUPER_MAGIC, XFS_MAGIC, BTRFS_SUPER_MAGIC,
					       F2FS_SUPER_MAGIC, BCACHEFS_MAGIC };
	struct statfs fs;

	if (fstatfs(dir, &fs) < 0)
		return false;
	for (size_t i = 0; i < array_size(known); i++)
		if ((unsigned long)fs.f_type == known[i])
			return true;
	return false;
}

/* Two empty directories change places. */
static int probe_exchange(int root, bool *ret, struct fl_error *err)
{
	static const char a[] = "scratch/a", b[] = "scratch/b";

	if (fsat_mkdir(root, a, 0700, err) < 0 || fsat_mkdir(root, b, 0700, err) < 0)
		return fl_failed(err);
	*ret = fsat_exchange(root, a, root, b, err) == 0;
	if (fsat_rmdir(root, a, err) < 0)
		return fl_failed(err);
	return fsat_rmdir(root, b, err);
}

static int probe(struct dir_pool *pool, struct fl_error *err)
{
	own_fd int scratch = -1;

	pool->prints = tells_changes(pool->root);
	if (fsat_open_dir(pool->root, "scratch", &scratch, err) < 0)
		return fl_failed(err);
	if (contents_probe(scratch, &pool->share, err) < 0)
		return fl_failed(err);
	return probe_exchange(pool->root, &pool->exchange, err);
}

/* Private mounts: nothing is mounted over parts of them, and one of them is read-only. */
static int open_root(struct dir_pool *pool, struct fl_error *err)
{
	own_fd int mount = -1, frozen = -1;
	struct fl_error ignored;

	if (mount_clone_detached(pool->lock, &mount, &ignored) < 0 ||
	    mount_clone_detached(pool->lock, &frozen, &ignored) < 0 ||
	    mount_set_read_only(frozen, true, &ignored) < 0)
		return fsat_open_dir(pool->lock, ".", &pool->root, err);
	pool->frozen = take_fd(frozen);
	return fsat_open_dir(mount, ".", &pool->root, err);
}

static int read_boot(struct dir_pool *pool, struct fl_error *err)
{
	own_text struct text text = { 0 };

	if (fsat_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 256, &text, err) < 0)
		return fl_failed(err);
	snprintf(pool->boot, sizeof(pool->boot), "%.*s", (int)strcspn(text_get(&text), "\n"),
		 text_get(&text));
	return 0;
}

/* The pool is ours and has an identity: make good what an earlier process left. */
static int prepare(struct dir_pool *pool, struct fl_error *err)
{
	if (layout_make(pool->root, err) < 0 || scratch_sweep(pool, err) < 0 ||
	    probe(pool, err) < 0 || read_boot(pool, err) < 0 ||
	    fsat_open(pool->root, "scratch/clock", O_RDWR | O_CREAT, 0600, &pool->clock, err) < 0)
		return fl_failed(err);
	pool->pool.grain = layout_grain(pool->root);
	return head_recover(pool, err);
}

static int open_at(struct dir_pool *pool, struct fl_error *err)
{
	const struct pool_spec *spec = &pool->pool.spec;
	own_free char *path = realpath(spec->path, NULL);

	if (!path)
		return fl_fail_errno(err, "no pool at '%s'", spec->path);
	if (strlen(path) >= sizeof(pool->path))
		return fl_fail(err, FL_INVALID, "the path '%.100s...' is too long", path);
	strcpy(pool->path, path);
	if (dir_take(path, &pool->lock, err) < 0 || open_root(pool, err) < 0 ||
	    identity_read(pool->root, spec->path, &pool->pool.identity, err) < 0)
		return fl_failed(err);
	return prepare(pool, err);
}

static void close_poolp(struct dir_pool **pool)
{
	if (*pool)
		dir_close(&(*pool)->pool);
}

int dir_open(const struct pool_spec *spec, struct pool **ret, struct fl_error *err)
{
	own(close_poolp) struct dir_pool *pool = xcalloc(1, sizeof(*pool));

	pool->lock = pool->root = pool->frozen = pool->clock = -1;
	pool->pool.driver = &dir_driver;
	pool->pool.spec = *spec;
	if (spec->kind != POOL_DIRECTORY)
		return fl_fail(err, FL_UNSUPPORTED, "the dir driver keeps no pool in a %s",
			       pool_kind_names[spec->kind]);
	if (open_at(pool, err) < 0)
		return fl_failed(err);
	*ret = &take_ptr(pool)->pool;
	return 0;
}

void dir_close(struct pool *pool)
{
	struct dir_pool *p = dir_pool(pool);

	if (!pool)
		return;
	own_fdp(&p->clock);
	own_fdp(&p->frozen);
	own_fdp(&p->root);
	own_fdp(&p->lock);
	free(p);
}

/* --- the rest ------------------------------------------------------------------ */

int dir_identify(struct pool *pool, const struct pool_identity *identity, struct fl_error *err)
{
	if (identity_write(dir_pool(pool)->root, identity, err) < 0)
		return fl_failed(err);
	pool->identity = *identity;
	return 0;
}

int dir_stats(struct pool *pool, struct pool_stats *ret, struct fl_error *err)
{
	const struct dir_pool *p = dir_pool(pool);
	struct pool_stats stats = { .share = p->share };
	struct statvfs fs;

	if (fstatvfs(p->lock, &fs) < 0)
		return fl_fail_errno(err, "cannot ask the pool for its space");
	stats.size = (uint64_t)fs.f_blocks * fs.f_frsize;
	stats.used = (uint64_t)(fs.f_blocks - fs.f_bfree) * fs.f_frsize;
	stats.free = (uint64_t)fs.f_bavail * fs.f_frsize;
	stats.read_only = fs.f_flag & ST_RDONLY;
	snprintf(stats.health, sizeof(stats.health), "%s",
		 stats.read_only ? "the file system is read-only" : "ok");
	*ret = stats;
	return 0;
}

int dir_sync(struct pool *pool, struct fl_error *err)
{
	return fsat_sync_all(dir_pool(pool)->root, err);
}

int dir_set_read_only(struct pool *pool, bool read_only, struct fl_error *err)
{
	return fl_fail(err, FL_UNSUPPORTED, "others use the file system of '%s' too",
		       pool->spec.path);
}
