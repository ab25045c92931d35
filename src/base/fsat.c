#include "base/fsat.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

int fsat_open(int dir, const char *path, int flags, mode_t mode, int *ret_fd, struct fl_error *err)
{
	int fd;

	do
		fd = openat(dir, path, flags | O_CLOEXEC | O_NOFOLLOW, mode);
	while (fd < 0 && errno == EINTR);

	if (fd < 0)
		return fl_fail_errno(err, "cannot open '%s'", path);
	*ret_fd = fd;
	return 0;
}

int fsat_open_named(const char *path, int flags, int *ret_fd, struct fl_error *err)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		return fl_fail_errno(err, "cannot open '%s'", path);
	*ret_fd = fd;
	return 0;
}

void fsat_hold_standard(void)
{
	/* open() takes the lowest that is free, so each gets the one that is looked at. */
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			abort();
}

int fsat_open_dir(int dir, const char *path, int *ret_fd, struct fl_error *err)
{
	return fsat_open(dir, path, O_RDONLY | O_DIRECTORY, 0, ret_fd, err);
}

/* EAGAIN: somebody renamed a directory on the way, and the kernel could not be sure. */
static int open_resolved(int dir, const char *path, int flags, uint64_t resolve)
{
	struct open_how how = {
		.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
		.resolve = RESOLVE_NO_MAGICLINKS | resolve,
	};
	long fd;

	do
		fd = syscall(SYS_openat2, dir, path, &how, sizeof(how));
	while (fd < 0 && (errno == EINTR || errno == EAGAIN));
	return (int)fd;
}

int fsat_open_beneath(int dir, const char *path, int flags, int *ret_fd, struct fl_error *err)
{
	int fd = open_resolved(dir, path, flags, RESOLVE_BENEATH);

	if (fd < 0 && errno == EXDEV)
		return fl_fail(err, FL_DENIED, "path '%s' leads out of its tree", path);
	if (fd < 0 && errno == ELOOP) {
		fl_fail(err, FL_INVALID, "path '%.200s' leads through too many symbolic links",
			path);
		return fl_hint(err, "one of them may lead to itself");
	}
	if (fd < 0)
		return fl_fail_errno(err, "cannot open '%s'", path);
	*ret_fd = fd;
	return 0;
}

int fsat_open_strict(int dir, const char *path, int flags, bool one_mount, int *ret_fd,
		     struct fl_error *err)
{
	int fd = open_resolved(dir, path, flags,
			       RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
				       (one_mount ? RESOLVE_NO_XDEV : 0));

	if (fd < 0 && errno == EXDEV)
		return fl_fail(err, FL_UNSUPPORTED, "'%s' is a mount point, or leads out", path);
	if (fd < 0 && errno == ELOOP)
		return fl_fail(err, FL_INVALID, "'%s' leads through a symbolic link", path);
	if (fd < 0)
		return fl_fail_errno(err, "cannot open '%s'", path);
	*ret_fd = fd;
	return 0;
}

int fsat_open_in_root(int dir, const char *path, int flags, int *ret_fd, struct fl_error *err)
{
	int fd = open_resolved(dir, path, flags, RESOLVE_IN_ROOT);

	if (fd < 0)
		return fl_fail_errno(err, "cannot open '%s'", path);
	*ret_fd = fd;
	return 0;
}

int fsat_mkdir(int dir, const char *path, mode_t mode, struct fl_error *err)
{
	struct stat st;

	if (mkdirat(dir, path, mode) == 0)
		return 0;
	if (errno != EEXIST)
		return fl_fail_errno(err, "cannot make directory '%s'", path);
	if (fstatat(dir, path, &st, 0) < 0)
		return fl_fail_errno(err, "cannot look at '%s'", path);
	if (!S_ISDIR(st.st_mode))
		return fl_fail(err, FL_EXISTS, "'%s' is there and is no directory", path);
	return 0;
}

int fsat_mkdir_parents(int dir, const char *path, mode_t mode, struct fl_error *err)
{
	own_free char *copy = xstrdup(path);

	for (char *p = copy + strspn(copy, "/"); *p; p += strspn(p, "/")) {
		char saved;
		int rc;

		p += strcspn(p, "/");
		saved = *p;
		*p = '\0';
		rc = fsat_mkdir(dir, copy, mode, err);
		*p = saved;
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int rename_with(int old_dir, const char *old_path, int new_dir, const char *new_path,
		       unsigned flags, struct fl_error *err)
{
	if (renameat2(old_dir, old_path, new_dir, new_path, flags) < 0)
		return fl_fail_errno(err, "cannot rename '%s' to '%s'", old_path, new_path);
	return 0;
}

int fsat_rename(int old_dir, const char *old_path, int new_dir, const char *new_path,
		struct fl_error *err)
{
	return rename_with(old_dir, old_path, new_dir, new_path, 0, err);
}

int fsat_rename_new(int old_dir, const char *old_path, int new_dir, const char *new_path,
		    struct fl_error *err)
{
	return rename_with(old_dir, old_path, new_dir, new_path, RENAME_NOREPLACE, err);
}

int fsat_exchange(int a_dir, const char *a, int b_dir, const char *b, struct fl_error *err)
{
	return rename_with(a_dir, a, b_dir, b, RENAME_EXCHANGE, err);
}

int fsat_unlink(int dir, const char *path, struct fl_error *err)
{
	if (unlinkat(dir, path, 0) < 0 && errno != ENOENT)
		return fl_fail_errno(err, "cannot remove '%s'", path);
	return 0;
}

int fsat_rmdir(int dir, const char *path, struct fl_error *err)
{
	if (unlinkat(dir, path, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno == ENOTEMPTY || errno == EEXIST)
		return fl_fail(err, FL_BUSY, "directory '%s' is not empty", path);
	return fl_fail_errno(err, "cannot remove directory '%s'", path);
}

int fsat_check_private(int dir, const char *path, struct fl_error *err)
{
	own_fd int fd = -1;
	struct stat st;

	if (fsat_stat(dir, path, &st, err) < 0)
		return fl_failed(err);
	if (st.st_uid != geteuid() && st.st_uid != 0) {
		fl_fail(err, FL_DENIED, "'%s' belongs to the user %u", path, (unsigned)st.st_uid);
		return fl_hint(err, "chown %u '%s', if what is in it can be trusted",
			       (unsigned)geteuid(), path);
	}
	if (st.st_mode & (S_IWGRP | S_IWOTH)) {
		fl_fail(err, FL_DENIED, "others may write to '%s': its mode is %04o", path,
			(unsigned)st.st_mode & 07777);
		return fl_hint(err, "chmod 0700 '%s', if what is in it can be trusted", path);
	}
	/* A file without a name: what rights and mount options say is not all that can be wrong. */
	fd = openat(dir, path, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0 && errno != EOPNOTSUPP && errno != ENOSPC && errno != EDQUOT) {
		fl_fail_errno(err, "'%s' cannot be written", path);
		return fl_hint(err,
			       "mount its file system read-write, or mend what is wrong there");
	}
	return 0;
}

int fsat_stat(int dir, const char *path, struct stat *ret, struct fl_error *err)
{
	if (fstatat(dir, path, ret, AT_SYMLINK_NOFOLLOW) < 0)
		return fl_fail_errno(err, "cannot look at '%s'", path);
	return 0;
}

static void own_dirp(DIR **stream)
{
	if (*stream)
		closedir(*stream);
}

static bool is_dot(const char *name)
{
	return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

int fsat_each(int dir,
	      int (*each)(void *arg, const char *name, unsigned char type, uint64_t inode,
			  struct fl_error *err),
	      void *arg, struct fl_error *err)
{
	own(own_dirp) DIR *stream = NULL;
	own_fd int fd = -1;
	struct dirent *entry;
	int rc;

	/* Its own open file: the caller's descriptor keeps its position, threads do not meet. */
	rc = fsat_open_dir(dir, ".", &fd, err);
	if (rc < 0)
		return rc;
	stream = fdopendir(fd);
	if (!stream)
		return fl_fail_errno(err, "cannot read a directory");
	take_fd(fd);
	while (errno = 0, (entry = readdir(stream))) {
		if (is_dot(entry->d_name))
			continue;
		rc = each(arg, entry->d_name, entry->d_type, entry->d_ino, err);
		if (rc < 0)
			return rc;
	}
	return errno ? fl_fail_errno(err, "cannot read a directory") : 0;
}

static int stop_at_first(void *arg, const char *name, unsigned char type, uint64_t inode,
			 struct fl_error *err)
{
	*(bool *)arg = true;
	return fl_fail(err, FL_EXISTS, "'%s' is there", name);
}

int fsat_is_empty(int dir, bool *ret, struct fl_error *err)
{
	bool found = false;
	int rc;

	rc = fsat_each(dir, stop_at_first, &found, err);
	if (rc < 0 && !found)
		return rc;
	*ret = !found;
	return 0;
}

int fsat_read_fd(int fd, const char *path, size_t limit, struct text *ret, struct fl_error *err)
{
	own_text struct text text = { 0 };

	for (;;) {
		size_t room = 64 * 1024;
		char *end = text_reserve(&text, room);
		ssize_t n = TEMP_FAILURE_RETRY(read(fd, end, room));

		if (n < 0)
			return fl_fail_errno(err, "cannot read '%s'", path);
		end[n] = '\0';
		if (n == 0)
			break;
		text.length += (size_t)n;
		if (text.length > limit)
			return fl_fail(err, FL_INVALID, "'%s' is larger than %zu bytes", path,
				       limit);
	}
	text_done(ret);
	*ret = text;
	text = (struct text){ 0 };
	return 0;
}

int fsat_read(int dir, const char *path, size_t limit, struct text *ret, struct fl_error *err)
{
	own_fd int fd = -1;

	/* Without O_NONBLOCK somebody's FIFO of that name would hold us up for ever. */
	if (fsat_open(dir, path, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0, &fd, err) < 0)
		return fl_failed(err);
	return fsat_read_fd(fd, path, limit, ret, err);
}

int fsat_sync(int fd, struct fl_error *err)
{
	if (TEMP_FAILURE_RETRY(fsync(fd)) < 0)
		return fl_fail_errno(err, "cannot sync a file: what was written may be lost");
	return 0;
}

/*
 * The kernel tells each open file once of what could not be written.  Threads that
 * sync at the same time all have to know, so each opens the directory for itself.
 */
int fsat_sync_all(int dir, struct fl_error *err)
{
	own_fd int fd = -1;

	if (fsat_open_dir(dir, ".", &fd, err) < 0)
		return fl_failed(err);
	if (syncfs(fd) < 0)
		return fl_fail_errno(err,
				     "cannot sync a file system: what was written may be lost");
	return 0;
}
