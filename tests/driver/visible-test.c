/* Visibility: heads and snapshots below a directory of the host. */

#include "suite.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

/* The directory that is given to expose(); made here. */
static const char *root(void)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/root", bench_directory());
	check(mkdir(path, 0755) == 0 || errno == EEXIST);
	return path;
}

static const char *path_of(struct pool *pool, const struct tree *tree, const char *file)
{
	static char path[512];
	struct text text = { 0 };

	pool->driver->locate(pool, tree, &text);
	snprintf(path, sizeof(path), "%s/%s/%s", root(), text_get(&text), file);
	text_done(&text);
	return path;
}

static void check_shows(struct pool *pool, const struct tree *tree, const char *wanted)
{
	struct fl_error err = { 0 };
	char got[64] = "";
	int fd;

	if (tree->kind == TREE_SNAPSHOT && pool->driver->reveal)
		check_ok(call(pool, reveal, tree, &err));
	fd = open(path_of(pool, tree, "file"), O_RDONLY | O_CLOEXEC);
	check(fd >= 0);
	check(read(fd, got, sizeof(got) - 1) >= 0);
	close(fd);
	check_string(wanted, got);
}

static bool is_shown(struct pool *pool, const struct tree *tree)
{
	return access(path_of(pool, tree, ""), F_OK) == 0;
}

struct scene {
	struct uuid branch;
	struct tree head, first;
};

/* A pool with a head that holds "two" and its snapshot that holds "one". */
static struct pool *set_scene(struct scene *scene)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();

	scene->branch = uuid_new();
	scene->head = tree_head(&scene->branch);
	scene->first = snapshot_number(&scene->branch, 1);
	check_ok(call(pool, head_create, &scene->branch, &err));
	write_to(&scene->head, "file", "one");
	check_ok(call(pool, snapshot, &scene->head, &scene->first, &err));
	write_to(&scene->head, "file", "two");
	return pool;
}

static void a_place_is_pure_and_relative(void)
{
	struct uuid branch = uuid_new();
	struct tree head = tree_head(&branch), first = snapshot_number(&branch, 1);
	struct pool *pool = fresh();
	struct text text = { 0 };
	char wanted[TREE_TEXT + 1] = ".", got[512];

	text_add_string(&text, "x:");
	pool->driver->locate(pool, &head, &text);
	text_add_string(&text, ":");
	pool->driver->locate(pool, &first, &text);
	snprintf(got, sizeof(got), "%s", text_get(&text));
	text_done(&text);
	check(strncmp(got, "x:.heads/", 9) == 0);
	tree_format(&first, wanted + 1);
	check(strncmp(strrchr(got, ':') + 1, wanted, strlen(wanted)) == 0);
}

static void nothing_is_visible_before(void)
{
	struct scene scene;
	struct pool *pool = set_scene(&scene);

	check(!is_shown(pool, &scene.head) && !is_shown(pool, &scene.first));
}

static void heads_can_be_written_and_snapshots_not(void)
{
	struct fl_error err = { 0 };
	struct scene scene;
	struct pool *pool = set_scene(&scene);
	struct statvfs heads, snaps;
	int fd;

	check_ok(call(pool, expose, root(), &err));
	check_ok(call(pool, expose, root(), &err));
	check_shows(pool, &scene.head, "two");
	check_shows(pool, &scene.first, "one");
	if (geteuid() != 0) /* only a mount gives these protections */
		return;
	check(statvfs(path_of(pool, &scene.head, ""), &heads) == 0);
	check(statvfs(path_of(pool, &scene.first, ""), &snaps) == 0);
	check(heads.f_flag & ST_NOSUID && heads.f_flag & ST_NODEV && heads.f_flag & ST_NOATIME);
	check(snaps.f_flag & ST_NOSUID && snaps.f_flag & ST_NODEV && snaps.f_flag & ST_NOATIME);
	check(!(heads.f_flag & ST_RDONLY) && snaps.f_flag & ST_RDONLY);
	fd = open(path_of(pool, &scene.head, "file"), O_WRONLY | O_TRUNC | O_CLOEXEC);
	check(fd >= 0 && write(fd, "three", 5) == 5);
	close(fd);
	check_holds(pool, &scene.head, "file", "three");
	check(open(path_of(pool, &scene.first, "file"), O_WRONLY | O_CLOEXEC) < 0);
	check_ok(call(pool, conceal, root(), &err));
}

static void what_is_made_later_is_visible_too(void)
{
	struct fl_error err = { 0 };
	struct scene scene;
	struct pool *pool = set_scene(&scene);
	struct uuid other = uuid_new(), operation = uuid_new();
	struct tree cloned = tree_head(&other), second = snapshot_number(&scene.branch, 2);
	int fd;
	char late[8] = "";

	check_ok(call(pool, expose, root(), &err));
	check_ok(call(pool, head_clone, &other, &scene.first, &err));
	check_ok(call(pool, snapshot, &scene.head, &second, &err));
	check_shows(pool, &cloned, "one");
	check_shows(pool, &second, "two");
	/* a swap: the path shows the new one, an open file stays what it was */
	fd = open(path_of(pool, &scene.head, "file"), O_RDONLY | O_CLOEXEC);
	check(fd >= 0);
	check_ok(call(pool, head_swap, &scene.branch, &scene.first, &operation, &err));
	check_shows(pool, &scene.head, "one");
	check(read(fd, late, sizeof(late) - 1) == 3);
	close(fd);
	check_string("two", late);
	check_ok(call(pool, head_retire, &other, &other, &err));
	check(!is_shown(pool, &cloned));
	check_ok(call(pool, conceal, root(), &err));
}

static void what_is_in_use_is_not_concealed(void)
{
	struct fl_error err = { 0 };
	struct scene scene;
	struct pool *pool = set_scene(&scene);
	int fd;

	check_ok(call(pool, expose, root(), &err));
	for (int i = 0; i < 2; i++) { /* a head, then a snapshot */
		const struct tree *held = i ? &scene.first : &scene.head;

		fd = open(path_of(pool, held, "file"), O_RDONLY | O_CLOEXEC);
		check(fd >= 0);
		check_code(FL_BUSY, call(pool, conceal, root(), &err));
		close(fd);
		check_shows(pool, &scene.head, "two");
		check_shows(pool, &scene.first, "one");
	}
	check_ok(call(pool, conceal, root(), &err));
	check(!is_shown(pool, &scene.head) && !is_shown(pool, &scene.first));
	check_ok(call(pool, conceal, root(), &err));
	check_ok(call(pool, expose, root(), &err));
	check_shows(pool, &scene.head, "two");
	check_ok(call(pool, conceal, root(), &err));
}

static void what_an_earlier_process_made_visible_is_kept(void)
{
	struct fl_error err = { 0 };
	struct scene scene;
	struct pool *pool = set_scene(&scene);
	struct stat before, after;
	char got[8] = "";
	int fd;

	check_ok(call(pool, expose, root(), &err));
	fd = open(path_of(pool, &scene.head, "file"), O_RDONLY | O_CLOEXEC);
	check(fd >= 0 && fstat(fd, &before) == 0);
	pool = reopened();
	check_shows(pool, &scene.head, "two");
	check_ok(call(pool, expose, root(), &err));
	check_shows(pool, &scene.head, "two");
	check_shows(pool, &scene.first, "one");
	check(stat(path_of(pool, &scene.head, "file"), &after) == 0);
	check(before.st_dev == after.st_dev && before.st_ino == after.st_ino);
	check(read(fd, got, sizeof(got) - 1) == 3);
	close(fd);
	check_ok(call(pool, conceal, root(), &err));
	check(!is_shown(pool, &scene.head));
}

/* A daemon that died leaves its mounts; a new pool at the same root must not be taken for the old
 * one. */
static void what_is_left_of_another_pool_is_replaced(void)
{
	struct fl_error err = { 0 };
	struct scene scene;
	struct pool *pool = set_scene(&scene);
	char heads[160], snaps[160];

	if (geteuid() != 0)
		return;
	snprintf(heads, sizeof(heads), "%s/.heads", root());
	snprintf(snaps, sizeof(snaps), "%s/.snaps", root());
	check(mkdir(heads, 0755) == 0 && mkdir(snaps, 0755) == 0);
	check(mount("none", heads, "tmpfs", 0, NULL) == 0);
	check(mount("none", snaps, "tmpfs", 0, NULL) == 0);
	check_ok(call(pool, expose, root(), &err));
	check_shows(pool, &scene.head, "two");
	check_shows(pool, &scene.first, "one");
	check_ok(call(pool, conceal, root(), &err));
}

/* Databases keep their files open for writing: that neither prevents the stop nor gets around it.
 */
static void read_only_stops_files_that_are_open(void)
{
	struct fl_error err = { 0 };
	struct scene scene;
	struct pool *pool = set_scene(&scene);
	static char block[65536];
	int file, r, accepted = 0;

	check_ok(call(pool, expose, root(), &err));
	file = open(path_of(pool, &scene.head, "file"), O_WRONLY | O_APPEND | O_CLOEXEC);
	check(file >= 0);
	r = call(pool, set_read_only, true, &err);
	while (r == 0 && accepted < 64 && write(file, block, sizeof(block)) == sizeof(block))
		accepted++;
	close(file);
	if (r == -FL_UNSUPPORTED && bench_spec()->kind == POOL_DIRECTORY)
		return; /* others use that file system too */
	check_ok(r);
	check(accepted < 64);
	file = open(path_of(pool, &scene.head, "file"), O_WRONLY | O_CLOEXEC);
	check(file < 0 || write(file, block, sizeof(block)) < 0); /* FUSE opens, and then refuses */
	close(file);
	check(bench_write(&scene.head, "file", "during", &err) < 0);
	check_ok(call(pool, set_read_only, false, &err));
	write_to(&scene.head, "file", "after");
	check_shows(pool, &scene.head, "after");
	check_ok(call(pool, conceal, root(), &err));
}

/* Stopping changes the heads themselves, and so does going on: also one that is over its limit. */
static void read_only_stops_and_goes_on_beyond_a_limit(void)
{
	static const struct uuid group = { { 7, 7, [15] = 70 } };
	const uint64_t mebibyte = UINT64_C(1) << 20;
	static char block[2 << 20] = "text";
	struct fl_error err = { 0 };
	struct scene scene;
	struct pool *pool = set_scene(&scene);
	struct pool_stats stats;
	struct usage usage;
	int file;

	check_ok(call(pool, stats, &stats, &err));
	if (!stats.quota || bench_spec()->kind == POOL_DIRECTORY)
		return;
	check_ok(call(pool, account, &scene.head.uuid, &group, &err));
	check_ok(call(pool, expose, root(), &err));
	for (int i = 0; i < 2; i++) {
		file = open(path_of(pool, &scene.head, "file"), O_WRONLY | O_CLOEXEC);
		check(file >= 0);
		if (i == 0) {
			check(write(file, block, sizeof(block)) == sizeof(block));
			check(fsync(file) == 0);
			check_ok(call(pool, limit, &group, mebibyte, &err));
		}
		check_ok(call(pool, set_read_only, true, &err));
		close(file);
		if (i == 0)
			check_ok(call(pool, set_read_only, false, &err));
	}
	pool = reopened(); /* stopped, as after a crash */
	check_ok(call(pool, usage, ACCOUNT_GROUP, &group, &usage, &err));
	check(usage.known && usage.bytes > mebibyte && usage.limit == mebibyte);
	check_ok(call(pool, expose, root(), &err));
	file = open(path_of(pool, &scene.head, "file"), O_WRONLY | O_APPEND | O_CLOEXEC);
	check(file >= 0); /* more than there is: ZFS allows to write over it */
	check(write(file, block, sizeof(block)) < 0 && errno == EDQUOT);
	close(file);
	check_ok(call(pool, conceal, root(), &err));
}

int main(int argc, char **argv)
{
	return suite_main(argc, argv, DRIVER_CAN_EXPOSE,
			  (struct check[]){
				  CHECK(a_place_is_pure_and_relative),
				  CHECK(nothing_is_visible_before),
				  CHECK(heads_can_be_written_and_snapshots_not),
				  CHECK(what_is_made_later_is_visible_too),
				  CHECK(what_is_in_use_is_not_concealed),
				  CHECK(what_an_earlier_process_made_visible_is_kept),
				  CHECK(what_is_left_of_another_pool_is_replaced),
				  CHECK(read_only_stops_files_that_are_open),
				  CHECK(read_only_stops_and_goes_on_beyond_a_limit),
				  CHECK_END,
			  });
}
