/* What only the dir driver can get wrong: the copying of a tree, and telling changes by its files.
 */

#include "suite.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include "base/fsat.h"
#include "base/walk.h"
#include "driver/dir/copy.h"
#include "driver/dir/links.h"
#include "driver/dir/pool.h"

#define LONG_NAME 255

static struct uuid branch;
static struct tree head, first;

static struct pool *begin(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();

	branch = uuid_new();
	head = tree_head(&branch);
	first = snapshot_number(&branch, 1);
	check_ok(call(pool, head_create, &branch, &err));
	return pool;
}

static int open_tree_of(struct pool *pool, const struct tree *tree)
{
	struct fl_error err = { 0 };
	int fd = -1;

	check_ok(call(pool, tree_open, tree, &fd, &err));
	return fd;
}

static void take(struct pool *pool, const struct tree *target)
{
	struct fl_error err = { 0 };

	check_ok(call(pool, snapshot, &head, target, &err));
}

static bool has_changed(struct pool *pool, const struct tree *since)
{
	struct fl_error err = { 0 };
	bool changed = false;

	check_ok(call(pool, changed_since, &head, since, &changed, &err));
	return changed;
}

/* --- a tree as sorted lines ---------------------------------------------------- */

struct lines {
	pthread_mutex_t mutex;
	char **items;
	size_t count;
};

static void add_line(struct lines *lines, char *line)
{
	own_lock(guard, &lines->mutex);

	*array_add(lines->items, lines->count) = line;
}

static int compare_items(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_attributes(int fd, struct text *line)
{
	char path[32], names[4096], value[4096];
	ssize_t length;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	length = listxattr(path, names, sizeof(names));
	for (char *name = names; name < names + length; name += strlen(name) + 1) {
		ssize_t size = getxattr(path, name, value, sizeof(value));

		text_add_format(line, " %s=", name);
		for (ssize_t i = 0; i < size; i++)
			text_add_format(line, "%02x", (unsigned char)value[i]);
	}
}

static void add_contents(int dir, const char *name, struct text *line)
{
	own_fd int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	uint64_t sum = 0;
	char block[65536];
	ssize_t n;

	while ((n = read(fd, block, sizeof(block))) > 0)
		for (ssize_t i = 0; i < n; i++)
			sum = sum * 1099511628211u + (unsigned char)block[i];
	text_add_format(line, " sum %llx data from %lld", (unsigned long long)sum,
			(long long)lseek(fd, 0, SEEK_DATA));
}

static char *describe(const struct walk_node *node, int dir, const char *name)
{
	struct text line = { 0 };
	char target[PATH_MAX] = "";
	struct fl_error err;
	own_fd int fd = -1;
	struct stat st;

	walk_path(node, name, &line);
	if (fsat_open_node(dir, name ? name : ".", &fd, &err) < 0 || fstat(fd, &st) < 0)
		return text_take(&line);
	text_add_format(&line, ": %o %u:%u %x", st.st_mode, st.st_uid, st.st_gid,
			(unsigned)st.st_rdev);
	text_add_format(&line, " %lld.%09ld", (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	if (!S_ISDIR(st.st_mode))
		text_add_format(&line, " %lld bytes, %lu names", (long long)st.st_size,
				(unsigned long)st.st_nlink);
	if (S_ISLNK(st.st_mode) && fsat_read_link(fd, "", target, &err) == 0)
		text_add_format(&line, " -> %s", target);
	if (S_ISREG(st.st_mode))
		add_contents(dir, name, &line);
	add_attributes(fd, &line);
	return text_take(&line);
}

static int describe_directory(void *arg, const struct visit *visit, struct fl_error *err)
{
	add_line(arg, describe(visit->node, visit->dir, NULL));
	return 0;
}

static int describe_entry(void *arg, const struct visit *visit, const char *name,
			  struct fl_error *err)
{
	add_line(arg, describe(visit->node, visit->dir, name));
	return 0;
}

static char *lines_of(struct pool *pool, const struct tree *tree, size_t *ret_count)
{
	struct lines lines = { .mutex = PTHREAD_MUTEX_INITIALIZER };
	own_fd int root = open_tree_of(pool, tree);
	const struct walk walk = { .root = root,
				   .twin = -1,
				   .enter = describe_directory,
				   .entry = describe_entry,
				   .arg = &lines };
	struct text text = { 0 };
	struct fl_error err = { 0 };
	int rc = walk_tree(&walk, &err);

	qsort(lines.items, lines.count, sizeof(*lines.items), compare_items);
	for (size_t i = 0; i < lines.count; i++) {
		text_add_format(&text, "%s\n", lines.items[i]);
		free(lines.items[i]);
	}
	free(lines.items);
	*ret_count = lines.count;
	if (rc < 0)
		text_done(&text);
	check_ok(rc);
	return text_take(&text);
}

/* Both hold the same, to the nanosecond; returns how many files and directories. */
static size_t check_same_tree(struct pool *pool, const struct tree *a, const struct tree *b)
{
	size_t count, other;
	char *wanted = lines_of(pool, a, &count), *got = lines_of(pool, b, &other);
	bool same = same_text(wanted, got);

	free(wanted);
	free(got);
	check(same && count == other);
	return count;
}

/* --- everything there is --------------------------------------------------------- */

static void put(int dir, const char *name, const char *contents, mode_t mode)
{
	own_fd int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	check(fd >= 0 && write(fd, contents, strlen(contents)) == (ssize_t)strlen(contents));
	check(fchmod(fd, mode) == 0);
}

static void set_time(int dir, const char *name, long seconds, long nanoseconds)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { seconds, nanoseconds } };

	check(utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW) == 0);
}

/* POSIX ACLs as the kernel keeps them: user::rwx user:1234:rw group::r mask::rwx other::- */
static const unsigned char acl[] = {
	2, 0,	 0,   0,   1,	0,   7,	 0, 255, 255, 255, 255, 2,   0,	  6,
	0, 0xd2, 4,   0,   0,	4,   0,	 4, 0,	 255, 255, 255, 255, 16,  0,
	7, 0,	 255, 255, 255, 255, 32, 0, 0,	 0,   255, 255, 255, 255,
};

static void make_files(int dir)
{
	char long_name[LONG_NAME + 1];
	own_fd int sparse = -1, file = -1;

	memset(long_name, 'n', LONG_NAME);
	long_name[LONG_NAME] = '\0';
	put(dir, long_name, "a name of 255 bytes", 0644);
	put(dir, "empty", "", geteuid() == 0 ? 0000 : 0400);
	put(dir, "line\nbreak \xff", "names are bytes", 0400);
	sparse = openat(dir, "sparse", O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	check(sparse >= 0 && pwrite(sparse, "end", 3, 64 << 20) == 3);
	check(ftruncate(sparse, 128 << 20) == 0);
	file = openat(dir, "attributes", O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	check(fsetxattr(file, "user.note", "a\0b", 3, 0) == 0);
	check(fsetxattr(file, "system.posix_acl_access", acl, sizeof(acl), 0) == 0);
	set_time(dir, "empty", 0, 1);
	set_time(dir, "attributes", 1234567890, 123456789);
}

static void make_directories(int dir)
{
	own_fd int sub = -1;

	check(mkdirat(dir, "sub", 0755) == 0);
	sub = openat(dir, "sub", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	put(sub, "first name", "of three", 0644);
	check(linkat(sub, "first name", dir, "second name", 0) == 0);
	check(linkat(sub, "first name", sub, "third name", 0) == 0);
	check(symlinkat("nowhere/at/all", sub, "link") == 0);
	check(linkat(sub, "link", dir, "same link", 0) == 0);
	check(mkfifoat(sub, "fifo", 0620) == 0);
	check(mknodat(sub, "socket", S_IFSOCK | 0700, 0) == 0);
	check(fsetxattr(sub, "system.posix_acl_default", acl, sizeof(acl), 0) == 0);
	check(fsetxattr(sub, "user.note", "on a directory", 14, 0) == 0);
	check(mkdirat(sub, "shut", 0700) == 0 && fchmodat(sub, "shut", 0500, 0) == 0);
	set_time(sub, "link", 1000000000, 999999999);
	set_time(sub, "fifo", 1000000001, 0);
	check(fchmod(sub, 02750) == 0);
	set_time(dir, "sub", 999999999, 5);
}

static void make_for_root(int dir)
{
	own_fd int file = -1;

	if (geteuid() != 0)
		return;
	put(dir, "foreign", "another user's", 06755);
	check(fchownat(dir, "foreign", 1234, 4321, 0) == 0);
	check(fchmodat(dir, "foreign", 06755, 0) == 0);
	file = openat(dir, "foreign", O_RDONLY | O_CLOEXEC);
	check(fsetxattr(file, "trusted.note", "root's", 6, 0) == 0);
	check(mknodat(dir, "device", S_IFCHR | 0640, makedev(1, 3)) == 0);
	check(mknodat(dir, "block", S_IFBLK | 0600, makedev(7, 250)) == 0);
	check(symlinkat("x", dir, "root's link") == 0);
	check(fchownat(dir, "root's link", 77, 88, AT_SYMLINK_NOFOLLOW) == 0);
}

static void everything_is_copied_as_it_is(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = begin();
	own_fd int dir = open_tree_of(pool, &head);
	struct uuid clone = uuid_new();
	struct tree cloned = tree_head(&clone);

	make_files(dir);
	make_directories(dir);
	make_for_root(dir);
	set_time(dir, ".", 1111111111, 111);
	take(pool, &first);
	check(!has_changed(pool, &first));
	check(check_same_tree(pool, &head, &first) >= 15);
	check_ok(call(pool, head_clone, &clone, &first, &err));
	check_same_tree(pool, &first, &cloned);
}

static void a_copy_shares_no_file_and_keeps_holes(void)
{
	struct pool *pool = begin();
	own_fd int dir = open_tree_of(pool, &head), copy = -1;
	struct stat a, b, c;

	make_files(dir);
	make_directories(dir);
	take(pool, &first);
	copy = open_tree_of(pool, &first);
	check(fstatat(dir, "second name", &a, 0) == 0 && a.st_nlink == 3);
	check(fstatat(copy, "second name", &b, 0) == 0 && b.st_nlink == 3);
	check(fstatat(copy, "sub/third name", &c, 0) == 0);
	check(b.st_ino == c.st_ino && a.st_ino != b.st_ino);
	check(fstatat(copy, "sparse", &b, 0) == 0);
	check(b.st_size == 128 << 20 && b.st_blocks * 512 < 1 << 20);
}

static void check_scratch_is_empty(struct pool *pool)
{
	struct fl_error err = { 0 };
	own_fd int scratch = -1;
	bool empty = false;

	check_ok(fsat_open_dir(dir_pool(pool)->root, "scratch", &scratch, &err));
	check_ok(fsat_unlink(scratch, "clock", &err));
	check_ok(fsat_is_empty(scratch, &empty, &err));
	check(empty);
}

/* --- sizes -------------------------------------------------------------------------- */

static void go_down(int *dir, const char *name)
{
	int next;

	check(mkdirat(*dir, name, 0755) == 0);
	next = openat(*dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	check(next >= 0);
	close(*dir);
	*dir = next;
}

static void paths_may_be_longer_than_the_kernel_takes(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = begin();
	own_fd int dir = open_tree_of(pool, &head);
	char name[LONG_NAME + 1];

	memset(name, 'd', LONG_NAME);
	name[LONG_NAME] = '\0';
	for (int depth = 0; depth < 40; depth++) { /* 10,000 bytes */
		go_down(&dir, name);
		put(dir, "file", "deep", 0644);
	}
	check(linkat(dir, "file", dir, "its other name", 0) == 0);
	take(pool, &first);
	check(check_same_tree(pool, &head, &first) == 1 + 40 + 40 + 1);
	check_ok(call(pool, tree_delete, &first, &err));
	check_ok(call(pool, tree_delete, &head, &err));
	CHECK_LISTS(pool, NULL);
}

static void depth_costs_no_descriptors(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = begin();
	own_fd int dir = open_tree_of(pool, &head);

	for (int depth = 0; depth < 1500; depth++)
		go_down(&dir, "d");
	put(dir, "file", "deep", 0644);
	take(pool, &first);
	check(check_same_tree(pool, &head, &first) == 1502);
	check_ok(call(pool, tree_delete, &first, &err));
}

/* A loop of mkdir makes them faster than anybody finds the way to them, which grows with the depth.
 */
static void what_is_too_deep_is_refused_and_deleted(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = begin();
	own_fd int dir = open_tree_of(pool, &head), top = open_tree_of(pool, &head);

	put(dir, "file", "x", 0644);
	take(pool, &first);
	for (int depth = 0; depth < 20000; depth++) {
		go_down(&dir, "d");
		if (depth % 100 == 0)
			put(dir, "file", "deep", 0400);
		if (depth % 1000 == 0)
			check(mkdirat(dir, "shut", 0500) == 0);
	}
	check(has_changed(pool, &first));
	check_ok(call(pool, tree_delete, &first, &err));
	check_code(FL_UNSUPPORTED, call(pool, snapshot, &head, &first, &err));
	check(strstr(err.text, "deep") && err.hint[0]);
	CHECK_LISTS(pool, &head);
	check(unlinkat(top, "file", 0) == 0);
	check_ok(call(pool, tree_delete, &head, &err));
	CHECK_LISTS(pool, NULL);
	check_scratch_is_empty(pool);
}

/* Several names of one file in several threads' hands at once. */
static void many_files_keep_their_links(void)
{
	struct pool *pool = begin();
	own_fd int dir = open_tree_of(pool, &head);
	char name[32], other[32];

	for (int i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "file%d", i);
		put(dir, name, name, 0644);
	}
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "sub%d", i);
		check(mkdirat(dir, name, 0755) == 0);
		for (int j = 0; j < 40; j++) {
			snprintf(name, sizeof(name), "file%d", i % 10 * 40 + j);
			snprintf(other, sizeof(other), "sub%d/link%d", i, j);
			check(linkat(dir, name, dir, other, 0) == 0);
		}
	}
	take(pool, &first);
	check(check_same_tree(pool, &head, &first) == 1 + 2000 + 50 + 2000);
}

/* --- changes ------------------------------------------------------------------------- */

/* Right after each other: within one tick of the file system's clock. */
static void a_change_in_the_same_moment_is_seen(void)
{
	struct pool *pool = begin();
	own_fd int dir = open_tree_of(pool, &head);
	own_fd int file = openat(dir, "file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct tree snapshot;

	for (int i = 1; i <= 40; i++) {
		snapshot = snapshot_number(&branch, i);
		check(pwrite(file, "before", 6, 0) == 6);
		take(pool, &snapshot);
		check(pwrite(file, "behind", 6, 0) == 6);
		check(has_changed(pool, &snapshot));
	}
}

/* The page is dirty and writable before the snapshot: a store afterwards need not fault. */
static void a_store_through_a_mapping_is_seen(void)
{
	struct pool *pool = begin();
	own_fd int dir = open_tree_of(pool, &head);
	own_fd int file = openat(dir, "file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	char *map;

	check(file >= 0 && ftruncate(file, 65536) == 0);
	map = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	check(map != MAP_FAILED);
	for (int i = 1; i <= 10; i++) {
		struct tree snapshot = snapshot_number(&branch, i);
		bool seen;

		map[0] = (char)('a' + i);
		take(pool, &snapshot);
		check(!has_changed(pool, &snapshot));
		map[0] = '!';
		seen = has_changed(pool, &snapshot);
		if (!seen)
			munmap(map, 65536);
		check(seen);
	}
	munmap(map, 65536);
}

static int rename_one(int dir)
{
	return renameat(dir, "file", dir, "other");
}

static int remove_one(int dir)
{
	return unlinkat(dir, "file", 0);
}

static int change_mode(int dir)
{
	return fchmodat(dir, "file", 0611, 0);
}

static int add_attribute(int dir)
{
	own_fd int fd = openat(dir, "file", O_RDONLY | O_CLOEXEC);

	return fsetxattr(fd, "user.new", "x", 1, 0);
}

static int make_directory(int dir)
{
	return mkdirat(dir, "new", 0700);
}

static int replace_by_the_same(int dir)
{
	own_fd int fd = openat(dir, "new", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	return write(fd, "same", 4) == 4 ? renameat(dir, "new", dir, "file") : -1;
}

/* The old time put back, as a program that wants to hide does. */
static int change_in_secret(int dir)
{
	own_fd int fd = openat(dir, "file", O_WRONLY | O_CLOEXEC);
	struct stat st;
	struct timespec times[2];

	if (fstat(fd, &st) < 0 || pwrite(fd, "SAME", 4, 0) != 4)
		return -1;
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	return futimens(fd, times);
}

static void every_kind_of_change_is_seen(void)
{
	static int (*const changes[])(
		int dir) = { rename_one,     remove_one,	  change_mode,	   add_attribute,
			     make_directory, replace_by_the_same, change_in_secret };
	struct fl_error err = { 0 };

	for (size_t i = 0; i < array_size(changes); i++) {
		struct pool *pool = begin();
		struct uuid operation = uuid_new();
		own_fd int dir = open_tree_of(pool, &head), again = -1;

		put(dir, "file", "same", 0644);
		take(pool, &first);
		check(!has_changed(pool, &first));
		check(changes[i](dir) == 0);
		check(has_changed(pool, &first));
		check_ok(call(pool, head_swap, &branch, &first, &operation, &err));
		check(!has_changed(pool, &first));
		again = open_tree_of(pool, &head);
		check(changes[i](again) == 0);
		check(has_changed(pool, &first));
	}
}

/* Nobody knows what the disk lost: the answer of a print is not believed. */
static void after_a_restart_of_the_machine_all_may_have_changed(void)
{
	struct pool *pool = begin();

	write_to(&head, "file", "one");
	take(pool, &first);
	check(!has_changed(pool, &first));
	dir_pool(pool)->boot[0] ^= 1;
	check(has_changed(pool, &first));
}

/* --- enemies ----------------------------------------------------------------------------- */

struct swapper {
	int dir;
	atomic_bool stop;
};

static void *swap_for_a_link(void *arg)
{
	struct swapper *swapper = arg;

	while (!swapper->stop) {
		renameat2(swapper->dir, "d", swapper->dir, "link", RENAME_EXCHANGE);
		renameat2(swapper->dir, "f", swapper->dir, "file link", RENAME_EXCHANGE);
	}
	return NULL;
}

static bool is_here(int dir, const char *path)
{
	struct fl_error err;
	own_fd int fd = -1;

	return fsat_open_strict(dir, path, O_RDONLY | O_NONBLOCK, false, &fd, &err) == 0;
}

static bool holds_secret(int dir, const char *path)
{
	char got[32] = "";
	struct fl_error err;
	own_fd int fd = -1;

	return fsat_open_strict(dir, path, O_RDONLY | O_NONBLOCK, false, &fd, &err) == 0 &&
	       read(fd, got, sizeof(got) - 1) > 0 && strcmp(got, "x") != 0;
}

/* The files of "d" may be missed while it is away, but nothing from outside is ever in a copy. */
static void a_link_put_for_a_directory_leads_nowhere(void)
{
	struct pool *pool = begin();
	struct swapper swapper = { .dir = open_tree_of(pool, &head) };
	char outside[128], secret[160];
	pthread_t thread;
	int found = 0;

	snprintf(outside, sizeof(outside), "%s/outside", bench_directory());
	snprintf(secret, sizeof(secret), "%s/secret", outside);
	check(mkdir(outside, 0755) == 0 && mkdirat(swapper.dir, "d", 0755) == 0);
	put(AT_FDCWD, secret, "out of reach", 0644);
	put(swapper.dir, "d/inside", "x", 0644);
	put(swapper.dir, "f", "x", 0644);
	check(symlinkat(outside, swapper.dir, "link") == 0);
	check(symlinkat(secret, swapper.dir, "file link") == 0);
	check(pthread_create(&thread, NULL, swap_for_a_link, &swapper) == 0);
	for (int i = 1; i <= 60; i++) {
		struct tree snapshot = snapshot_number(&branch, i);
		struct fl_error err = { 0 };
		own_fd int copy = -1;

		if (call(pool, snapshot, &head, &snapshot, &err) < 0 ||
		    call(pool, tree_open, &snapshot, &copy, &err) < 0) {
			found = -1;
			printf("# %s\n", err.text);
			break;
		}
		found += is_here(copy, "d/secret") || is_here(copy, "link/secret");
		found += holds_secret(copy, "f") || holds_secret(copy, "file link");
	}
	swapper.stop = true;
	pthread_join(thread, NULL);
	close(swapper.dir);
	check(found == 0);
}

/* XFS shows names that are removed and made anew, while it is read, twice. */
static void a_name_that_is_read_twice_is_copied_once(void)
{
	struct pool *pool = begin();
	own_fd int dir = open_tree_of(pool, &head), from = -1, to = -1;
	struct copy live = { .live = true };
	struct fl_error err = { 0 };
	struct stat a, b;

	check(mkdirat(dir, "from", 0755) == 0 && mkdirat(dir, "to", 0755) == 0);
	from = openat(dir, "from", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	to = openat(dir, "to", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	check(mkdirat(from, "dir", 0755) == 0 && mkdirat(to, "dir", 0755) == 0);
	put(from, "file", "replaced since", 0644);
	put(to, "file", "as it was", 0644);
	put(from, "two names", "replaced since", 0644);
	check(linkat(from, "two names", from, "the other", 0) == 0);
	put(to, "two names", "as it was", 0644);
	check(symlinkat("new", from, "link") == 0 && symlinkat("old", to, "link") == 0);
	live.from = from;
	live.to = to;
	check_ok(copy_tree(&live, &err));
	check_holds(pool, &head, "to/file", "as it was");
	check_holds(pool, &head, "to/two names", "as it was");
	check_holds(pool, &head, "to/the other", "replaced since");
	check(fstatat(to, "two names", &a, 0) == 0 && fstatat(to, "the other", &b, 0) == 0);
	check(a.st_ino != b.st_ino);
	/* Where nobody else writes it is a mistake of ours. */
	live.live = false;
	check_code(FL_EXISTS, copy_tree(&live, &err));
}

static struct links_file identify(int dir, const char *name, struct stat *ret)
{
	own_fd int fd = openat(dir, name, O_PATH | O_CLOEXEC);

	check(fd >= 0 && fstat(fd, ret) == 0);
	return links_identify(fd, ret);
}

/* A file with two names that is removed after it was copied, and another one in its inode. */
static void a_new_file_with_an_old_number_is_another_one(void)
{
	struct pool *pool = begin();
	own_fd int dir = open_tree_of(pool, &head);
	struct links links = LINKS_NONE;
	struct links_file old, new;
	const char *known, *again, *first_of_new;
	struct stat was, is;
	int tries = 0;

	put(dir, "old", "old", 0644);
	old = identify(dir, "old", &was);
	known = links_meet(&links, &old, "old");
	links_ready(&links, &old);
	again = links_meet(&links, &old, "its other name");
	do {
		check(unlinkat(dir, tries ? "new" : "old", 0) == 0);
		put(dir, "new", "new", 0644);
		new = identify(dir, "new", &is);
	} while (is.st_ino != was.st_ino && tries++ < 100);
	first_of_new = links_meet(&links, &new, "new");
	check(!known && again && strcmp(again, "old") == 0);
	links_done(&links);
	printf("# the number was%s given again\n", is.st_ino == was.st_ino ? "" : " not");
	check(!first_of_new);
}

static void what_only_root_can_copy_is_named(void)
{
	struct fl_error err = { 0 };
	struct pool *pool;
	own_fd int dir = -1;

	if (geteuid() != 0)
		return;
	pool = begin();
	dir = open_tree_of(pool, &head);
	check(mkdirat(dir, "sub", 0755) == 0);
	check(mknodat(dir, "sub/device", S_IFCHR | 0644, makedev(1, 3)) == 0);
	/* Another process would do; this one has its rights back after the call. */
	check(seteuid(65534) == 0);
	call(pool, snapshot, &head, &first, &err);
	check(seteuid(0) == 0);
	check(err.code == FL_DENIED);
	CHECK_LISTS(pool, &head);
}

/* --- crashes -------------------------------------------------------------------------------- */

static void what_was_half_made_is_swept(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = begin();
	int root = dir_pool(pool)->root;

	check_ok(fsat_mkdir_parents(root, "scratch/0123456789abcdef/files/sub", 0755, &err));
	pool = reopened();
	check_scratch_is_empty(pool);
	CHECK_LISTS(pool, &head);
}

static void without_an_exchange_a_swap_is_two_renames(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = begin();
	struct uuid operation = uuid_new();
	struct tree retired = tree_retired(&operation), staging = tree_staging(&operation);

	dir_pool(pool)->exchange = false;
	write_to(&head, "file", "one");
	take(pool, &first);
	write_to(&head, "file", "two");
	check_ok(call(pool, head_swap, &branch, &first, &operation, &err));
	check_holds(pool, &head, "file", "one");
	check_holds(pool, &retired, "file", "two");
	/* As a crash between the two leaves it: the next call completes it. */
	check_ok(dir_move(dir_pool(pool), &head, &staging, &err));
	check_ok(call(pool, head_swap, &branch, &first, &operation, &err));
	CHECK_LISTS(pool, &head, &first, &retired);
	/* And the next process. */
	check_ok(dir_move(dir_pool(pool), &head, &staging, &err));
	pool = reopened();
	CHECK_LISTS(pool, &head, &first, &retired);
	check_holds(pool, &head, "file", "one");
}

/* Read-only directories, and a mode that lets nobody in. */
static void what_its_owner_may_not_write_is_deleted_too(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = begin();
	own_fd int dir = open_tree_of(pool, &head);

	check(mkdirat(dir, "shut", 0755) == 0 && mkdirat(dir, "shut/in", 0755) == 0);
	put(dir, "shut/in/file", "x", 0400);
	check(fchmodat(dir, "shut/in", 0500, 0) == 0 && fchmodat(dir, "shut", 0500, 0) == 0);
	check(fchmod(dir, 0500) == 0);
	take(pool, &first);
	check_ok(call(pool, tree_delete, &first, &err));
	check_ok(call(pool, tree_delete, &head, &err));
	CHECK_LISTS(pool, NULL);
}

static void nothing_that_cannot_be_is_promised(void)
{
	struct fl_error err = { 0 };
	struct pool_identity identity = { POOL_FORMAT, uuid_new(), uuid_new() };
	struct pool_spec spec;

	check_ok(bench_place(&err));
	spec = *bench_spec();
	spec.compress = true;
	check_code(FL_UNSUPPORTED, bench_driver()->create(&spec, &identity, &err));
	spec = *bench_spec();
	spec.kind = POOL_FILE;
	check_code(FL_UNSUPPORTED, bench_driver()->create(&spec, &identity, &err));
}

static void it_says_whether_blocks_are_shared(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = begin();
	struct pool_stats before, after;
	own_free char *big = xcalloc(1, (8 << 20) + 1);

	memset(big, 'x', 8 << 20);
	write_to(&head, "big", big);
	check_ok(call(pool, sync, &err));
	check_ok(call(pool, stats, &before, &err));
	take(pool, &first);
	check_ok(call(pool, stats, &after, &err));
	if (bench_size() == 0) /* others write there too */
		return;
	check(before.share == (after.used < before.used + (4 << 20)));
}

int main(int argc, char **argv)
{
	return suite_main(argc, argv, DRIVER_CAN_EXPOSE,
			  (struct check[]){
				  CHECK(everything_is_copied_as_it_is),
				  CHECK(a_copy_shares_no_file_and_keeps_holes),
				  CHECK(paths_may_be_longer_than_the_kernel_takes),
				  CHECK(depth_costs_no_descriptors),
				  CHECK(what_is_too_deep_is_refused_and_deleted),
				  CHECK(many_files_keep_their_links),
				  CHECK(a_change_in_the_same_moment_is_seen),
				  CHECK(a_store_through_a_mapping_is_seen),
				  CHECK(every_kind_of_change_is_seen),
				  CHECK(after_a_restart_of_the_machine_all_may_have_changed),
				  CHECK(a_link_put_for_a_directory_leads_nowhere),
				  CHECK(a_name_that_is_read_twice_is_copied_once),
				  CHECK(a_new_file_with_an_old_number_is_another_one),
				  CHECK(what_only_root_can_copy_is_named),
				  CHECK(what_was_half_made_is_swept),
				  CHECK(without_an_exchange_a_swap_is_two_renames),
				  CHECK(what_its_owner_may_not_write_is_deleted_too),
				  CHECK(nothing_that_cannot_be_is_promised),
				  CHECK(it_says_whether_blocks_are_shared),
				  CHECK_END,
			  });
}
