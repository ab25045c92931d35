#include "tests/engine/place.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fsat.h"
#include "base/spawn.h"
#include "base/text.h"
#include "driver/mem/mem.h"
#include "tests/check.h"

#define ZPOOL "/usr/sbin/zpool"
#define SIZE (UINT64_C(512) << 20) /* sparse */

static void run(const char *const argv[])
{
	own(spawn_result_done) struct spawn_result result = { 0 };
	struct fl_error err;

	check_ok(spawn_run(argv, 60 * CLOCK_SECOND, &result, &err));
	if (result.status != 0)
		printf("# %s: %s\n", argv[0], text_get(&result.err));
	check(result.status == 0);
}

static void make_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	check(fd >= 0 && ftruncate(fd, SIZE) == 0);
	close(fd);
}

/* --- each driver's ----------------------------------------------------------------- */

static void in_memory(const char *directory, struct pool_spec *spec)
{
	mem_reset();
	*spec = (struct pool_spec){ .driver = "mem", .kind = POOL_MEMORY, .path = "test" };
}

/* A /tmp of this process alone, in memory; its mounts end with it, however it ends. */
static void enter_own_tmp(void)
{
	if (geteuid() != 0) {
		printf("1..0 # SKIP mounting needs root\n");
		exit(0);
	}
	check(unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, "") == 0);
	check(mount("none", "/tmp", "tmpfs", 0, "size=3g,mode=1777") == 0);
}

/* The catalogue is a file all the same, and is synced again and again. */
static void enter_memory(void)
{
	if (geteuid() == 0)
		enter_own_tmp();
}

/*
 * The dir driver works without root; and that it does is what is tested.  A snapshot syncs
 * the whole file system, which should not be one that others keep busy.
 */
static void enter_without_root(void)
{
	static const char image[] = "/tmp/image";

	if (geteuid() != 0)
		return;
	enter_own_tmp();
	make_file(image);
	/* Room for the 20,000 snapshots of a test, with some files each. */
	run((const char *[]){ "/usr/sbin/mkfs.ext4", "-q", "-N", "262144", image, NULL });
	run((const char *[]){ "/usr/bin/mount", "-o", "loop", image, "/tmp", NULL });
	check(chmod("/tmp", 01777) == 0);
	check(setgroups(0, NULL) == 0 && setresgid(65534, 65534, 65534) == 0);
	check(setresuid(65534, 65534, 65534) == 0 && prctl(PR_SET_DUMPABLE, 1) == 0);
}

static void in_directory(const char *directory, struct pool_spec *spec)
{
	*spec = (struct pool_spec){ .driver = "dir", .kind = POOL_DIRECTORY };
	snprintf(spec->path, sizeof(spec->path), "%s/pool", directory);
}

static void in_file(const char *directory, struct pool_spec *spec)
{
	*spec = (struct pool_spec){
		.driver = "btrfs", .kind = POOL_FILE, .size = SIZE, .sparse = true
	};
	snprintf(spec->path, sizeof(spec->path), "%s/pool.img", directory);
}

/* The server of with-zfs-fuse mounts where it lives itself: so we stay there. */
static void enter_zfs(void)
{
	if (getenv("WITH_ZFS_FUSE"))
		return;
	printf("1..0 # SKIP needs a private ZFS: run it by tests/with-zfs-fuse\n");
	exit(0);
}

/* A new name each time: what a failed test left stays in nobody's way. */
static char zpool[32];

static void in_zfs(const char *directory, struct pool_spec *spec)
{
	static int count;
	char file[256];

	*spec = (struct pool_spec){ .driver = "zfs", .kind = POOL_DATASET };
	snprintf(zpool, sizeof(zpool), "engine%d", ++count);
	snprintf(spec->path, sizeof(spec->path), "%s/pool", zpool);
	check(mount("none", directory, "tmpfs", 0, "size=3g,mode=700") == 0);
	snprintf(file, sizeof(file), "%s/zfs.img", directory);
	make_file(file);
	run((const char *[]){ ZPOOL, "create", "-m", "none", zpool, file, NULL });
}

/* zfs-fuse lets go of mounts some time after the kernel did. */
static void clear_zfs(const char *directory)
{
	const char *const destroy[] = { ZPOOL, "destroy", "-f", zpool, NULL };
	int64_t deadline = clock_monotonic() + CLOCK_MINUTE;
	int status = -1;

	while (status != 0 && clock_monotonic() < deadline) {
		own(spawn_result_done) struct spawn_result result = { 0 };
		struct fl_error err;

		check_ok(spawn_run(destroy, 60 * CLOCK_SECOND, &result, &err));
		status = result.status;
		if (status != 0)
			usleep(20000);
	}
	check(status == 0);
	check(umount2(directory, MNT_DETACH) == 0);
}

static int write_file(struct pool *pool, const struct tree *tree, const char *path,
		      const char *contents, struct fl_error *err)
{
	own_fd int dir = -1, file = -1;

	if (pool->driver->tree_open(pool, tree, &dir, err) < 0 ||
	    fsat_open(dir, path, O_WRONLY | O_CREAT | O_TRUNC, 0644, &file, err) < 0)
		return fl_failed(err);
	if (write(file, contents, strlen(contents)) != (ssize_t)strlen(contents))
		return fl_fail_errno(err, "%s", path);
	return 0;
}

static int read_file(struct pool *pool, const struct tree *tree, const char *path, char **ret,
		     struct fl_error *err)
{
	own_text struct text text = { 0 };
	own_fd int dir = -1;

	if (pool->driver->tree_open(pool, tree, &dir, err) < 0 ||
	    fsat_read(dir, path, 4096, &text, err) < 0)
		return fl_failed(err);
	*ret = text_take(&text);
	return 0;
}

static const struct place {
	const char *name;
	bool slow;
	void (*enter)(void);
	void (*prepare)(const char *directory, struct pool_spec *spec);
	void (*clear)(const char *directory);
	int (*write)(struct pool *pool, const struct tree *tree, const char *path,
		     const char *contents, struct fl_error *err);
	int (*read)(struct pool *pool, const struct tree *tree, const char *path, char **ret,
		    struct fl_error *err);
} places[] = {
	{ "", false, enter_memory, in_memory, NULL, mem_write, mem_read },
	{ "dir", false, enter_without_root, in_directory, NULL, write_file, read_file },
	{ "btrfs", true, enter_own_tmp, in_file, NULL, write_file, read_file },
	{ "zfs", true, enter_zfs, in_zfs, clear_zfs, write_file, read_file },
};

static const struct place *here(void)
{
	const char *name = getenv("FLOCKER_TEST_DRIVER");

	for (size_t i = 0; i < array_size(places); i++)
		if (strcmp(name ? name : "", places[i].name) == 0)
			return &places[i];
	fprintf(stderr, "FLOCKER_TEST_DRIVER: there is no '%s'\n", name);
	exit(2);
}

/* --- what the fixture needs --------------------------------------------------------- */

/* Directories are called after their process: those of processes that died are left-overs. */
static int sweep_leftover(void *arg, const char *name, unsigned char type, uint64_t inode,
			  struct fl_error *err)
{
	long pid;

	if (sscanf(name, PLACE_PREFIX "%ld.", &pid) != 1 || kill((pid_t)pid, 0) == 0 ||
	    errno != ESRCH)
		return 0;
	if (fsat_remove_tree(*(const int *)arg, name, err) == 0)
		return 0;
	if (err->code == FL_DENIED || err->code == FL_NOT_FOUND)
		return 0; /* another user's; another test sweeps it, too */
	return fl_failed(err);
}

void place_enter(void)
{
	static bool entered;
	struct fl_error err;
	own_fd int tmp = -1;

	if (!entered && here()->enter)
		here()->enter();
	entered = true;
	check_ok(fsat_open_dir(AT_FDCWD, "/tmp", &tmp, &err));
	check_ok(fsat_each(tmp, sweep_leftover, &tmp, &err));
}

void place_prepare(const char *directory, struct pool_spec *spec)
{
	here()->prepare(directory, spec);
}

void place_prepare_beside(const char *directory, struct pool_spec *spec)
{
	if (here()->prepare != in_memory)
		here()->prepare(directory, spec);
	else
		*spec = (struct pool_spec){ .driver = "mem",
					    .kind = POOL_MEMORY,
					    .path = "beside" };
}

void place_clear(const char *directory)
{
	struct fl_error err;

	if (here()->clear)
		here()->clear(directory);
	check_ok(fsat_remove_tree(AT_FDCWD, directory, &err));
	mem_reset();
}

bool place_is_slow(void)
{
	return here()->slow;
}

int place_write(struct pool *pool, const struct tree *tree, const char *contents,
		struct fl_error *err)
{
	return here()->write(pool, tree, "f", contents, err);
}

int place_read(struct pool *pool, const struct tree *tree, char **ret, struct fl_error *err)
{
	return here()->read(pool, tree, "f", ret, err);
}
