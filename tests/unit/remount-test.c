#include "container/remount.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "tests/check.h"
#include "tests/unit/own-mounts.h"

/*
 * An old and a new tree on a tmpfs, and a process in a mount namespace of its own
 * that has mounts of the old one.  Everything lies in a mount namespace that
 * ends with the test program, and what it starts dies with it.
 */

#define PLACE "/tmp/flocker-remount.XXXXXX"

static struct fl_error err;
static char place[] = PLACE;
static pid_t child;
static int go = -1;

struct result {
	char path[128];
	bool replaced;
	struct fl_error why;
};

static struct result results[8];
static size_t result_count;

#define must(condition)                                                          \
	do {                                                                     \
		if (!(condition)) {                                              \
			printf("# %s:%d: %s\n", __FILE__, __LINE__, #condition); \
			_exit(1);                                                \
		}                                                                \
	} while (0)

/* --- both trees ------------------------------------------------------------------ */

static const char *at(const char *path)
{
	static char texts[4][256];
	static unsigned next;
	char *text = texts[next++ % 4];

	snprintf(text, 256, "%.60s/%.160s", place, path);
	return text;
}

static void write_file(const char *path, const char *contents)
{
	FILE *file = fopen(path, "we");

	must(file && fputs(contents, file) >= 0 && fclose(file) == 0);
}

static const char *read_file(const char *path)
{
	static char contents[64];
	FILE *file = fopen(path, "re");
	size_t n = file ? fread(contents, 1, sizeof(contents) - 1, file) : 0;

	contents[n] = '\0';
	if (file)
		fclose(file);
	return contents;
}

static void make_tree(const char *name)
{
	char path[128];

	must(mkdir(at(name), 0755) == 0);
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s%s", name, i ? "/sub" : "");
		must(i == 0 || mkdir(at(path), 0755) == 0);
		snprintf(path, sizeof(path), "%s%s/file", name, i ? "/sub" : "");
		write_file(at(path), name);
	}
	snprintf(path, sizeof(path), "%s/nested", name);
	must(mkdir(at(path), 0755) == 0);
}

static int collect(void *arg, const struct remount *result, struct fl_error *e)
{
	struct result *kept = &results[result_count++];

	check(result_count <= array_size(results) && result->pid == child);
	check(result->namespace == remount_namespace(child));
	snprintf(kept->path, sizeof(kept->path), "%s", result->path);
	kept->replaced = result->replaced;
	if (!result->replaced)
		kept->why = *result->why;
	return 0;
}

static void replace_old(void)
{
	own_fd int old = open(at("old"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	own_fd int new = open(at("new"), O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct remount_old olds[] = {
		{ .tree = { .mount = "/old" }, .part = "/old", .root = old }
	};
	struct remount_query query = { .olds = olds, .count = 1, .head = new };

	result_count = 0;
	check_ok(remount(&query, collect, NULL, &err));
}

/* --- a container ------------------------------------------------------------------ */

/* `prepare` in a namespace of its own; then `look`, when the mounts were replaced. */
static void start(void (*prepare)(void), void (*look)(void))
{
	int ready[2], went[2];
	char byte;

	check(pipe2(ready, O_CLOEXEC) == 0 && pipe2(went, O_CLOEXEC) == 0);
	child = fork();
	check(child >= 0);
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		must(unshare(CLONE_NEWNS) == 0);
		must(mkdir(at("seen"), 0755) == 0 || errno == EEXIST);
		prepare();
		must(write(ready[1], "r", 1) == 1 && read(went[0], &byte, 1) == 1);
		look();
		_exit(0);
	}
	close(ready[1]);
	close(went[0]);
	check(read(ready[0], &byte, 1) == 1);
	close(ready[0]);
	go = went[1];
}

static void finish(void)
{
	int status;

	check(write(go, "g", 1) == 1);
	close(go);
	check(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void bind_to(const char *from, const char *to, unsigned long flags)
{
	must(mount(at(from), at(to), NULL, MS_BIND, NULL) == 0);
	must(!flags || mount(NULL, at(to), NULL, MS_BIND | MS_REMOUNT | flags, NULL) == 0);
}

/* --- the tests ------------------------------------------------------------------------ */

static int kept_fd;

static void bind_plainly(void)
{
	bind_to("old", "seen", 0);
	kept_fd = open(at("seen/file"), O_RDWR | O_CLOEXEC);
}

static void see_new(void)
{
	must(strcmp(read_file(at("seen/file")), "new") == 0);
	/* What is open stays what it was. */
	must(write(kept_fd, "late", 4) == 4 && strcmp(read_file(at("old/file")), "late") == 0);
	must(umount(at("seen")) == 0 && umount(at("seen")) < 0);
}

static void a_mount_is_replaced(void)
{
	start(bind_plainly, see_new);
	replace_old();
	finish();
	check(result_count == 1 && results[0].replaced);
	check_string(at("seen"), results[0].path);
	write_file(at("old/file"), "old");
}

static void bind_read_only(void)
{
	bind_to("old/sub", "seen", MS_RDONLY | MS_NOEXEC | MS_NOATIME);
}

static void see_options(void)
{
	struct statx st;
	char line[512];
	bool found = false;
	FILE *table = fopen("/proc/self/mountinfo", "re");

	must(strcmp(read_file(at("seen/file")), "new") == 0);
	must(open(at("seen/other"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600) < 0 && errno == EROFS);
	must(statx(AT_FDCWD, at("seen"), 0, STATX_MNT_ID, &st) == 0);
	while (table && fgets(line, sizeof(line), table))
		if (strtoull(line, NULL, 10) == st.stx_mnt_id)
			found = strstr(line, "/new/sub ") && strstr(line, " ro,noexec,noatime ");
	must(found);
}

static void directories_and_options_are_kept(void)
{
	start(bind_read_only, see_options);
	replace_old();
	finish();
	check(result_count == 1 && results[0].replaced);
}

static void bind_file(void)
{
	write_file(at("seen-file"), "");
	bind_to("old/file", "seen-file", 0);
}

static void see_file(void)
{
	must(strcmp(read_file(at("seen-file")), "new") == 0);
}

static void a_single_file_is_replaced(void)
{
	start(bind_file, see_file);
	replace_old();
	finish();
	check(result_count == 1 && results[0].replaced);
}

static void bind_with_nested(void)
{
	bind_to("old", "seen", 0);
	must(mount("none", at("seen/nested"), "tmpfs", 0, NULL) == 0);
	write_file(at("seen/nested/mine"), "mine");
	bind_to("old/sub", "seen/sub", MS_RDONLY);
}

static void see_nested(void)
{
	must(strcmp(read_file(at("seen/file")), "new") == 0);
	must(strcmp(read_file(at("seen/sub/file")), "new") == 0);
	must(strcmp(read_file(at("seen/nested/mine")), "mine") == 0);
	must(open(at("seen/sub/x"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600) < 0 && errno == EROFS);
	must(open(at("seen/x"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600) >= 0);
}

static void what_is_mounted_within_is_taken_along(void)
{
	start(bind_with_nested, see_nested);
	replace_old();
	finish();
	check(result_count == 2 && results[0].replaced && results[1].replaced);
	must(unlink(at("new/x")) == 0);
}

static void bind_what_is_new_not(void)
{
	must(mkdir(at("old/gone"), 0755) == 0);
	bind_to("old/gone", "seen", 0);
}

static void see_old(void)
{
	must(open(at("seen/x"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600) >= 0);
	must(access(at("old/gone/x"), F_OK) == 0);
}

static void what_the_new_tree_lacks_stays(void)
{
	start(bind_what_is_new_not, see_old);
	replace_old();
	finish();
	check(result_count == 1 && !results[0].replaced && results[0].why.code == FL_NOT_FOUND);
	check(strstr(results[0].why.text, "gone"));
}

static void bind_nested_in_gone(void)
{
	bind_to("old", "seen", 0);
	must(mount("none", at("seen/gone"), "tmpfs", 0, NULL) == 0);
}

static void see_old_whole(void)
{
	must(strcmp(read_file(at("seen/file")), "old") == 0);
	must(umount(at("seen/gone")) == 0 && umount(at("seen")) == 0 && umount(at("seen")) < 0);
}

/* Nothing was put beneath it either. */
static void what_has_no_place_in_the_new_tree_keeps_all(void)
{
	start(bind_nested_in_gone, see_old_whole);
	replace_old();
	finish();
	check(result_count == 1 && !results[0].replaced);
	check(strstr(results[0].why.text, "seen/gone"));
}

static void bind_below_a_link(void)
{
	must(mkdir(at("way"), 0755) == 0 && mkdir(at("way/seen"), 0755) == 0);
	bind_to("old", "way/seen", 0);
	/* As a container may rename what its mounts lie in; the table then says "way2". */
	must(rename(at("way"), at("way2")) == 0 && symlink("way2", at("way")) == 0);
	must(mount("none", at("way2/seen"), "tmpfs", 0, NULL) == 0);
}

static void see_nothing_new(void)
{
	must(umount(at("way2/seen")) == 0);
	must(strcmp(read_file(at("way2/seen/file")), "old") == 0);
}

static void what_is_covered_stays(void)
{
	start(bind_below_a_link, see_nothing_new);
	replace_old();
	finish();
	check(result_count == 1 && !results[0].replaced && results[0].why.code == FL_BUSY);
	check(strstr(results[0].why.text, "covers"));
}

static void bind_with_space(void)
{
	must(mkdir(at("a b\\c"), 0755) == 0 || errno == EEXIST);
	bind_to("old", "a b\\c", 0);
	bind_to("old", "a b\\c", 0); /* and once more on top */
}

static void see_space(void)
{
	must(strcmp(read_file(at("a b\\c/file")), "new") == 0);
}

static void names_and_stacks(void)
{
	start(bind_with_space, see_space);
	replace_old();
	finish();
	check(result_count == 2 && results[0].replaced && !results[1].replaced);
	check_string(at("a b\\c"), results[0].path);
}

static void nobody_is_nothing(void)
{
	result_count = 0;
	replace_old();
	check(result_count == 0);
}

/* Between the look at a process and the way into its namespace it may end. */
static void who_ends_meanwhile_is_nothing(void)
{
	pid_t parent = fork();

	check(parent >= 0);
	if (parent == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			child = fork();
			if (child == 0)
				_exit(unshare(CLONE_NEWNS) < 0 || usleep(100) < 0);
			must(child > 0 && waitpid(child, NULL, 0) == child);
		}
	}
	child = 0;
	for (int i = 0; i < 1000; i++)
		replace_old();
	kill(parent, SIGKILL);
	check(waitpid(parent, NULL, 0) == parent && result_count == 0);
}

int main(int argc, char **argv)
{
	int r;

	if (geteuid() != 0) {
		puts("1..0 # SKIP needs root");
		return 0;
	}
	must(mkdtemp(place));
	must(own_mounts() == 0 && mount("none", place, "tmpfs", 0, NULL) == 0);
	make_tree("old");
	make_tree("new");
	r = check_main(argc, argv,
		       (struct check[]){
			       CHECK(nobody_is_nothing), CHECK(who_ends_meanwhile_is_nothing),
			       CHECK(a_mount_is_replaced), CHECK(directories_and_options_are_kept),
			       CHECK(a_single_file_is_replaced),
			       CHECK(what_is_mounted_within_is_taken_along),
			       CHECK(what_the_new_tree_lacks_stays),
			       CHECK(what_has_no_place_in_the_new_tree_keeps_all),
			       CHECK(what_is_covered_stays), CHECK(names_and_stacks), CHECK_END });
	umount2(place, MNT_DETACH);
	rmdir(place);
	return r;
}
