#include "tree/attrs.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

/*
 * A file that was not opened (a symbolic link, a FIFO, a device) has its
 * extended attributes only by path.  The path is its bare name in the current
 * directory, which is made the directory that it lies in: one component, and
 * the l*xattr calls do not follow it, so it cannot lead anywhere.
 */

void attrs_done(struct attrs *attrs)
{
	text_done(&attrs->xattrs);
}

static int read_value(const char *file, int fd, const char *name, struct attrs *attrs,
		      struct fl_error *err)
{
	static char value[XATTRS_LIMIT];
	ssize_t size = fd >= 0 ? fgetxattr(fd, name, value, sizeof(value))
			       : lgetxattr(file, name, value, sizeof(value));

	if (size < 0 && errno == ENODATA)
		return 0; /* taken away since it was listed */
	if (size < 0)
		return fl_fail_errno(err, "cannot read attribute '%s'", name);
	xattrs_add(&attrs->xattrs, name, value, (size_t)size);
	return 0;
}

static int read_values(const char *file, int fd, struct attrs *attrs, struct fl_error *err)
{
	static char list[XATTRS_LIMIT];
	ssize_t length = fd >= 0 ? flistxattr(fd, list, sizeof(list))
				 : llistxattr(file, list, sizeof(list));

	if (length < 0 && errno == EOPNOTSUPP)
		return 0; /* this file system has none */
	if (length < 0)
		return fl_fail_errno(err, "cannot list attributes");
	for (const char *name = list; name < list + length; name += strlen(name) + 1) {
		if (xattrs_keep(name) && read_value(file, fd, name, attrs, err) < 0)
			return fl_failed(err);
	}
	return 0;
}

static int enter(int dir, int fd, struct fl_error *err)
{
	if (fd < 0 && fchdir(dir) < 0)
		return fl_fail_errno(err, "cannot enter its directory");
	return 0;
}

int attrs_read(int dir, const char *name, int fd, const struct stat *st, struct attrs *ret,
	       struct fl_error *err)
{
	own_attrs struct attrs attrs = {
		.mode = st->st_mode, .uid = st->st_uid, .gid = st->st_gid, .mtime = st->st_mtim
	};

	if (enter(dir, fd, err) < 0 || read_values(name, fd, &attrs, err) < 0)
		return fl_failed(err);
	*ret = attrs;
	attrs.xattrs = (struct text){ 0 };
	return 0;
}

static int apply_value(const char *file, int fd, const struct xattr *x, struct fl_error *err)
{
	int rc = fd >= 0 ? fsetxattr(fd, x->name, x->value, x->size, 0)
			 : lsetxattr(file, x->name, x->value, x->size, 0);

	if (rc == 0)
		return 0;
	switch (errno) {
	case EINVAL:
	case EPERM: /* user.* on what is neither file nor directory */
	case ERANGE:
	case E2BIG:
		fl_fail(err, FL_INVALID, "attribute '%.100s' cannot be stored: %s", x->name,
			strerror(errno));
		break;
	default:
		fl_fail_errno(err, "attribute '%.100s' cannot be stored", x->name);
		if (x->size > 4000 && err->code == FL_NO_SPACE)
			(void)fl_hint(err,
				      "file systems limit the size of an attribute; this one "
				      "has %zu bytes",
				      x->size);
	}
	return fl_failed(err);
}

/* In a user namespace others do not even exist (EINVAL). */
static int fail_owner(const struct attrs *attrs, struct fl_error *err)
{
	if (errno != EINVAL && errno != EPERM)
		return fl_fail_errno(err, "cannot set the owner");
	fl_fail(err, FL_DENIED, "it belongs to the user %u and the group %u", (unsigned)attrs->uid,
		(unsigned)attrs->gid);
	return fl_hint(err, "only a daemon that runs as root can keep the owners of others");
}

static bool is_beyond_us(const struct fl_error *err)
{
	return err->code == FL_INVALID || err->sys == EPERM || err->sys == EACCES ||
	       err->sys == EOPNOTSUPP;
}

static int apply(int dir, const char *name, int fd, const struct attrs *attrs, bool some,
		 struct fl_error *err)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, attrs->mtime };
	struct xattr x;
	size_t at = 0;

	if (!(some && geteuid() != 0) &&
	    fchownat(fd >= 0 ? fd : dir, fd >= 0 ? "" : name, attrs->uid, attrs->gid,
		     AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0)
		return fail_owner(attrs, err);
	/* The modes of others were given when they were made.  After the owner: that clears
	 * set-uid. */
	if (fd >= 0 && fchmod(fd, attrs->mode & 07777) < 0)
		return fl_fail_errno(err, "cannot set the mode");
	if (attrs->xattrs.length > 0 && enter(dir, fd, err) < 0)
		return fl_failed(err);
	while (xattrs_next(&attrs->xattrs, &at, &x)) {
		if (apply_value(name, fd, &x, err) < 0 && !(some && is_beyond_us(err)))
			return fl_failed(err);
	}
	if ((fd >= 0 ? futimens(fd, times) : utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW)) < 0)
		return fl_fail_errno(err, "cannot set the time");
	return 0;
}

int attrs_apply(int dir, const char *name, int fd, const struct attrs *attrs, struct fl_error *err)
{
	return apply(dir, name, fd, attrs, false, err);
}

int attrs_apply_some(int dir, const char *name, int fd, const struct attrs *attrs,
		     struct fl_error *err)
{
	return apply(dir, name, fd, attrs, true, err);
}

int attrs_set_value(int dir, const char *name, int fd, const struct xattr *x, struct fl_error *err)
{
	if (enter(dir, fd, err) < 0)
		return fl_failed(err);
	return apply_value(name, fd, x, err);
}
