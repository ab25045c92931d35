#include "base/mount-inside.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fsat.h"
#include "base/own.h"
#include "base/thread.h"

#ifndef MOVE_MOUNT_BENEATH
#define MOVE_MOUNT_BENEATH 0x00000200 /* linux/mount.h, since Linux 6.5 */
#endif

#define TABLE_LIMIT (16u << 20) /* 100,000 mounts of a host's namespace have 15 MiB */
#define CACHE_TRIES 16		/* a look-up in memory fails when something is renamed meanwhile */

/* --- in a namespace -------------------------------------------------------------------- */

struct errand {
	int process; /* pidfd */
	int home;    /* the daemon's own mount namespace */
	int (*run)(void *arg, struct fl_error *err);
	void *arg;
	struct fl_error *err;
	int r;
};

static __thread const struct errand *present; /* of this thread; NULL: it is at home */

static int enter(const struct errand *errand)
{
	if (unshare(CLONE_FS) < 0)
		return fl_fail_errno(errand->err, "cannot part a thread from the others");
	if (setns(errand->process, CLONE_NEWNS) == 0)
		return 0;
	if (errno == ESRCH)
		return fl_fail(errand->err, FL_NOT_FOUND, "the process has ended");
	return fl_fail_errno(errand->err, "cannot enter the mount namespace");
}

static void *run(void *arg)
{
	struct errand *errand = arg;
	/* The C library looks into /sys when a thread allocates for the first time: not in there.
	 */
	void *volatile first = malloc(1);

	free(first);
	errand->r = enter(errand);
	present = errand;
	if (errand->r == 0)
		errand->r = errand->run(errand->arg, errand->err);
	return NULL;
}

int mount_inside(pid_t process, int (*run_there)(void *arg, struct fl_error *err), void *arg,
		 struct fl_error *err)
{
	own_fd int pidfd = (int)syscall(SYS_pidfd_open, process, 0);
	own_fd int home = -1;
	struct errand errand = { pidfd, -1, run_there, arg, err, 0 };
	pthread_t thread;

	if (pidfd < 0 && errno == ESRCH)
		return fl_fail(err, FL_NOT_FOUND, "process %d has ended", (int)process);
	if (pidfd < 0)
		return fl_fail_errno(err, "cannot refer to process %d", (int)process);
	if (fsat_open_named("/proc/self/ns/mnt", O_RDONLY, &home, err) < 0)
		return fl_failed(err);
	errand.home = home;
	if (thread_start(&thread, THREAD_STACK, run, &errand, err) < 0)
		return fl_failed(err);
	pthread_join(thread, NULL);
	return errand.r;
}

int mount_inside_table(int proc, struct text *ret, struct fl_error *err)
{
	return fsat_read(proc, "thread-self/mountinfo", TABLE_LIMIT, ret, err);
}

/* --- places ---------------------------------------------------------------------------- */

void mount_place_done(struct mount_place *place)
{
	own_fdp(&place->parent);
	own_fdp(&place->fd);
}

/* From memory alone, through no symbolic link: see the header. */
static int look_up(int dir, const char *path, int *ret_fd, struct fl_error *err)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC | O_NOFOLLOW,
		.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_CACHED,
	};
	int fd = -1;

	for (int i = 0; i < CACHE_TRIES && fd < 0; i++) {
		fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
		if (fd < 0 && errno != EAGAIN)
			break;
	}
	if (fd < 0)
		return fl_fail(err, FL_BUSY, "the way to '%s' can't be trusted (%s)", path,
			       strerrordesc_np(errno));
	*ret_fd = fd;
	return 0;
}

static int check_mount(const struct mount_place *place, const char *path, uint64_t mount,
		       bool *ret_directory, struct fl_error *err)
{
	struct statx st;

	if (statx(place->fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_MNT_ID,
		  &st) < 0)
		return fl_fail_errno(err, "cannot look at '%s'", path);
	if (!(st.stx_attributes & STATX_ATTR_MOUNT_ROOT) || st.stx_mnt_id != mount)
		return fl_fail(err, FL_BUSY, "another mount covers '%s'", path);
	*ret_directory = S_ISDIR(st.stx_mode);
	return 0;
}

int mount_place_find(const char *path, uint64_t mount, struct mount_place *ret,
		     struct fl_error *err)
{
	own_mount_place struct mount_place place = MOUNT_PLACE_NONE;
	const char *slash = strrchr(path, '/');
	own_text struct text parent = { 0 };

	if (!slash)
		return fl_fail(err, FL_BUSY, "'%s' is out of reach", path);
	if (look_up(AT_FDCWD, path, &place.fd, err) < 0 ||
	    check_mount(&place, path, mount, &place.directory, err) < 0)
		return fl_failed(err);
	place.name = slash + 1;
	text_add_format(&parent, "%.*s", slash > path ? (int)(slash - path) : 1, path);
	if (place.name[0] && look_up(AT_FDCWD, text_get(&parent), &place.parent, err) < 0)
		return fl_failed(err);
	*ret = place;
	place = (struct mount_place)MOUNT_PLACE_NONE;
	return 0;
}

/* --- mounts ---------------------------------------------------------------------------- */

static const struct {
	const char *name;
	uint64_t bits;
} options[] = {
	{ "ro", MOUNT_ATTR_RDONLY },
	{ "rw", 0 },
	{ "nosuid", MOUNT_ATTR_NOSUID },
	{ "nodev", MOUNT_ATTR_NODEV },
	{ "noexec", MOUNT_ATTR_NOEXEC },
	{ "noatime", MOUNT_ATTR_NOATIME },
	{ "relatime", MOUNT_ATTR_RELATIME },
	{ "nodiratime", MOUNT_ATTR_NODIRATIME },
	{ "nosymfollow", MOUNT_ATTR_NOSYMFOLLOW },
};

#define ALL_OPTIONS                                                                     \
	(MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | \
	 MOUNT_ATTR__ATIME | MOUNT_ATTR_NODIRATIME | MOUNT_ATTR_NOSYMFOLLOW)

static bool parse_option(const char *text, size_t length, uint64_t *bits, bool *atime)
{
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (strlen(options[i].name) != length ||
		    strncmp(options[i].name, text, length) != 0)
			continue;
		*bits |= options[i].bits;
		*atime |= (options[i].bits & MOUNT_ATTR_NOATIME) ||
			  strcmp(options[i].name, "relatime") == 0;
		return true;
	}
	return false;
}

int mount_options_parse(const char *text, uint64_t *ret, struct fl_error *err)
{
	bool atime = false; /* one of the two ways of not keeping it is named */
	uint64_t bits = 0;

	while (*text) {
		size_t length = strcspn(text, ",");

		if (!parse_option(text, length, &bits, &atime))
			return fl_fail(err, FL_UNSUPPORTED,
				       "the option '%.*s' of a mount can't be given to another",
				       (int)length, text);
		text += length + (text[length] == ',');
	}
	*ret = bits | (atime ? 0 : MOUNT_ATTR_STRICTATIME);
	return 0;
}

/* The kernel copies a mount only for who is in its namespace: an errand goes home for that. */
static int clone_at_home(int fd, int *ret_fd, struct fl_error *err)
{
	int mount, sys;

	if (present && setns(present->home, CLONE_NEWNS) < 0)
		return fl_fail_errno(err, "cannot go back to the own mount namespace");
	mount = open_tree(fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	sys = errno;
	if (present && setns(present->process, CLONE_NEWNS) < 0) {
		own_fdp(&mount);
		return fl_fail_errno(err, "cannot enter the mount namespace again");
	}
	errno = sys;
	if (mount < 0)
		return fl_fail_errno(err, "cannot make a mount");
	*ret_fd = mount;
	return 0;
}

int mount_clone(int fd, uint64_t bits, int *ret_fd, struct fl_error *err)
{
	own_fd int mount = -1;
	struct mount_attr attributes = {
		.attr_set = bits,
		.attr_clr = ALL_OPTIONS,
		.propagation = MS_PRIVATE,
	};

	if (clone_at_home(fd, &mount, err) < 0)
		return fl_failed(err);
	if (mount_setattr(mount, "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) < 0)
		return fl_fail_errno(err, "cannot give a mount its options");
	*ret_fd = take_fd(mount);
	return 0;
}

int mount_clone_all(const struct mount_place *place, int *ret_fd, struct fl_error *err)
{
	int fd = open_tree(place->fd, "",
			   OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE);

	if (fd < 0)
		return fl_fail_errno(err, "cannot take a mount along");
	*ret_fd = fd;
	return 0;
}

int mount_attach(int mount, int dir, const char *path, struct fl_error *err)
{
	own_fd int target = -1;

	if (fsat_open_strict(dir, path, O_PATH, false, &target, err) < 0)
		return fl_failed(err);
	if (move_mount(mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) <
	    0)
		return fl_fail_errno(err, "cannot mount at '%s'", path);
	return 0;
}

int mount_attach_beneath(int mount, const struct mount_place *place, struct fl_error *err)
{
	if (place->parent < 0)
		return fl_fail(err, FL_UNSUPPORTED, "it is the root directory there");
	if (move_mount(mount, "", place->fd, "",
		       MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH | MOVE_MOUNT_BENEATH) <
	    0) {
		if (errno != EINVAL)
			return fl_fail_errno(err, "cannot mount beneath another mount");
		return fl_fail(err, FL_UNSUPPORTED,
			       "the kernel mounts nothing beneath it (that takes Linux 6.5, and a "
			       "mount that is not locked)");
	}
	return 0;
}

/*
 * A directory is its own working directory then, and no name is looked up.  A file has to be
 * named: its mount is still the one on top, unless somebody mounts there at this very instant.
 */
int mount_detach(const struct mount_place *place, uint64_t mount, struct fl_error *err)
{
	const char *name = place->directory ? "." : place->name;
	struct statx st;

	if (fchdir(place->directory ? place->fd : place->parent) < 0)
		return fl_fail_errno(err, "cannot go to '%s'", place->name);
	if (statx(AT_FDCWD, name, AT_SYMLINK_NOFOLLOW | AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT,
		  STATX_MNT_ID, &st) < 0 ||
	    st.stx_mnt_id != mount)
		return fl_fail(err, FL_BUSY, "another mount covers '%s'", place->name);
	if (umount2(name, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
		return fl_fail_errno(err, "cannot end the mount at '%s'", place->name);
	return 0;
}
