#include "base/fsat.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/uuid.h"
#include "base/walk.h"

/*
 * Removing a tree that others wrote.
 *
 * A walk (base/walk.h) never follows a link, so that whoever renames things
 * meanwhile cannot lead it elsewhere; it goes over no mount point, and several
 * threads share it.  Directories that their owner may not search or write are
 * opened up first; root needs nothing of the kind.
 *
 * Whoever writes to a tree can make directories below each other by the
 * million, and the way to each is the longer the deeper it lies.  So what lies
 * deep is moved up, to be removed by the next walk.
 *
 * What was made immutable (chattr +i, +a) not even root can remove; nobody else
 * can make it so.  Whoever calls has decided that the tree goes, so that goes too.
 */

#define DEEP 64
#define UP_TEXT 17 /* 64 random bits in hexadecimal */

struct removal {
	int root;
	atomic_bool again; /* something was moved up */
};

/* As far as that can be: where it fails, what is tried next says why. */
static void make_mutable(int fd)
{
	int flags;

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0 || !(flags & (FS_IMMUTABLE_FL | FS_APPEND_FL)))
		return;
	flags &= ~(FS_IMMUTABLE_FL | FS_APPEND_FL);
	(void)ioctl(fd, FS_IOC_SETFLAGS, &flags);
}

/* Files and directories alone have such flags; to open a device does something to it. */
static void make_entry_mutable(int dir, const char *name)
{
	struct fl_error ignored;
	own_fd int fd = -1;
	struct stat st;

	if (fsat_stat(dir, name, &st, &ignored) < 0 ||
	    (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)))
		return;
	if (fsat_open(dir, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, &fd, &ignored) == 0)
		make_mutable(fd);
}

static int enter_directory(void *arg, const struct visit *visit, struct fl_error *err)
{
	make_mutable(visit->dir);
	return 0;
}

static bool move_up(struct removal *removal, int dir, const char *name, struct fl_error *err)
{
	struct uuid uuid = uuid_new();
	char up[UP_TEXT];
	uint64_t number;

	memcpy(&number, uuid.bytes + 8, sizeof(number));
	snprintf(up, sizeof(up), "%016" PRIx64, number);
	return fsat_rename(dir, name, removal->root, up, err) == 0;
}

static int found_directory(void *arg, const struct visit *visit, const char *name,
			   struct fl_error *err)
{
	struct removal *removal = arg;
	struct fl_error why;

	if (geteuid() != 0 && fsat_allow_entry(visit->dir, name, err) < 0)
		return fl_failed(err);
	if (visit->node->depth < DEEP)
		return 0;
	if (!move_up(removal, visit->dir, name, &why)) {
		if (why.sys == EPERM)
			make_entry_mutable(visit->dir, name);
		/* What cannot be moved, as a mount point, is tried where it is, and says why. */
		if (why.sys != EPERM || !move_up(removal, visit->dir, name, &why))
			return 0;
	}
	removal->again = true;
	return 1;
}

static int remove_entry(void *arg, const struct visit *visit, const char *name,
			struct fl_error *err)
{
	int r = fsat_unlink(visit->dir, name, err);

	if (r == 0 || err->sys != EPERM)
		return r;
	make_entry_mutable(visit->dir, name);
	return fsat_unlink(visit->dir, name, err);
}

static int remove_directory(void *arg, struct walk_node *node, struct fl_error *err)
{
	const struct removal *removal = arg;
	own_fd int parent = -1;

	if (!err || !node->parent) /* the root of the walk is its caller's */
		return 0;
	if (walk_open(removal->root, node->parent, &parent, err) < 0)
		return fl_failed(err);
	return fsat_rmdir(parent, node->name, err);
}

static int remove_below(int root, struct fl_error *err)
{
	struct removal removal = { .root = root };
	const struct walk walk = {
		.root = root,
		.twin = -1,
		.enter = enter_directory,
		.found = found_directory,
		.entry = remove_entry,
		.leave = remove_directory,
		.arg = &removal,
	};

	do {
		removal.again = false;
		if (walk_tree(&walk, err) < 0)
			return fl_failed(err);
	} while (removal.again);
	return 0;
}

int fsat_remove_tree(int dir, const char *path, struct fl_error *err)
{
	own_fd int root = -1;
	struct stat st;

	if (fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : fl_fail_errno(err, "cannot look at '%s'", path);
	if (!S_ISDIR(st.st_mode))
		return fsat_unlink(dir, path, err);
	if (fsat_open_dir(dir, path, &root, err) < 0)
		return err->code == FL_NOT_FOUND ? 0 : fl_failed(err);
	if (remove_below(root, err) < 0)
		return fl_failed(err);
	return fsat_rmdir(dir, path, err);
}
