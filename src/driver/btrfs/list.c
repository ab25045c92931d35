#include <endian.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fsat.h"
#include "driver/btrfs/ioctl.h"
#include "driver/btrfs/pool.h"

/*
 * Everything in the pool by one pass over the file system's tree of roots,
 * instead of opening each tree: 10,000 trees in a few milliseconds.
 *
 * Of each subvolume two items matter, in this order: ROOT_ITEM (its UUID and
 * time) and ROOT_BACKREF (the directory it lies in, by inode, and its name).
 * The directories of the layout are read before, with their inodes; a subvolume
 * anywhere else (nested in a head, or not ours, in a pool that shares its file
 * system) finds none of them and is passed over.  One that was deleted has no
 * ROOT_BACKREF.
 *
 * tree_info.device stays 0: to give each tree its device number the kernel
 * would have to open it.
 */

struct directory {
	uint64_t inode;
	enum tree_kind kind;
	struct uuid branch; /* TREE_SNAPSHOT */
};

struct listing {
	struct btrfs_pool *pool;
	struct directory *directories; /* sorted by inode */
	size_t count;
	uint64_t subvolume; /* of the ROOT_ITEM seen last */
	struct tree_info info;
	int (*each)(void *arg, const struct tree *tree, const struct tree_info *info,
		    struct fl_error *err);
	void *arg;
};

static void listing_done(struct listing *listing)
{
	free(listing->directories);
}

static void add_directory(struct listing *listing, const struct directory *directory)
{
	*array_add(listing->directories, listing->count) = *directory;
}

static int add_snaps(void *arg, const char *name, unsigned char type, uint64_t inode,
		     struct fl_error *err)
{
	struct directory directory = { .inode = inode, .kind = TREE_SNAPSHOT };
	struct fl_error ignored;

	if (uuid_parse(name, &directory.branch, &ignored) == 0)
		add_directory(arg, &directory);
	return 0;
}

static int compare_directories(const void *a, const void *b)
{
	const struct directory *x = a, *y = b;

	return (x->inode > y->inode) - (x->inode < y->inode);
}

static int read_directories(struct listing *listing, struct fl_error *err)
{
	static const struct {
		const char *name;
		enum tree_kind kind;
	} plain[] = {
		{ "heads", TREE_HEAD },
		{ "staging", TREE_STAGING },
		{ "retired", TREE_RETIRED },
	};
	int root = listing->pool->root;
	own_fd int snaps = -1;
	int rc;

	for (size_t i = 0; i < array_size(plain); i++) {
		struct stat st;

		rc = fsat_stat(root, plain[i].name, &st, err);
		if (rc < 0)
			return rc;
		add_directory(listing,
			      &(struct directory){ .inode = st.st_ino, .kind = plain[i].kind });
	}
	rc = fsat_open_dir(root, "snaps", &snaps, err);
	if (rc == 0)
		rc = fsat_each(snaps, add_snaps, listing, err);
	if (rc == 0)
		array_sort(listing->directories, listing->count, compare_directories);
	return rc;
}

static void note_root(struct listing *listing, const struct btrfs_ioctl_search_header *header,
		      const void *item)
{
	struct btrfs_root_item root = { 0 };

	memcpy(&root, item, header->len < sizeof(root) ? header->len : sizeof(root));
	listing->subvolume = header->objectid;
	listing->info = (struct tree_info){
		.id = tree_id(root.uuid),
		.created = (int64_t)le64toh(root.otime.sec) * CLOCK_SECOND +
			   le32toh(root.otime.nsec),
	};
}

/* Which tree the reference names; false when it is none of ours. */
static bool tree_of(const struct listing *listing, const struct subvol_reference *reference,
		    struct tree *ret)
{
	const struct directory key = { .inode = reference->directory };
	const struct directory *directory;
	struct fl_error ignored;

	if (reference->parent != listing->pool->subvolume)
		return false;
	directory = bsearch(&key, listing->directories, listing->count, sizeof(key),
			    compare_directories);
	if (!directory)
		return false;
	*ret = (struct tree){ .kind = directory->kind, .uuid = directory->branch };
	if (directory->kind == TREE_SNAPSHOT)
		return snapname_parse(reference->name, &ret->snapshot, &ignored) == 0;
	return uuid_parse(reference->name, &ret->uuid, &ignored) == 0;
}

static int note_item(void *arg, const struct btrfs_ioctl_search_header *header, const void *item,
		     struct fl_error *err)
{
	struct listing *listing = arg;
	struct subvol_reference reference;
	struct tree tree;

	if (header->type == BTRFS_ROOT_ITEM_KEY)
		note_root(listing, header, item);
	if (header->type != BTRFS_ROOT_BACKREF_KEY || header->objectid != listing->subvolume)
		return 0;
	if (!subvol_reference_decode(header, item, &reference) ||
	    !tree_of(listing, &reference, &tree))
		return 0;
	return listing->each(listing->arg, &tree, &listing->info, err);
}

int btrfs_list(struct pool *pool,
	       int (*each)(void *arg, const struct tree *tree, const struct tree_info *info,
			   struct fl_error *err),
	       void *arg, struct fl_error *err)
{
	static const struct root_range all = {
		.tree = BTRFS_ROOT_TREE_OBJECTID,
		.first = BTRFS_FIRST_FREE_OBJECTID,
		.last = BTRFS_LAST_FREE_OBJECTID,
		.first_type = BTRFS_ROOT_ITEM_KEY,
		.last_type = BTRFS_ROOT_BACKREF_KEY,
		.buffer = 256 * 1024,
	};
	own(listing_done) struct listing listing = {
		.pool = btrfs_pool(pool),
		.each = each,
		.arg = arg,
	};
	int rc;

	rc = read_directories(&listing, err);
	if (rc < 0)
		return rc;
	rc = root_search(listing.pool->root, &all, note_item, &listing, err);
	return rc < 0 ? rc : 0;
}
