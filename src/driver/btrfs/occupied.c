/*
 * What the files of one tree take: the sum over its extents, found by a search
 * of the tree's metadata, and kept as long as the tree has not changed.
 *
 * And about what it takes to send it: the same sum before compression, since send
 * writes what files read as, over the extents that were written after the base was
 * taken.  Blocks of metadata that are older are not even read.
 */

#include <endian.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>

#include "driver/btrfs/ioctl.h"
#include "driver/btrfs/pool.h"

#define SCAN_BUFFER (256 << 10)

/* Of a compressed extent the part that the file uses, as if it were spread evenly. */
static uint64_t extent_bytes(const struct btrfs_file_extent_item *extent, size_t length)
{
	uint64_t disk, ram, used;

	if (extent->type == BTRFS_FILE_EXTENT_INLINE)
		return length - offsetof(struct btrfs_file_extent_item, disk_bytenr);
	if (length < sizeof(*extent) || extent->disk_bytenr == 0) /* a hole */
		return 0;
	disk = le64toh(extent->disk_num_bytes);
	ram = le64toh(extent->ram_bytes);
	used = le64toh(extent->num_bytes);
	if (extent->compression == 0 || ram == 0)
		return used;
	return (uint64_t)((double)disk * ((double)used / (double)ram));
}

static int add_extent(void *arg, const struct btrfs_ioctl_search_header *header, const void *item,
		      struct fl_error *err)
{
	struct btrfs_file_extent_item extent = { 0 };
	uint64_t *sum = arg;
	size_t length = header->len < sizeof(extent) ? header->len : sizeof(extent);

	if (length < offsetof(struct btrfs_file_extent_item, disk_bytenr))
		return 0;
	memcpy(&extent, item, length);
	*sum += extent_bytes(&extent, header->len);
	return 0;
}

static bool find_kept(struct btrfs_pool *pool, struct occupied *item)
{
	own_lock(guard, &pool->occupied.mutex);
	const struct occupied *kept = &pool->occupied.items[item->id % OCCUPIED_KEPT];

	if (kept->id != item->id || kept->generation != item->generation)
		return false;
	*item = *kept;
	return true;
}

static void keep(struct btrfs_pool *pool, const struct occupied *item)
{
	own_lock(guard, &pool->occupied.mutex);

	pool->occupied.items[item->id % OCCUPIED_KEPT] = *item;
}

/*
 * A tree's generation is that of the transaction in which it changed last, and
 * changes with the commit of what is written next: so a figure that is kept is at
 * most one commit (half a minute) old.  In the transaction itself the tree can
 * still change under the same generation: then nothing is kept.
 */
static int may_keep(struct btrfs_pool *pool, uint64_t generation, bool *ret, struct fl_error *err)
{
	struct btrfs_ioctl_fs_info_args fs = { .flags = BTRFS_FS_INFO_FLAG_GENERATION };

	if (ioctl(pool->root, BTRFS_IOC_FS_INFO, &fs) < 0)
		return fl_fail_errno(err, "cannot ask about the file system");
	*ret = generation < fs.generation;
	return 0;
}

int btrfs_occupied(struct pool *pool, const struct tree *tree, uint64_t *ret, struct fl_error *err)
{
	const struct root_range range = {
		.first = BTRFS_FIRST_FREE_OBJECTID,
		.last = BTRFS_LAST_FREE_OBJECTID,
		.first_type = BTRFS_EXTENT_DATA_KEY,
		.last_type = BTRFS_EXTENT_DATA_KEY,
		.buffer = SCAN_BUFFER,
	};
	struct btrfs_pool *p = btrfs_pool(pool);
	struct btrfs_ioctl_get_subvol_info_args info;
	struct occupied item;
	own_fd int fd = -1;
	bool kept = false;

	if (btrfs_tree_open(pool, tree, &fd, err) < 0 || subvol_info(fd, &info, err) < 0 ||
	    may_keep(p, info.generation, &kept, err) < 0)
		return fl_failed(err);
	item = (struct occupied){ .id = info.treeid, .generation = info.generation };
	if (!find_kept(p, &item)) {
		if (root_search(fd, &range, add_extent, &item.bytes, err) < 0)
			return fl_failed(err);
		if (kept)
			keep(p, &item);
	}
	*ret = item.bytes;
	return 0;
}

/* --- what sending it takes ---------------------------------------------------------- */

#define FILE_COMMANDS 256 /* bytes: its name, owner, mode and times */

struct weighing {
	uint64_t after; /* extents of this transaction and earlier ones are in the base */
	uint64_t bytes;
};

static int weigh_extent(void *arg, const struct btrfs_ioctl_search_header *header, const void *item,
			struct fl_error *err)
{
	struct weighing *weighing = arg;
	struct btrfs_file_extent_item extent = { 0 };
	size_t length = header->len < sizeof(extent) ? header->len : sizeof(extent);

	memcpy(&extent, item, length);
	if (le64toh(extent.generation) <= weighing->after)
		return 0;
	if (header->offset == 0)
		weighing->bytes += FILE_COMMANDS;
	if (extent.type == BTRFS_FILE_EXTENT_INLINE)
		weighing->bytes += le64toh(extent.ram_bytes);
	else if (length == sizeof(extent) && extent.disk_bytenr != 0)
		weighing->bytes += le64toh(extent.num_bytes);
	return 0;
}

static int transaction_of(struct pool *pool, const struct tree *tree, uint64_t *ret,
			  struct fl_error *err)
{
	struct btrfs_ioctl_get_subvol_info_args info;
	own_fd int fd = -1;

	if (btrfs_tree_open(pool, tree, &fd, err) < 0 || subvol_info(fd, &info, err) < 0)
		return fl_failed(err);
	*ret = info.otransid;
	return 0;
}

int btrfs_weigh(struct pool *pool, const struct tree *base, const struct tree *tree, uint64_t *ret,
		struct fl_error *err)
{
	struct root_range range = {
		.first = BTRFS_FIRST_FREE_OBJECTID,
		.last = BTRFS_LAST_FREE_OBJECTID,
		.first_type = BTRFS_EXTENT_DATA_KEY,
		.last_type = BTRFS_EXTENT_DATA_KEY,
		.buffer = SCAN_BUFFER,
	};
	struct weighing weighing = { 0 };
	own_fd int fd = -1;

	if ((base && transaction_of(pool, base, &weighing.after, err) < 0) ||
	    btrfs_tree_open(pool, tree, &fd, err) < 0)
		return fl_failed(err);
	range.since = weighing.after;
	if (root_search(fd, &range, weigh_extent, &weighing, err) < 0)
		return fl_failed(err);
	*ret = weighing.bytes;
	return 0;
}
