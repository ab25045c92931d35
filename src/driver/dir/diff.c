#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fsat.h"
#include "base/walk.h"
#include "driver/dir/attrs.h"
#include "driver/dir/pool.h"

/*
 * What differs, by looking at both
 *
 * A plain directory keeps no history, so both trees are walked, each beside the
 * other: the earlier one for what was removed or modified, the later one for
 * what was added.  Two files of the same size have the same contents when they
 * share their blocks, which the file system tells (FIEMAP) without reading; else
 * both are read.  Times are not believed: whoever unpacks an archive sets them.
 *
 * A copy has other inodes than its original, so nothing tells that a file is
 * the one that had another name before: a rename is a removal and an addition.
 */

#define EXTENTS 64
#define PIECE (64 * 1024)

struct found {
	struct change change;
	char *path; /* heap; the change's */
};

struct diff {
	pthread_mutex_t mutex; /* for what follows */
	struct found *items;
	size_t count;
};

static void diff_done(struct diff *diff)
{
	for (size_t i = 0; i < diff->count; i++)
		free(diff->items[i].path);
	free(diff->items);
	pthread_mutex_destroy(&diff->mutex);
}

static void add(struct diff *diff, const struct change *change, const struct walk_node *node,
		const char *name)
{
	own_text struct text path = { 0 };
	own_lock(guard, &diff->mutex);

	walk_path(node, name, &path);
	*array_add(diff->items, diff->count) = (struct found){ *change, text_take(&path) };
}

static struct change_side side_of(const struct stat *st)
{
	return (struct change_side){ st->st_mode,
				     S_ISDIR(st->st_mode) ? 0 : (uint64_t)st->st_size };
}

/* --- two files of one name --------------------------------------------------------- */

struct pair {
	int dirs[2]; /* earlier, later */
	const char *name;
	struct stat st[2];
};

/* The file's extents, when they are few and lie in blocks that the file system can name. */
static bool get_extents(int fd, struct fiemap *map)
{
	memset(map, 0, sizeof(*map));
	map->fm_length = FIEMAP_MAX_OFFSET;
	map->fm_flags = FIEMAP_FLAG_SYNC;
	map->fm_extent_count = EXTENTS;
	if (ioctl(fd, FS_IOC_FIEMAP, map) < 0 || map->fm_mapped_extents == 0 ||
	    map->fm_mapped_extents == EXTENTS)
		return false;
	for (unsigned i = 0; i < map->fm_mapped_extents; i++) {
		const unsigned unnamed = FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DELALLOC |
					 FIEMAP_EXTENT_ENCODED | FIEMAP_EXTENT_NOT_ALIGNED |
					 FIEMAP_EXTENT_DATA_INLINE | FIEMAP_EXTENT_DATA_TAIL;

		if (map->fm_extents[i].fe_flags & unnamed)
			return false;
	}
	return true;
}

static bool share_blocks(int one, int other)
{
	union {
		struct fiemap map;
		char room[sizeof(struct fiemap) + EXTENTS * sizeof(struct fiemap_extent)];
	} a, b;

	if (!get_extents(one, &a.map) || !get_extents(other, &b.map) ||
	    a.map.fm_mapped_extents != b.map.fm_mapped_extents)
		return false;
	for (unsigned i = 0; i < a.map.fm_mapped_extents; i++) {
		const struct fiemap_extent *x = &a.map.fm_extents[i], *y = &b.map.fm_extents[i];

		if (x->fe_logical != y->fe_logical || x->fe_physical != y->fe_physical ||
		    x->fe_length != y->fe_length ||
		    ((x->fe_flags ^ y->fe_flags) & FIEMAP_EXTENT_UNWRITTEN))
			return false;
	}
	return true;
}

static int read_both(const int fds[static 2], bool *ret, struct fl_error *err)
{
	own_free char *bytes = xcalloc(2, PIECE);
	off_t at = 0;
	ssize_t n[2];

	do {
		for (int i = 0; i < 2; i++) {
			n[i] = TEMP_FAILURE_RETRY(pread(fds[i], bytes + i * PIECE, PIECE, at));
			if (n[i] < 0)
				return fl_fail_errno(err, "cannot read it");
		}
		if (n[0] != n[1] || memcmp(bytes, bytes + PIECE, (size_t)n[0]) != 0) {
			*ret = false;
			return 0;
		}
		at += n[0];
	} while (n[0] > 0);
	*ret = true;
	return 0;
}

/* As what it is: O_PATH but for files and directories. */
static int open_side(const struct pair *pair, int side, int *ret_fd, struct fl_error *err)
{
	mode_t mode = pair->st[side].st_mode;

	if (S_ISREG(mode) || S_ISDIR(mode))
		return fsat_open(pair->dirs[side], pair->name, O_RDONLY | O_NONBLOCK, 0, ret_fd,
				 err);
	return fsat_open_node(pair->dirs[side], pair->name, ret_fd, err);
}

static int same_file(const struct pair *pair, bool *ret, struct fl_error *err)
{
	own_fd int earlier = -1;
	own_fd int later = -1;

	if (open_side(pair, 0, &earlier, err) < 0 || open_side(pair, 1, &later, err) < 0)
		return fl_failed(err);
	*ret = share_blocks(earlier, later);
	return *ret ? 0 : read_both((const int[]){ earlier, later }, ret, err);
}

static int same_link(const struct pair *pair, bool *ret, struct fl_error *err)
{
	char targets[2][4096];
	ssize_t n[2];

	for (int i = 0; i < 2; i++) {
		n[i] = readlinkat(pair->dirs[i], pair->name, targets[i], sizeof(targets[i]));
		if (n[i] < 0)
			return fl_fail_errno(err, "cannot read the link");
	}
	*ret = n[0] == n[1] && memcmp(targets[0], targets[1], (size_t)n[0]) == 0;
	return 0;
}

static int same_contents(const struct pair *pair, bool *ret, struct fl_error *err)
{
	*ret = true;
	switch (pair->st[0].st_mode & S_IFMT) {
	case S_IFREG:
		*ret = pair->st[0].st_size == pair->st[1].st_size;
		return *ret && pair->st[0].st_size ? same_file(pair, ret, err) : 0;
	case S_IFLNK:
		return same_link(pair, ret, err);
	case S_IFBLK:
	case S_IFCHR:
		*ret = pair->st[0].st_rdev == pair->st[1].st_rdev;
		return 0;
	default:
		return 0;
	}
}

/* A directory's time moves with the names in it, which are told of by themselves. */
static bool same_stat(const struct stat *a, const struct stat *b)
{
	return a->st_mode == b->st_mode && a->st_uid == b->st_uid && a->st_gid == b->st_gid &&
	       (S_ISDIR(a->st_mode) || (a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
					a->st_mtim.tv_nsec == b->st_mtim.tv_nsec));
}

static int same_attributes(const struct pair *pair, bool *ret, struct fl_error *err)
{
	own(attrs_done) struct attrs earlier = { 0 }, later = { 0 };
	own_fd int fd_earlier = -1;
	own_fd int fd_later = -1;

	*ret = same_stat(&pair->st[0], &pair->st[1]);
	if (!*ret)
		return 0;
	if (open_side(pair, 0, &fd_earlier, err) < 0 || open_side(pair, 1, &fd_later, err) < 0 ||
	    attrs_read(fd_earlier, &pair->st[0], &earlier, err) < 0 ||
	    attrs_read(fd_later, &pair->st[1], &later, err) < 0)
		return fl_failed(err);
	*ret = xattrs_equal(&earlier.xattrs, &later.xattrs);
	return 0;
}

static int look(const struct pair *pair, unsigned *ret, struct fl_error *err)
{
	bool contents, attributes;

	if ((pair->st[0].st_mode & S_IFMT) != (pair->st[1].st_mode & S_IFMT)) {
		*ret = CHANGE_CONTENTS | CHANGE_TYPE;
		return 0;
	}
	if (same_contents(pair, &contents, err) < 0 || same_attributes(pair, &attributes, err) < 0)
		return fl_failed(err);
	*ret = (contents ? 0 : CHANGE_CONTENTS) | (attributes ? 0 : CHANGE_ATTRIBUTES);
	return 0;
}

/* --- the two walks ------------------------------------------------------------------------ */

static int stat_at(int dir, const char *name, struct stat *ret, bool *ret_there,
		   struct fl_error *err)
{
	*ret_there = false;
	if (dir < 0)
		return 0;
	if (fsat_stat(dir, name, ret, err) < 0)
		return walk_is_gone(err) ? 0 : fl_failed(err);
	*ret_there = true;
	return 0;
}

/* A name of the earlier tree, and what the later one has there. */
static int look_back(void *arg, const struct visit *visit, const char *name, struct fl_error *err)
{
	struct pair pair = { .dirs = { visit->dir, visit->twin }, .name = name };
	struct change change = { .kind = CHANGE_MODIFIED };
	bool was, is;

	if (stat_at(visit->dir, name, &pair.st[0], &was, err) < 0 ||
	    stat_at(visit->twin, name, &pair.st[1], &is, err) < 0)
		return fl_failed(err);
	if (!was)
		return 0;
	change.before = side_of(&pair.st[0]);
	if (!is)
		change.kind = CHANGE_REMOVED;
	else if (look(&pair, &change.what, err) < 0)
		return walk_is_gone(err) ? 0 : fl_wrap(err, "comparing '%.100s'", name);
	if (is)
		change.after = side_of(&pair.st[1]);
	if (!is || change.what)
		add(arg, &change, visit->node, name);
	return 0;
}

/* A name of the later tree: new, or told of already. */
static int look_ahead(void *arg, const struct visit *visit, const char *name, struct fl_error *err)
{
	struct change change = { .kind = CHANGE_ADDED };
	struct stat was, is;
	bool there, here;

	if (stat_at(visit->twin, name, &was, &there, err) < 0 ||
	    stat_at(visit->dir, name, &is, &here, err) < 0)
		return fl_failed(err);
	if (there || !here)
		return 0;
	change.after = side_of(&is);
	add(arg, &change, visit->node, name);
	return 0;
}

/* The directories of the trees themselves. */
static int look_at_roots(struct diff *diff, int earlier, int later, struct fl_error *err)
{
	struct pair pair = { .dirs = { earlier, later }, .name = "." };
	struct change change = { .kind = CHANGE_MODIFIED };

	if (fstat(earlier, &pair.st[0]) < 0 || fstat(later, &pair.st[1]) < 0)
		return fl_fail_errno(err, "cannot look at a tree");
	if (look(&pair, &change.what, err) < 0)
		return fl_failed(err);
	change.before = side_of(&pair.st[0]);
	change.after = side_of(&pair.st[1]);
	if (change.what)
		add(diff, &change, NULL, NULL);
	return 0;
}

static int compare_found(const void *a, const void *b)
{
	return strcmp(((const struct found *)a)->path, ((const struct found *)b)->path);
}

static int tell(struct diff *diff, change_each *each, void *arg, struct fl_error *err)
{
	if (diff->count)
		qsort(diff->items, diff->count, sizeof(*diff->items), compare_found);
	for (size_t i = 0; i < diff->count; i++) {
		struct change *change = &diff->items[i].change;

		change->path = diff->items[i].path;
		change->from = change->kind == CHANGE_ADDED ? NULL : change->path;
		if (each(arg, change, err) < 0)
			return fl_failed(err);
	}
	return 0;
}

int dir_diff(struct pool *pool, const struct tree *earlier, const struct tree *later,
	     change_each *each, void *arg, struct fl_error *err)
{
	own(diff_done) struct diff diff = { .mutex = PTHREAD_MUTEX_INITIALIZER };
	own_fd int from = -1;
	own_fd int to = -1;

	if (dir_tree_open(pool, earlier, &from, err) < 0 ||
	    dir_tree_open(pool, later, &to, err) < 0 || look_at_roots(&diff, from, to, err) < 0)
		return fl_failed(err);
	for (int ahead = 0; ahead < 2; ahead++) {
		const struct walk walk = {
			.root = ahead ? to : from,
			.twin = ahead ? from : to,
			.apart = true,
			.live = true,
			.found = ahead ? look_ahead : look_back,
			.entry = ahead ? look_ahead : look_back,
			.arg = &diff,
		};

		if (walk_tree(&walk, err) < 0)
			return fl_failed(err);
	}
	return tell(&diff, each, arg, err);
}
