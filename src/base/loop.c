#include "base/loop.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/fsat.h"

/*
 * Attaching is a race by its nature: the kernel names a device that is free,
 * and somebody else may take it before we do.  Then another is asked for.
 *
 * Sectors are 4,096 bytes: direct I/O must be aligned to the sectors of the
 * disk below, which are 512 or 4,096, and the file systems that go on top write
 * nothing smaller.
 */
#define SECTOR 4096
#define ATTEMPTS 64

static int control(int *ret_fd, struct fl_error *err)
{
	int rc = fsat_open(AT_FDCWD, "/dev/loop-control", O_RDWR, 0, ret_fd, err);

	if (rc == -FL_NOT_FOUND) {
		fl_fail(err, FL_UNSUPPORTED, "this kernel has no loop devices");
		return fl_hint(err, "load the module 'loop', or use a device instead of a file");
	}
	return rc;
}

static int open_device(int number, int *ret_fd, char path[static LOOP_PATH], struct fl_error *err)
{
	snprintf(path, LOOP_PATH, "/dev/loop%d", number);
	return fsat_open(AT_FDCWD, path, O_RDWR, 0, ret_fd, err);
}

int loop_attach(int fd, int *ret_fd, char path[static LOOP_PATH], struct fl_error *err)
{
	struct loop_config config = {
		.fd = (uint32_t)fd,
		.block_size = SECTOR,
		.info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO,
	};
	own_fd int ctl = -1;
	int rc;

	rc = control(&ctl, err);
	if (rc < 0)
		return rc;
	for (int i = 0; i < ATTEMPTS; i++) {
		own_fd int device = -1;
		int number = ioctl(ctl, LOOP_CTL_GET_FREE);

		if (number < 0)
			return fl_fail_errno(err, "cannot get a free loop device");
		rc = open_device(number, &device, path, err);
		if (rc < 0)
			return rc;
		if (ioctl(device, LOOP_CONFIGURE, &config) == 0) {
			*ret_fd = take_fd(device);
			return 0;
		}
		if (errno != EBUSY)
			return fl_fail_errno(err, "cannot attach '%s'", path);
	}
	return fl_fail(err, FL_BUSY, "no free loop device");
}

struct search {
	struct stat file;
	int found; /* descriptor, or -1 */
	char *path;
};

static bool is_over(int device, const struct stat *file)
{
	struct loop_info64 info;

	return ioctl(device, LOOP_GET_STATUS64, &info) == 0 && info.lo_device == file->st_dev &&
	       info.lo_inode == file->st_ino && info.lo_offset == 0 && info.lo_sizelimit == 0;
}

static int look_at_device(void *arg, const char *name, unsigned char type, uint64_t inode,
			  struct fl_error *err)
{
	struct search *search = arg;
	own_fd int device = -1;
	char attached[64];
	struct stat st;
	int number;

	if (search->found >= 0 || sscanf(name, "loop%d", &number) != 1)
		return 0;
	/* Only an attached one has this; opening the others would be a waste. */
	snprintf(attached, sizeof(attached), "/sys/block/loop%d/loop", number);
	if (stat(attached, &st) < 0 || open_device(number, &device, search->path, err) < 0)
		return 0;
	/* Held open by us now, so the answer stays true. */
	if (is_over(device, &search->file))
		search->found = take_fd(device);
	return 0;
}

int loop_find(int fd, int *ret_fd, char path[static LOOP_PATH], struct fl_error *err)
{
	struct search search = { .found = -1, .path = path };
	own_fd int dir = -1;
	int rc;

	if (fstat(fd, &search.file) < 0)
		return fl_fail_errno(err, "cannot look at a file");
	rc = fsat_open_dir(AT_FDCWD, "/sys/block", &dir, err);
	if (rc < 0)
		return rc;
	rc = fsat_each(dir, look_at_device, &search, err);
	if (rc < 0)
		return rc;
	if (search.found < 0)
		return fl_fail(err, FL_NOT_FOUND, "no loop device is attached to the file");
	*ret_fd = search.found;
	return 0;
}

int loop_resize(int loop_fd, struct fl_error *err)
{
	if (ioctl(loop_fd, LOOP_SET_CAPACITY, 0) < 0)
		return fl_fail_errno(err, "cannot resize a loop device");
	return 0;
}
