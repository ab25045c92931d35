#include "driver/medium.h"

#include <blkid/blkid.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/fsat.h"
#include "base/loop.h"

/*
 * The lock is an flock() on the thing itself: the kernel drops it when the
 * process ends, however it ends.  In a directory it is on the directory and not
 * on a file in it, because files there are replaced by renaming.
 *
 * A loop device outlives the process that made it while something that
 * expose() made visible is in use.  The next process finds and uses it: a second
 * device over the same file would be a second, inconsistent view of it.  The
 * device keeps the open file that it was given: it gets one of its own, or the
 * lock would live as long as it does.
 */

void medium_detach(struct medium *medium)
{
	own_fd int loop __attribute__((unused)) = take_fd(medium->loop);
}

void medium_done(struct medium *medium)
{
	medium_detach(medium);
	own_fdp(&medium->lock);
	medium->lock = -1;
}

static int check_directory(int fd, const char *path, struct fl_error *err)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return fl_fail_errno(err, "cannot look at the file system of '%s'", path);
	if (fs.f_type == BTRFS_SUPER_MAGIC)
		return 0;
	fl_fail(err, FL_UNSUPPORTED, "'%s' does not lie on Btrfs", path);
	return fl_hint(err, "choose a directory on a Btrfs file system, or make a pool in a file");
}

static int check_type(const struct pool_spec *spec, int fd, struct fl_error *err)
{
	static const mode_t types[] = {
		[POOL_FILE] = S_IFREG,
		[POOL_DEVICE] = S_IFBLK,
		[POOL_DIRECTORY] = S_IFDIR,
	};
	static const char *const names[] = {
		[POOL_FILE] = "regular file",
		[POOL_DEVICE] = "block device",
		[POOL_DIRECTORY] = "directory",
	};
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fl_fail_errno(err, "cannot look at '%s'", spec->path);
	if ((st.st_mode & S_IFMT) != types[spec->kind])
		return fl_fail(err, FL_INVALID, "'%s' is no %s", spec->path, names[spec->kind]);
	return spec->kind == POOL_DIRECTORY ? check_directory(fd, spec->path, err) : 0;
}

static int check_kind(const struct pool_spec *spec, struct fl_error *err)
{
	if (spec->kind == POOL_FILE || spec->kind == POOL_DEVICE || spec->kind == POOL_DIRECTORY)
		return 0;
	return fl_fail(err, FL_UNSUPPORTED, "the btrfs driver keeps no pool in %s",
		       pool_kind_names[spec->kind]);
}

int medium_lock(int fd, const char *path, struct fl_error *err)
{
	own_text struct text holder = { 0 };
	int rc = fsat_lock(fd, err);

	if (rc != -FL_BUSY)
		return rc;
	fsat_lock_holder(fd, &holder);
	fl_fail(err, FL_BUSY, "pool '%s' is in use by %s", path, text_get(&holder));
	return fl_hint(err, "is another flockerd running on it?");
}

static int medium_fill(const struct pool_spec *spec, int *fd, const char *path, struct medium *ret,
		       struct fl_error *err)
{
	int rc;

	rc = check_type(spec, *fd, err);
	if (rc < 0)
		return rc;
	rc = medium_lock(*fd, path, err);
	if (rc < 0)
		return rc;
	*ret = (struct medium)MEDIUM_NONE;
	snprintf(ret->path, sizeof(ret->path), "%s", path);
	snprintf(ret->source, sizeof(ret->source), "%s", path);
	ret->lock = take_fd(*fd);
	return 0;
}

int medium_open(const struct pool_spec *spec, struct medium *ret, struct fl_error *err)
{
	const int flags = spec->kind == POOL_DIRECTORY ? O_RDONLY : O_RDWR | O_NONBLOCK;
	own_free char *path = NULL;
	own_fd int fd = -1;
	int rc;

	rc = check_kind(spec, err);
	if (rc < 0)
		return rc;
	path = realpath(spec->path, NULL);
	if (!path)
		return fl_fail_errno(err, "no pool at '%s'", spec->path);
	rc = fsat_open(AT_FDCWD, path, flags, 0, &fd, err);
	if (rc < 0 && err->sys == EISDIR)
		return fl_fail(err, FL_INVALID, "'%s' is a directory", path);
	if (rc < 0)
		return rc;
	return medium_fill(spec, &fd, path, ret, err);
}

static int make_new(const struct pool_spec *spec, int *ret_fd, struct fl_error *err)
{
	if (spec->kind == POOL_FILE)
		return fsat_open(AT_FDCWD, spec->path, O_RDWR | O_CREAT | O_EXCL, 0600, ret_fd,
				 err);
	if (fsat_make_dir(AT_FDCWD, spec->path, 0711, err) < 0)
		return fl_failed(err);
	return fsat_open_dir(AT_FDCWD, spec->path, ret_fd, err);
}

static int remove_new(const struct pool_spec *spec, struct fl_error *err)
{
	return spec->kind == POOL_FILE ? fsat_unlink(AT_FDCWD, spec->path, err)
				       : fsat_rmdir(AT_FDCWD, spec->path, err);
}

int medium_make(const struct pool_spec *spec, struct medium *ret, struct fl_error *err)
{
	struct fl_error ignored;
	own_fd int fd = -1;
	int rc;

	rc = check_kind(spec, err);
	if (rc < 0)
		return rc;
	rc = make_new(spec, &fd, err);
	if (rc < 0)
		return rc;
	rc = medium_fill(spec, &fd, spec->path, ret, err);
	if (rc < 0)
		(void)!remove_new(spec, &ignored);
	return rc;
}

int medium_attach(const struct pool_spec *spec, struct medium *medium, struct fl_error *err)
{
	char device[LOOP_PATH];
	own_fd int file = -1;
	int rc;

	if (spec->kind != POOL_FILE || medium->loop >= 0)
		return 0;
	rc = fsat_open(AT_FDCWD, medium->path, O_RDWR, 0, &file, err);
	if (rc < 0)
		return rc;
	rc = loop_find(file, &medium->loop, device, err);
	if (rc == -FL_NOT_FOUND)
		rc = loop_attach(file, &medium->loop, device, err);
	else if (rc == 0)
		rc = loop_resize(medium->loop, err); /* grown, and then the process ended */
	if (rc < 0)
		return fl_wrap(err, "pool file '%s'", medium->path);
	snprintf(medium->source, sizeof(medium->source), "%s", device);
	return 0;
}

static int no_room(const struct pool_spec *spec, uint64_t size, struct fl_error *err)
{
	fl_fail(err, FL_NO_SPACE, "no room for '%s' of %" PRIu64 " bytes", spec->path, size);
	return fl_hint(err, spec->sparse ? "choose a smaller size"
					 : "choose a smaller size, or do not reserve: --sparse");
}

/*
 * Asking for more than there is would fail in the end, but only after all that
 * is left had been taken, and others had met a full disk meanwhile.
 */
static bool has_room(int fd, const struct stat *file, uint64_t size)
{
	const uint64_t reserved = (uint64_t)file->st_blocks * 512;
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return true; /* then the call itself tells */
	return size <= reserved || (size - reserved) / (uint64_t)fs.f_bsize <= fs.f_bavail;
}

int medium_enlarge(const struct pool_spec *spec, const struct medium *medium, uint64_t size,
		   struct fl_error *err)
{
	const int fd = medium->lock;
	struct stat before;
	int rc;

	if (fstat(fd, &before) < 0)
		return fl_fail_errno(err, "cannot look at '%s'", spec->path);
	if (!spec->sparse && !has_room(fd, &before, size))
		return no_room(spec, size, err);
	rc = spec->sparse ? ftruncate(fd, (off_t)size) : fallocate(fd, 0, 0, (off_t)size);
	if (rc == 0)
		return fsat_sync(fd, err);
	if (errno == ENOSPC || errno == EFBIG || errno == EDQUOT)
		rc = no_room(spec, size, err);
	else
		rc = fl_fail_errno(err, "cannot make '%s' of %" PRIu64 " bytes", spec->path, size);
	(void)!ftruncate(fd, before.st_size); /* what was reserved before it failed */
	return rc;
}

static void free_probep(blkid_probe *probe)
{
	blkid_free_probe(*probe);
}

int medium_contents(const struct medium *medium, char text[static MEDIUM_CONTENTS],
		    struct fl_error *err)
{
	own(free_probep) blkid_probe probe = blkid_new_probe();
	const char *value;
	int found;

	if (!probe || blkid_probe_set_device(probe, medium->lock, 0, 0) < 0)
		return fl_fail(err, FL_SYSTEM, "cannot look at what '%s' holds", medium->path);
	blkid_probe_enable_superblocks(probe, 1);
	blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_TYPE);
	blkid_probe_enable_partitions(probe, 1);
	found = blkid_do_safeprobe(probe);
	if (found == -1)
		return fl_fail(err, FL_SYSTEM, "cannot read '%s'", medium->path);
	text[0] = '\0';
	if (found == -2)
		snprintf(text, MEDIUM_CONTENTS, "several things at once");
	else if (found == 0 && blkid_probe_lookup_value(probe, "TYPE", &value, NULL) == 0)
		snprintf(text, MEDIUM_CONTENTS, "%s", value);
	else if (found == 0 && blkid_probe_lookup_value(probe, "PTTYPE", &value, NULL) == 0)
		snprintf(text, MEDIUM_CONTENTS, "%s partition table", value);
	else if (found == 0)
		snprintf(text, MEDIUM_CONTENTS, "something unknown");
	return 0;
}

int medium_label(const struct medium *medium, const char *fact, char text[static MEDIUM_LABEL],
		 struct fl_error *err)
{
	own(free_probep) blkid_probe probe = blkid_new_probe();
	const char *value;

	if (!probe || blkid_probe_set_device(probe, medium->lock, 0, 0) < 0)
		return fl_fail(err, FL_SYSTEM, "cannot look at what '%s' holds", medium->path);
	blkid_probe_enable_superblocks(probe, 1);
	blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_LABEL | BLKID_SUBLKS_UUID);
	if (blkid_do_safeprobe(probe) != 0 ||
	    blkid_probe_lookup_value(probe, fact, &value, NULL) < 0)
		return fl_fail(err, FL_INVALID, "'%s' does not say its %s", medium->path, fact);
	snprintf(text, MEDIUM_LABEL, "%s", value);
	return 0;
}

int medium_stats(const struct pool_spec *spec, const struct medium *medium,
		 struct pool_stats *stats, struct fl_error *err)
{
	struct statvfs host;
	struct stat st;
	uint64_t blocks;

	if (fstatvfs(medium->lock, &host) < 0 || fstat(medium->lock, &st) < 0)
		return fl_fail_errno(err, "cannot look at '%s'", medium->path);
	stats->host_free = (uint64_t)host.f_bavail * host.f_frsize;
	blocks = (uint64_t)st.st_blocks * 512;
	if (spec->sparse && (uint64_t)st.st_size > blocks)
		stats->host_needed = (uint64_t)st.st_size - blocks;
	return 0;
}
