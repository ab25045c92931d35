#include "raw.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"

static void check(bool good, const char *what)
{
	if (good)
		return;
	perror(what);
	exit(1);
}

int raw_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	check(fd >= 0, path);
	return fd;
}

void raw_make_directory(int parent, const char *name)
{
	check(mkdirat(parent, name, 0755) == 0 || errno == EEXIST, name);
}

void raw_make_subvolume(int parent, const char *name)
{
	struct btrfs_ioctl_vol_args args = { 0 };

	snprintf(args.name, sizeof(args.name), "%s", name);
	check(ioctl(parent, BTRFS_IOC_SUBVOL_CREATE, &args) == 0 || errno == EEXIST, name);
}

void raw_snapshot(int source, int parent, const char *name, bool read_only)
{
	struct btrfs_ioctl_vol_args_v2 args = { .fd = source };

	args.flags = read_only ? BTRFS_SUBVOL_RDONLY : 0;
	snprintf(args.name, sizeof(args.name), "%s", name);
	check(ioctl(parent, BTRFS_IOC_SNAP_CREATE_V2, &args) == 0, name);
}

void raw_compare(int earlier, int later)
{
	struct btrfs_ioctl_get_subvol_info_args info;
	struct btrfs_ioctl_send_args args = { .flags = BTRFS_SEND_FLAG_NO_FILE_DATA };
	own_fd int memory = memfd_create("changes", MFD_CLOEXEC);

	check(memory >= 0, "memory for the changes");
	check(ioctl(earlier, BTRFS_IOC_GET_SUBVOL_INFO, &info) >= 0, "asking about a snapshot");
	args.send_fd = memory;
	args.parent_root = info.treeid;
	check(ioctl(later, BTRFS_IOC_SEND, &args) == 0, "comparing snapshots");
}

const char *raw_name(const char *kind, unsigned n)
{
	static _Thread_local char name[64];

	snprintf(name, sizeof(name), "%s-%u", kind, n);
	return name;
}

void raw_dirty(int directory)
{
	static unsigned turn;
	char block[4096];
	own_fd int fd = openat(directory, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	check(fd >= 0, "file");
	memset(block, (int)(++turn & 0xff), sizeof(block));
	check(pwrite(fd, block, sizeof(block), 0) == sizeof(block), "writing");
}

void raw_use(int directory)
{
	own_fd int fd = openat(directory, "used", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	check(fd >= 0 && write(fd, "x", 1) == 1, "using a branch");
}
