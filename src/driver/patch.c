#include "driver/patch.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fsat.h"
#include "base/stream.h"
#include "delta/write.h"
#include "driver/dir/attrs.h"

#define BLOCK (128 * 1024)
#define PAGE 4096
#define FLUSH_FROM (128 * 1024)

/* --- commands --------------------------------------------------------------------------------- */

void patch_init(struct patch *patch, int fd)
{
	*patch = (struct patch){ .fd = fd, .blocks = xcalloc(2, BLOCK) };
	delta_put_header(&patch->out);
}

void patch_done(struct patch *patch)
{
	text_done(&patch->out);
	free(patch->blocks);
}

int patch_flush(struct patch *patch, struct fl_error *err)
{
	if (stream_write(patch->fd, "whoever reads the stream", text_get(&patch->out),
			 patch->out.length, err) < 0)
		return fl_failed(err);
	text_clear(&patch->out);
	return 0;
}

int patch_put(struct patch *patch, const struct delta_command *command, struct fl_error *err)
{
	delta_put(command, &patch->out);
	return patch->out.length < FLUSH_FROM ? 0 : patch_flush(patch, err);
}

int patch_path(struct patch *patch, enum delta_verb verb, const char *path, const char *to,
	       struct fl_error *err)
{
	return patch_put(patch, &(struct delta_command){ .verb = verb, .path = path, .to = to },
			 err);
}

/* Also while nothing is written. */
static int check_reader(const struct patch *patch, struct fl_error *err)
{
	struct pollfd end = { .fd = patch->fd };

	if (poll(&end, 1, 0) <= 0 || !(end.revents & (POLLERR | POLLHUP)))
		return 0;
	errno = EPIPE;
	return fl_fail_errno(err, "whoever reads the stream");
}

/* --- contents --------------------------------------------------------------------------------- */

/* The next byte of a file (-1: of none) that is not in a hole; `end` where there is none. */
static off_t data_of(int fd, off_t at, off_t end)
{
	off_t data;

	if (fd < 0)
		return end;
	data = lseek(fd, at, SEEK_DATA);
	if (data < 0)
		return errno == ENXIO ? end : at; /* not every file system tells */
	return data < end ? data : end;
}

/* What is beyond its end is as good as zeros. */
static int read_block(int fd, char *block, size_t length, off_t at, struct fl_error *err)
{
	size_t done = 0;

	memset(block, 0, length);
	while (fd >= 0 && done < length) {
		ssize_t n = TEMP_FAILURE_RETRY(
			pread(fd, block + done, length - done, at + (off_t)done));

		if (n < 0)
			return fl_fail_errno(err, "cannot read it");
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return 0;
}

static int put_range(struct patch *patch, const char *path, off_t at, const char *bytes,
		     size_t length, struct fl_error *err)
{
	while (length > 0) {
		const struct delta_command write = {
			.verb = DELTA_WRITE,
			.path = path,
			.offset = (uint64_t)at,
			.data = bytes,
			.data_length = length < DELTA_WRITE_MAX ? length : DELTA_WRITE_MAX,
		};

		if (patch_put(patch, &write, err) < 0)
			return fl_failed(err);
		at += (off_t)write.data_length;
		bytes += write.data_length;
		length -= write.data_length;
	}
	return 0;
}

static bool differs_at(const char *was, const char *is, size_t at, size_t length)
{
	return memcmp(was + at, is + at, length - at < PAGE ? length - at : PAGE) != 0;
}

/* Page by page; those that differ and lie beside each other are sent together. */
static int put_differing(struct patch *patch, const char *path, off_t at, size_t length,
			 struct fl_error *err)
{
	const char *was = patch->blocks, *is = patch->blocks + BLOCK;
	size_t from = 0;

	while (from < length) {
		size_t to;

		if (!differs_at(was, is, from, length)) {
			from += PAGE;
			continue;
		}
		for (to = from + PAGE; to < length && differs_at(was, is, to, length);)
			to += PAGE;
		to = to < length ? to : length;
		if (put_range(patch, path, at + (off_t)from, is + from, to - from, err) < 0)
			return fl_failed(err);
		from = to;
	}
	return 0;
}

/* `was` -1: a new file, which is empty. */
static int put_contents(struct patch *patch, const char *path, int was, int is, off_t size,
			struct fl_error *err)
{
	off_t at = 0;

	for (;;) {
		off_t one = data_of(was, at, size), other = data_of(is, at, size);
		size_t length;

		at = one < other ? one : other;
		if (at >= size)
			return 0;
		length = size - at < BLOCK ? (size_t)(size - at) : BLOCK;
		if (check_reader(patch, err) < 0 ||
		    read_block(was, patch->blocks, length, at, err) < 0 ||
		    read_block(is, patch->blocks + BLOCK, length, at, err) < 0 ||
		    put_differing(patch, path, at, length, err) < 0)
			return fl_failed(err);
		at += (off_t)length;
	}
}

/* First the size: what is cut off needs no comparison, and what is new is a hole. */
static int put_file(struct patch *patch, const char *path, int was, int is, const struct pair *pair,
		    struct fl_error *err)
{
	off_t before = was >= 0 ? pair->st[0].st_size : 0, after = pair->st[1].st_size;
	const struct delta_command truncate = { .verb = DELTA_TRUNCATE,
						.path = path,
						.size = (uint64_t)after };

	if (before != after && patch_put(patch, &truncate, err) < 0)
		return fl_failed(err);
	return put_contents(patch, path, was, is, after, err);
}

/* --- attributes ------------------------------------------------------------------------------- */

static bool find_xattr(const struct text *xattrs, const char *name, struct xattr *ret)
{
	size_t at = 0;

	while (xattrs_next(xattrs, &at, ret))
		if (strcmp(ret->name, name) == 0)
			return true;
	return false;
}

static int put_xattr(struct patch *patch, const char *path, const struct xattr *xattr,
		     struct fl_error *err)
{
	const struct delta_command set = { .verb = DELTA_SET_XATTR,
					   .path = path,
					   .name = xattr->name,
					   .data = xattr->value,
					   .data_length = xattr->size };

	if (xattr->size > UINT16_MAX)
		return fl_fail(err, FL_UNSUPPORTED,
			       "the value of its attribute '%.100s' is too long", xattr->name);
	return patch_put(patch, &set, err);
}

/* `all`: those that are as they were, too. */
static int put_xattrs(struct patch *patch, const char *path, const struct text *was,
		      const struct text *is, bool all, struct fl_error *err)
{
	struct xattr x, y;
	size_t at = 0;

	while (xattrs_next(was, &at, &x)) {
		const struct delta_command take = { .verb = DELTA_REMOVE_XATTR,
						    .path = path,
						    .name = x.name };

		if (!find_xattr(is, x.name, &y) && patch_put(patch, &take, err) < 0)
			return fl_failed(err);
	}
	for (at = 0; xattrs_next(is, &at, &x);) {
		bool same = find_xattr(was, x.name, &y) && x.size == y.size &&
			    memcmp(x.value, y.value, x.size) == 0;

		if ((all || !same) && put_xattr(patch, path, &x, err) < 0)
			return fl_failed(err);
	}
	return 0;
}

int patch_times(struct patch *patch, const char *path, const struct stat *st, struct fl_error *err)
{
	const struct delta_command times = { .verb = DELTA_UTIMES,
					     .path = path,
					     .atime = st->st_atim,
					     .mtime = st->st_mtim,
					     .ctime = st->st_ctim };

	return patch_put(patch, &times, err);
}

static bool same_time(const struct stat *a, const struct stat *b)
{
	return a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static bool same_owner(const struct stat *a, const struct stat *b)
{
	return a->st_uid == b->st_uid && a->st_gid == b->st_gid;
}

/* What the one before may take away comes after: the owner's change and writing clear
 * set-uid and capabilities, and the mode's change an ACL's mask. */
enum { ANEW = 1, TIMES = 2 };

static int put_attributes(struct patch *patch, const char *path, const struct attrs *was,
			  const struct attrs *is, unsigned how, struct fl_error *err)
{
	const struct stat *a = &was->st, *b = &is->st;
	const struct delta_command chown = {
		.verb = DELTA_CHOWN, .path = path, .uid = b->st_uid, .gid = b->st_gid
	};
	const struct delta_command chmod = { .verb = DELTA_CHMOD,
					     .path = path,
					     .mode = b->st_mode & 07777 };
	bool owner = (how & ANEW) || !same_owner(a, b);
	bool mode = owner || ((a->st_mode ^ b->st_mode) & 07777);
	bool xattrs = !xattrs_equal(&was->xattrs, &is->xattrs);

	if (owner && patch_put(patch, &chown, err) < 0)
		return fl_failed(err);
	if (mode && !S_ISLNK(b->st_mode) && patch_put(patch, &chmod, err) < 0)
		return fl_failed(err);
	if ((mode || xattrs) && put_xattrs(patch, path, &was->xattrs, &is->xattrs, mode, err) < 0)
		return fl_failed(err);
	if (mode || xattrs || (how & TIMES) || !same_time(a, b))
		return patch_times(patch, path, b, err);
	return 0;
}

/* --- files ------------------------------------------------------------------------------------ */

static int put_link(struct patch *patch, const char *path, const struct pair *pair,
		    struct fl_error *err)
{
	char target[PATH_MAX];

	if (fsat_read_link(pair->dirs[1], pair->names[1], target, err) < 0)
		return fl_failed(err);
	return patch_path(patch, DELTA_SYMLINK, path, target, err);
}

static int put_node(struct patch *patch, const char *path, const struct stat *st,
		    struct fl_error *err)
{
	struct delta_command make = { .verb = DELTA_MKFILE, .path = path };

	if (S_ISFIFO(st->st_mode))
		make.verb = DELTA_MKFIFO;
	else if (S_ISSOCK(st->st_mode))
		make.verb = DELTA_MKSOCK;
	else if (!S_ISREG(st->st_mode))
		make.verb = DELTA_MKNOD;
	make.mode = st->st_mode;
	make.device = st->st_rdev;
	return patch_put(patch, &make, err);
}

int patch_make(struct patch *patch, const char *path, const struct pair *pair, struct fl_error *err)
{
	own(attrs_done) struct attrs is = { 0 };
	const struct attrs nothing = { 0 };
	const struct stat *st = &pair->st[1];
	own_fd int fd = -1;

	if (pair_open_side(pair, 1, &fd, err) < 0 || attrs_read(fd, st, &is, err) < 0)
		return fl_failed(err);
	if ((S_ISLNK(st->st_mode) ? put_link(patch, path, pair, err)
				  : put_node(patch, path, st, err)) < 0)
		return fl_failed(err);
	if (S_ISREG(st->st_mode) && put_file(patch, path, -1, fd, pair, err) < 0)
		return fl_failed(err);
	return put_attributes(patch, path, &nothing, &is, ANEW | TIMES, err);
}

static bool looks_the_same(const struct stat *a, const struct stat *b)
{
	return a->st_mode == b->st_mode && same_owner(a, b) && same_time(a, b) &&
	       (!S_ISREG(a->st_mode) || a->st_size == b->st_size);
}

int patch_change(struct patch *patch, const char *path, const struct pair *pair, unsigned what,
		 struct fl_error *err)
{
	own(attrs_done) struct attrs was = { 0 }, is = { 0 };
	bool written = S_ISREG(pair->st[1].st_mode) &&
		       ((what & CHANGE_CONTENTS) || pair->st[0].st_size != pair->st[1].st_size);
	own_fd int earlier = -1;
	own_fd int later = -1;

	if (!what && looks_the_same(&pair->st[0], &pair->st[1]))
		return check_reader(patch, err);
	if (pair_open_side(pair, 0, &earlier, err) < 0 ||
	    pair_open_side(pair, 1, &later, err) < 0 ||
	    attrs_read(earlier, &pair->st[0], &was, err) < 0 ||
	    attrs_read(later, &pair->st[1], &is, err) < 0)
		return fl_failed(err);
	if (written && put_file(patch, path, earlier, later, pair, err) < 0)
		return fl_failed(err);
	return put_attributes(patch, path, &was, &is, written ? ANEW | TIMES : 0, err);
}

int patch_directory(struct patch *patch, const char *path, const struct pair *pair,
		    const struct patch_directory *how, struct fl_error *err)
{
	own(attrs_done) struct attrs was = { 0 }, is = { 0 };
	own_fd int earlier = -1;
	own_fd int later = -1;

	if (pair_open_side(pair, 1, &later, err) < 0 ||
	    attrs_read(later, &pair->st[1], &is, err) < 0)
		return fl_failed(err);
	if (!how->made && (pair_open_side(pair, 0, &earlier, err) < 0 ||
			   attrs_read(earlier, &pair->st[0], &was, err) < 0))
		return fl_failed(err);
	return put_attributes(
		patch, path, &was, &is,
		(how->made || how->retouched ? ANEW : 0U) | (how->touched ? TIMES : 0U), err);
}

int patch_has_default(int dir, const char *name, bool *ret, struct fl_error *err)
{
	own_fd int fd = -1;

	if (fsat_open_dir(dir, name, &fd, err) < 0)
		return fl_failed(err);
	*ret = fgetxattr(fd, PATCH_DEFAULT_ACL, NULL, 0) > 0;
	return 0;
}
