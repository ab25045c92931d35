#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/loop.h"
#include "driver/btrfs/ioctl.h"
#include "driver/btrfs/pool.h"

/* How much there is, how well it is, and more of it. */

struct devices {
	unsigned count, missing;
	uint64_t first; /* its number */
	uint64_t size;	/* bytes of the first that the file system uses */
	uint64_t errors[BTRFS_DEV_STAT_VALUES_MAX]; /* summed up */
};

static void add_errors(int root, uint64_t number, struct devices *devices)
{
	struct btrfs_ioctl_get_dev_stats stats = {
		.devid = number,
		.nr_items = BTRFS_DEV_STAT_VALUES_MAX,
	};

	if (ioctl(root, BTRFS_IOC_GET_DEV_STATS, &stats) < 0)
		return;
	for (int i = 0; i < BTRFS_DEV_STAT_VALUES_MAX; i++)
		devices->errors[i] += stats.values[i];
}

/* Their numbers have gaps where devices were removed. */
static int devices_get(int root, struct devices *ret, struct fl_error *err)
{
	struct btrfs_ioctl_fs_info_args fs = { 0 };
	struct devices devices = { 0 };

	if (ioctl(root, BTRFS_IOC_FS_INFO, &fs) < 0)
		return fl_fail_errno(err, "cannot ask about the file system");
	for (uint64_t number = 0; number <= fs.max_id; number++) {
		struct btrfs_ioctl_dev_info_args info = { .devid = number };

		if (ioctl(root, BTRFS_IOC_DEV_INFO, &info) < 0)
			continue;
		if (devices.count++ == 0) {
			devices.first = number;
			devices.size = info.total_bytes;
		}
		devices.missing += info.path[0] == '\0';
		add_errors(root, number, &devices);
	}
	if (devices.count < fs.num_devices)
		devices.missing += (unsigned)(fs.num_devices - devices.count);
	*ret = devices;
	return 0;
}

static void describe_health(struct btrfs_pool *pool, const struct devices *devices, bool read_only,
			    char *text, size_t size)
{
	const uint64_t *errors = devices->errors;

	if (read_only && !pool->stopped)
		snprintf(text, size, "read-only after an error: see the kernel's log");
	else if (devices->missing > 0)
		snprintf(text, size, "%u device(s) missing", devices->missing);
	else if (errors[BTRFS_DEV_STAT_WRITE_ERRS] || errors[BTRFS_DEV_STAT_READ_ERRS] ||
		 errors[BTRFS_DEV_STAT_FLUSH_ERRS] || errors[BTRFS_DEV_STAT_CORRUPTION_ERRS] ||
		 errors[BTRFS_DEV_STAT_GENERATION_ERRS])
		snprintf(text, size,
			 "device errors: %" PRIu64 " write, %" PRIu64 " read, %" PRIu64
			 " flush, %" PRIu64 " corruption, %" PRIu64 " generation",
			 errors[BTRFS_DEV_STAT_WRITE_ERRS], errors[BTRFS_DEV_STAT_READ_ERRS],
			 errors[BTRFS_DEV_STAT_FLUSH_ERRS], errors[BTRFS_DEV_STAT_CORRUPTION_ERRS],
			 errors[BTRFS_DEV_STAT_GENERATION_ERRS]);
	else if (read_only)
		snprintf(text, size, "read-only");
	else
		snprintf(text, size, "ok");
}

/* What a stop has taken away for its own purpose is free. */
static void count_balloon(const struct btrfs_pool *pool, struct pool_stats *stats)
{
	struct stat st;
	uint64_t taken;

	if (pool->balloon < 0 || fstat(pool->balloon, &st) < 0)
		return;
	taken = (uint64_t)st.st_blocks * 512;
	taken = taken < stats->used ? taken : stats->used;
	stats->used -= taken;
	stats->free += taken;
}

static int count_item(void *arg, const struct btrfs_ioctl_search_header *header, const void *item,
		      struct fl_error *err)
{
	++*(uint64_t *)arg;
	return 0;
}

/*
 * A subvolume that is deleted has an orphan item in the root tree until the cleaner has been
 * through it: they lie side by side, so this reads a leaf or two.
 */
static int count_uncleaned(int root, uint64_t *ret, struct fl_error *err)
{
	static const struct root_range orphans = {
		.tree = BTRFS_ROOT_TREE_OBJECTID,
		.first = BTRFS_ORPHAN_OBJECTID,
		.last = BTRFS_ORPHAN_OBJECTID,
		.first_type = BTRFS_ORPHAN_ITEM_KEY,
		.last_type = BTRFS_ORPHAN_ITEM_KEY,
		.buffer = 16 * 1024,
	};

	*ret = 0;
	return root_search(root, &orphans, count_item, ret, err);
}

int btrfs_stats(struct pool *pool, struct pool_stats *ret, struct fl_error *err)
{
	struct btrfs_pool *p = btrfs_pool(pool);
	struct pool_stats stats = { 0 };
	struct devices devices = { 0 };
	struct statvfs fs;
	int rc;

	if (fstatvfs(p->root, &fs) < 0)
		return fl_fail_errno(err, "cannot ask the pool for its space");
	stats.size = (uint64_t)fs.f_blocks * fs.f_frsize;
	stats.used = (uint64_t)(fs.f_blocks - fs.f_bfree) * fs.f_frsize;
	stats.free = (uint64_t)fs.f_bavail * fs.f_frsize;
	stats.read_only = fs.f_flag & ST_RDONLY;
	stats.quota = p->groups >= 0;
	stats.share = true;
	count_balloon(p, &stats);
	rc = devices_get(p->root, &devices, err);
	if (rc == 0)
		rc = count_uncleaned(p->root, &stats.uncleaned, err);
	if (rc == 0 && pool->spec.kind == POOL_FILE)
		rc = medium_stats(&pool->spec, &p->medium, &stats, err);
	if (rc < 0)
		return rc;
	describe_health(p, &devices, stats.read_only, stats.health, sizeof(stats.health));
	*ret = stats;
	return 0;
}

static int resize(struct btrfs_pool *pool, uint64_t device, uint64_t size, struct fl_error *err)
{
	struct btrfs_ioctl_vol_args args = { 0 };

	snprintf(args.name, sizeof(args.name), "%" PRIu64 ":%" PRIu64, device, size);
	if (ioctl(pool->root, BTRFS_IOC_RESIZE, &args) < 0)
		return fl_fail_errno(err, "cannot enlarge the file system");
	return 0;
}

/* What the file or device below has. */
static int room_below(struct btrfs_pool *pool, uint64_t *ret, struct fl_error *err)
{
	struct stat st;
	int rc;

	rc = fstat(pool->medium.lock, &st);
	*ret = (uint64_t)st.st_size;
	if (rc == 0 && S_ISBLK(st.st_mode))
		rc = ioctl(pool->medium.lock, BLKGETSIZE64, ret);
	if (rc < 0)
		return fl_fail_errno(err, "cannot get the size of '%s'", pool->medium.path);
	return 0;
}

int btrfs_grow(struct pool *pool, uint64_t size, struct fl_error *err)
{
	struct btrfs_pool *p = btrfs_pool(pool);
	struct devices devices = { 0 };
	uint64_t room = 0;
	int rc;

	if (pool->spec.kind == POOL_DIRECTORY)
		return fl_fail(err, FL_UNSUPPORTED, "the pool grows with the file system of '%s'",
			       pool->spec.path);
	rc = room_below(p, &room, err);
	if (rc == 0)
		rc = devices_get(p->root, &devices, err);
	if (rc < 0)
		return rc;
	size = size == 0 ? room : size;
	if (size - size % 4096 < devices.size)
		return fl_fail(err, FL_INVALID,
			       "the pool has %" PRIu64 " bytes: it cannot shrink to %" PRIu64,
			       devices.size, size);
	size -= size % 4096;
	if (size > room && pool->spec.kind == POOL_DEVICE)
		return fl_fail(err, FL_INVALID, "device '%s' has only %" PRIu64 " bytes",
			       pool->spec.path, room);
	if (pool->spec.kind == POOL_FILE)
		rc = medium_enlarge(&pool->spec, &p->medium, size, err);
	if (rc == 0 && pool->spec.kind == POOL_FILE)
		rc = loop_resize(p->medium.loop, err);
	if (rc < 0 || size == devices.size)
		return rc;
	return resize(p, devices.first, size, err);
}
