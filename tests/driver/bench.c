#include "bench.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <inttypes.h>
#include <linux/loop.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/spawn.h"
#include "driver/decorators.h"
#include "driver/mem/mem.h"

#define PREFIX "/tmp/flocker-driver-test."
#define OWN_TOP "/mnt" /* where nobody has anything that a test reads */
#define OWN_SIZE (UINT64_C(3) << 30)
#define DISK (UINT64_C(256) << 20)
#define XFS_DISK (UINT64_C(320) << 20) /* mkfs.xfs makes none below 300 MiB */
#define PATH 256

struct kind {
	const char *name;
	const char *driver;
	uint64_t size;
	int (*prepare)(struct pool_spec *spec, struct fl_error *err);
	int (*write)(struct pool *pool, const struct tree *tree, const char *path,
		     const char *contents, struct fl_error *err);
	int (*read)(struct pool *pool, const struct tree *tree, const char *path, char **ret,
		    struct fl_error *err);
};

static struct bench {
	const struct kind *kind;
	const struct driver *driver;
	bool trace;
	char directory[64];
	struct pool_spec spec;
	struct pool_identity identity;
	struct pool *inner, *outer;
} bench;

/* --- cleaning up ----------------------------------------------------------- */

static bool is_below(const char *path, const char *directory)
{
	size_t n = strlen(directory);

	return strncmp(path, directory, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

/* Mounts stand in the order in which they were made: the last one below goes first. */
static bool unmount_last(const char *directory)
{
	FILE *mounts = fopen("/proc/self/mountinfo", "re");
	char line[4096], target[4096], last[4096] = "";

	while (mounts && fgets(line, sizeof(line), mounts))
		if (sscanf(line, "%*s %*s %*s %*s %4095s", target) == 1 &&
		    is_below(target, directory))
			strcpy(last, target);
	if (mounts)
		fclose(mounts);
	return last[0] && umount2(last, MNT_DETACH) == 0;
}

static void detach_loop(const char *name)
{
	char path[PATH];
	own_fd int fd = -1;

	snprintf(path, sizeof(path), "/dev/%.32s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		ioctl(fd, LOOP_CLR_FD, 0);
}

/* Loop devices whose file lies below, even if the file is deleted already. */
static void detach_loops(const char *directory)
{
	DIR *blocks = opendir("/sys/block");
	struct dirent *entry;
	char path[PATH], backing[4096] = "";
	FILE *file;

	while (blocks && (entry = readdir(blocks))) {
		if (strncmp(entry->d_name, "loop", 4) != 0)
			continue;
		snprintf(path, sizeof(path), "/sys/block/%.32s/loop/backing_file", entry->d_name);
		file = fopen(path, "re");
		if (file && fgets(backing, sizeof(backing), file)) {
			backing[strcspn(backing, "\n")] = '\0';
			if (is_below(backing, directory))
				detach_loop(entry->d_name);
		}
		if (file)
			fclose(file);
	}
	if (blocks)
		closedir(blocks);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static bool run_quietly(const char *const argv[])
{
	struct fl_error ignored;

	return bench_run(argv, &ignored) == 0;
}

/* The pools of a private ZFS (tests/with-zfs-fuse), whatever became of the files below them. */
static void destroy_zfs_pools(void)
{
	static const char *const list[] = { "/usr/sbin/zpool", "list", "-H", "-o", "name", NULL };
	own(spawn_result_done) struct spawn_result result = { 0 };
	struct fl_error ignored;
	own_free char *names = NULL;
	char *rest, *name;

	if (!getenv("WITH_ZFS_FUSE") || spawn_run(list, 60 * CLOCK_SECOND, &result, &ignored) < 0)
		return;
	rest = names = text_take(&result.out);
	while ((name = strsep(&rest, "\n")) && name[0]) {
		const char *const destroy[] = { "/usr/sbin/zpool", "destroy", "-f", name, NULL };
		int64_t deadline = clock_monotonic() + CLOCK_MINUTE;

		while (!run_quietly(destroy) && clock_monotonic() < deadline)
			usleep(20000);
	}
}

static void clear_directory(const char *directory)
{
	while (unmount_last(directory))
		;
	destroy_zfs_pools();
	detach_loops(directory);
	nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static void sweep(void)
{
	DIR *tmp = opendir("/tmp");
	struct dirent *entry;
	char path[PATH];

	while (tmp && (entry = readdir(tmp))) {
		snprintf(path, sizeof(path), "/tmp/%.200s", entry->d_name);
		if (strncmp(path, PREFIX, strlen(PREFIX)) != 0)
			continue;
		if (kill((pid_t)atoi(path + strlen(PREFIX)), 0) < 0 && errno == ESRCH)
			clear_directory(path);
	}
	if (tmp)
		closedir(tmp);
}

/* --- places ---------------------------------------------------------------- */

int bench_run(const char *const argv[], struct fl_error *err)
{
	own(spawn_result_done) struct spawn_result result = { 0 };

	if (spawn_run(argv, 60 * CLOCK_SECOND, &result, err) < 0)
		return fl_failed(err);
	if (result.status != 0)
		return fl_fail(err, FL_SYSTEM, "%s: %s", argv[0], text_get(&result.err));
	return 0;
}

static int make_file(const char *path, uint64_t size, int *ret_fd, struct fl_error *err)
{
	own_fd int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
		return fl_fail_errno(err, "%s", path);
	*ret_fd = take_fd(fd);
	return 0;
}

/* Another process may take the free device first: then the next one. */
static int attach(int control, int fd, char path[static 32])
{
	for (;;) {
		int number = ioctl(control, LOOP_CTL_GET_FREE);
		own_fd int loop = -1;

		snprintf(path, 32, "/dev/loop%d", number);
		loop = number < 0 ? -1 : open(path, O_RDWR | O_CLOEXEC);
		if (loop >= 0 && ioctl(loop, LOOP_SET_FD, fd) == 0)
			return 0;
		if (number < 0 ||
		    (errno != EBUSY && errno != ENXIO)) /* ENXIO: let go of just now */
			return -1;
	}
}

int bench_disk(const char *name, uint64_t size, char path[static 32], struct fl_error *err)
{
	char file[PATH];
	own_fd int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	own_fd int fd = -1;

	snprintf(file, sizeof(file), "%s/%s", bench.directory, name);
	if (control < 0)
		return fl_fail_errno(err, "/dev/loop-control");
	if (make_file(file, size, &fd, err) < 0)
		return fl_failed(err);
	if (attach(control, fd, path) < 0)
		return fl_fail_errno(err, "a loop device for %s", file);
	return 0;
}

int bench_enlarge(uint64_t size, struct fl_error *err)
{
	char file[PATH];
	own_fd int loop = -1;

	if (bench.spec.kind != POOL_DEVICE)
		return 0;
	snprintf(file, sizeof(file), "%s/disk", bench.directory);
	loop = open(bench.spec.path, O_RDWR | O_CLOEXEC);
	if (truncate(file, (off_t)size) < 0 || ioctl(loop, LOOP_SET_CAPACITY, 0) < 0)
		return fl_fail_errno(err, "%s", file);
	return 0;
}

static int prepare_memory(struct pool_spec *spec, struct fl_error *err)
{
	spec->kind = POOL_MEMORY;
	spec->size = DISK;
	return 0;
}

static int prepare_file(struct pool_spec *spec, struct fl_error *err)
{
	spec->kind = POOL_FILE;
	spec->size = DISK;
	spec->sparse = true;
	return 0;
}

static int prepare_device(struct pool_spec *spec, struct fl_error *err)
{
	spec->kind = POOL_DEVICE;
	return bench_disk("disk", DISK, spec->path, err);
}

/* A file system of its own, made by `mkfs` (its last argument is the disk), with the pool in it. */
static int prepare_mounted(struct pool_spec *spec, const char *type, const char *const options[],
			   struct fl_error *err)
{
	char program[PATH], disk[32], mount_point[PATH];
	const char *mkfs[8] = { program };
	size_t count = 1;

	snprintf(program, sizeof(program), "/usr/sbin/mkfs.%s", type);
	for (; options[count - 1]; count++)
		mkfs[count] = options[count - 1];
	mkfs[count] = disk;
	snprintf(mount_point, sizeof(mount_point), "%s/mnt", bench.directory);
	snprintf(spec->path, sizeof(spec->path), "%s/pool", mount_point);
	spec->kind = POOL_DIRECTORY;
	if (bench_disk("disk", bench.kind->size, disk, err) < 0 || bench_run(mkfs, err) < 0)
		return fl_failed(err);
	if (mkdir(mount_point, 0700) < 0 || mount(disk, mount_point, type, 0, NULL) < 0 ||
	    mkdir(spec->path, 0700) < 0)
		return fl_fail_errno(err, "%s", spec->path);
	return 0;
}

static int prepare_btrfs(struct pool_spec *spec, struct fl_error *err)
{
	return prepare_mounted(spec, "btrfs", (const char *const[]){ "-q", NULL }, err);
}

/* Cannot share blocks: everything is copied. */
static int prepare_ext4(struct pool_spec *spec, struct fl_error *err)
{
	return prepare_mounted(spec, "ext4", (const char *const[]){ "-q", NULL }, err);
}

static int prepare_xfs(struct pool_spec *spec, struct fl_error *err)
{
	return prepare_mounted(spec, "xfs", (const char *const[]){ "-q", "-m", "reflink=1", NULL },
			       err);
}

/* Without root: a directory on whatever file system that is. */
static int prepare_plain(struct pool_spec *spec, struct fl_error *err)
{
	snprintf(spec->path, sizeof(spec->path), "%s/pool", bench.directory);
	spec->kind = POOL_DIRECTORY;
	return mkdir(spec->path, 0700) < 0 ? fl_fail_errno(err, "%s", spec->path) : 0;
}

static int prepare_zfs_dataset(struct pool_spec *spec, struct fl_error *err)
{
	char file[PATH];
	const char *const create[] = { "/usr/sbin/zpool", "create", "-m", "none",
				       "bench",		  file,	    NULL };
	own_fd int fd = -1;

	snprintf(file, sizeof(file), "%s/zfs.img", bench.directory);
	spec->kind = POOL_DATASET;
	strcpy(spec->path, "bench/some/where");
	if (make_file(file, DISK, &fd, err) < 0 || bench_run(create, err) < 0)
		return fl_failed(err);
	return bench_run((const char *[]){ "/usr/sbin/zfs", "create", "bench/some", NULL }, err);
}

/* --- files in trees -------------------------------------------------------- */

static int write_file(struct pool *pool, const struct tree *tree, const char *path,
		      const char *contents, struct fl_error *err)
{
	own_fd int dir = -1, fd = -1;

	if (pool->driver->tree_open(pool, tree, &dir, err) < 0)
		return fl_failed(err);
	if (!contents)
		return unlinkat(dir, path, 0) < 0 ? fl_fail_errno(err, "%s", path) : 0;
	fd = openat(dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, contents, strlen(contents)) != (ssize_t)strlen(contents))
		return fl_fail_errno(err, "%s", path);
	return 0;
}

static int read_file(struct pool *pool, const struct tree *tree, const char *path, char **ret,
		     struct fl_error *err)
{
	own_text struct text contents = { 0 };
	own_fd int dir = -1, fd = -1;
	char buffer[65536];
	ssize_t n;

	if (pool->driver->tree_open(pool, tree, &dir, err) < 0)
		return fl_failed(err);
	fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fl_fail_errno(err, "%s", path);
	while ((n = read(fd, buffer, sizeof(buffer))) > 0)
		text_add(&contents, buffer, (size_t)n);
	if (n < 0)
		return fl_fail_errno(err, "%s", path);
	*ret = text_take(&contents);
	return 0;
}

static const struct kind kinds[] = {
	{ "mem", "mem", DISK, prepare_memory, mem_write, mem_read },
	{ "btrfs-file", "btrfs", DISK, prepare_file, write_file, read_file },
	{ "btrfs-device", "btrfs", DISK, prepare_device, write_file, read_file },
	{ "btrfs-directory", "btrfs", DISK, prepare_btrfs, write_file, read_file },
	{ "dir-ext4", "dir", DISK, prepare_ext4, write_file, read_file },
	{ "dir-xfs", "dir", XFS_DISK, prepare_xfs, write_file, read_file },
	{ "dir-user", "dir", 0, prepare_plain, write_file, read_file },
	{ "zfs-file", "zfs", DISK, prepare_file, write_file, read_file },
	{ "zfs-dataset", "zfs", DISK, prepare_zfs_dataset, write_file, read_file },
};

/* --- the bench ------------------------------------------------------------- */

static const struct kind *find_kind(const char *name, size_t length)
{
	for (size_t i = 0; i < array_size(kinds); i++)
		if (strlen(kinds[i].name) == length && strncmp(kinds[i].name, name, length) == 0)
			return &kinds[i];
	return NULL;
}

static void begin_here(void)
{
	if (bench.trace)
		log_set_level(LOG_LEVEL_DEBUG);
	sweep();
	snprintf(bench.directory, sizeof(bench.directory), PREFIX "%d", (int)getpid());
}

/*
 * Root has a file system of this process alone, in memory, whose mounts end with it: how slow the
 * disk is, and who else keeps it busy, has no part in the tests, nor has anybody else their mounts.
 * Beside a private ZFS the mount namespace is private already, and its server has to stay in it.
 * The directory keeps a name that no other process has: by it loop devices are told from others'.
 */
static void enter_own_file_system(void)
{
	static const char image[] = OWN_TOP "/image";
	const char *const mkfs[] = { "/usr/sbin/mkfs.ext4", "-q", image, NULL };
	const char *const mount_it[] = { "/usr/bin/mount", "-o", "loop", image, OWN_TOP, NULL };
	bool own = getenv("WITH_ZFS_FUSE") != NULL;
	struct fl_error err = { 0 };
	own_fd int fd = -1;

	if ((!own && unshare(CLONE_NEWNS) < 0) ||
	    (!own && mount("none", "/", NULL, MS_REC | MS_PRIVATE, "") < 0) ||
	    mount("none", OWN_TOP, "tmpfs", 0, "size=4g,mode=755") < 0 ||
	    make_file(image, OWN_SIZE, &fd, &err) < 0 || bench_run(mkfs, &err) < 0 ||
	    bench_run(mount_it, &err) < 0 || chmod(OWN_TOP, 01777) < 0) {
		printf("# no file system of our own: %s\n", err.code ? err.text : strerror(errno));
		exit(1);
	}
	snprintf(bench.directory, sizeof(bench.directory), OWN_TOP "/flocker-driver-test.%d",
		 (int)getpid());
}

/* The rights of nobody, for good; what needs times of change that can be trusted needs ext4 or the
 * like. */
static bool begin_as_user(const char **why)
{
	struct statfs fs;

	begin_here();
	if (geteuid() == 0)
		enter_own_file_system();
	*why = "the file system of /tmp is none that the driver knows";
	if (statfs(geteuid() == 0 ? OWN_TOP : "/tmp", &fs) < 0 ||
	    (fs.f_type != EXT4_SUPER_MAGIC && fs.f_type != BTRFS_SUPER_MAGIC))
		return false;
	*why = "the rights of root cannot be given up";
	return geteuid() != 0 ||
	       (setgroups(0, NULL) == 0 && setresgid(65534, 65534, 65534) == 0 &&
		setresuid(65534, 65534, 65534) == 0 && prctl(PR_SET_DUMPABLE, 1) == 0);
}

bool bench_begin(const char *name, const char **why)
{
	size_t length = strcspn(name, "+");
	struct fl_error err;

	bench.kind = find_kind(name, length);
	bench.trace = strcmp(name + length, "+trace") == 0;
	if (!bench.kind || driver_find(bench.kind->driver, &bench.driver, &err) < 0) {
		fprintf(stderr, "there is no bench '%s'\n", name);
		exit(2);
	}
	if (bench.kind->prepare == prepare_plain)
		return begin_as_user(why);
	*why = "needs a private ZFS: run it by tests/with-zfs-fuse";
	if (strcmp(bench.kind->driver, "zfs") == 0 && !getenv("WITH_ZFS_FUSE"))
		return false;
	*why = "mounting needs root";
	if (geteuid() != 0 && strcmp(bench.kind->driver, "mem") != 0)
		return false;
	begin_here();
	if (strcmp(bench.kind->driver, "mem") != 0)
		enter_own_file_system();
	return true;
}

void bench_end(void)
{
	bench_close();
	mem_reset();
	clear_directory(bench.directory);
}

const char *bench_directory(void)
{
	return bench.directory;
}

uint64_t bench_size(void)
{
	return bench.kind->size;
}

const struct driver *bench_driver(void)
{
	return bench.driver;
}

const struct pool_spec *bench_spec(void)
{
	return &bench.spec;
}

struct pool_identity bench_identity(void)
{
	return bench.identity;
}

void bench_close(void)
{
	if (bench.outer)
		bench.outer->driver->close(bench.outer);
	bench.inner = bench.outer = NULL;
}

int bench_place(struct fl_error *err)
{
	bench_close();
	mem_reset();
	clear_directory(bench.directory);
	if (mkdir(bench.directory, 0700) < 0)
		return fl_fail_errno(err, "%s", bench.directory);
	bench.spec = (struct pool_spec){ 0 };
	strcpy(bench.spec.driver, bench.kind->driver);
	snprintf(bench.spec.path, sizeof(bench.spec.path), "%s/pool.img", bench.directory);
	bench.identity = (struct pool_identity){ POOL_FORMAT, uuid_new(), uuid_new() };
	return bench.kind->prepare(&bench.spec, err);
}

int bench_reopen(struct pool **ret, struct fl_error *err)
{
	bench_close();
	if (bench.driver->open(&bench.spec, &bench.inner, err) < 0)
		return fl_failed(err);
	bench.outer = bench.trace ? trace_wrap(bench.inner) : bench.inner;
	*ret = bench.outer;
	return 0;
}

int bench_fresh(struct pool **ret, struct fl_error *err)
{
	if (bench_place(err) < 0 || bench.driver->create(&bench.spec, &bench.identity, err) < 0)
		return fl_failed(err);
	return bench_reopen(ret, err);
}

struct pool *bench_wrap(struct pool *(*wrap)(struct pool *inner, void *arg), void *arg)
{
	bench.outer = wrap(bench.outer, arg);
	return bench.outer;
}

int bench_write(const struct tree *tree, const char *path, const char *contents,
		struct fl_error *err)
{
	return bench.kind->write(bench.inner, tree, path, contents, err);
}

int bench_read(const struct tree *tree, const char *path, char **ret, struct fl_error *err)
{
	return bench.kind->read(bench.inner, tree, path, ret, err);
}
