#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "driver/compare.h"
#include "driver/zfs/pool.h"

/*
 * What differs, by walking both trees (driver/compare.h), with what ZFS knows of files.
 *
 * A snapshot and a clone keep the number of a file's object, and a number that is given
 * again gets another generation: that of the transaction group in which the file was made.
 * Two trees have a common past if following their origins leads to one dataset; it ends at
 * the older of the two snapshots that they come from there, which is the *split*.  A file
 * with the same number and generation in both is one file if it was made before the split.
 * After it both count on by themselves, and often alike: such a file is in one tree only.
 *
 * Both numbers are in the file's handle, as the kernel's ZFS and FUSE make it.  Where a handle
 * cannot be read, and between trees without a common past, files are known by their paths.
 *
 * A file that is one in both trees, of one size and time of change, was not written to since
 * the split, if that time is clearly before it.  ZFS sets it with every write, and nobody else
 * can; a clock may show the same second twice, so what was changed around the split is read.
 * (`zfs diff` would be OpenZFS's own way, but zfs-fuse lacks it, and it knows no two trees
 * of which neither comes from the other.)
 */

#define CLOCK_DOUBT 2 /* seconds: zfs-fuse and `creation` count whole ones */

struct split {
	bool known;
	uint64_t group;	 /* the last transaction group that is in both */
	int64_t created; /* seconds UTC */
};

/* --- the split ------------------------------------------------------------------------------ */

/* A tree comes from a dataset: as it was in `snapshot`, or as it is (NULL). */
struct point {
	const struct item *dataset, *snapshot;
};

static struct point point_of(const struct item *item)
{
	return item->home ? (struct point){ item->home, item } : (struct point){ item, NULL };
}

/* Where the dataset comes from itself; false when from nothing. */
static bool go_back(const struct index *index, struct point *point)
{
	const struct item *origin = point->dataset->origin
					    ? index_find_id(index, point->dataset->origin)
					    : NULL;

	if (!origin || !origin->home)
		return false;
	*point = (struct point){ origin->home, origin };
	return true;
}

/* The first dataset that both come from, and by which snapshots. */
static bool find_common(const struct index *index, const struct item *items[static 2],
			const struct item *ret[static 2])
{
	struct point a = point_of(items[0]), b;

	do {
		b = point_of(items[1]);
		do {
			if (a.dataset != b.dataset)
				continue;
			ret[0] = a.snapshot ? a.snapshot : b.snapshot;
			ret[1] = b.snapshot ? b.snapshot : a.snapshot;
			return true;
		} while (go_back(index, &b));
	} while (go_back(index, &a));
	return false;
}

/* The older of two snapshots of one dataset. */
static int date(const char *const names[static 2], struct split *ret, struct fl_error *err)
{
	const char *const arguments[] = {
		"get",	  "-H",	    "-p", "-o", "name,property,value,source", "creation,createtxg",
		names[0], names[1], NULL,
	};
	own_text struct text text = { 0 };
	own_free char *lines = NULL;
	struct split splits[2] = { 0 };
	struct get_line line;
	char *rest;

	if (zfs_run(PROGRAM_ZFS, arguments, 64 << 10, &text, err) < 0)
		return fl_failed(err);
	lines = text_take(&text);
	rest = lines;
	while (get_line_next(&rest, &line))
		for (int i = 0; i < 2; i++) {
			if (strcmp(line.name, names[i]) != 0)
				continue;
			if (strcmp(line.property, "createtxg") == 0)
				splits[i].group = strtoull(line.value, NULL, 10);
			else if (strcmp(line.property, "creation") == 0)
				splits[i].created = strtoll(line.value, NULL, 10);
		}
	*ret = splits[splits[0].group > splits[1].group];
	ret->known = ret->group > 0;
	return 0;
}

static int find_split(struct zfs_pool *pool, const struct tree *trees[static 2], struct split *ret,
		      struct fl_error *err)
{
	own_shape(shape, read_shape(pool));
	const struct item *items[2], *common[2] = { NULL };
	char names[2][ZFS_NAME];
	bool related;

	for (int i = 0; i < 2; i++) {
		items[i] = item_get(pool, trees[i], err);
		if (!items[i])
			return fl_failed(err);
	}
	{
		own_lock(guard, &pool->mutex);
		related = find_common(&pool->index, items, common);
	}
	*ret = (struct split){ related, UINT64_MAX, INT64_MAX }; /* a tree and itself */
	if (!related || !common[0])
		return 0;
	return date(
		(const char *[]){ item_name(common[0], names[0]), item_name(common[1], names[1]) },
		ret, err);
}

/* --- files ------------------------------------------------------------------------------------ */

/* What a handle holds, by its kind. */
struct fuse_handle { /* the kernel's fs/fuse/inode.c */
	uint32_t object_high, object_low, generation;
};
struct zfs_handle { /* OpenZFS: a struct fid with a zfid_short_t */
	uint8_t length[2], object[6], generation[4];
};
#define FUSE_HANDLE 0x81 /* FILEID_INO64_GEN */
#define ZFS_HANDLE 1	 /* FILEID_INO32_GEN */
#define ZFS_LENGTH 10

static uint64_t little_endian(const uint8_t *bytes, size_t count)
{
	uint64_t number = 0;

	while (count-- > 0)
		number = number << 8 | bytes[count];
	return number;
}

static bool parse_handle(const struct file_handle *handle, struct file_id *ret)
{
	struct fuse_handle fuse;
	struct zfs_handle zfs;

	if (handle->handle_type == FUSE_HANDLE && handle->handle_bytes == sizeof(fuse)) {
		memcpy(&fuse, handle->f_handle, sizeof(fuse));
		ret->object = (uint64_t)fuse.object_high << 32 | fuse.object_low;
		ret->generation = fuse.generation;
		return true;
	}
	if (handle->handle_type != ZFS_HANDLE || handle->handle_bytes != sizeof(zfs))
		return false;
	memcpy(&zfs, handle->f_handle, sizeof(zfs));
	ret->object = little_endian(zfs.object, sizeof(zfs.object));
	ret->generation = little_endian(zfs.generation, sizeof(zfs.generation));
	return little_endian(zfs.length, sizeof(zfs.length)) == ZFS_LENGTH;
}

static int identify(void *arg, enum compare_side side, int dir, const char *name,
		    struct file_id *ret, struct fl_error *err)
{
	const struct split *split = arg;
	union {
		struct file_handle handle;
		char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} it = { .handle.handle_bytes = MAX_HANDLE_SZ };
	struct file_id id = { 0 };
	int mount;

	if (name_to_handle_at(dir, name, &it.handle, &mount, *name ? 0 : AT_EMPTY_PATH) < 0)
		return fl_fail_errno(err, "cannot identify '%.100s'", name);
	if (!parse_handle(&it.handle, &id))
		return fl_fail(err, FL_UNSUPPORTED, "handles of files are of an unknown kind, %d",
			       it.handle.handle_type);
	if (id.generation > split->group)
		id.apart = 1 + (unsigned)side;
	*ret = id;
	return 0;
}

static bool is_untouched(void *arg, const struct stat *earlier, const struct stat *later)
{
	const struct split *split = arg;

	return earlier->st_size == later->st_size &&
	       earlier->st_ctim.tv_sec == later->st_ctim.tv_sec &&
	       earlier->st_ctim.tv_nsec == later->st_ctim.tv_nsec &&
	       later->st_ctim.tv_sec + CLOCK_DOUBT <= split->created;
}

static bool has_identities(const struct split *split, int tree)
{
	struct split any = *split;
	struct fl_error none;
	struct file_id root;

	return split->known && identify(&any, COMPARE_EARLIER, tree, "", &root, &none) == 0;
}

int zfs_diff(struct pool *pool, const struct tree *earlier, const struct tree *later,
	     change_each *each, void *arg, struct fl_error *err)
{
	struct comparison comparison = { .untouched = is_untouched };
	struct split split = { 0 };
	own_fd int from = -1;
	own_fd int to = -1;

	if (find_split(zfs_pool(pool), (const struct tree *[]){ earlier, later }, &split, err) <
		    0 ||
	    zfs_tree_open(pool, earlier, &from, err) < 0 ||
	    zfs_tree_open(pool, later, &to, err) < 0)
		return fl_failed(err);
	comparison.trees[COMPARE_EARLIER] = from;
	comparison.trees[COMPARE_LATER] = to;
	comparison.arg = &split;
	if (has_identities(&split, from) && has_identities(&split, to))
		comparison.identify = identify;
	return compare_by_walking(&comparison, each, arg, err);
}
