#include "driver/window.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/fsat.h"
#include "base/mount.h"

/*
 * Two mounts for a whole pool, whatever the number of branches.  They are the
 * daemon's only traces outside, and they may outlive it: a container goes on
 * while the daemon is replaced.  So what is found at the place decides: the
 * same directory of the same file system is kept, anything else is detached.
 */

struct window {
	const char *directory; /* in the pool */
	const char *name;      /* below the root */
	bool read_only;
};

static const struct window windows[] = {
	{ "heads", ".heads", false },
	{ "snaps", ".snaps", true },
};

static int target_of(const char *root, const struct window *window, char target[static POOL_PATH],
		     struct fl_error *err)
{
	int length = snprintf(target, POOL_PATH, "%s/%s", root, window->name);

	if (length < 0 || length >= POOL_PATH)
		return fl_fail(err, FL_INVALID, "mount root '%.100s...' is too long", root);
	return 0;
}

/* Is the window's directory what is mounted at `target`? */
static int is_ours(const struct window_source *pool, const struct window *window,
		   const char *target, bool *ret, struct fl_error *err)
{
	struct stat wanted, found;
	bool mounted;
	int rc;

	rc = mount_is_root(target, &mounted, err);
	if (rc < 0)
		return rc;
	rc = fsat_stat(pool->root, window->directory, &wanted, err);
	if (rc < 0)
		return rc;
	*ret = mounted && fsat_stat(AT_FDCWD, target, &found, err) == 0 &&
	       wanted.st_dev == found.st_dev && wanted.st_ino == found.st_ino;
	return 0;
}

/* Mounts of others, one over the other perhaps, and dead ones that cannot even be looked at. */
static int clear(const char *target, struct fl_error *err)
{
	bool mounted;
	int rc;

	for (;;) {
		rc = mount_is_root(target, &mounted, err);
		if (rc == 0 && !mounted)
			return 0;
		rc = mount_remove(target, true, err);
		if (rc < 0)
			return rc;
	}
}

static int open_window(const struct window_source *pool, const struct window *window,
		       const char *root, struct fl_error *err)
{
	char target[POOL_PATH];
	own_fd int source = -1;
	bool ours = false;
	int rc;

	rc = target_of(root, window, target, err);
	if (rc == 0)
		rc = is_ours(pool, window, target, &ours, err);
	if (rc == 0 && ours)
		return 0;
	rc = clear(target, err);
	if (rc == 0)
		rc = fsat_mkdir_parents(AT_FDCWD, target, 0755, err);
	if (rc == 0)
		rc = pool->open(pool->arg, &source, err);
	if (rc == 0)
		rc = mount_expose(source, window->directory, target, window->read_only, err);
	return rc;
}

static int close_window(const struct window_source *pool, const struct window *window,
			const char *root, struct fl_error *err)
{
	char target[POOL_PATH];
	bool ours = false;
	int rc;

	rc = target_of(root, window, target, err);
	if (rc == 0)
		rc = is_ours(pool, window, target, &ours, err);
	if (rc < 0 || !ours)
		return rc;
	rc = mount_remove(target, false, err);
	if (rc == -FL_BUSY)
		return fl_hint(err, "end what uses files below '%s'", root);
	return rc;
}

int windows_open(const struct window_source *pool, const char *root, struct fl_error *err)
{
	for (size_t i = 0; i < array_size(windows); i++) {
		int rc = open_window(pool, &windows[i], root, err);

		if (rc < 0)
			return fl_wrap(err, "making the pool visible below '%s'", root);
	}
	return 0;
}

int windows_close(const struct window_source *pool, const char *root, struct fl_error *err)
{
	struct fl_error ignored;

	for (size_t i = 0; i < array_size(windows); i++) {
		int rc = close_window(pool, &windows[i], root, err);

		if (rc < 0) {
			(void)!windows_open(pool, root, &ignored); /* the first again */
			return rc;
		}
	}
	return 0;
}
