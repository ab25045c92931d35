#include "tree/verbs.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>

#include "tree/attrs.h"
#include "tree/links.h"
#include "tree/place.h"
#include "tree/walk.h"

/*
 * Copying a directory of the machine.  A file's contents are shared where the
 * file system can do that (FICLONE, which is atomic too), otherwise copied by
 * the kernel, data only, so that holes stay.  A directory gets its attributes
 * when everything in it is made.  Sockets are left out: they are nothing
 * without the program that listens.
 *
 * A copy that met itself would copy what it has just made, over and over, each
 * time one level deeper: a directory that holds the pool is refused.
 */

#define PIECE (off_t)(16 << 20)

struct copy {
	struct report *report;
	struct places places;
	struct links links;
	struct stat root; /* of the tree that is made */
};

static void copy_done(struct copy *copy)
{
	places_done(&copy->places);
	links_done(&copy->links);
}

/* For what copy_file_range cannot do: other kinds of file systems, on old kernels. */
static ssize_t copy_by_hand(int from, int to, off_t at, size_t length)
{
	static char buffer[256 * 1024];
	ssize_t n = TEMP_FAILURE_RETRY(
		pread(from, buffer, length < sizeof(buffer) ? length : sizeof(buffer), at));

	for (ssize_t done = 0; done < n;) {
		ssize_t m = TEMP_FAILURE_RETRY(
			pwrite(to, buffer + done, (size_t)(n - done), at + done));

		if (m < 0)
			return -1;
		done += m;
	}
	return n;
}

static ssize_t copy_piece(int from, int to, off_t at, size_t length)
{
	off_t in = at, out = at;
	ssize_t n = TEMP_FAILURE_RETRY(copy_file_range(from, &in, to, &out, length, 0));

	if (n >= 0 || errno == ENOSPC || errno == EDQUOT || errno == EIO)
		return n;
	return copy_by_hand(from, to, at, length);
}

static int changed(struct fl_error *err)
{
	fl_fail(err, FL_BUSY, "it became shorter or was changed while it was read");
	return fl_hint(err, "stop what writes to the directory, or copy a snapshot of it");
}

/* A file that was cut looks as if it ended in a hole, even if it has grown again since. */
static int check_hole(const struct walk_entry *entry, struct fl_error *err)
{
	struct stat now;

	if (fstat(entry->fd, &now) < 0)
		return fl_fail_errno(err, "cannot look at it again");
	if (now.st_size < entry->st.st_size || now.st_ctim.tv_sec != entry->st.st_ctim.tv_sec ||
	    now.st_ctim.tv_nsec != entry->st.st_ctim.tv_nsec)
		return changed(err);
	return 0;
}

static int copy_range(struct copy *copy, int from, int to, off_t at, off_t end,
		      struct fl_error *err)
{
	while (at < end) {
		size_t length = (size_t)(end - at < PIECE ? end - at : PIECE);
		ssize_t n = copy_piece(from, to, at, length);

		if (n < 0)
			return fl_fail_errno(err, "cannot copy its contents");
		if (n == 0)
			return changed(err);
		report_bytes(copy->report, (uint64_t)n);
		at += n;
	}
	return 0;
}

static int copy_contents(struct copy *copy, const struct walk_entry *entry, int to,
			 struct fl_error *err)
{
	off_t at = 0, end;
	int rc;

	if (ioctl(to, FICLONE, entry->fd) == 0) {
		report_bytes(copy->report, (uint64_t)entry->st.st_size);
		return 0;
	}
	for (; (rc = walk_data(entry->fd, entry->st.st_size, &at, &end, err)) > 0; at = end) {
		if (copy_range(copy, entry->fd, to, at, end, err) < 0)
			return fl_failed(err);
	}
	if (rc < 0 || (at < entry->st.st_size && check_hole(entry, err) < 0))
		return fl_failed(err);
	if (ftruncate(to, entry->st.st_size) < 0)
		return fl_fail_errno(err, "cannot set its size");
	return 0;
}

static int copy_file(struct copy *copy, const struct walk_entry *entry, const struct place *place,
		     const struct attrs *attrs, struct fl_error *err)
{
	own_fd int to = -1;

	if (place_make_file(place, &to, err) < 0 || copy_contents(copy, entry, to, err) < 0)
		return fl_failed(err);
	return attrs_apply(place->dir, place->name, to, attrs, err);
}

static int copy_symlink(struct copy *copy, const struct walk_entry *entry,
			const struct place *place, const struct attrs *attrs, struct fl_error *err)
{
	char target[PATH_MAX];

	if (walk_target(entry, target, err) < 0 || place_make_symlink(place, target, err) < 0)
		return fl_failed(err);
	return attrs_apply(place->dir, place->name, -1, attrs, err);
}

static int copy_node(struct copy *copy, const struct walk_entry *entry, const struct place *place,
		     const struct attrs *attrs, struct fl_error *err)
{
	if (place_make_node(place, entry->st.st_mode, entry->st.st_rdev, err) < 0)
		return fl_failed(err);
	return attrs_apply(place->dir, place->name, -1, attrs, err);
}

static int copy_new(struct copy *copy, const struct walk_entry *entry, const struct place *place,
		    struct fl_error *err)
{
	own_attrs struct attrs attrs = { 0 };

	if (S_ISDIR(entry->st.st_mode))
		return place_make_dir(place, err);
	if (attrs_read(entry->dir, entry->name, entry->fd, &entry->st, &attrs, err) < 0)
		return fl_failed(err);
	switch (entry->st.st_mode & S_IFMT) {
	case S_IFREG:
		return copy_file(copy, entry, place, &attrs, err);
	case S_IFLNK:
		return copy_symlink(copy, entry, place, &attrs, err);
	default:
		return copy_node(copy, entry, place, &attrs, err);
	}
}

static int refuse_itself(const struct copy *copy, const struct walk_entry *entry,
			 struct fl_error *err)
{
	if (entry->st.st_ino != copy->root.st_ino || entry->st.st_dev != copy->root.st_dev)
		return 0;
	fl_fail(err, FL_INVALID, "the copy is made there: the directory holds the pool");
	return fl_hint(err, "copy directories that the pool does not lie in, one by one");
}

static int copy_any(struct copy *copy, const struct walk_entry *entry, struct fl_error *err)
{
	own_free char *first = NULL;
	struct place place;

	if (!S_ISDIR(entry->st.st_mode))
		first = links_meet(&copy->links, entry, entry->path);
	if (first)
		return place_make_link(&copy->places, entry->path, first, err);
	if (place_find(&copy->places, entry->path, &place, err) < 0)
		return fl_failed(err);
	return copy_new(copy, entry, &place, err);
}

static int copy_entry(void *arg, const struct walk_entry *entry, struct fl_error *err)
{
	struct copy *copy = arg;

	if (S_ISSOCK(entry->st.st_mode))
		return 0;
	if (refuse_itself(copy, entry, err) < 0 || (*entry->path && copy_any(copy, entry, err) < 0))
		return fl_wrap(err, "copying '%.200s'", *entry->path ? entry->path : "/");
	report_entry(copy->report);
	return 0;
}

static int finish_dir(void *arg, const struct walk_entry *entry, struct fl_error *err)
{
	struct copy *copy = arg;
	own_attrs struct attrs attrs = { 0 };
	own_fd int fd = -1;

	if (attrs_read(entry->dir, entry->name, entry->fd, &entry->st, &attrs, err) < 0 ||
	    place_open_dir(&copy->places, entry->path, &fd, err) < 0 ||
	    attrs_apply(-1, NULL, fd, &attrs, err) < 0)
		return fl_wrap(err, "copying directory '%.200s'", *entry->path ? entry->path : "/");
	return 0;
}

/*
 * The directory that it is made in is no part of the copy, but may have been given
 * ACLs by the one that it lies in, which would be handed on.
 */
static int copy_one(struct copy *copy, const char *name, const struct walk_verbs *verbs,
		    struct fl_error *err)
{
	if (fremovexattr(PLACE_ROOT_FD, "system.posix_acl_default") < 0 && errno != ENODATA &&
	    errno != EOPNOTSUPP)
		return fl_fail_errno(err, "cannot remove what is handed on to new files");
	return walk_one(TREE_SOURCE_FD, name, verbs, copy, err);
}

int tree_copy(const struct options *options, struct report *report, struct fl_error *err)
{
	static const struct walk_verbs verbs = { copy_entry, finish_dir };
	own(copy_done) struct copy copy = { .report = report };

	places_init(&copy.places);
	if (fstat(PLACE_ROOT_FD, &copy.root) < 0)
		return fl_fail_errno(err, "cannot look at the root of the tree");
	if (options->entry)
		return copy_one(&copy, options->entry, &verbs, err);
	return walk(TREE_SOURCE_FD, &verbs, &copy, err);
}
