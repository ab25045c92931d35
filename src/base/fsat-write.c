#include "base/fsat.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

/*
 * Replacing a file or a symbolic link in one step needs a second name beside
 * it: .NAME.new, in the same directory, so that the rename stays within one
 * file system.  The dot in front keeps it apart from every name that a user
 * can give: those begin with a letter or a digit.  What a crash left under it
 * is removed first, and the new one is made with O_EXCL: nobody can have put a
 * link there in between.
 */

static int replacement_name(const char *path, char name[static PATH_MAX], struct fl_error *err)
{
	const char *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;
	int length = snprintf(name, PATH_MAX, "%.*s.%s.new", (int)(base - path), path, base);

	if (length < 0 || length >= PATH_MAX)
		return fl_fail(err, FL_INVALID, "path '%.100s...' is too long", path);
	return 0;
}

int fsat_symlink(const char *target, int dir, const char *path, struct fl_error *err)
{
	char name[PATH_MAX];
	int rc;

	rc = replacement_name(path, name, err);
	if (rc < 0)
		return rc;
	rc = fsat_unlink(dir, name, err);
	if (rc < 0)
		return rc;
	if (symlinkat(target, dir, name) < 0)
		return fl_fail_errno(err, "cannot make symbolic link '%s'", path);
	if (renameat(dir, name, dir, path) < 0) {
		rc = fl_fail_errno(err, "cannot replace '%s' by a symbolic link", path);
		unlinkat(dir, name, 0);
		return rc;
	}
	return 0;
}

static int write_all(int fd, const char *path, const char *bytes, size_t length,
		     struct fl_error *err)
{
	while (length > 0) {
		ssize_t n = TEMP_FAILURE_RETRY(write(fd, bytes, length));

		if (n < 0)
			return fl_fail_errno(err, "cannot write '%s'", path);
		bytes += n;
		length -= (size_t)n;
	}
	return 0;
}

/*
 * A name may reach the disk before the bytes behind it do, and a power cut then
 * leaves an empty file.  So the bytes go first, also where nobody waits for the
 * name: a small file is pushed out (Btrfs then has its bytes in the same
 * transaction as its name, for it keeps them beside the inode; ext4 commits no
 * name before such bytes), which costs microseconds; a larger one is synced.
 */
#define PUSHED_OUT_LIMIT 2000

static int bytes_first(int fd, size_t length, bool durable, struct fl_error *err)
{
	const unsigned flags = SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;

	if (!durable && length <= PUSHED_OUT_LIMIT && sync_file_range(fd, 0, 0, flags) == 0)
		return 0;
	return fsat_sync(fd, err);
}

/* The new file under its temporary name, complete. */
static int write_new(int dir, const char *name, const char *bytes, size_t length, mode_t mode,
		     bool durable, struct fl_error *err)
{
	own_fd int fd = -1;
	int rc;

	rc = fsat_unlink(dir, name, err);
	if (rc < 0)
		return rc;
	rc = fsat_open(dir, name, O_WRONLY | O_CREAT | O_EXCL, mode, &fd, err);
	if (rc < 0)
		return rc;
	if (fchmod(fd, mode) < 0) /* whatever the umask */
		return fl_fail_errno(err, "cannot set the mode of '%s'", name);
	rc = write_all(fd, name, bytes, length, err);
	if (rc < 0)
		return rc;
	return bytes_first(fd, length, durable, err);
}

static int sync_parent(int dir, const char *path, struct fl_error *err)
{
	own_free char *parent = xstrdup(path);
	own_fd int fd = -1;
	char *slash = strrchr(parent, '/');
	int rc;

	if (slash)
		slash[slash == parent ? 1 : 0] = '\0';
	rc = fsat_open_dir(dir, slash ? parent : ".", &fd, err);
	if (rc < 0)
		return rc;
	return fsat_sync(fd, err);
}

int fsat_write(int dir, const char *path, const char *bytes, size_t length, mode_t mode,
	       bool durable, struct fl_error *err)
{
	char name[PATH_MAX];
	int rc;

	rc = replacement_name(path, name, err);
	if (rc < 0)
		return rc;
	rc = write_new(dir, name, bytes, length, mode, durable, err);
	if (rc == 0)
		rc = fsat_rename(dir, name, dir, path, err);
	if (rc < 0) {
		unlinkat(dir, name, 0);
		return rc;
	}
	return durable ? sync_parent(dir, path, err) : 0;
}

/* linkat() takes an open file by its descriptor alone (AT_EMPTY_PATH) from root only. */
#define FD_PATH 32

static const char *fd_path(int fd, char path[static FD_PATH])
{
	snprintf(path, FD_PATH, "/proc/self/fd/%d", fd);
	return path;
}

int fsat_open_unnamed(int dir, mode_t mode, int *ret_fd, struct fl_error *err)
{
	char path[FD_PATH];
	own_fd int fd = -1;

	if (fsat_open(dir, ".", O_WRONLY | O_TMPFILE, mode, &fd, err) < 0)
		return fl_failed(err);
	if (access(fd_path(fd, path), F_OK) < 0)
		return fl_fail(err, FL_UNSUPPORTED, "/proc is missing");
	*ret_fd = take_fd(fd);
	return 0;
}

/* The last nanosecond of a second comes back as the last multiple of the grain. */
static int read_grain(int fd, uint32_t *ret, struct fl_error *err)
{
	const struct timespec last = { .tv_sec = 1000000000, .tv_nsec = FSAT_COARSEST - 1 };
	const struct timespec times[] = { last, last };
	struct stat st;

	if (futimens(fd, times) < 0 || fstat(fd, &st) < 0)
		return fl_fail_errno(err, "cannot find out which times files can have");
	*ret = (uint32_t)(FSAT_COARSEST - st.st_mtim.tv_nsec);
	return 0;
}

int fsat_time_grain(int dir, const char *name, uint32_t *ret, struct fl_error *err)
{
	struct fl_error left;
	own_fd int fd = -1;
	int rc;

	if (fsat_open(dir, name, O_WRONLY | O_CREAT, 0600, &fd, err) < 0)
		return fl_failed(err);
	rc = read_grain(fd, ret, err);
	if (fsat_unlink(dir, name, &left) < 0 && rc == 0) {
		*err = left;
		return fl_failed(err);
	}
	return rc;
}

int fsat_open_memory(const char *what, int *ret_fd, struct fl_error *err)
{
	int fd = memfd_create(what, MFD_CLOEXEC);

	if (fd < 0)
		return fl_fail_errno(err, "cannot make a file in memory");
	*ret_fd = fd;
	return 0;
}

int fsat_give_name(int fd, int dir, const char *name, struct fl_error *err)
{
	char path[FD_PATH];

	if (linkat(AT_FDCWD, fd_path(fd, path), dir, name, AT_SYMLINK_FOLLOW) < 0)
		return fl_fail_errno(err, "cannot make '%s'", name);
	return 0;
}

int fsat_append(int dir, const char *path, const char *bytes, size_t length, mode_t mode,
		struct fl_error *err)
{
	own_fd int fd = -1;
	int rc;

	rc = fsat_open(dir, path, O_WRONLY | O_CREAT | O_APPEND, mode, &fd, err);
	if (rc < 0)
		return rc;
	return write_all(fd, path, bytes, length, err);
}
