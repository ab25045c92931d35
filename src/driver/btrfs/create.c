#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fsat.h"
#include "base/mount.h"
#include "base/spawn.h"
#include "driver/btrfs/pool.h"
#include "driver/kept.h"

/*
 * Making a pool: take the place, look at what is there, make the file system,
 * make the layout, and last the identity: only with it is it a pool.  Until
 * then leaving the scope removes what was made.
 */

#define MINIMUM_SIZE (UINT64_C(128) << 20) /* mkfs.btrfs refuses less than 109 MiB */
#define BLOCK 4096
#define MKFS_PATIENCE (30 * CLOCK_MINUTE) /* it discards whole disks first */

struct creation {
	const struct pool_spec *spec;
	struct medium medium;
	bool made; /* the file or directory is ours to remove */
	bool committed;
};

static void creation_end(struct creation *creation)
{
	const char *path = creation->spec->path;
	struct fl_error ignored;

	medium_detach(&creation->medium);
	if (creation->made && !creation->committed && creation->spec->kind == POOL_FILE)
		(void)!fsat_unlink(AT_FDCWD, path, &ignored);
	else if (creation->made && !creation->committed)
		(void)!fsat_remove_tree(AT_FDCWD, path, &ignored);
	medium_done(&creation->medium);
}

static int refuse(const struct pool_spec *spec, const char *contents, struct fl_error *err)
{
	if (spec->force)
		return 0;
	fl_fail(err, FL_BUSY, "'%s' holds %s", spec->path, contents);
	return fl_hint(err, "choose another place, or overwrite it with --force");
}

/* A pool of ours is never overwritten, not by force either. */
static int refuse_pool(struct creation *creation, struct fl_error *err)
{
	struct fl_error ignored;
	own_fd int root = -1;
	struct stat st;

	if (medium_attach(creation->spec, &creation->medium, err) < 0 ||
	    medium_mount_to_look(creation->spec, &creation->medium, &root, &ignored) < 0 ||
	    fsat_stat(root, "flocker.json", &st, &ignored) < 0)
		return 0;
	fl_fail(err, FL_EXISTS, "'%s' is a Flocker pool already", creation->spec->path);
	return fl_hint(err, "use it with 'flocker pool adopt', or remove it first");
}

static int check_contents(struct creation *creation, struct fl_error *err)
{
	char contents[MEDIUM_CONTENTS];
	struct stat st;
	int rc;

	rc = medium_contents(&creation->medium, contents, err);
	if (rc < 0)
		return rc;
	if (strcmp(contents, "btrfs") == 0) {
		rc = refuse_pool(creation, err);
		medium_detach(&creation->medium);
		if (rc < 0)
			return rc;
	}
	if (contents[0])
		return refuse(creation->spec, contents, err);
	if (fstat(creation->medium.lock, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
		return refuse(creation->spec, "data", err);
	return 0;
}

static int find_mkfs(const char **ret, struct fl_error *err)
{
	static const char *const places[] = { "/usr/sbin/mkfs.btrfs", "/sbin/mkfs.btrfs",
					      "/usr/bin/mkfs.btrfs" };

	for (size_t i = 0; i < array_size(places); i++) {
		if (access(places[i], X_OK) == 0) {
			*ret = places[i];
			return 0;
		}
	}
	fl_fail(err, FL_UNSUPPORTED, "the program mkfs.btrfs is missing");
	return fl_hint(err, "install the package btrfs-progs");
}

static int make_file_system(const struct pool_spec *spec, const char *device, struct fl_error *err)
{
	/* In a file the blocks stay reserved: no discarding. */
	const char *option = spec->kind == POOL_FILE ? "--nodiscard" : "--quiet";
	const char *argv[] = { NULL, "--quiet", "--force", option, device, NULL };
	own(spawn_result_done) struct spawn_result result = { 0 };
	char *line;
	int rc;

	rc = find_mkfs(&argv[0], err);
	if (rc < 0)
		return rc;
	rc = spawn_run(argv, MKFS_PATIENCE, &result, err);
	if (rc < 0)
		return rc;
	if (result.status == 0)
		return 0;
	line = text_take(&result.err);
	line[strcspn(line, "\n")] = '\0';
	rc = fl_fail(err, FL_SYSTEM, "cannot make a file system on '%s': %s", spec->path, line);
	free(line);
	return rc;
}

static int fill(struct creation *creation, const struct pool_identity *identity,
		struct fl_error *err)
{
	own_fd int mount = -1;
	own_fd int root = -1;
	int rc;

	rc = medium_mount(creation->spec, &creation->medium, &mount, err);
	if (rc < 0)
		return rc;
	rc = fsat_open_dir(mount, ".", &root, err);
	if (rc < 0)
		return rc;
	if (creation->spec->kind != POOL_DIRECTORY && quota_enable(root, err) < 0)
		return fl_failed(err);
	rc = layout_make(root, err);
	if (rc < 0)
		return rc;
	rc = identity_write(root, identity, err);
	if (rc == 0)
		rc = fsat_sync_all(root, err);
	if (rc < 0)
		return rc;
	creation->committed = true;
	return 0;
}

/* On a Btrfs below ours, copying on write would undo the reservation.  Other file systems refuse.
 */
static void forbid_copying(int fd)
{
	int flags;

	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0) {
		flags |= FS_NOCOW_FL;
		ioctl(fd, FS_IOC_SETFLAGS, &flags);
	}
}

static int claim(struct creation *creation, struct fl_error *err)
{
	int rc;

	rc = medium_make(creation->spec, &creation->medium, err);
	creation->made = rc == 0;
	if (rc != -FL_EXISTS)
		return rc;
	return medium_open(creation->spec, &creation->medium, err);
}

static int create_in_file(struct creation *creation, const struct pool_identity *identity,
			  struct fl_error *err)
{
	const struct pool_spec *spec = creation->spec;
	const uint64_t size = spec->size - spec->size % BLOCK;
	struct medium *medium = &creation->medium;
	int rc;

	if (size < MINIMUM_SIZE)
		return fl_fail(err, FL_INVALID, "a Btrfs pool needs at least %llu MiB",
			       (unsigned long long)(MINIMUM_SIZE >> 20));
	rc = claim(creation, err);
	if (rc == 0 && !creation->made)
		rc = check_contents(creation, err);
	if (rc < 0)
		return rc;
	if (ftruncate(medium->lock, 0) < 0)
		return fl_fail_errno(err, "cannot empty '%s'", spec->path);
	forbid_copying(medium->lock);
	rc = medium_enlarge(spec, medium, size, err);
	if (rc == 0)
		rc = medium_attach(spec, medium, err);
	if (rc == 0)
		rc = make_file_system(spec, medium->source, err);
	if (rc == 0)
		rc = fill(creation, identity, err);
	return rc;
}

/* Mounted, part of something, or swap: the kernel lends it to nobody else. */
static int refuse_held(const struct pool_spec *spec, struct fl_error *err)
{
	own_free char *path = realpath(spec->path, NULL);
	own_fd int fd = -1;
	int rc;

	if (!path)
		return fl_fail_errno(err, "no device '%s'", spec->path);
	rc = fsat_open(AT_FDCWD, path, O_RDONLY | O_EXCL | O_NONBLOCK, 0, &fd, err);
	if (rc != -FL_BUSY)
		return rc;
	fl_fail(err, FL_BUSY, "device '%s' is in use", spec->path);
	return fl_hint(err, "unmount it, or choose another device");
}

static int check_device_size(int fd, const char *path, struct fl_error *err)
{
	uint64_t size;

	if (ioctl(fd, BLKGETSIZE64, &size) < 0)
		return fl_fail_errno(err, "cannot get the size of '%s'", path);
	if (size < MINIMUM_SIZE)
		return fl_fail(err, FL_INVALID, "'%s' is too small: a Btrfs pool needs %llu MiB",
			       path, (unsigned long long)(MINIMUM_SIZE >> 20));
	return 0;
}

static int create_on_device(struct creation *creation, const struct pool_identity *identity,
			    struct fl_error *err)
{
	const struct pool_spec *spec = creation->spec;
	struct medium *medium = &creation->medium;
	int rc;

	rc = medium_open(spec, medium, err); /* first: is it a device, is it another flockerd's? */
	if (rc == 0)
		rc = refuse_held(spec, err);
	if (rc == 0)
		rc = check_device_size(medium->lock, spec->path, err);
	if (rc == 0)
		rc = check_contents(creation, err);
	if (rc == 0)
		rc = make_file_system(spec, medium->source, err);
	if (rc == 0)
		rc = fill(creation, identity, err);
	return rc;
}

static int check_directory_contents(struct creation *creation, struct fl_error *err)
{
	bool empty;
	int rc;

	rc = refuse_pool(creation, err);
	if (rc < 0)
		return rc;
	rc = fsat_is_empty(creation->medium.lock, &empty, err);
	if (rc < 0)
		return rc;
	return empty ? 0 : refuse(creation->spec, "files", err);
}

static int create_in_directory(struct creation *creation, const struct pool_identity *identity,
			       struct fl_error *err)
{
	int rc;

	rc = claim(creation, err);
	if (rc == 0 && !creation->made)
		rc = check_directory_contents(creation, err);
	if (rc == 0)
		rc = fill(creation, identity, err);
	return rc;
}

static int btrfs_usable(struct fl_error *err)
{
	if (mount_check_type("btrfs", err) == 0)
		return 0;
	if (err->code == FL_UNSUPPORTED)
		return fl_hint(err, "load the module 'btrfs', or use a kernel that has it");
	return fl_hint(err, "run flockerd as root, which may mount; without: --directory PATH");
}

int btrfs_available(struct fl_error *err)
{
	const char *program;

	return btrfs_usable(err) < 0 ? fl_failed(err) : find_mkfs(&program, err);
}

int btrfs_create(const struct pool_spec *spec, const struct pool_identity *identity,
		 struct fl_error *err)
{
	own(creation_end) struct creation creation = { .spec = spec, .medium = MEDIUM_NONE };
	int rc;

	rc = btrfs_usable(err);
	if (rc < 0)
		return rc;
	switch (spec->kind) {
	case POOL_FILE:
		return create_in_file(&creation, identity, err);
	case POOL_DEVICE:
		return create_on_device(&creation, identity, err);
	case POOL_DIRECTORY:
		return create_in_directory(&creation, identity, err);
	default:
		return fl_fail(err, FL_UNSUPPORTED, "the btrfs driver makes no pool in %s",
			       pool_kind_names[spec->kind]);
	}
}
