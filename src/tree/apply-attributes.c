#include <fcntl.h>
#include <string.h>
#include <sys/xattr.h>

#include "base/xattrs.h"
#include "tree/acl.h"
#include "tree/apply.h"
#include "tree/attrs.h"
#include "tree/place.h"

/*
 * Attributes are set by a descriptor where one is open, otherwise by the bare name in its
 * directory, never through a symbolic link.  That a name is none is looked up
 * where the system has no call that says so: nobody else works in this tree.
 */

struct thing {
	int fd; /* or -1, and: */
	struct spot spot;
};

/* The directory that was opened last is left when it is `path` itself: the next goes into it. */
static int find(struct apply *apply, const char *path, struct thing *ret, struct fl_error *err)
{
	*ret = (struct thing){ .fd = -1, .spot = { -1, "" } };
	if (open_file_is(&apply->file, path))
		ret->fd = apply->file.fd;
	else if (!*path)
		ret->fd = PLACE_ROOT_FD;
	else if (apply->spots.dir >= 0 && strcmp(text_get(&apply->spots.parent), path) == 0)
		ret->fd = apply->spots.dir;
	return ret->fd >= 0 ? 0 : spot_find(&apply->from, path, &ret->spot, err);
}

static int look(const struct thing *thing, struct stat *ret, struct fl_error *err)
{
	int rc = thing->fd >= 0
			 ? fstat(thing->fd, ret)
			 : fstatat(thing->spot.dir, thing->spot.name, ret, AT_SYMLINK_NOFOLLOW);

	return rc < 0 ? fl_fail_errno(err, "cannot look at it") : 0;
}

static int set_mode(const struct thing *thing, mode_t mode, struct fl_error *err)
{
	struct stat st;

	if (thing->fd < 0 && look(thing, &st, err) < 0)
		return fl_failed(err);
	if (thing->fd < 0 && S_ISLNK(st.st_mode))
		return fl_fail(err, FL_CORRUPT, "a symbolic link has no mode");
	if ((thing->fd >= 0 ? fchmod(thing->fd, mode)
			    : fchmodat(thing->spot.dir, thing->spot.name, mode, 0)) < 0)
		return fl_fail_errno(err, "cannot set the mode");
	return 0;
}

/* The open file may have this name too, and a directory hands set-group-ID on. */
static void changed_elsewhere(struct apply *apply, const char *path)
{
	apply->file.known = false;
	spots_forget(&apply->spots, path);
}

int apply_chmod(struct apply *apply, const struct delta_command *command, struct fl_error *err)
{
	struct open_file *file = &apply->file;
	bool ours = open_file_is(file, command->path);
	struct thing thing;

	if (command->mode & ~UINT64_C(07777))
		return fl_fail(err, FL_CORRUPT, "a mode has no such bits");
	if (ours && file->known && (file->mode & 07777) == command->mode)
		return 0;
	if (find(apply, command->path, &thing, err) < 0 ||
	    set_mode(&thing, (mode_t)command->mode, err) < 0)
		return fl_failed(err);
	if (!ours) {
		changed_elsewhere(apply, command->path);
		return 0;
	}
	file->mode = (file->mode & S_IFMT) | (mode_t)command->mode;
	apply->usual = (mode_t)command->mode & 0777;
	return 0;
}

static int get_known(struct apply *apply, const struct thing *thing, bool ours, struct stat *ret,
		     struct fl_error *err)
{
	if (!ours || !apply->file.known)
		return look(thing, ret, err);
	ret->st_uid = apply->file.uid;
	ret->st_gid = apply->file.gid;
	ret->st_mode = apply->file.mode;
	return 0;
}

/* A new owner takes set-user-ID away; the delta says nothing of a mode that did not change. */
static int set_owner(const struct thing *thing, const struct stat *before, uid_t uid, gid_t gid,
		     struct fl_error *err)
{
	bool loses = S_ISREG(before->st_mode) && (before->st_mode & (S_ISUID | S_ISGID));

	if (fchownat(thing->fd >= 0 ? thing->fd : thing->spot.dir,
		     thing->fd >= 0 ? "" : thing->spot.name, uid, gid,
		     AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0)
		return fl_fail_errno(err, "cannot set the owner");
	return loses ? set_mode(thing, before->st_mode & 07777, err) : 0;
}

int apply_chown(struct apply *apply, const struct delta_command *command, struct fl_error *err)
{
	struct open_file *file = &apply->file;
	bool ours = open_file_is(file, command->path);
	struct thing thing;
	struct stat st = { 0 };

	/* The last number means "no change" to the kernel. */
	if (command->uid >= UINT32_MAX || command->gid >= UINT32_MAX)
		return fl_fail(err, FL_INVALID, "there is no such user or group");
	if (find(apply, command->path, &thing, err) < 0 ||
	    get_known(apply, &thing, ours, &st, err) < 0)
		return fl_failed(err);
	if (st.st_uid == command->uid && st.st_gid == command->gid)
		return 0;
	if (set_owner(&thing, &st, (uid_t)command->uid, (gid_t)command->gid, err) < 0)
		return fl_failed(err);
	if (ours) {
		file->uid = (uid_t)command->uid;
		file->gid = (gid_t)command->gid;
	} else {
		apply->file.known = false;
	}
	return 0;
}

int apply_utimes(struct apply *apply, const struct delta_command *command, struct fl_error *err)
{
	const struct timespec times[2] = { command->atime, command->mtime };
	struct thing thing;
	int rc;

	if (find(apply, command->path, &thing, err) < 0)
		return fl_failed(err);
	rc = thing.fd >= 0 ? futimens(thing.fd, times)
			   : utimensat(thing.spot.dir, thing.spot.name, times, AT_SYMLINK_NOFOLLOW);
	return rc < 0 ? fl_fail_errno(err, "cannot set its times") : 0;
}

/* --- extended attributes --------------------------------------------------------------- */

/* Attributes of a file system, not of a user, are not for another one. */
static bool leaves_out(struct apply *apply, const struct delta_command *command)
{
	if (xattrs_keep(command->name))
		return false;
	report_left_out(apply->report);
	return true;
}

/* An ACL changes the mode, and what is handed on. */
static void forget_acl(struct apply *apply, const struct delta_command *command)
{
	if (strncmp(command->name, "system.", 7) != 0)
		return;
	changed_elsewhere(apply, command->path);
}

int apply_set_xattr(struct apply *apply, const struct delta_command *command, struct fl_error *err)
{
	const struct xattr x = { command->name, command->data, command->data_length };
	struct thing thing;

	if (leaves_out(apply, command))
		return 0;
	if (find(apply, command->path, &thing, err) < 0 ||
	    attrs_set_value(thing.spot.dir, thing.spot.name, thing.fd, &x, err) < 0)
		return fl_failed(err);
	forget_acl(apply, command);
	return 0;
}

static bool is_gone(const struct apply *apply)
{
	return errno == ENODATA && apply->again;
}

int apply_remove_xattr(struct apply *apply, const struct delta_command *command,
		       struct fl_error *err)
{
	struct thing thing;
	int rc;

	if (leaves_out(apply, command))
		return 0;
	if (find(apply, command->path, &thing, err) < 0)
		return fl_failed(err);
	if (thing.fd < 0 && fchdir(thing.spot.dir) < 0)
		return fl_fail_errno(err, "cannot enter its directory");
	rc = thing.fd >= 0 ? fremovexattr(thing.fd, command->name)
			   : lremovexattr(thing.spot.name, command->name);
	if (rc < 0 && !is_gone(apply))
		return fl_fail_errno(err, "cannot remove attribute '%.100s'", command->name);
	forget_acl(apply, command);
	return 0;
}
