#include "tree/verbs.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "tree/acl.h"
#include "tree/input.h"
#include "tree/place.h"
#include "tree/spool.h"
#include "tree/times.h"

/*
 * Unpacking: each entry goes where its path says (place.h), in the order of the
 * archive, as tar does it: a later entry of the same name replaces an earlier
 * one, directories merge.  An entry that must not be there ends the whole; the
 * caller throws the tree away.  Memory does not grow with the archive: hard
 * links name their target, and what directories get at the end is spooled.
 *
 * The plain way is for whom a tree is taken out of a volume, as `cp` would: what is made gives
 * nobody rights over the host.  Set-user-ID, set-group-ID and capabilities of programs are taken
 * off, devices left out (and counted), owners kept by root alone, and attributes as far as they
 * can be.
 */

#define INPUT_FD 0
#define CAPABILITY "security.capability"

struct unpack {
	const struct options *options;
	struct report *report;
	struct input input;
	struct places places;
	struct spool spool;
	struct archive_entry *entry; /* borrowed, the present one */
	struct text path;	     /* its own, normalized */
	struct text target;	     /* of a hard link, normalized */
	char **left_out;	     /* paths of devices: what further names of them have */
	size_t left_out_count;
};

static void unpack_done(struct unpack *u)
{
	input_done(&u->input);
	places_done(&u->places);
	spool_done(&u->spool);
	text_done(&u->path);
	text_done(&u->target);
	for (size_t i = 0; i < u->left_out_count; i++)
		free(u->left_out[i]);
	free(u->left_out);
}

static int get_owner(struct archive_entry *entry, struct attrs *attrs, struct fl_error *err)
{
	int64_t uid = archive_entry_uid(entry), gid = archive_entry_gid(entry);

	/* The last number means "no change" to the kernel. */
	if (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX)
		return fl_fail(err, FL_INVALID,
			       "its owner %lld:%lld is not the number of a user and a group",
			       (long long)uid, (long long)gid);
	attrs->uid = (uid_t)uid;
	attrs->gid = (gid_t)gid;
	return 0;
}

static int get_xattrs(struct archive_entry *entry, bool plain, struct attrs *attrs,
		      struct fl_error *err)
{
	const char *name;
	const void *value;
	size_t size;

	archive_entry_xattr_reset(entry);
	while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
		if (plain && name && strcmp(name, CAPABILITY) == 0)
			continue;
		if (!name || !*name || strlen(name) > 255 || size > 65536)
			return fl_fail(err, FL_INVALID,
				       "its attribute '%.100s' of %zu bytes cannot be stored",
				       name ? name : "", size);
		xattrs_add(&attrs->xattrs, name, value, size);
	}
	return 0;
}

static int get_attrs(const struct unpack *u, struct attrs *attrs, struct fl_error *err)
{
	struct archive_entry *entry = u->entry;

	attrs->mode = archive_entry_mode(entry);
	if (u->options->plain && !S_ISDIR(attrs->mode))
		attrs->mode &= ~(mode_t)(S_ISUID | S_ISGID);
	if (times_modified(&u->input, entry, &attrs->mtime, err) < 0)
		return fl_failed(err);
	if (get_owner(entry, attrs, err) < 0 ||
	    get_xattrs(entry, u->options->plain, attrs, err) < 0)
		return fl_failed(err);
	return acl_from_entry(entry, attrs, err);
}

/* What gives its user more rights than he has.  On directories the bits mean something else. */
static int check_rights(const struct unpack *u, const struct attrs *attrs, struct fl_error *err)
{
	const char *what = NULL;
	struct xattr x;
	size_t at = 0;

	if (u->options->setuid || S_ISDIR(attrs->mode))
		return 0;
	if (attrs->mode & (S_ISUID | S_ISGID))
		what = attrs->mode & S_ISUID ? "set-uid" : "set-gid";
	while (xattrs_next(&attrs->xattrs, &at, &x)) {
		if (strcmp(x.name, CAPABILITY) == 0)
			what = "a program with capabilities";
	}
	if (!what)
		return 0;
	fl_fail(err, FL_INVALID, "it is %s", what);
	return fl_hint(err, "if you trust the archive, import it with --setuid");
}

static int write_all(int fd, const char *bytes, size_t size, int64_t offset, struct fl_error *err)
{
	while (size > 0) {
		ssize_t n = TEMP_FAILURE_RETRY(pwrite(fd, bytes, size, offset));

		if (n < 0)
			return fl_fail_errno(err, "cannot write its contents");
		bytes += n;
		offset += n;
		size -= (size_t)n;
	}
	return 0;
}

static int write_contents(struct unpack *u, int fd, struct fl_error *err)
{
	int64_t size = archive_entry_size(u->entry);
	int64_t offset;
	const void *bytes;
	size_t length;
	int rc;

	if (size < 0)
		return fl_fail(err, FL_INVALID, "its size is below zero");
	while ((rc = input_data(&u->input, &bytes, &length, &offset, err)) > 0) {
		if (offset < 0 || offset > size || length > (uint64_t)(size - offset))
			return fl_fail(err, FL_CORRUPT, "its contents go beyond its size");
		if (write_all(fd, bytes, length, offset, err) < 0)
			return fl_failed(err);
		report_reached(u->report, input_read(&u->input));
	}
	if (rc < 0)
		return fl_failed(err);
	/* The hole at the end, if any; a file is never longer than its size. */
	if (ftruncate(fd, size) < 0) {
		if (errno == EFBIG || errno == EINVAL)
			return fl_fail(err, FL_INVALID,
				       "it is larger than a file can be: %lld bytes",
				       (long long)size);
		return fl_fail_errno(err, "cannot set its size");
	}
	return 0;
}

static int set_attrs(const struct unpack *u, int dir, const char *name, int fd,
		     const struct attrs *attrs, struct fl_error *err)
{
	return (u->options->plain ? attrs_apply_some : attrs_apply)(dir, name, fd, attrs, err);
}

static int make_file(struct unpack *u, const struct place *place, const struct attrs *attrs,
		     struct fl_error *err)
{
	own_fd int fd = -1;

	if (place_make_file(place, &fd, err) < 0 || write_contents(u, fd, err) < 0)
		return fl_failed(err);
	return set_attrs(u, place->dir, place->name, fd, attrs, err);
}

static int make_symlink(struct unpack *u, const struct place *place, const struct attrs *attrs,
			struct fl_error *err)
{
	const char *target = archive_entry_symlink(u->entry);

	if (!target || !*target)
		return fl_fail(err, FL_INVALID, "it is a symbolic link to nothing");
	if (strlen(target) >= PATH_MAX)
		return fl_fail(err, FL_INVALID,
			       "it is a symbolic link to a path longer than %d bytes",
			       PATH_MAX - 1);
	if (place_make_symlink(place, target, err) < 0)
		return fl_failed(err);
	return set_attrs(u, place->dir, place->name, -1, attrs, err);
}

static int make_node(struct unpack *u, const struct place *place, const struct attrs *attrs,
		     struct fl_error *err)
{
	dev_t device = 0;

	if (!S_ISFIFO(attrs->mode) && u->options->plain) {
		*array_add(u->left_out, u->left_out_count) = xstrdup(text_get(&u->path));
		report_left_out(u->report);
		return 0;
	}
	if (!S_ISFIFO(attrs->mode)) {
		if (!u->options->devices) {
			fl_fail(err, FL_INVALID, "it is a device");
			return fl_hint(err, "if you trust the archive, import it with --devices");
		}
		device = makedev((unsigned)archive_entry_rdevmajor(u->entry),
				 (unsigned)archive_entry_rdevminor(u->entry));
	}
	if (place_make_node(place, attrs->mode, device, err) < 0)
		return fl_failed(err);
	return set_attrs(u, place->dir, place->name, -1, attrs, err);
}

static int make_dir(struct unpack *u, const struct place *place, const struct attrs *attrs,
		    struct fl_error *err)
{
	if (place->name && place_make_dir(place, err) < 0)
		return fl_failed(err);
	return spool_add(&u->spool, PLACE_ROOT_FD, text_get(&u->path), attrs, err);
}

static const struct kind {
	mode_t type;
	int (*make)(struct unpack *u, const struct place *place, const struct attrs *attrs,
		    struct fl_error *err);
} kinds[] = {
	{ S_IFREG, make_file }, { S_IFDIR, make_dir },	{ S_IFLNK, make_symlink },
	{ S_IFIFO, make_node }, { S_IFCHR, make_node }, { S_IFBLK, make_node },
};

/* The archive is of the right shape; `name` may be anything. */
static int make_link(struct unpack *u, const char *name, struct fl_error *err)
{
	if (place_normalize(name, &u->target, err) < 0)
		return fl_wrap(err, "as the target of a hard link");
	if (word_find((const char *const *)u->left_out, u->left_out_count, text_get(&u->target)) <
	    u->left_out_count) {
		report_left_out(u->report);
		return 0;
	}
	return place_make_link(&u->places, text_get(&u->path), text_get(&u->target), err);
}

static int make_kind(struct unpack *u, struct fl_error *err)
{
	own_attrs struct attrs attrs = { 0 };
	struct place place = { 0 };

	if (get_attrs(u, &attrs, err) < 0 || check_rights(u, &attrs, err) < 0)
		return fl_failed(err);
	if (u->path.length == 0 && !S_ISDIR(attrs.mode))
		return fl_fail(err, FL_INVALID, "it would replace the root of the tree");
	if (u->path.length > 0 && place_find(&u->places, text_get(&u->path), &place, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < array_size(kinds); i++) {
		if ((attrs.mode & S_IFMT) == kinds[i].type)
			return kinds[i].make(u, &place, &attrs, err);
	}
	return fl_fail(err, FL_INVALID, "it is of a kind that no file has");
}

static int unpack_entry(struct unpack *u, const char *path, struct fl_error *err)
{
	const char *link = archive_entry_hardlink(u->entry);

	if (place_normalize(path, &u->path, err) < 0)
		return fl_failed(err);
	if (!link)
		return make_kind(u, err);
	if (u->path.length == 0)
		return fl_fail(err, FL_INVALID, "it would replace the root of the tree");
	return make_link(u, link, err);
}

static int fail_entry(const char *path, struct fl_error *err)
{
	if (err->code == FL_INVALID)
		(void)fl_hint(err, "make the archive anew without it: `tar --exclude NAME`");
	(void)fl_object(err, "%.150s", path);
	return fl_wrap(err, "entry '%.200s'", path);
}

/* A directory may have been replaced since by something else; then nothing is left to do. */
static int finish_dir(void *arg, const char *path, const struct attrs *attrs, struct fl_error *err)
{
	struct unpack *u = arg;
	own_fd int fd = -1;

	if (place_open_dir(&u->places, path, &fd, err) < 0) {
		bool gone = err->code == FL_NOT_FOUND || err->code == FL_INVALID ||
			    err->sys == ENOTDIR || err->sys == ELOOP;

		return gone ? 0 : fl_failed(err);
	}
	if (set_attrs(u, -1, NULL, fd, attrs, err) < 0)
		return fail_entry(*path ? path : "./", err);
	return 0;
}

static int unpack_all(struct unpack *u, struct fl_error *err)
{
	const char *path;

	if (input_open(&u->input, INPUT_FD, err) < 0)
		return fl_failed(err);
	for (;;) {
		if (input_next(&u->input, &u->entry, err) < 0)
			return fl_failed(err);
		report_reached(u->report, input_read(&u->input));
		if (!u->entry)
			break;
		path = archive_entry_pathname(u->entry);
		if (!path) {
			fl_fail(err, FL_INVALID, "the archive has an entry without a name");
			return fl_hint(err, "the archive contradicts itself; make it anew");
		}
		if (unpack_entry(u, path, err) < 0)
			return fail_entry(path, err);
		report_entry(u->report);
	}
	return spool_each(&u->spool, finish_dir, u, err);
}

int tree_unpack(const struct options *options, struct report *report, struct fl_error *err)
{
	own(unpack_done) struct unpack u = { .options = options, .report = report };

	places_init(&u.places);
	return unpack_all(&u, err);
}
