#include "driver/pair.h"

#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fsat.h"
#include "driver/dir/attrs.h"

/*
 * Two files of the same size have the same contents when they share their blocks, which the
 * file system tells (FIEMAP) without reading; else both are read.
 */

#define EXTENTS 64
#define PIECE (64 * 1024)

struct change_side change_side_of(const struct stat *st)
{
	return (struct change_side){
		.mode = st->st_mode,
		.size = S_ISDIR(st->st_mode) ? 0 : (uint64_t)st->st_size,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.modified = (int64_t)st->st_mtim.tv_sec * CLOCK_SECOND + st->st_mtim.tv_nsec,
	};
}

/* --- contents ---------------------------------------------------------------------------- */
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

/* The next byte of either file that is not in a hole: a huge sparse file is read in no time. */
static off_t next_data(const int fds[static 2], off_t at)
{
	off_t next = -1;

	for (int i = 0; i < 2; i++) {
		off_t data = lseek(fds[i], at, SEEK_DATA);

		if (data < 0 && errno != ENXIO)
			return at; /* this file system does not tell */
		if (data >= 0 && (next < 0 || data < next))
			next = data;
	}
	return next;
}

/* They are of one size. */
static int read_both(const int fds[static 2], bool *ret, struct fl_error *err)
{
	own_free char *bytes = xcalloc(2, PIECE);
	off_t at = 0;
	ssize_t n[2] = { 0 };

	do {
		at = next_data(fds, at);
		if (at < 0)
			break;
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

int pair_open_side(const struct pair *pair, int side, int *ret_fd, struct fl_error *err)
{
	mode_t mode = pair->st[side].st_mode;

	if (S_ISREG(mode) || S_ISDIR(mode))
		return fsat_open(pair->dirs[side], pair->names[side], O_RDONLY | O_NONBLOCK, 0,
				 ret_fd, err);
	return fsat_open_node(pair->dirs[side], pair->names[side], ret_fd, err);
}

static int same_file(const struct pair *pair, bool *ret, struct fl_error *err)
{
	own_fd int earlier = -1;
	own_fd int later = -1;

	if (pair_open_side(pair, 0, &earlier, err) < 0 || pair_open_side(pair, 1, &later, err) < 0)
		return fl_failed(err);
	*ret = share_blocks(earlier, later);
	return *ret ? 0 : read_both((const int[]){ earlier, later }, ret, err);
}

static int same_link(const struct pair *pair, bool *ret, struct fl_error *err)
{
	char targets[2][4096];
	ssize_t n[2];

	for (int i = 0; i < 2; i++) {
		n[i] = readlinkat(pair->dirs[i], pair->names[i], targets[i], sizeof(targets[i]));
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

/* --- attributes -------------------------------------------------------------------------- */

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
	if (pair_open_side(pair, 0, &fd_earlier, err) < 0 ||
	    pair_open_side(pair, 1, &fd_later, err) < 0 ||
	    attrs_read(fd_earlier, &pair->st[0], &earlier, err) < 0 ||
	    attrs_read(fd_later, &pair->st[1], &later, err) < 0)
		return fl_failed(err);
	*ret = xattrs_equal(&earlier.xattrs, &later.xattrs);
	return 0;
}

/* --- both --------------------------------------------------------------------------------- */

static bool same_type(const struct pair *pair)
{
	return (pair->st[0].st_mode & S_IFMT) == (pair->st[1].st_mode & S_IFMT);
}

int pair_look(const struct pair *pair, bool same, unsigned *ret, struct fl_error *err)
{
	bool contents = true, attributes;

	if (!same_type(pair)) {
		*ret = CHANGE_CONTENTS | CHANGE_TYPE;
		return 0;
	}
	if ((!same && same_contents(pair, &contents, err) < 0) ||
	    same_attributes(pair, &attributes, err) < 0)
		return fl_failed(err);
	*ret = (contents ? 0 : CHANGE_CONTENTS) | (attributes ? 0 : CHANGE_ATTRIBUTES);
	return 0;
}

int pair_look_replaced(const struct pair *pair, unsigned *ret, struct fl_error *err)
{
	if (pair_look(pair, true, ret, err) < 0)
		return fl_failed(err);
	if (!S_ISDIR(pair->st[0].st_mode) || !S_ISDIR(pair->st[1].st_mode))
		*ret |= CHANGE_CONTENTS;
	return 0;
}
