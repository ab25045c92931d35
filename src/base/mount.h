#pragma once

/*
 * Mounts by the descriptor-based calls (fsopen, open_tree, move_mount): a file
 * system can be mounted without being visible anywhere, is then used through
 * its descriptor, and is gone when the last descriptor closes, crash included.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/own.h"

struct mount_option {
	const char *key;
	const char *value; /* NULL: a flag */
};

/* Does the kernel have the file system `type` (loads its module)?  FL_UNSUPPORTED if not. */
must_check int mount_check_type(const char *type, struct fl_error *err);

/*
 * Mounts `source` as `type` with `count` options, attached to nothing, with
 * nosuid, nodev and noatime.  `ret_fd` is its root directory as an O_PATH
 * descriptor, good as the `dir` of other calls; the mount ends when it closes.
 * A kernel without the file system is FL_UNSUPPORTED.
 */
must_check int mount_detached(const char *type, const char *source,
			      const struct mount_option *options, size_t count, int *ret_fd,
			      struct fl_error *err);

/* The directory `dir` as a mount of its own in the same way: attached to nothing, noatime. */
must_check int mount_clone_detached(int dir, int *ret_fd, struct fl_error *err);

/* The same with what is mounted within, and nothing in it can be changed through it. */
must_check int mount_clone_read_only(int dir, int *ret_fd, struct fl_error *err);

/* Changes options ("ro", "rw" among them) of the file system that `dir` lies on, for all its
 * mounts. */
must_check int mount_reconfigure(int dir, const struct mount_option *options, size_t count,
				 struct fl_error *err);

/* Makes this one mount (not its file system) read-only, or writable.  FL_BUSY. */
must_check int mount_set_read_only(int mount, bool read_only, struct fl_error *err);

/*
 * Makes the directory `path` below `dir` visible at the absolute path `target`
 * (an existing directory), nosuid, nodev and noatime, read-only when asked.
 * Kernels before 6.15 cannot take a part of a mount that is attached to
 * nothing: there `dir` must be of a mount made for this one call.
 */
must_check int mount_expose(int dir, const char *path, const char *target, bool read_only,
			    struct fl_error *err);

/* Is `target` the root of a mount?  A missing path is not. */
must_check int mount_is_root(const char *target, bool *ret, struct fl_error *err);

/* Ends one mount.  In use: FL_BUSY.  Not mounted: success.  `lazy` detaches it at once instead. */
must_check int mount_remove(const char *target, bool lazy, struct fl_error *err);

/*
 * For a program of one thread: what it mounts from now on is seen by itself and what it starts
 * alone, and by nobody once it is back; what is mounted elsewhere meanwhile is seen here
 * too, so that nothing is held.  `ret_fd`: where to go back to.  FL_UNSUPPORTED in a
 * chroot: from there nothing may be started that gets a mount namespace of its own.
 */
must_check int mount_retreat(int *ret_fd, struct fl_error *err);
must_check int mount_return(int fd, struct fl_error *err);

/*
 * The directory `tree` at the directory `target`, as the root of an operating system: setuid
 * programs count there, device nodes do not.  Only after mount_retreat(): no user of
 * this host is to come by them.
 */
must_check int mount_root(const char *tree, const char *target, struct fl_error *err);
