#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fsat.h"
#include "base/log.h"
#include "base/mount.h"
#include "base/path.h"
#include "driver/zfs/pool.h"

/*
 * Mounts that nobody sees.
 *
 * The kernel's ZFS is mounted like any file system, as often as one likes,
 * snapshots too.  zfs-fuse mounts by itself, each dataset once, at a place that its
 * properties name, and no snapshots.  There the mount is made at a place of ours,
 * taken from it by open_tree(), and the place is cleared again; it lives as long as
 * the descriptor.  A snapshot is read through a clone, which is hidden and goes with the
 * snapshot, or when the pool is opened next.  It is the mount that refuses writing, not the
 * clone: asked for the extended attributes of a file without any, zfs-fuse makes their
 * directory, and where it may not it never tells of any again.
 *
 * A dataset that an earlier process made visible is mounted already: then a copy of
 * that mount does.
 *
 * zfs-fuse may forget a new mount when it is just letting an old one go, and whoever uses
 * the new one then waits for ever: so one mount is made or ended at a time, and none is
 * made in the moment after an end.  One zfs-fuse serves all pools of a host, which may be of
 * several daemons: they take turns by a lock on a file, which also has the time of the last end.
 *
 * It hears of a closed file some time later, and if the mount has ended by then, never:
 * the dataset then stays busy.  So a mount is not ended in the moment after a closing.
 *
 * When zfs-fuse dies its mounts answer ENOTCONN for ever.  They are given up as
 * soon as one is met, and made anew.
 */

#define PLACES "/run/flocker-zfs"
#define TURN ".turn" /* no pool's name */
#define TURN_PAUSE (5 * 1000 * 1000)
#define TURN_ATTEMPTS 12000	 /* a minute */
#define PAUSE (20 * 1000 * 1000) /* zfs-fuse ends a mount some time after the kernel did */
#define ATTEMPTS 100
#define QUIET (50 * 1000 * 1000)
#define CLOSINGS (100 * 1000 * 1000)
#define LATE (450 * 1000 * 1000) /* mounts that ended without a word to zfs-fuse before */
#define MOUNTINFO_LIMIT (64ul << 20)

char *place_directory(const char *dataset, char path[static PLACE_PATH])
{
	snprintf(path, PLACE_PATH, PLACES "/%s", dataset);
	return path;
}

static bool is_dead(int mount)
{
	struct statfs fs;

	return fstatfs(mount, &fs) < 0 && errno == ENOTCONN;
}

/* --- taking turns --------------------------------------------------------------------- */

/* /run is never full for long. */
static void note_end(const struct zfs_pool *pool, int64_t when)
{
	if (pool->turn >= 0)
		(void)!pwrite(pool->turn, &when, sizeof(when), 0);
}

void place_ended(const struct zfs_pool *pool)
{
	note_end(pool, clock_monotonic());
}

/* By clock_monotonic(), which all processes share; 0: none, or none that is known. */
static int64_t last_end(const struct zfs_pool *pool)
{
	int64_t end = 0;

	if (pool->turn < 0 || pread(pool->turn, &end, sizeof(end), 0) != sizeof(end))
		return 0;
	return end <= clock_monotonic() + LATE ? end : 0;
}

int place_open(struct zfs_pool *pool, struct fl_error *err)
{
	if (pool->features.kernel)
		return 0;
	if (fsat_mkdir_parents(AT_FDCWD, PLACES, 0755, err) < 0)
		return fl_failed(err);
	if (fsat_open(AT_FDCWD, PLACES "/" TURN, O_RDWR | O_CREAT, 0600, &pool->turn, err) < 0)
		return fl_failed(err);
	/* The mounts of a process that was killed ended with it, perhaps just now, and as they
	 * were. */
	note_end(pool, clock_monotonic() + LATE);
	return 0;
}

/* One that hangs keeps its turn; then the others go on as if they were alone. */
static void await_turn(const struct zfs_pool *pool)
{
	const struct timespec pause = { .tv_nsec = TURN_PAUSE };
	struct fl_error why;

	for (int i = 0; i < TURN_ATTEMPTS; i++) {
		if (fsat_lock(pool->turn, &why) == 0)
			return;
		nanosleep(&pause, NULL);
	}
	log_warning("another process has zfs-fuse for itself for too long", "error=\"%s\"",
		    why.text);
}

struct zfs_pool *place_begin(struct zfs_pool *pool)
{
	if (!pool)
		return NULL;
	pthread_mutex_lock(&pool->places);
	if (pool->turn >= 0 && pool->turns++ == 0)
		await_turn(pool);
	return pool;
}

void place_end(struct zfs_pool *pool)
{
	if (!pool)
		return;
	if (pool->turn >= 0 && --pool->turns == 0)
		(void)flock(pool->turn, LOCK_UN);
	pthread_mutex_unlock(&pool->places);
}

void place_await_closings(const struct zfs_pool *pool)
{
	const struct timespec pause = { .tv_nsec = CLOSINGS };

	if (!pool->features.kernel)
		nanosleep(&pause, NULL);
}

void place_await_quiet(const struct zfs_pool *pool)
{
	int64_t left = last_end(pool) + QUIET - clock_monotonic();
	const struct timespec pause = { .tv_nsec = left };

	if (!pool->features.kernel && left > 0)
		nanosleep(&pause, NULL);
}

/* --- what is mounted ---------------------------------------------------------------- */

/* "ID PARENT DEVICE ROOT TARGET OPTIONS... - TYPE SOURCE ..."; the target of the whole of `name`.
 */
static bool line_target(char *line, const char *name, char target[static POOL_PATH])
{
	char *dash = strstr(line, " - "), *fields[5], *type, *source;

	if (!dash)
		return false;
	*dash = '\0';
	dash += 3;
	type = strsep(&dash, " ");
	source = strsep(&dash, " ");
	for (size_t i = 0; i < array_size(fields); i++)
		fields[i] = strsep(&line, " ");
	if (!source || !fields[4] || !strstr(type, "zfs") || strcmp(fields[3], "/") != 0)
		return false;
	path_unescape(source);
	path_unescape(fields[4]);
	snprintf(target, POOL_PATH, "%s", fields[4]);
	return strcmp(source, name) == 0;
}

static int find_target(const char *name, char target[static POOL_PATH], struct fl_error *err)
{
	own_text struct text table = { 0 };
	own_free char *lines = NULL;
	char *rest, *line;

	if (fsat_read(AT_FDCWD, "/proc/thread-self/mountinfo", MOUNTINFO_LIMIT, &table, err) < 0)
		return fl_failed(err);
	lines = text_take(&table);
	rest = lines;
	while ((line = strsep(&rest, "\n")))
		if (line_target(line, name, target))
			return 0;
	return fl_fail(err, FL_NOT_FOUND, "'%s' is not mounted", name);
}

/* --- zfs-fuse ------------------------------------------------------------------------- */

static bool is_our_place(const char *path)
{
	return strncmp(path, PLACES "/", sizeof(PLACES)) == 0;
}

static int take_mount(const char *target, int *ret_mount, struct fl_error *err)
{
	own_fd int dir = -1;
	own_fd int mount = -1;
	struct fl_error ignored;

	if (fsat_open(AT_FDCWD, target, O_PATH | O_DIRECTORY, 0, &dir, err) < 0)
		return fl_failed(err);
	if (is_dead(dir)) {
		errno = ENOTCONN;
		return fl_fail_errno(err, "'%s'", target);
	}
	if (mount_clone_detached(dir, &mount, err) < 0)
		return fl_failed(err);
	close(take_fd(dir));
	if (is_our_place(target)) {
		if (mount_remove(target, true, err) < 0)
			return fl_failed(err);
		(void)!fsat_rmdir(AT_FDCWD, target, &ignored);
	}
	*ret_mount = take_fd(mount);
	return 0;
}

static int mount_once(const char *name, int *ret_mount, struct fl_error *err)
{
	char target[POOL_PATH];
	struct fl_error other;
	int rc;

	if (find_target(name, target, &other) == 0) {
		rc = take_mount(target, ret_mount, err);
		if (rc == 0 || err->sys != ENOTCONN)
			return rc;
		if (mount_remove(target, true, err) < 0) /* left by a zfs-fuse that died */
			return fl_failed(err);
	}
	if (zfs_do(err, "mount", name) < 0)
		return fl_failed(err);
	if (find_target(name, target, err) < 0)
		return fl_failed(err);
	return take_mount(target, ret_mount, err);
}

static int mount_by_program(const char *name, int *ret_mount, struct fl_error *err)
{
	const struct timespec pause = { .tv_nsec = PAUSE };
	int rc = -FL_BUSY;

	for (int i = 0; i < ATTEMPTS && rc == -FL_BUSY; i++) {
		if (i > 0)
			nanosleep(&pause, NULL);
		rc = mount_once(name, ret_mount, err);
	}
	return rc;
}

static int mount_after_quiet(const struct zfs_pool *pool, const char *name, int *ret_mount,
			     struct fl_error *err)
{
	place_await_quiet(pool);
	return mount_by_program(name, ret_mount, err);
}

int place_mount(struct zfs_pool *pool, const char *name, int *ret_mount, struct fl_error *err)
{
	int rc;

	if (pool->features.kernel)
		rc = mount_detached("zfs", name, NULL, 0, ret_mount, err);
	else
		rc = mount_after_quiet(pool, name, ret_mount, err);
	return rc < 0 ? fl_wrap(err, "mounting '%s'", name) : 0;
}

/* --- the mounts of a pool --------------------------------------------------------------- */

/* Gives up a mount whose server died.  The kernel's own never does. */
static void drop_if_dead(struct zfs_pool *pool, int *mount)
{
	if (*mount < 0 || pool->features.kernel || !is_dead(*mount))
		return;
	log_warning("zfs-fuse has ended and its mounts with it: mounting anew", "pool=%s",
		    pool->dataset);
	close(take_fd(*mount));
}

static int mirror_get(struct zfs_pool *pool, struct item *snapshot, int *ret_mount,
		      struct fl_error *err)
{
	const struct making making = {
		.label = { .hidden = true, .tree = snapshot->tree },
		.from = snapshot,
		.read_only = true,
	};

	if (!snapshot->mirror && dataset_make(pool, &making, &snapshot->mirror, err) < 0)
		return fl_failed(err);
	if (place_get(pool, snapshot->mirror, ret_mount, err) < 0)
		return fl_failed(err);
	snapshot->device = snapshot->mirror->device;
	return 0;
}

int place_get(struct zfs_pool *pool, struct item *item, int *ret_mount, struct fl_error *err)
{
	char name[ZFS_NAME];
	struct stat st;

	if (item->home && !pool->features.kernel)
		return mirror_get(pool, item, ret_mount, err);
	drop_if_dead(pool, &item->mount);
	if (item->mount < 0) {
		if (place_mount(pool, item_name(item, name), &item->mount, err) < 0)
			return fl_failed(err);
		if (fstat(item->mount, &st) < 0)
			return fl_fail_errno(err, "cannot look at '%s'", name);
		item->device = st.st_dev;
		if (item->read_only && mount_set_read_only(item->mount, true, err) < 0) {
			close(take_fd(item->mount));
			return fl_failed(err);
		}
	}
	*ret_mount = item->mount;
	return 0;
}

/* Descriptors of this process in a dataset, but for those that hold its mounts. */
struct readers {
	const struct item *item;
	bool any;
};

static bool is_mount_of(const struct item *item, int fd)
{
	return fd == item->mount || (item->mirror && fd == item->mirror->mount);
}

static int look_at_descriptor(void *arg, const char *name, unsigned char type, uint64_t inode,
			      struct fl_error *err)
{
	struct readers *readers = arg;
	const int fd = atoi(name);
	struct statx at;

	/* Without a question to zfs-fuse, which may not answer. */
	if (!is_mount_of(readers->item, fd) &&
	    statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &at) == 0 &&
	    makedev(at.stx_dev_major, at.stx_dev_minor) == readers->item->device)
		readers->any = true;
	return 0;
}

static bool is_mounted(const struct item *item)
{
	return item->mount >= 0 || (item->mirror && item->mirror->mount >= 0);
}

/* Without a mount the device's number may be that of another one by now. */
static bool is_read(const struct item *item)
{
	struct readers readers = { .item = item };
	struct fl_error ignored;
	own_fd int fd = -1;

	return is_mounted(item) && fsat_open_dir(AT_FDCWD, "/proc/self/fd", &fd, &ignored) == 0 &&
	       fsat_each(fd, look_at_descriptor, &readers, &ignored) == 0 && readers.any;
}

int place_await_readers(const struct zfs_pool *pool, const struct item *item, struct fl_error *err)
{
	const struct timespec pause = { .tv_nsec = PAUSE };

	if (pool->features.kernel)
		return 0;
	for (int i = 0; i < ATTEMPTS; i++) {
		if (!is_read(item))
			return 0;
		nanosleep(&pause, NULL);
	}
	return fl_fail(err, FL_BUSY, "it is being read");
}

void place_release(struct zfs_pool *pool, struct item *item)
{
	if (item->mount >= 0)
		close(take_fd(item->mount));
	if (item->mirror && item->mirror->mount >= 0)
		close(take_fd(item->mirror->mount));
	place_ended(pool);
}

int state_open(struct zfs_pool *pool, int *ret_fd, struct fl_error *err)
{
	own_places(guard, pool);
	char name[ZFS_NAME + 8];

	drop_if_dead(pool, &pool->state);
	snprintf(name, sizeof(name), "%s/state", pool->dataset);
	if (pool->state < 0 && place_mount(pool, name, &pool->state, err) < 0)
		return fl_failed(err);
	return fsat_open_dir(pool->state, ".", ret_fd, err);
}

int zfs_tree_open(struct pool *pool, const struct tree *tree, int *ret_fd, struct fl_error *err)
{
	struct zfs_pool *p = zfs_pool(pool);
	own_shape(shape, read_shape(p));
	own_places(guard, p);
	struct item *item = item_get(p, tree, err);
	int mount = -1;

	if (!item || place_get(p, item, &mount, err) < 0)
		return fl_failed(err);
	return fsat_open_dir(mount, ".", ret_fd, err);
}
