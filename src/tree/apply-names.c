#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

#include "tree/acl.h"
#include "tree/apply.h"

/* Where something is made, moved or removed; the root itself never is. */
static int find(struct spots *spots, const char *path, struct spot *ret, struct fl_error *err)
{
	if (!*path)
		return fl_fail(err, FL_CORRUPT, "that is the root of the tree");
	return spot_find(spots, path, ret, err);
}

/* What lies at `path`, or beneath it, is not what it was. */
static void forget(struct apply *apply, const char *path)
{
	spots_forget(&apply->spots, path);
	spots_forget(&apply->from, path);
	if (path_lies_in(text_get(&apply->file.path), path))
		open_file_close(&apply->file);
	if (!apply->source_in_base && path_lies_in(text_get(&apply->source.path), path))
		open_file_close(&apply->source);
}

/* --- making -------------------------------------------------------------------------- */

/* After EEXIST: the one before us made it, and was killed before it could say so. */
static bool is_made(const struct apply *apply, const struct spot *spot, mode_t type)
{
	struct stat st;

	return apply->again && fstatat(spot->dir, spot->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       (st.st_mode & S_IFMT) == type && (type != S_IFREG || st.st_size == 0);
}

static int fail_making(const struct apply *apply, const struct spot *spot, mode_t type,
		       struct fl_error *err)
{
	int sys = errno;

	if (sys == EEXIST && is_made(apply, spot, type))
		return 0;
	errno = sys;
	return fl_fail_errno(err, "cannot make '%.150s'", spot->name);
}

/* What the directory handed on: the delta brings all that is to be there. */
static int take_acls(const struct spot *spot, struct fl_error *err)
{
	static const char *const names[] = { ACL_ACCESS, ACL_DEFAULT };

	if (fchdir(spot->dir) < 0)
		return fl_fail_errno(err, "cannot enter its directory");
	for (size_t i = 0; i < array_size(names); i++) {
		if (lremovexattr(spot->name, names[i]) < 0 && errno != ENODATA &&
		    errno != EOPNOTSUPP)
			return fl_fail_errno(err, "cannot remove what is handed on to it");
	}
	return 0;
}

/*
 * With the permissions of the file before: mostly they are right.  That a file may be
 * open to others until it gets its own is no matter, as nobody sees this tree yet.
 */
static int make_file(struct apply *apply, const struct spot *spot, const char *path,
		     struct fl_error *err)
{
	int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(spot->dir, spot->name, flags, apply->usual);

	if (fd < 0)
		return fail_making(apply, spot, S_IFREG, err);
	open_file_set(&apply->file, fd, path);
	apply->file.known = !apply->spots.hands_on;
	apply->file.uid = apply->uid;
	apply->file.gid = apply->gid;
	apply->file.mode = S_IFREG | apply->usual;
	return 0;
}

static int make_dir(struct apply *apply, const struct spot *spot, struct fl_error *err)
{
	return mkdirat(spot->dir, spot->name, 0700) == 0 ? 0
							 : fail_making(apply, spot, S_IFDIR, err);
}

static int make_symlink(struct apply *apply, const struct spot *spot, const char *target,
			struct fl_error *err)
{
	return symlinkat(target, spot->dir, spot->name) == 0
		       ? 0
		       : fail_making(apply, spot, S_IFLNK, err);
}

static int make_special(struct apply *apply, const struct spot *spot, mode_t type, dev_t device,
			struct fl_error *err)
{
	return mknodat(spot->dir, spot->name, type | 0600, device) == 0
		       ? 0
		       : fail_making(apply, spot, type, err);
}

/* The device 0:0 is none: it marks what is gone where file systems are laid over each other. */
static int make_node(struct apply *apply, const struct spot *spot,
		     const struct delta_command *command, struct fl_error *err)
{
	mode_t type = (mode_t)command->mode & S_IFMT;

	if (type != S_IFCHR && type != S_IFBLK)
		return fl_fail(err, FL_CORRUPT, "it is no device, but has the mode %o",
			       (unsigned)command->mode);
	if (!apply->options->devices && (type != S_IFCHR || command->device != 0)) {
		fl_fail(err, FL_INVALID, "it is a device");
		return fl_hint(err, "take it out of the volume before it is transferred");
	}
	return make_special(apply, spot, type, (dev_t)command->device, err);
}

static int make(struct apply *apply, const struct delta_command *command, const struct spot *spot,
		const char *path, struct fl_error *err)
{
	switch (command->verb) {
	case DELTA_MKFILE:
		return make_file(apply, spot, path, err);
	case DELTA_MKDIR:
		return make_dir(apply, spot, err);
	case DELTA_SYMLINK:
		return make_symlink(apply, spot, command->to, err);
	case DELTA_MKFIFO:
		return make_special(apply, spot, S_IFIFO, 0, err);
	case DELTA_MKSOCK:
		return make_special(apply, spot, S_IFSOCK, 0, err);
	default:
		return make_node(apply, spot, command, err);
	}
}

int apply_make(struct apply *apply, const struct delta_command *command, const char *path,
	       struct fl_error *err)
{
	struct spot spot;

	if (find(&apply->spots, path, &spot, err) < 0 || make(apply, command, &spot, path, err) < 0)
		return fl_failed(err);
	if (apply->spots.hands_on && command->verb != DELTA_SYMLINK)
		return take_acls(&spot, err);
	return 0;
}

/* --- moving and removing -------------------------------------------------------------- */

static bool is_there(const struct spot *spot)
{
	struct stat st;

	return fstatat(spot->dir, spot->name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

int apply_rename(struct apply *apply, const struct delta_command *command, struct fl_error *err)
{
	struct spot from, to;

	if (find(&apply->from, command->path, &from, err) < 0 ||
	    find(&apply->spots, command->to, &to, err) < 0)
		return fl_failed(err);
	if (renameat(from.dir, from.name, to.dir, to.name) < 0) {
		int sys = errno;

		if (!apply->again || sys != ENOENT || !is_there(&to)) {
			errno = sys;
			return fl_fail_errno(err, "cannot rename it to '%.150s'", command->to);
		}
	}
	forget(apply, command->path);
	forget(apply, command->to);
	return 0;
}

static bool same_file(const struct spot *a, const struct spot *b)
{
	struct stat x, y;

	return fstatat(a->dir, a->name, &x, AT_SYMLINK_NOFOLLOW) == 0 &&
	       fstatat(b->dir, b->name, &y, AT_SYMLINK_NOFOLLOW) == 0 && x.st_ino == y.st_ino;
}

int apply_link(struct apply *apply, const struct delta_command *command, struct fl_error *err)
{
	struct spot from, to;

	if (find(&apply->from, command->to, &from, err) < 0 ||
	    find(&apply->spots, command->path, &to, err) < 0)
		return fl_failed(err);
	if (linkat(from.dir, from.name, to.dir, to.name, 0) < 0) {
		int sys = errno;

		if (sys == EEXIST && apply->again && same_file(&from, &to))
			return 0;
		errno = sys;
		fl_fail_errno(err, "cannot link it to '%.150s'", command->to);
		if (sys == EMLINK)
			return fl_hint(err, "have fewer hard links to one file");
		return sys == EPERM
			       ? fl_fail(err, FL_CORRUPT, "'%.150s' is a directory", command->to)
			       : fl_failed(err);
	}
	return 0;
}

static int remove_entry(struct apply *apply, const struct delta_command *command, int flags,
			struct fl_error *err)
{
	struct spot spot;

	if (find(&apply->from, command->path, &spot, err) < 0)
		return fl_failed(err);
	if (unlinkat(spot.dir, spot.name, flags) < 0 && !(apply->again && errno == ENOENT))
		return fl_fail_errno(err, "cannot remove it");
	forget(apply, command->path);
	return 0;
}

int apply_unlink(struct apply *apply, const struct delta_command *command, struct fl_error *err)
{
	return remove_entry(apply, command, 0, err);
}

int apply_rmdir(struct apply *apply, const struct delta_command *command, struct fl_error *err)
{
	return remove_entry(apply, command, AT_REMOVEDIR, err);
}
