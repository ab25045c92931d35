#include <endian.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/fsat.h"
#include "base/mount.h"
#include "driver/btrfs/ioctl.h"
#include "driver/btrfs/pool.h"

/*
 * How Btrfs tells what is being changed.
 *
 * Events: the kernel takes a mark on the whole file system only through a path
 * in its top-level subvolume (elsewhere EXDEV).  A pool in a file or on a device
 * has a mount of that; of a pool in a directory the file system is mounted once
 * more.  The file system's id in an event is that of the mount, but the handle
 * of the file names the subvolume.
 *
 * What events do not tell of (stores into mappings, chattr): a subvolume that
 * was written to gets a new item in the tree of roots when the file system
 * commits.  A block of that tree carries the transaction that wrote it, so a
 * search for young blocks finds these items without looking at the others.  It
 * also finds their neighbours in the block.
 *
 * The number of the running transaction is asked for before the search: then
 * all of the earlier ones is found by this search, and the next begins at the
 * running one.  Once that is on disk too, nothing can be new until another one
 * begins.  It is when the item of the extent tree, which every commit writes
 * last, carries its number.
 */

/* linux/exportfs.h: a Btrfs inode, alone, with its parent, with its parent in another subvolume. */
#define FILEID_BTRFS_FIRST 0x4d
#define FILEID_BTRFS_LAST 0x4f
/* fs/btrfs/export.h: inode, subvolume (8 bytes each), generation (4). */
#define FILEID_SUBVOLUME 8
#define FILEID_LEAST 20

#define MOST_DEVICES 1024 /* numbers to try; they are given one after the other */

uint64_t btrfs_watch_handle(int type, const uint8_t *handle, size_t length)
{
	uint64_t number;

	if (type < FILEID_BTRFS_FIRST || type > FILEID_BTRFS_LAST || length < FILEID_LEAST)
		return 0;
	memcpy(&number, handle + FILEID_SUBVOLUME, sizeof(number));
	return number;
}

static int running_transaction(int root, uint64_t *ret, struct fl_error *err)
{
	struct btrfs_ioctl_fs_info_args info = { .flags = BTRFS_FS_INFO_FLAG_GENERATION };

	if (ioctl(root, BTRFS_IOC_FS_INFO, &info) < 0)
		return fl_fail_errno(err, "cannot ask about the file system");
	if (!(info.flags & BTRFS_FS_INFO_FLAG_GENERATION))
		return fl_fail(err, FL_UNSUPPORTED,
			       "this kernel's Btrfs does not tell how far it is");
	*ret = info.generation;
	return 0;
}

/* The path of one of the devices that the file system lies on. */
static int find_device(int root, struct btrfs_ioctl_dev_info_args *ret, struct fl_error *err)
{
	for (uint64_t id = 1; id <= MOST_DEVICES; id++) {
		*ret = (struct btrfs_ioctl_dev_info_args){ .devid = id };
		if (ioctl(root, BTRFS_IOC_DEV_INFO, ret) == 0)
			return 0;
		if (errno != ENODEV)
			break;
	}
	return fl_fail_errno(err, "cannot tell the pool's device");
}

int btrfs_watch_root(struct pool *pool, int *ret_fd, struct fl_error *err)
{
	static const struct mount_option top[] = { { "subvolid", "5" } };
	struct btrfs_pool *p = btrfs_pool(pool);
	struct btrfs_ioctl_dev_info_args device;
	own_fd int mount = -1;
	uint64_t ignored;

	if (running_transaction(p->root, &ignored, err) < 0)
		return fl_failed(err);
	if (pool->spec.kind != POOL_DIRECTORY)
		return fsat_open_dir(p->mount, ".", ret_fd, err);
	if (find_device(p->root, &device, err) < 0 ||
	    mount_detached("btrfs", (const char *)device.path, top, array_size(top), &mount, err) <
		    0)
		return fl_failed(err);
	return fsat_open_dir(mount, ".", ret_fd, err);
}

/* --- trees that were written to ------------------------------------------------ */

struct search {
	struct btrfs_pool *pool;
	uint64_t heads; /* inode of the directory that heads lie in */
	bool waiting;	/* `root` has been found, and not yet where it lies */
	struct moved_tree root;
	int (*each)(void *arg, const struct moved_tree *moved, struct fl_error *err);
	void *arg;
};

static int tell(const struct search *search, const struct subvol_reference *place, uint64_t touched,
		struct fl_error *err)
{
	struct moved_tree moved = { .number = place->child, .touched = touched };
	struct fl_error ignored;

	moved.head = place->parent == search->pool->subvolume &&
		     place->directory == search->heads &&
		     uuid_parse(place->name, &moved.branch, &ignored) == 0;
	return search->each(search->arg, &moved, err);
}

/* The item of a root without that of its place behind it, which lies in an older block. */
static int finish_waiting(struct search *search, struct fl_error *err)
{
	struct subvol_reference place;

	if (!search->waiting)
		return 0;
	search->waiting = false;
	if (subvol_place(search->pool->root, search->root.number, &place, err) < 0)
		return fl_failed(err);
	return place.child ? tell(search, &place, search->root.touched, err) : 0;
}

static int note_root(struct search *search, const struct btrfs_ioctl_search_header *header,
		     const void *item, struct fl_error *err)
{
	struct btrfs_root_item root = { 0 };
	uint64_t changed, written;
	int rc = finish_waiting(search, err);

	if (rc < 0)
		return rc;
	memcpy(&root, item, header->len < sizeof(root) ? header->len : sizeof(root));
	changed = le64toh(root.ctransid);
	written = le64toh(root.generation);
	search->waiting = true;
	search->root = (struct moved_tree){ .number = header->objectid,
					    .touched = changed > written ? changed : written };
	return 0;
}

static int note_place(struct search *search, const struct btrfs_ioctl_search_header *header,
		      const void *item, struct fl_error *err)
{
	bool ours = search->waiting && search->root.number == header->objectid;
	struct subvol_reference place;
	int rc = 0;

	if (ours)
		search->waiting = false;
	else
		rc = finish_waiting(search, err);
	if (rc < 0 || !subvol_reference_decode(header, item, &place))
		return rc;
	return tell(search, &place, ours ? search->root.touched : 0, err);
}

static int note_item(void *arg, const struct btrfs_ioctl_search_header *header, const void *item,
		     struct fl_error *err)
{
	if (header->type == BTRFS_ROOT_ITEM_KEY)
		return note_root(arg, header, item, err);
	return header->type == BTRFS_ROOT_BACKREF_KEY ? note_place(arg, header, item, err) : 0;
}

/* --- how far it is ---------------------------------------------------------------- */

static int keep_generation(void *arg, const struct btrfs_ioctl_search_header *header,
			   const void *item, struct fl_error *err)
{
	struct btrfs_root_item root = { 0 };
	uint64_t *ret = arg;

	memcpy(&root, item, header->len < sizeof(root) ? header->len : sizeof(root));
	*ret = le64toh(root.generation);
	return 1;
}

static int committed_transaction(int root, uint64_t *ret, struct fl_error *err)
{
	static const struct root_range extents = {
		.tree = BTRFS_ROOT_TREE_OBJECTID,
		.first = BTRFS_EXTENT_TREE_OBJECTID,
		.last = BTRFS_EXTENT_TREE_OBJECTID,
		.first_type = BTRFS_ROOT_ITEM_KEY,
		.last_type = BTRFS_ROOT_ITEM_KEY,
		.buffer = 4096,
	};
	int rc;

	*ret = 0;
	rc = root_search(root, &extents, keep_generation, ret, err);
	return rc < 0 ? rc : 0;
}

static int search_heads(struct btrfs_pool *pool, uint64_t since, struct search *search,
			struct fl_error *err)
{
	const struct root_range young = {
		.tree = BTRFS_ROOT_TREE_OBJECTID,
		.first = BTRFS_FIRST_FREE_OBJECTID,
		.last = BTRFS_LAST_FREE_OBJECTID,
		.first_type = BTRFS_ROOT_ITEM_KEY,
		.last_type = BTRFS_ROOT_BACKREF_KEY,
		.buffer = since ? 16 * 1024 : 256 * 1024,
		.since = since,
	};
	struct stat st;
	int rc;

	rc = fsat_stat(pool->root, "heads", &st, err);
	if (rc < 0)
		return rc;
	search->heads = st.st_ino;
	rc = root_search(pool->root, &young, note_item, search, err);
	return rc < 0 ? rc : finish_waiting(search, err);
}

int btrfs_watch_heads(struct pool *pool, struct watch_since *since,
		      int (*each)(void *arg, const struct moved_tree *moved, struct fl_error *err),
		      void *arg, struct fl_error *err)
{
	struct search search = { .pool = btrfs_pool(pool), .each = each, .arg = arg };
	int root = search.pool->root;
	uint64_t running, committed;

	if (running_transaction(root, &running, err) < 0)
		return fl_failed(err);
	if (since->settled && since->point == running)
		return 0;
	if (committed_transaction(root, &committed, err) < 0 ||
	    search_heads(search.pool, since->point, &search, err) < 0)
		return fl_failed(err);
	*since = (struct watch_since){ .point = running, .settled = committed >= running };
	return 0;
}
