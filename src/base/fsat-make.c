#include "base/fsat.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

/* The second half of fsat.h: making what is no plain file, and paths of any length. */

/* What one call of the kernel takes, with room for one more component. */
#define CHUNK (PATH_MAX - NAME_MAX - 2)

int fsat_make_dir(int dir, const char *name, mode_t mode, struct fl_error *err)
{
	if (mkdirat(dir, name, mode) < 0)
		return fl_fail_errno(err, "cannot make directory '%s'", name);
	return 0;
}

int fsat_make_link(const char *target, int dir, const char *name, struct fl_error *err)
{
	if (symlinkat(target, dir, name) < 0)
		return fl_fail_errno(err, "cannot make symbolic link '%s'", name);
	return 0;
}

int fsat_make_node(int dir, const char *name, mode_t mode, dev_t device, struct fl_error *err)
{
	if (mknodat(dir, name, mode, device) == 0)
		return 0;
	fl_fail_errno(err, "cannot make the special file '%s'", name);
	if (err->code == FL_DENIED && (S_ISCHR(mode) || S_ISBLK(mode)))
		return fl_hint(err, "it is a device: only root can copy it");
	return fl_failed(err);
}

int fsat_link(int old_dir, const char *old_name, int dir, const char *name, struct fl_error *err)
{
	if (linkat(old_dir, old_name, dir, name, 0) < 0)
		return fl_fail_errno(err, "cannot make hard link '%s'", name);
	return 0;
}

int fsat_read_link(int dir, const char *name, char target[static PATH_MAX], struct fl_error *err)
{
	ssize_t n = readlinkat(dir, name, target, PATH_MAX - 1);

	if (n < 0)
		return fl_fail_errno(err, "cannot read symbolic link '%s'", name);
	target[n] = '\0';
	return 0;
}

int fsat_open_node(int dir, const char *name, int *ret_fd, struct fl_error *err)
{
	return fsat_open(dir, name, O_PATH, 0, ret_fd, err);
}

int fsat_open_far(int dir, const char *path, int *ret_fd, struct fl_error *err)
{
	char part[PATH_MAX];
	own_fd int at = -1;

	if (fsat_open_dir(dir, ".", &at, err) < 0)
		return fl_failed(err);
	while (*path) {
		size_t length = strlen(path);
		int next;

		if (length > CHUNK) {
			const char *slash = memrchr(path, '/', CHUNK + 1);

			if (!slash)
				return fl_fail(err, FL_INVALID, "'%.20s...' is no name: too long",
					       path);
			length = (size_t)(slash - path);
		}
		snprintf(part, sizeof(part), "%.*s", (int)length, path);
		if (fsat_open_strict(at, part, O_RDONLY | O_DIRECTORY, true, &next, err) < 0)
			return fl_failed(err);
		own_fdp(&at);
		at = next;
		path += length + (path[length] == '/');
	}
	*ret_fd = take_fd(at);
	return 0;
}

int fsat_allow_entry(int dir, const char *name, struct fl_error *err)
{
	char path[32];
	own_fd int fd = -1;

	if (fsat_open(dir, name, O_PATH | O_DIRECTORY, 0, &fd, err) < 0)
		return fl_failed(err);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (chmod(path, 0700) < 0)
		return fl_fail_errno(err, "cannot set the mode of '%s'", name);
	return 0;
}
