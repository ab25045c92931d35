#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/fsat.h"
#include "base/mount.h"
#include "driver/btrfs/ioctl.h"
#include "driver/btrfs/pool.h"

/*
 * Stopping all writers.
 *
 * The file system is made read-only as a whole.  The kernel refuses that while
 * any file in it is open for writing, which is how databases live.  Then three
 * things together do the same:
 *
 * - every head gets the read-only flag: nothing is opened for writing any more,
 *   through whatever mount;
 * - descriptors that are open already find no space: all that is free is given
 *   to a file without a name, which is gone when the pool is closed or the
 *   process dies;
 * - the pool's own mount becomes read-only.
 *
 * None of it is possible in a directory, where the file system and its space are
 * others' as well.
 *
 * Setting and clearing a flag is a change of the head, which the kernel refuses
 * where a quota is used up.  Then the limits are taken away for that moment.
 *
 * The flags outlive a crash.  The file STOPPED (a name that the engine's files
 * cannot have) says that they may be set, and the next open clears them.
 */

#define MARK "STOPPED"
#define BALLOON "BALLOON"
#define BALLOON_STEP (UINT64_C(1) << 20)

struct flagging {
	int dir;
	bool read_only;
};

static int flag_tree(void *arg, const char *name, unsigned char type, uint64_t inode,
		     struct fl_error *err)
{
	const struct flagging *flagging = arg;
	own_fd int fd = -1;
	int rc;

	rc = fsat_open_dir(flagging->dir, name, &fd, err);
	if (rc < 0)
		return rc == -FL_NOT_FOUND ? 0 : rc; /* deleted meanwhile */
	return subvol_set_read_only(fd, flagging->read_only, err);
}

static int flag_within_limits(struct btrfs_pool *pool, void *arg, struct fl_error *err)
{
	static const char *const directories[] = { "heads", "retired" };

	for (size_t i = 0; i < array_size(directories); i++) {
		struct flagging flagging = { .read_only = *(const bool *)arg };
		own_fd int dir = -1;
		int rc;

		rc = fsat_open_dir(pool->root, directories[i], &dir, err);
		if (rc < 0)
			return rc;
		flagging.dir = dir;
		rc = fsat_each(dir, flag_tree, &flagging, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int flag_trees(struct btrfs_pool *pool, bool read_only, struct fl_error *err)
{
	int rc = flag_within_limits(pool, &read_only, err);

	if (rc == 0 || err->sys != EDQUOT)
		return rc;
	return quota_without_limits(pool, 0, flag_within_limits, &read_only, err);
}

/* Reserves what is free, in pieces that get smaller as it runs out. */
static void reserve_all(int fd)
{
	struct statvfs fs;
	uint64_t piece, size = 0;

	if (fstatvfs(fd, &fs) < 0)
		return;
	piece = (uint64_t)fs.f_bavail * fs.f_frsize;
	while (piece >= BALLOON_STEP) {
		if (fallocate(fd, 0, (off_t)size, (off_t)piece) == 0)
			size += piece;
		else
			piece /= 2;
	}
}

/* As good as it gets: no balloon is no reason not to set the flags. */
static void inflate(struct btrfs_pool *pool)
{
	struct fl_error ignored;
	own_fd int writer = -1;

	if (fsat_open(pool->root, BALLOON, O_WRONLY | O_CREAT | O_TRUNC, 0600, &writer, &ignored) <
	    0)
		return;
	reserve_all(writer);
	/* Held open for reading: a descriptor for writing would keep the mount from read-only. */
	(void)!fsat_open(pool->root, BALLOON, O_RDONLY, 0, &pool->balloon, &ignored);
	(void)!fsat_unlink(pool->root, BALLOON, &ignored);
}

static void deflate(struct btrfs_pool *pool)
{
	own_fd int balloon __attribute__((unused)) = take_fd(pool->balloon);
}

static int release(struct btrfs_pool *pool, struct fl_error *err)
{
	int rc;

	deflate(pool);
	rc = flag_trees(pool, false, err);
	if (rc < 0)
		return rc;
	return fsat_unlink(pool->root, MARK, err);
}

static int hold(struct btrfs_pool *pool, struct fl_error *err)
{
	struct fl_error ignored;
	int rc;

	rc = fsat_write(pool->root, MARK, "", 0, 0600, true, err);
	if (rc < 0)
		return rc;
	rc = flag_trees(pool, true, err);
	if (rc == 0) {
		inflate(pool);
		rc = mount_set_read_only(pool->mount, true, err);
	}
	if (rc < 0)
		(void)!release(pool, &ignored);
	return rc;
}

static int stop(struct btrfs_pool *pool, struct fl_error *err)
{
	static const struct mount_option option = { "ro", NULL };
	int rc;

	rc = mount_reconfigure(pool->mount, &option, 1, err);
	return rc == -FL_BUSY ? hold(pool, err) : rc;
}

static int resume(struct btrfs_pool *pool, struct fl_error *err)
{
	static const struct mount_option option = { "rw", NULL };
	struct stat st;
	int rc;

	rc = mount_reconfigure(pool->mount, &option, 1, err);
	if (rc == 0)
		rc = mount_set_read_only(pool->mount, false, err);
	if (rc < 0)
		return rc;
	rc = fsat_stat(pool->root, MARK, &st, err);
	if (rc == -FL_NOT_FOUND)
		return 0;
	return rc < 0 ? rc : release(pool, err);
}

int btrfs_set_read_only(struct pool *pool, bool read_only, struct fl_error *err)
{
	struct btrfs_pool *p = btrfs_pool(pool);
	int rc;

	if (pool->spec.kind == POOL_DIRECTORY) {
		fl_fail(err, FL_UNSUPPORTED, "the file system of '%s' is not the pool's alone",
			pool->spec.path);
		return fl_hint(err, "stop what writes to it");
	}
	own_lock(guard, &p->stopping);
	if (read_only && p->stopped)
		return 0;
	rc = read_only ? stop(p, err) : resume(p, err);
	if (rc == 0)
		p->stopped = read_only;
	return rc;
}

int stop_recover(struct btrfs_pool *pool, struct fl_error *err)
{
	return pool->pool.spec.kind == POOL_DIRECTORY ? 0 : resume(pool, err);
}
