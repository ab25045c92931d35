#include "driver/dir/attrs.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

/*
 * An O_PATH descriptor has attributes only by a path: that of the descriptor
 * itself, which the kernel resolves to the file and no further, a symbolic
 * link's target included.
 */

#define USUAL 1024 /* what most files need, on a stack that may be small */
#define PROC_PATH 32

void attrs_done(struct attrs *attrs)
{
	text_done(&attrs->xattrs);
}

static const char *path_of(int fd, char path[static PROC_PATH])
{
	snprintf(path, PROC_PATH, "/proc/self/fd/%d", fd);
	return path;
}

static bool has_path_only(const struct stat *st)
{
	return !S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode);
}

static bool is_kept(const char *name)
{
	return xattrs_keep(name) && (strcmp(name, "security.selinux") != 0 || geteuid() == 0);
}

static ssize_t get_value(int fd, const char *path, const char *name, char *value, size_t size)
{
	return path ? getxattr(path, name, value, size) : fgetxattr(fd, name, value, size);
}

static int read_value(int fd, const char *path, const char *name, struct text *xattrs,
		      struct fl_error *err)
{
	char usual[USUAL];
	own_free char *large = NULL;
	ssize_t size = get_value(fd, path, name, usual, sizeof(usual));

	if (size < 0 && errno == ERANGE) {
		large = xcalloc(1, XATTRS_LIMIT);
		size = get_value(fd, path, name, large, XATTRS_LIMIT);
	}
	if (size < 0 && errno == ENODATA)
		return 0; /* taken away since it was listed */
	if (size < 0)
		return fl_fail_errno(err, "cannot read attribute '%.100s'", name);
	xattrs_add(xattrs, name, large ? large : usual, (size_t)size);
	return 0;
}

static ssize_t list_names(int fd, const char *path, char *list, size_t size)
{
	return path ? listxattr(path, list, size) : flistxattr(fd, list, size);
}

int attrs_read(int fd, const struct stat *st, struct attrs *ret, struct fl_error *err)
{
	own(attrs_done) struct attrs attrs = { .st = *st };
	char usual[USUAL], buffer[PROC_PATH];
	own_free char *large = NULL;
	const char *path = has_path_only(st) ? path_of(fd, buffer) : NULL;
	const char *list = usual;
	ssize_t length = list_names(fd, path, usual, sizeof(usual));

	if (length < 0 && errno == ERANGE) {
		list = large = xcalloc(1, XATTRS_LIMIT);
		length = list_names(fd, path, large, XATTRS_LIMIT);
	}
	if (length < 0 && errno != EOPNOTSUPP)
		return fl_fail_errno(err, "cannot list attributes");
	for (const char *name = list; name < list + length; name += strlen(name) + 1)
		if (is_kept(name) && read_value(fd, path, name, &attrs.xattrs, err) < 0)
			return fl_failed(err);
	*ret = attrs;
	attrs.xattrs = (struct text){ 0 };
	return 0;
}

static int apply_owner(int fd, const struct attrs *attrs, struct fl_error *err)
{
	struct stat now;

	if (fstat(fd, &now) < 0)
		return fl_fail_errno(err, "cannot look at a copy");
	if (now.st_uid == attrs->st.st_uid && now.st_gid == attrs->st.st_gid)
		return 0;
	if (fchownat(fd, "", attrs->st.st_uid, attrs->st.st_gid,
		     AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	fl_fail_errno(err, "cannot give it to the user %u and the group %u",
		      (unsigned)attrs->st.st_uid, (unsigned)attrs->st.st_gid);
	return err->code == FL_DENIED
		       ? fl_hint(err, "only root can copy what belongs to other users")
		       : fl_failed(err);
}

static int apply_values(int fd, const char *path, const struct text *xattrs, struct fl_error *err)
{
	struct xattr x;
	size_t at = 0;

	while (xattrs_next(xattrs, &at, &x)) {
		int rc = path ? setxattr(path, x.name, x.value, x.size, 0)
			      : fsetxattr(fd, x.name, x.value, x.size, 0);

		if (rc < 0)
			return fl_fail_errno(err, "cannot copy its attribute '%.100s'", x.name);
	}
	return 0;
}

int attrs_apply(int fd, const struct attrs *attrs, struct fl_error *err)
{
	const struct timespec times[2] = { attrs->st.st_atim, attrs->st.st_mtim };
	const bool by_path = has_path_only(&attrs->st);
	char buffer[PROC_PATH];
	const char *path = by_path ? path_of(fd, buffer) : NULL;
	const mode_t mode = attrs->st.st_mode & 07777;
	int rc = 0;

	/* The owner first: changing it clears set-uid and capabilities. */
	if (apply_owner(fd, attrs, err) < 0)
		return fl_failed(err);
	if (!S_ISLNK(attrs->st.st_mode))
		rc = by_path ? chmod(path, mode) : fchmod(fd, mode);
	if (rc < 0)
		return fl_fail_errno(err, "cannot set its mode");
	/* An ACL after the mode, which would change its mask. */
	if (apply_values(fd, path, &attrs->xattrs, err) < 0)
		return fl_failed(err);
	rc = by_path ? utimensat(AT_FDCWD, path, times, 0) : futimens(fd, times);
	return rc < 0 ? fl_fail_errno(err, "cannot set its times") : 0;
}
