#include "base/fsat.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/check.h"

static char place[] = "/tmp/flocker-fsat-test.XXXXXX";
static int dir = -1;

/* Each test begins in an empty directory. */
static void begin(void)
{
	struct fl_error err = { 0 };
	char inside[PATH_MAX];

	snprintf(inside, sizeof(inside), "%s/in", place);
	own_fdp(&dir);
	dir = -1;
	check_ok(fsat_remove_tree(AT_FDCWD, inside, &err));
	check_ok(fsat_mkdir(AT_FDCWD, inside, 0755, &err));
	check_ok(fsat_open_dir(AT_FDCWD, inside, &dir, &err));
}

static void put(const char *path, const char *contents)
{
	struct fl_error err = { 0 };

	check_ok(fsat_write(dir, path, contents, strlen(contents), 0644, false, &err));
}

static void check_contents(const char *path, const char *wanted)
{
	struct fl_error err = { 0 };
	struct text text = { 0 };
	char got[256];
	int rc = fsat_read(dir, path, sizeof(got) - 1, &text, &err);

	snprintf(got, sizeof(got), "%s", text_get(&text));
	text_done(&text);
	check_ok(rc);
	check_string(wanted, got);
}

static bool exists(const char *path)
{
	return faccessat(dir, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void a_link_at_the_end_is_not_followed(void)
{
	struct fl_error err = { 0 };
	struct stat st;
	int fd = -1;

	begin();
	put("file", "x");
	check_ok(fsat_symlink("file", dir, "link", &err));
	check(fsat_open(dir, "link", O_RDONLY, 0, &fd, &err) < 0);
	check(fd == -1);
	check_ok(fsat_stat(dir, "link", &st, &err));
	check(S_ISLNK(st.st_mode));
}

static void what_is_missing_is_not_found(void)
{
	struct fl_error err = { 0 };
	struct text text = { 0 };
	struct stat st;
	int fd = -1;

	begin();
	check_code(FL_NOT_FOUND, fsat_open(dir, "no", O_RDONLY, 0, &fd, &err));
	check(strstr(err.text, "'no'") != NULL);
	check_code(FL_NOT_FOUND, fsat_read(dir, "no", 10, &text, &err));
	check_code(FL_NOT_FOUND, fsat_stat(dir, "no", &st, &err));
	check_code(FL_NOT_FOUND, fsat_rename(dir, "no", dir, "other", &err));
	check_ok(fsat_unlink(dir, "no", &err));
	check_ok(fsat_rmdir(dir, "no", &err));
	check_ok(fsat_remove_tree(dir, "no", &err));
}

static void nothing_leads_out_from_beneath(void)
{
	struct fl_error err = { 0 };
	int inner = -1, fd = -1;

	begin();
	check_ok(fsat_mkdir_parents(dir, "tree/sub", 0755, &err));
	put("outside", "secret");
	put("tree/file", "x");
	check_ok(fsat_symlink("../outside", dir, "tree/up", &err));
	check_ok(fsat_symlink("/etc/passwd", dir, "tree/root", &err));
	check_ok(fsat_symlink("../file", dir, "tree/sub/within", &err));
	check_ok(fsat_open_dir(dir, "tree", &inner, &err));
	check_code(FL_DENIED, fsat_open_beneath(inner, "../outside", O_RDONLY, &fd, &err));
	check_code(FL_DENIED, fsat_open_beneath(inner, "up", O_RDONLY, &fd, &err));
	check_code(FL_DENIED, fsat_open_beneath(inner, "root", O_RDONLY, &fd, &err));
	check_code(FL_DENIED, fsat_open_beneath(inner, "/etc/passwd", O_RDONLY, &fd, &err));
	check_code(FL_NOT_FOUND, fsat_open_beneath(inner, "none", O_RDONLY, &fd, &err));
	check(symlinkat("loop", inner, "loop") == 0);
	check_code(FL_INVALID, fsat_open_beneath(inner, "loop", O_RDONLY, &fd, &err));
	check(strstr(err.text, "symbolic links") && err.hint[0]);
	check(fd == -1);
	check_ok(fsat_open_beneath(inner, "sub/within", O_RDONLY, &fd, &err));
	close(fd);
	close(inner);
}

static void strictly_no_link_is_on_the_way(void)
{
	struct fl_error err = { 0 };
	int fd = -1;

	begin();
	check_ok(fsat_mkdir_parents(dir, "real/sub", 0755, &err));
	put("real/sub/file", "x");
	check_ok(fsat_symlink("real", dir, "link", &err));
	check_ok(fsat_symlink("file", dir, "real/sub/last", &err));
	check_code(FL_INVALID, fsat_open_strict(dir, "link/sub", O_RDONLY, false, &fd, &err));
	check_code(FL_INVALID, fsat_open_strict(dir, "link", O_DIRECTORY, false, &fd, &err));
	check_code(FL_INVALID, fsat_open_strict(dir, "real/sub/last", O_RDONLY, false, &fd, &err));
	check_code(FL_NOT_FOUND, fsat_open_strict(dir, "real/none", O_RDONLY, false, &fd, &err));
	check(fsat_open_strict(dir, "../in", O_RDONLY, false, &fd, &err) < 0);
	check(fd == -1);
	check_ok(fsat_open_strict(dir, "real/sub/file", O_RDONLY, true, &fd, &err));
	close(fd);
}

static void directories_may_be_there_already(void)
{
	struct fl_error err = { 0 };

	begin();
	check_ok(fsat_mkdir(dir, "d", 0755, &err));
	check_ok(fsat_mkdir(dir, "d", 0755, &err));
	check_ok(fsat_mkdir_parents(dir, "d/e//f/", 0755, &err));
	check_ok(fsat_mkdir_parents(dir, "d/e/f", 0755, &err));
	check(exists("d/e/f"));
	put("file", "x");
	check_code(FL_EXISTS, fsat_mkdir(dir, "file", 0755, &err));
	check_code(FL_BUSY, fsat_rmdir(dir, "d", &err));
	check_ok(fsat_rmdir(dir, "d/e/f", &err));
}

static void names_change_places(void)
{
	struct fl_error err = { 0 };

	begin();
	put("a", "1");
	put("b", "2");
	check_ok(fsat_exchange(dir, "a", dir, "b", &err));
	check_contents("a", "2");
	check_contents("b", "1");
	check_code(FL_EXISTS, fsat_rename_new(dir, "a", dir, "b", &err));
	check_contents("b", "1");
	check_ok(fsat_rename(dir, "a", dir, "b", &err));
	check_contents("b", "2");
	check_code(FL_NOT_FOUND, fsat_exchange(dir, "a", dir, "b", &err));
	check_ok(fsat_rename_new(dir, "b", dir, "c", &err));
	check_contents("c", "2");
}

static void a_file_is_replaced_whole(void)
{
	struct fl_error err = { 0 };
	struct stat st;

	begin();
	put("file", "a long first version");
	check_ok(fsat_write(dir, "file", "short", 5, 0600, true, &err));
	check_contents("file", "short");
	check_ok(fsat_stat(dir, "file", &st, &err));
	check((st.st_mode & 07777) == 0600);
	check(!exists(".file.new"));
	check_ok(fsat_write(dir, "file", "", 0, 0600, false, &err));
	check_contents("file", "");
	check_ok(fsat_mkdir(dir, "d", 0755, &err));
	check_ok(fsat_write(dir, "d/deep", "x", 1, 0600, true, &err));
	check_contents("d/deep", "x");
	check(!exists("d/.deep.new"));
}

/* "file.new" may be a branch: nothing but what its own writer does reaches it. */
static void a_name_that_ends_in_new_is_a_name_like_others(void)
{
	struct fl_error err = { 0 };

	begin();
	check_ok(fsat_mkdir(dir, "d", 0755, &err));
	put("file.new", "kept");
	put("d/file.new", "kept");
	check_ok(fsat_symlink("kept", dir, "d/link.new", &err));
	put("file", "x");
	put("d/file", "x");
	check_ok(fsat_symlink("x", dir, "d/link", &err));
	check_contents("file.new", "kept");
	check_contents("d/file.new", "kept");
	check(exists("d/link.new"));
}

static void a_replacement_that_fails_leaves_the_old_one(void)
{
	struct fl_error err = { 0 };

	begin();
	check_ok(fsat_mkdir_parents(dir, "target/full", 0755, &err));
	check(fsat_write(dir, "target", "x", 1, 0600, false, &err) < 0);
	check(exists("target/full"));
	check(!exists(".target.new"));
}

static void what_a_crash_left_is_replaced(void)
{
	struct fl_error err = { 0 };

	begin();
	put("secret", "kept");
	check_ok(fsat_symlink("secret", dir, ".file.new", &err));
	put("file", "new");
	check(!exists(".file.new"));
	check_contents("file", "new");
	check_contents("secret", "kept"); /* the link was not written through */
	check_ok(fsat_symlink("one", dir, "link", &err));
	check_ok(fsat_symlink("two", dir, "link", &err));
	check(!exists(".link.new"));
}

static void reading_is_bounded(void)
{
	struct fl_error err = { 0 };
	struct text text = { 0 };

	begin();
	put("file", "12345");
	check_code(FL_INVALID, fsat_read(dir, "file", 4, &text, &err));
	check(text.bytes == NULL);
	check_ok(fsat_read(dir, "file", 5, &text, &err));
	check(text.length == 5);
	text_done(&text);
}

static void reading_a_pipe_does_not_hang(void)
{
	struct fl_error err = { 0 };
	struct text text = { 0 };

	begin();
	check(mkfifoat(dir, "pipe", 0600) == 0);
	check_ok(fsat_read(dir, "pipe", 10, &text, &err));
	check(text.length == 0);
	text_done(&text);
}

static void appending_makes_and_adds(void)
{
	struct fl_error err = { 0 };

	begin();
	check_ok(fsat_append(dir, "log", "one,", 4, 0600, &err));
	check_ok(fsat_append(dir, "log", "two", 3, 0600, &err));
	check_contents("log", "one,two");
}

static void a_tree_is_removed_without_following_links(void)
{
	struct fl_error err = { 0 };

	begin();
	check_ok(fsat_mkdir_parents(dir, "tree/a/b/c", 0755, &err));
	check_ok(fsat_mkdir(dir, "beside", 0755, &err));
	put("beside/file", "kept");
	put("tree/a/file", "x");
	check_ok(fsat_symlink("../../beside", dir, "tree/a/link", &err));
	check_ok(fsat_remove_tree(dir, "tree", &err));
	check(!exists("tree"));
	check_contents("beside/file", "kept");
	check_ok(fsat_symlink("beside", dir, "link", &err));
	check_ok(fsat_remove_tree(dir, "link", &err));
	check(!exists("link"));
	check_contents("beside/file", "kept");
}

struct seen {
	int count, stop_at;
};

static int count_entry(void *arg, const char *name, unsigned char type, uint64_t inode,
		       struct fl_error *err)
{
	struct seen *seen = arg;

	if (++seen->count == seen->stop_at)
		return fl_fail(err, FL_INVALID, "enough");
	return 0;
}

/* Whoever may write to a tree can make it so deep, and not even its removal may take more. */
static void a_tree_of_any_depth_is_removed_with_few_descriptors(void)
{
	struct fl_error err = { 0 };
	struct rlimit before;
	int at = -1;

	begin();
	check_ok(fsat_mkdir(dir, "tree", 0755, &err));
	check_ok(fsat_open_dir(dir, "tree", &at, &err));
	for (int i = 0; i < 5000; i++) {
		int next = -1;

		check_ok(fsat_mkdir(at, "d", 0755, &err));
		check_ok(fsat_open_dir(at, "d", &next, &err));
		close(at);
		at = next;
	}
	close(at);
	check(getrlimit(RLIMIT_NOFILE, &before) == 0);
	check(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 64, before.rlim_max }) == 0);
	check_ok(fsat_remove_tree(dir, "tree", &err));
	check(setrlimit(RLIMIT_NOFILE, &before) == 0);
	check(!exists("tree"));
}

/* False where the file system or the user can't. */
static bool set_flag(const char *path, int flag)
{
	struct fl_error err = { 0 };
	int fd = -1, flags = 0;
	bool done;

	check_ok(fsat_open(dir, path, O_RDONLY, 0, &fd, &err));
	done = ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0;
	flags |= flag;
	done = done && ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
	close(fd);
	return done;
}

static void what_is_immutable_is_removed_too(void)
{
	struct fl_error err = { 0 };

	begin();
	check_ok(fsat_mkdir_parents(dir, "tree/fixed/in", 0755, &err));
	put("tree/fixed/file", "x");
	put("tree/log", "x");
	if (!set_flag("tree/log", FS_APPEND_FL)) /* where it can't be, nobody meets it */
		return;
	check(set_flag("tree/fixed/file", FS_IMMUTABLE_FL));
	check(set_flag("tree/fixed/in", FS_IMMUTABLE_FL));
	check(set_flag("tree/fixed", FS_IMMUTABLE_FL));
	check(set_flag("tree", FS_IMMUTABLE_FL));
	check_ok(fsat_remove_tree(dir, "tree", &err));
	check(!exists("tree"));
}

static void entries_are_visited_until_one_says_no(void)
{
	struct fl_error err = { 0 };
	struct seen all = { 0 }, some = { .stop_at = 2 };
	bool empty;

	begin();
	check_ok(fsat_is_empty(dir, &empty, &err));
	check(empty);
	put("a", "");
	put(".b", "");
	put("c", "");
	check_ok(fsat_is_empty(dir, &empty, &err));
	check(!empty);
	check_ok(fsat_each(dir, count_entry, &all, &err));
	check(all.count == 3);
	check_code(FL_INVALID, fsat_each(dir, count_entry, &some, &err));
	check(some.count == 2);
}

static void a_lock_is_held_once(void)
{
	struct fl_error err = { 0 };
	int first = -1, second = -1;

	begin();
	put("file", "");
	check_ok(fsat_open(dir, "file", O_RDONLY, 0, &first, &err));
	check_ok(fsat_open(dir, "file", O_RDONLY, 0, &second, &err));
	check_ok(fsat_lock(first, &err));
	check_code(FL_BUSY, fsat_lock(second, &err));
	close(first);
	check_ok(fsat_lock(second, &err));
	close(second);
}

/* Where the file system's device is not that of its files, as on Btrfs, the kernel does not tell.
 */
static void who_holds_a_lock_is_named(void)
{
	own_text struct text holder = { 0 };
	struct fl_error err = { 0 };
	char wanted[64];
	int first = -1, second = -1;

	begin();
	put("file", "");
	check_ok(fsat_open(dir, "file", O_RDONLY, 0, &first, &err));
	check_ok(fsat_open(dir, "file", O_RDONLY, 0, &second, &err));
	fsat_lock_holder(first, &holder);
	check_string("another process", text_get(&holder));
	check_ok(fsat_lock(first, &err));
	text_clear(&holder);
	fsat_lock_holder(second, &holder);
	snprintf(wanted, sizeof(wanted), "process %d (", (int)getpid());
	check(strncmp(text_get(&holder), wanted, strlen(wanted)) == 0 ||
	      strcmp(text_get(&holder), "another process") == 0);
	check(strstr(text_get(&holder), "fsat-test") || strchr(text_get(&holder), '(') == NULL);
	close(first);
	close(second);
}

/* Paths come from users: their parts may be longer than any name. */
static void a_far_path_has_names_of_any_length(void)
{
	char path[2 * PATH_MAX + 1] = { 0 };
	struct fl_error err = { 0 };
	int fd = -1;

	begin();
	memset(path, 'n', 2 * PATH_MAX);
	check_code(FL_INVALID, fsat_open_far(dir, path, &fd, &err));
	path[300] = '/';
	check_code(FL_INVALID, fsat_open_far(dir, path, &fd, &err));
}

static void times_have_a_grain(void)
{
	const struct timespec times[] = { { 5, 123456789 }, { 5, 123456789 } };
	struct fl_error err = { 0 };
	struct stat st;
	uint32_t grain;

	begin();
	check_ok(fsat_time_grain(dir, "SCRATCH", &grain, &err));
	check(grain >= 1 && grain <= FSAT_COARSEST && !exists("SCRATCH"));
	put("file", "x");
	check(utimensat(dir, "file", times, 0) == 0);
	check_ok(fsat_stat(dir, "file", &st, &err));
	check(st.st_mtim.tv_sec == 5 && st.st_mtim.tv_nsec == 123456789 - 123456789 % grain);
	check(fsat_time_grain(dir, "no/SCRATCH", &grain, &err) < 0);
}

int main(int argc, char **argv)
{
	struct fl_error err;
	int status;

	if (!mkdtemp(place))
		return 1;
	status = check_main(argc, argv,
			    (struct check[]){
				    CHECK(a_link_at_the_end_is_not_followed),
				    CHECK(what_is_missing_is_not_found),
				    CHECK(nothing_leads_out_from_beneath),
				    CHECK(a_far_path_has_names_of_any_length),
				    CHECK(strictly_no_link_is_on_the_way),
				    CHECK(directories_may_be_there_already),
				    CHECK(names_change_places),
				    CHECK(a_file_is_replaced_whole),
				    CHECK(a_name_that_ends_in_new_is_a_name_like_others),
				    CHECK(a_replacement_that_fails_leaves_the_old_one),
				    CHECK(what_a_crash_left_is_replaced),
				    CHECK(reading_is_bounded),
				    CHECK(reading_a_pipe_does_not_hang),
				    CHECK(appending_makes_and_adds),
				    CHECK(a_tree_is_removed_without_following_links),
				    CHECK(a_tree_of_any_depth_is_removed_with_few_descriptors),
				    CHECK(what_is_immutable_is_removed_too),
				    CHECK(entries_are_visited_until_one_says_no),
				    CHECK(a_lock_is_held_once),
				    CHECK(who_holds_a_lock_is_named),
				    CHECK(times_have_a_grain),
				    CHECK_END,
			    });
	own_fdp(&dir);
	return fsat_remove_tree(AT_FDCWD, place, &err) < 0 ? 1 : status;
}
