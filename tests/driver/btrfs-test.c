/*
 * What only a Btrfs pool can meet: images, disks and directories that are not
 * ours, devices in use, nested subvolumes, sparse and compressed pools.
 */

#include "suite.h"

#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fsat.h"

#define MIB (UINT64_C(1) << 20)

static struct pool_identity some_identity(void)
{
	return (struct pool_identity){ POOL_FORMAT, uuid_new(), uuid_new() };
}

static int create_at(const struct pool_spec *spec, struct fl_error *err)
{
	const struct pool_identity identity = some_identity();

	return bench_driver()->create(spec, &identity, err);
}

/* Opens and closes: is there a pool? */
static int try_open(const struct pool_spec *spec, struct fl_error *err)
{
	struct pool *pool = NULL;
	int r = bench_driver()->open(spec, &pool, err);

	if (r == 0)
		bench_driver()->close(pool);
	return r;
}

static struct pool_spec file_spec(const char *name)
{
	struct pool_spec spec = { "btrfs", POOL_FILE, .size = 256 * MIB, .sparse = true };

	snprintf(spec.path, sizeof(spec.path), "%s/%s", bench_directory(), name);
	return spec;
}

static void write_host_file(const char *path, const char *contents, off_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ssize_t n;

	check(fd >= 0);
	n = write(fd, contents, strlen(contents));
	size = size ? ftruncate(fd, size) : 0;
	close(fd);
	check(n == (ssize_t)strlen(contents) && size == 0);
}

static void check_host_file(const char *path, const char *contents)
{
	char got[64] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	check(fd >= 0);
	check(read(fd, got, strlen(contents)) == (ssize_t)strlen(contents));
	close(fd);
	check_string(contents, got);
}

/* --- files ------------------------------------------------------------------- */

static void a_file_that_is_not_ours_is_left_alone(void)
{
	struct fl_error err = { 0 };
	struct pool_spec spec;

	check_ok(bench_place(&err));
	spec = file_spec("letter");
	write_host_file(spec.path, "dear aunt", 0);
	check_code(FL_BUSY, create_at(&spec, &err));
	check_host_file(spec.path, "dear aunt");
	check_code(FL_INVALID, try_open(&spec, &err));
	check_host_file(spec.path, "dear aunt");
	spec.force = true;
	check_ok(create_at(&spec, &err));
	check_ok(try_open(&spec, &err));
}

static void another_btrfs_is_no_pool(void)
{
	struct fl_error err = { 0 };
	struct pool_spec spec;
	const char *const mkfs[] = { "/usr/sbin/mkfs.btrfs", "-q", spec.path, NULL };

	check_ok(bench_place(&err));
	spec = file_spec("other.img");
	write_host_file(spec.path, "", (off_t)spec.size);
	check_ok(bench_run(mkfs, &err));
	check_code(FL_INVALID, try_open(&spec, &err));
	check_code(FL_BUSY, create_at(&spec, &err));
	check_code(FL_INVALID, try_open(&spec, &err));
}

static uint64_t blocks_of(const char *path)
{
	struct stat st = { 0 };

	check(stat(path, &st) == 0);
	return (uint64_t)st.st_blocks * 512;
}

static void a_pool_is_preallocated_unless_it_is_sparse(void)
{
	struct fl_error err = { 0 };
	struct pool_spec spec;
	struct pool_stats stats;
	struct pool *pool = NULL;

	check_ok(bench_place(&err));
	spec = file_spec("pool");
	check_ok(create_at(&spec, &err));
	check(blocks_of(spec.path) < 64 * MIB);
	check_ok(bench_driver()->open(&spec, &pool, &err));
	check_ok(call(pool, stats, &stats, &err));
	bench_driver()->close(pool);
	check(stats.host_needed > 128 * MIB && stats.host_free > 0);
	check(unlink(spec.path) == 0);
	spec.sparse = false;
	check_ok(create_at(&spec, &err));
	check(blocks_of(spec.path) >= 250 * MIB);
	check_ok(bench_driver()->open(&spec, &pool, &err));
	check_ok(call(pool, stats, &stats, &err));
	bench_driver()->close(pool);
	check(stats.host_needed == 0);
}

static void a_pool_that_does_not_fit_leaves_no_file(void)
{
	struct fl_error err = { 0 };
	struct pool_spec spec;

	check_ok(bench_place(&err));
	spec = file_spec("huge");
	spec.sparse = false;
	spec.size = UINT64_C(1) << 43; /* a file may be so large, the disk is not */
	check_code(FL_NO_SPACE, create_at(&spec, &err));
	check(access(spec.path, F_OK) < 0);
}

static void a_folder_that_is_missing_is_named(void)
{
	struct fl_error err = { 0 };
	struct pool_spec spec;

	check_ok(bench_place(&err));
	spec = file_spec("no-such-folder/pool");
	check_code(FL_NOT_FOUND, create_at(&spec, &err));
	check(strstr(err.text, "no-such-folder"));
}

static void a_compressed_pool_holds_more_than_it_uses(void)
{
	struct fl_error err = { 0 };
	struct pool_spec spec;
	struct pool *pool = NULL;
	struct pool_stats before, after;
	struct uuid branch = uuid_new();
	struct tree head = tree_head(&branch);
	static char page[MIB];
	int dir = -1, fd, r = 0;

	check_ok(bench_place(&err));
	spec = file_spec("pool");
	spec.compress = true;
	check_ok(create_at(&spec, &err));
	check_ok(bench_driver()->open(&spec, &pool, &err));
	check_ok(call(pool, stats, &before, &err));
	check_ok(call(pool, head_create, &branch, &err));
	check_ok(call(pool, tree_open, &head, &dir, &err));
	memset(page, 'z', sizeof(page));
	fd = openat(dir, "zeds", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	for (int i = 0; i < 32 && r == 0; i++)
		r = write(fd, page, sizeof(page)) == (ssize_t)sizeof(page) ? 0 : -1;
	close(fd);
	close(dir);
	check(r == 0);
	check_ok(call(pool, sync, &err));
	check_ok(call(pool, stats, &after, &err));
	bench_driver()->close(pool);
	check(after.used < before.used + 8 * MIB);
}

/* --- devices ----------------------------------------------------------------- */

static struct pool_spec device_spec(const char *disk, uint64_t size)
{
	struct pool_spec spec = { "btrfs", POOL_DEVICE };
	struct fl_error err = { 0 };

	check_ok(bench_disk(disk, size, spec.path, &err));
	return spec;
}

static void a_disk_that_holds_something_is_refused(void)
{
	struct fl_error err = { 0 };
	struct pool_spec spec;
	const char *const mkfs[] = { "/usr/sbin/mkfs.ext4", "-q", spec.path, NULL };
	const char *const fsck[] = { "/usr/sbin/e2fsck", "-fn", spec.path, NULL };

	check_ok(bench_place(&err));
	spec = device_spec("ext4", 256 * MIB);
	check_ok(bench_run(mkfs, &err));
	check_code(FL_BUSY, create_at(&spec, &err));
	check(strstr(err.text, "ext4"));
	check_ok(bench_run(fsck, &err));
	check_code(FL_INVALID, try_open(&spec, &err));
	check_ok(bench_run(fsck, &err));
	spec.force = true;
	check_ok(create_at(&spec, &err));
	check_ok(try_open(&spec, &err));
}

static void a_disk_in_use_is_refused_even_by_force(void)
{
	struct fl_error err = { 0 };
	struct pool_spec spec;
	char mount_point[128];
	const char *const mkfs[] = { "/usr/sbin/mkfs.ext4", "-q", spec.path, NULL };
	int r;

	check_ok(bench_place(&err));
	spec = device_spec("ext4", 256 * MIB);
	check_ok(bench_run(mkfs, &err));
	snprintf(mount_point, sizeof(mount_point), "%s/mounted", bench_directory());
	check(mkdir(mount_point, 0700) == 0);
	check(mount(spec.path, mount_point, "ext4", 0, NULL) == 0);
	spec.force = true;
	r = create_at(&spec, &err);
	umount(mount_point);
	check_code(FL_BUSY, r);
	r = mount(spec.path, mount_point, "ext4", 0, NULL);
	umount(mount_point);
	check(r == 0);
}

static void an_empty_disk_becomes_a_pool_once(void)
{
	struct fl_error err = { 0 };
	struct pool_spec spec;

	check_ok(bench_place(&err));
	spec = device_spec("disk", 256 * MIB);
	check_code(FL_INVALID, try_open(&spec, &err));
	check_ok(create_at(&spec, &err));
	check_code(FL_EXISTS, create_at(&spec, &err));
	check_ok(try_open(&spec, &err));
}

static void a_disk_that_is_too_small_is_refused(void)
{
	struct fl_error err = { 0 };
	struct pool_spec spec;

	check_ok(bench_place(&err));
	spec = device_spec("disk", 4 * MIB);
	check_code(FL_INVALID, create_at(&spec, &err));
	check_code(FL_INVALID, try_open(&spec, &err));
}

/* --- directories --------------------------------------------------------------- */

static void a_directory_on_another_file_system_is_unsupported(void)
{
	struct fl_error err = { 0 };
	struct pool_spec spec = { "btrfs", POOL_DIRECTORY };

	check_ok(bench_place(&err));
	snprintf(spec.path, sizeof(spec.path), "%s/plain", bench_directory());
	check(mkdir(spec.path, 0700) == 0);
	check_code(FL_UNSUPPORTED, create_at(&spec, &err));
	check(rmdir(spec.path) == 0); /* still empty */
}

/* --- contents ------------------------------------------------------------------ */

static int make_subvolume(struct pool *pool, const struct tree *tree, const char *folder,
			  const char *name)
{
	struct btrfs_ioctl_vol_args args = { 0 };
	struct fl_error err = { 0 };
	own_fd int dir = -1, inner = -1;

	strcpy(args.name, name);
	if (call(pool, tree_open, tree, &dir, &err) < 0 || mkdirat(dir, folder, 0700) < 0)
		return -1;
	inner = openat(dir, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return inner < 0 ? -1 : ioctl(inner, BTRFS_IOC_SUBVOL_CREATE, &args);
}

static void what_a_snapshot_would_leave_out_is_refused_and_named(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct uuid branch = uuid_new();
	struct tree head = tree_head(&branch), first = snapshot_number(&branch, 1);

	check_ok(call(pool, head_create, &branch, &err));
	check(make_subvolume(pool, &head, "folder", "nested") == 0);
	check_code(FL_UNSUPPORTED, call(pool, snapshot, &head, &first, &err));
	check(strstr(err.text, "folder/nested"));
	CHECK_LISTS(pool, &head);
	check_ok(call(pool, tree_delete, &head, &err));
	CHECK_LISTS(pool, NULL);
}

static uint64_t uncleaned(struct pool *pool)
{
	struct fl_error err = { 0 };
	struct pool_stats stats = { 0 };

	check_ok(call(pool, stats, &stats, &err));
	return stats.uncleaned;
}

static void what_is_deleted_and_not_cleaned_yet_is_counted(void)
{
	enum { COUNT = 40 };
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct uuid branch = uuid_new();
	struct tree head = tree_head(&branch);
	uint64_t most = 0, now;
	int64_t deadline;

	check_ok(call(pool, head_create, &branch, &err));
	for (int i = 1; i <= COUNT; i++) {
		struct tree snapshot = snapshot_number(&branch, i);

		check_ok(call(pool, snapshot, &head, &snapshot, &err));
	}
	check(uncleaned(pool) == 0);
	for (int i = 1; i <= COUNT; i++) {
		struct tree snapshot = snapshot_number(&branch, i);

		check_ok(call(pool, tree_delete, &snapshot, &err));
		now = uncleaned(pool); /* the kernel may clean up at any time */
		most = now > most ? now : most;
	}
	check(most > 0 && most <= COUNT);
	deadline = clock_monotonic() + 2 * CLOCK_MINUTE;
	while (uncleaned(pool) > 0 && clock_monotonic() < deadline)
		check_ok(call(pool, sync, &err));
	check(uncleaned(pool) == 0);
	check_ok(call(pool, tree_delete, &head, &err));
}

static int make_below(int dir, const char *name, bool subvolume)
{
	struct btrfs_ioctl_vol_args args = { 0 };

	strcpy(args.name, name);
	return subvolume ? ioctl(dir, BTRFS_IOC_SUBVOL_CREATE, &args) : mkdirat(dir, name, 0700);
}

/* Goes down by `levels`; each `keep`-th is open in `kept`. */
static void go_below(int *dir, const char *name, bool subvolume, int levels, int keep, int *kept)
{
	for (int i = 0; i < levels; i++) {
		int next;

		check(make_below(*dir, name, subvolume) == 0);
		next = openat(*dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		check(next >= 0);
		close(*dir);
		*dir = next;
		if (kept && i % keep == 0)
			kept[i / keep] = dup(next);
	}
}

/*
 * Whoever writes to a head can make subvolumes, any number below each other, in
 * directories of any depth, and make them read-only.
 */
static void subvolumes_inside_are_deleted_wherever_they_are(void)
{
	enum { LEVELS = 3000, KEEP = 500 };
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct uuid branch = uuid_new();
	struct tree head = tree_head(&branch);
	int kept[LEVELS / KEEP];
	uint64_t flags = BTRFS_SUBVOL_RDONLY;
	own_fd int top = -1, dir = -1;
	char name[256];

	memset(name, 'd', 255);
	name[255] = '\0';
	check_ok(call(pool, head_create, &branch, &err));
	check_ok(call(pool, tree_open, &head, &top, &err));
	check((dir = dup(top)) >= 0);
	go_below(&dir, name, false, 40, 1, NULL); /* 10,000 bytes */
	check(make_below(dir, "one", true) == 0 && make_below(dir, "two", true) == 0);
	close(dir);
	check((dir = dup(top)) >= 0);
	go_below(&dir, "n", true, LEVELS, KEEP, kept);
	for (size_t i = 0; i < array_size(kept); i++) {
		check(ioctl(kept[i], BTRFS_IOC_SUBVOL_SETFLAGS, &flags) == 0);
		close(kept[i]);
	}
	check_ok(call(pool, tree_delete, &head, &err));
	CHECK_LISTS(pool, NULL);
}

static void make_immutable(int dir)
{
	int flags = 0;

	check(ioctl(dir, FS_IOC_GETFLAGS, &flags) == 0);
	flags |= FS_IMMUTABLE_FL;
	check(ioctl(dir, FS_IOC_SETFLAGS, &flags) == 0);
}

/* A snapshot has the flags of what it was taken of. */
static void what_is_immutable_is_deleted(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct uuid branch = uuid_new();
	struct tree head = tree_head(&branch), first = snapshot_number(&branch, 1);
	own_fd int top = -1, folder = -1;

	check_ok(call(pool, head_create, &branch, &err));
	check_ok(call(pool, tree_open, &head, &top, &err));
	make_immutable(top);
	check_ok(call(pool, snapshot, &head, &first, &err));
	fsat_make_mutable(top);
	check(make_subvolume(pool, &head, "folder", "nested") == 0);
	check((folder = openat(top, "folder", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0);
	make_immutable(folder);
	make_immutable(top);
	check_ok(call(pool, tree_delete, &first, &err));
	check_ok(call(pool, tree_delete, &head, &err));
	CHECK_LISTS(pool, NULL);
}

static void a_stranger_in_the_pool_is_no_tree(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct uuid branch = uuid_new();
	struct tree head = tree_head(&branch);

	check_ok(call(pool, head_create, &branch, &err));
	check(make_subvolume(pool, &head, "folder", "0190f3a0-0000-4000-8000-000000000001") == 0);
	CHECK_LISTS(pool, &head);
}

static int deny_branch(void *arg, const struct uuid *branch, struct fl_error *err)
{
	return fl_fail(err, FL_DENIED, "no branch is wanted");
}

/* A crash while facts were written: what it left is neither facts nor a snapshot, and goes. */
static void facts_that_were_half_written_do_not_stay(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct uuid branch = uuid_new();
	struct tree head = tree_head(&branch), first = snapshot_number(&branch, 1);
	own_fd int dir = -1, left = -1;

	check_ok(call(pool, head_create, &branch, &err));
	check_ok(call(pool, snapshot, &head, &first, &err));
	check_ok(call(pool, tree_open, &first, &dir, &err));
	left = openat(dir, "../.facts.new", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	check(left >= 0);
	own_fdp(&dir);
	dir = -1;
	check_ok(call(pool, tree_delete, &first, &err));
	check_ok(call(pool, facts_list, deny_branch, NULL, &err));
	check_ok(call(pool, facts_delete, &branch, &err));
	check_ok(call(pool, snapshot, &head, &first, &err));
	check_ok(call(pool, tree_open, &first, &dir, &err));
	check(faccessat(dir, "../.facts.new", F_OK, 0) < 0 && errno == ENOENT);
}

int main(int argc, char **argv)
{
	return suite_main(argc, argv, 0,
			  (struct check[]){
				  CHECK(a_file_that_is_not_ours_is_left_alone),
				  CHECK(another_btrfs_is_no_pool),
				  CHECK(a_pool_is_preallocated_unless_it_is_sparse),
				  CHECK(a_pool_that_does_not_fit_leaves_no_file),
				  CHECK(a_folder_that_is_missing_is_named),
				  CHECK(a_compressed_pool_holds_more_than_it_uses),
				  CHECK(a_disk_that_holds_something_is_refused),
				  CHECK(a_disk_in_use_is_refused_even_by_force),
				  CHECK(an_empty_disk_becomes_a_pool_once),
				  CHECK(a_disk_that_is_too_small_is_refused),
				  CHECK(a_directory_on_another_file_system_is_unsupported),
				  CHECK(what_a_snapshot_would_leave_out_is_refused_and_named),
				  CHECK(what_is_deleted_and_not_cleaned_yet_is_counted),
				  CHECK(subvolumes_inside_are_deleted_wherever_they_are),
				  CHECK(what_is_immutable_is_deleted),
				  CHECK(a_stranger_in_the_pool_is_no_tree),
				  CHECK(facts_that_were_half_written_do_not_stay),
				  CHECK_END,
			  });
}
