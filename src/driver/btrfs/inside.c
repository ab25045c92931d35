#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fsat.h"
#include "driver/btrfs/ioctl.h"
#include "driver/btrfs/pool.h"

/*
 * Deleting a tree with subvolumes inside, which the kernel refuses.
 *
 * Whoever may make a directory may make subvolumes: thousands below each other,
 * in directories whose paths are longer than the kernel takes in one piece, and
 * read-only ones.  So no way down is remembered, and nothing is called by its
 * path: each is moved to the pool's staging, as a tree of its own, which makes
 * the one that it lay in empty; then it is its turn.  What a crash leaves there
 * the next start removes.
 *
 * Where it lies is found from below: of a directory the file system knows the
 * name and the directory above.  Nobody moves it meanwhile but who still holds
 * the tree; then it is not found there, and the tree stays for the next time.
 */

/* --- where a subvolume lies --------------------------------------------------- */

struct above {
	bool found;
	uint64_t directory;
	char name[BTRFS_VOL_NAME_MAX + 1];
};

static int keep_above(void *arg, const struct btrfs_ioctl_search_header *header, const void *item,
		      struct fl_error *err)
{
	struct above *above = arg;
	struct btrfs_inode_ref ref;
	size_t length;

	if (header->len < sizeof(ref))
		return 0;
	memcpy(&ref, item, sizeof(ref));
	length = le16toh(ref.name_len);
	if (length > BTRFS_VOL_NAME_MAX || header->len < sizeof(ref) + length)
		return fl_fail(err, FL_CORRUPT, "a directory's name cannot be read");
	memcpy(above->name, (const char *)item + sizeof(ref), length);
	above->name[length] = '\0';
	above->directory = header->offset;
	above->found = true;
	return 0;
}

static int look_up(int fd, uint64_t subvolume, uint64_t directory, struct above *ret,
		   struct fl_error *err)
{
	const struct root_range range = {
		.tree = subvolume,
		.first = directory,
		.last = directory,
		.first_type = BTRFS_INODE_REF_KEY,
		.last_type = BTRFS_INODE_REF_KEY,
		.buffer = 4096,
	};

	ret->found = false;
	if (root_search(fd, &range, keep_above, ret, err) < 0)
		return fl_failed(err);
	return ret->found ? 0 : fl_fail(err, FL_NOT_FOUND, "a directory in it is gone");
}

struct names {
	char **items; /* the innermost first */
	size_t count;
};

static void names_done(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->items[i]);
	free(names->items);
}

static void add_name(struct names *names, const char *name)
{
	*array_add(names->items, names->count) = xstrdup(name);
}

/* The directory that holds `inner`, which lies in the subvolume that is open as `fd`. */
static int open_holder(int fd, const struct subvol_reference *inner, int *ret_fd,
		       struct fl_error *err)
{
	own(names_done) struct names names = { 0 };
	own_text struct text path = { 0 };
	struct above above = { .directory = inner->directory };

	while (above.directory != BTRFS_FIRST_FREE_OBJECTID) {
		if (look_up(fd, inner->parent, above.directory, &above, err) < 0)
			return fl_failed(err);
		add_name(&names, above.name);
	}
	for (size_t i = names.count; i > 0; i--)
		text_add_format(&path, "%s%s", path.length ? "/" : "", names.items[i - 1]);
	return fsat_open_far(fd, text_get(&path), ret_fd, err);
}

/* --- moving them out ------------------------------------------------------------- */

struct emptying {
	struct btrfs_pool *pool;
	struct uuid *moved; /* to staging */
	size_t count;
};

static void emptying_done(struct emptying *emptying)
{
	free(emptying->moved);
}

/* A directory moves only where it may be written to, for its "..". */
static int make_writable(int holder, const char *name, struct fl_error *err)
{
	own_fd int inner = -1;

	if (fsat_open_strict(holder, name, O_RDONLY | O_DIRECTORY, true, &inner, err) < 0)
		return fl_failed(err);
	return subvol_set_read_only(inner, false, err);
}

static int move_out(struct emptying *emptying, int fd, const struct subvol_reference *inner,
		    struct fl_error *err)
{
	const struct uuid uuid = uuid_new();
	const struct tree staging = tree_staging(&uuid);
	own_fd int holder = -1;
	char path[TREE_TEXT];

	if (open_holder(fd, inner, &holder, err) < 0 ||
	    make_writable(holder, inner->name, err) < 0 ||
	    fsat_rename_new(holder, inner->name, emptying->pool->root, tree_format(&staging, path),
			    err) < 0)
		return fl_wrap(err, "moving subvolume '%s' out", inner->name);
	*array_add(emptying->moved, emptying->count) = uuid;
	return 0;
}

static int move_all_out(struct emptying *emptying, int dir, const char *name, struct fl_error *err)
{
	struct btrfs_ioctl_get_subvol_info_args info;
	struct subvol_reference inner;
	own_fd int fd = -1;

	if (fsat_open_dir(dir, name, &fd, err) < 0 || subvol_set_read_only(fd, false, err) < 0 ||
	    subvol_info(fd, &info, err) < 0)
		return fl_failed(err);
	for (;;) {
		if (subvol_first_inside(fd, info.treeid, &inner, err) < 0)
			return fl_failed(err);
		if (inner.child == 0)
			return 0;
		if (move_out(emptying, fd, &inner, err) < 0)
			return fl_failed(err);
	}
}

struct deletion {
	struct emptying *emptying;
	int dir;
	const char *name;
};

static int delete_one(struct btrfs_pool *pool, void *arg, struct fl_error *err)
{
	const struct deletion *deletion = arg;
	int dir = deletion->dir;

	if (subvol_delete(dir, deletion->name, err) == 0)
		return 0;
	if (err->sys != ENOTEMPTY || move_all_out(deletion->emptying, dir, deletion->name, err) < 0)
		return fl_failed(err);
	return subvol_delete(dir, deletion->name, err);
}

/* To move something out of a subvolume takes room in it, of which it may have none. */
static int delete_beyond_limit(struct emptying *emptying, int dir, const char *name,
			       struct fl_error *err)
{
	struct deletion deletion = { emptying, dir, name };
	struct btrfs_ioctl_get_subvol_info_args info;
	own_fd int fd = -1;

	if (delete_one(emptying->pool, &deletion, err) == 0)
		return 0;
	if (err->sys != EDQUOT || fsat_open_dir(dir, name, &fd, err) < 0 ||
	    subvol_info(fd, &info, err) < 0)
		return fl_failed(err);
	return quota_without_limits(emptying->pool, info.treeid, delete_one, &deletion, err);
}

int inside_delete(struct btrfs_pool *pool, int dir, const char *name, struct fl_error *err)
{
	own(emptying_done) struct emptying emptying = { .pool = pool };
	int rc = delete_beyond_limit(&emptying, dir, name, err);
	own_fd int staging = -1;
	struct fl_error later;
	char text[UUID_TEXT];

	if (emptying.count == 0)
		return rc;
	if (fsat_open_dir(pool->root, "staging", &staging, err) < 0)
		return fl_failed(err);
	while (emptying.count > 0) {
		const struct uuid uuid = emptying.moved[--emptying.count];

		uuid_format(&uuid, text);
		if (delete_beyond_limit(&emptying, staging, text, &later) < 0 && rc == 0) {
			*err = later;
			rc = fl_failed(err);
		}
	}
	return rc;
}
