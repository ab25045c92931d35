#include "base/mount.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ATTRIBUTES (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOATIME)

/* The kernel explains a refused mount in a log of its own on the descriptor: "e btrfs: reason". */
static void add_reason(int context, struct fl_error *err)
{
	char line[256];
	ssize_t n;

	while ((n = read(context, line, sizeof(line) - 1)) > 0) {
		size_t used = strlen(err->text);

		line[n] = '\0';
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == 'e' && n > 2)
			snprintf(err->text + used, sizeof(err->text) - used, " (%s)", line + 2);
	}
}

static int set_options(int context, const struct mount_option *options, size_t count,
		       struct fl_error *err)
{
	for (size_t i = 0; i < count; i++) {
		const struct mount_option *o = &options[i];
		int rc = fsconfig(context, o->value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG,
				  o->key, o->value, 0);

		if (rc < 0)
			return fl_fail_errno(err, "mount option '%s'", o->key);
	}
	return 0;
}

static int create_superblock(int context, const char *source, const struct mount_option *options,
			     size_t count, struct fl_error *err)
{
	int rc;

	if (fsconfig(context, FSCONFIG_SET_STRING, "source", source, 0) < 0)
		return fl_fail_errno(err, "mount source '%s'", source);
	rc = set_options(context, options, count, err);
	if (rc < 0)
		return rc;
	if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return fl_fail_errno(err, "cannot mount '%s'", source);
	return 0;
}

static int open_context(const char *type, int *ret_fd, struct fl_error *err)
{
	int fd = fsopen(type, FSOPEN_CLOEXEC);

	if (fd < 0 && (errno == ENODEV || errno == ENOSYS))
		return fl_fail(err, FL_UNSUPPORTED, "this kernel has no %s file system", type);
	if (fd < 0)
		return fl_fail_errno(err, "cannot use the %s file system", type);
	*ret_fd = fd;
	return 0;
}

int mount_check_type(const char *type, struct fl_error *err)
{
	own_fd int context = -1;

	return open_context(type, &context, err);
}

int mount_detached(const char *type, const char *source, const struct mount_option *options,
		   size_t count, int *ret_fd, struct fl_error *err)
{
	own_fd int context = -1;
	int fd, rc;

	rc = open_context(type, &context, err);
	if (rc < 0)
		return rc;
	rc = create_superblock(context, source, options, count, err);
	if (rc < 0) {
		add_reason(context, err);
		return rc;
	}
	fd = fsmount(context, FSMOUNT_CLOEXEC, ATTRIBUTES);
	if (fd < 0)
		return fl_fail_errno(err, "cannot mount '%s'", source);
	*ret_fd = fd;
	return 0;
}

static int restrict_mounts(int mount, unsigned flags, unsigned long long more)
{
	struct mount_attr attr = {
		.attr_set = ATTRIBUTES | more,
		.attr_clr = MOUNT_ATTR__ATIME,
		.propagation = MS_PRIVATE,
	};

	return mount_setattr(mount, "", AT_EMPTY_PATH | flags, &attr, sizeof(attr));
}

static int restrict_mount(int mount, unsigned long long more)
{
	return restrict_mounts(mount, 0, more);
}

int mount_clone_read_only(int dir, int *ret_fd, struct fl_error *err)
{
	own_fd int fd = open_tree(
		dir, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE);

	if (fd < 0 || restrict_mounts(fd, AT_RECURSIVE, MOUNT_ATTR_RDONLY) < 0)
		return fl_fail_errno(err, "cannot mount a directory to read it");
	*ret_fd = take_fd(fd);
	return 0;
}

int mount_clone_detached(int dir, int *ret_fd, struct fl_error *err)
{
	own_fd int fd = open_tree(dir, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);

	if (fd < 0 || restrict_mount(fd, 0) < 0)
		return fl_fail_errno(err, "cannot mount a directory");
	*ret_fd = take_fd(fd);
	return 0;
}

int mount_reconfigure(int dir, const struct mount_option *options, size_t count,
		      struct fl_error *err)
{
	own_fd int context = fspick(dir, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);
	int rc;

	if (context < 0)
		return fl_fail_errno(err, "cannot change mount options");
	rc = set_options(context, options, count, err);
	if (rc == 0 && fsconfig(context, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0)
		rc = fl_fail_errno(err, "cannot change mount options");
	if (rc < 0)
		add_reason(context, err);
	return rc;
}

/*
 * For kernels before 6.15: the mount is attached at the target for a moment, so
 * that a part of it can be taken, and let go again.
 */
static int clone_attached(int dir, const char *path, const char *target)
{
	int fd;

	if (move_mount(dir, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return -1;
	fd = open_tree(dir, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
	umount2(target, MNT_DETACH | UMOUNT_NOFOLLOW);
	return fd;
}

int mount_expose(int dir, const char *path, const char *target, bool read_only,
		 struct fl_error *err)
{
	own_fd int tree = -1;

	tree = open_tree(dir, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
	if (tree < 0 && errno == EINVAL)
		tree = clone_attached(dir, path, target);
	if (tree < 0)
		return fl_fail_errno(err, "cannot take '%s' to mount it at '%s'", path, target);
	if (restrict_mount(tree, read_only ? MOUNT_ATTR_RDONLY : 0) < 0)
		return fl_fail_errno(err, "cannot restrict the mount at '%s'", target);
	if (move_mount(tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return fl_fail_errno(err, "cannot mount at '%s'", target);
	return 0;
}

int mount_set_read_only(int mount, bool read_only, struct fl_error *err)
{
	struct mount_attr attr = {
		.attr_set = read_only ? MOUNT_ATTR_RDONLY : 0,
		.attr_clr = read_only ? 0 : MOUNT_ATTR_RDONLY,
	};

	if (mount_setattr(mount, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return fl_fail_errno(err, "cannot make a mount %s",
				     read_only ? "read-only" : "writable");
	return 0;
}

int mount_is_root(const char *target, bool *ret, struct fl_error *err)
{
	struct statx st;

	if (statx(AT_FDCWD, target, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, 0, &st) < 0) {
		if (errno != ENOENT)
			return fl_fail_errno(err, "cannot look at '%s'", target);
		*ret = false;
		return 0;
	}
	*ret = st.stx_attributes & STATX_ATTR_MOUNT_ROOT;
	return 0;
}

int mount_remove(const char *target, bool lazy, struct fl_error *err)
{
	if (umount2(target, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) == 0)
		return 0;
	if (errno == EINVAL || errno == ENOENT) /* not a mount */
		return 0;
	return fl_fail_errno(err, "cannot unmount '%s'", target);
}

/*
 * A runtime that was started in a chroot exchanges the root of that, and not of the
 * container's mount namespace: what is run in the container later, which joins the namespace, then
 * finds itself at the root of the host.  (runc 1.1; seen.)
 */
static int refuse_chroot(int here, struct fl_error *err)
{
	struct stat before, after;
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) /* who joins its own namespace is at that one's root */
		_exit(stat("/", &before) == 0 && setns(here, CLONE_NEWNS) == 0 &&
				      stat("/", &after) == 0 && before.st_dev == after.st_dev &&
				      before.st_ino == after.st_ino
			      ? 0
			      : 1);
	if (pid < 0 || TEMP_FAILURE_RETRY(waitpid(pid, &status, 0)) < 0)
		return fl_fail_errno(err, "cannot look for the root of the mount namespace");
	if (status == 0)
		return 0;
	fl_fail(err, FL_UNSUPPORTED,
		"flockerd runs in a chroot, where a container would not be closed");
	return fl_hint(err, "run it without one, or in a mount namespace with a root of its own "
			    "(pivot_root)");
}

int mount_retreat(int *ret_fd, struct fl_error *err)
{
	own_fd int here = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);

	if (here < 0)
		return fl_fail_errno(err, "cannot open the mount namespace");
	if (refuse_chroot(here, err) < 0)
		return fl_failed(err);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		return fl_fail_errno(err, "cannot make a mount namespace");
	*ret_fd = take_fd(here);
	return 0;
}

int mount_return(int fd, struct fl_error *err)
{
	if (setns(fd, CLONE_NEWNS) < 0)
		return fl_fail_errno(err, "cannot go back to a mount namespace");
	return 0;
}

int mount_root(const char *tree, const char *target, struct fl_error *err)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOATIME,
		.attr_clr = MOUNT_ATTR_NOSUID | MOUNT_ATTR__ATIME,
		.propagation = MS_PRIVATE,
	};
	own_fd int fd = open_tree(AT_FDCWD, tree,
				  OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);

	if (fd < 0)
		return fl_fail_errno(err, "cannot take '%s' to mount it", tree);
	if (mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0 ||
	    move_mount(fd, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return fl_fail_errno(err, "cannot mount '%s' at '%s'", tree, target);
	return 0;
}
