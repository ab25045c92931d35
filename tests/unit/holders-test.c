#include "container/holders.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/capability.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/spawn.h"
#include "base/text.h"
#include "tests/check.h"
#include "tests/unit/own-mounts.h"

/*
 * Real processes that hold a subvolume of a small Btrfs, each in one way.  The
 * tests run in a child with a mount namespace of its own, and what they start
 * dies with it: however they end, no mount, loop device or process stays.
 */

#define PLACE "/tmp/flocker-holders test.XXXXXX" /* the space is meant */
#define LONG_NAME 250
#define MANY_MAPPINGS 20000
#define DEEP 15
#define MANY_MOUNTS 1200

static struct fl_error err;
static char place[] = PLACE;
static char tree_path[64], other_path[64], aside_path[64];
static struct held_tree tree;
static char tree_option[32];
static pid_t holders[8];
static size_t holder_count;
static int ready[2];

/* --- the place ------------------------------------------------------------------- */

static int run(const char *const argv[])
{
	own(spawn_result_done) struct spawn_result result = { 0 };

	if (spawn_run(argv, 60 * CLOCK_SECOND, &result, &err) < 0)
		return -1;
	if (result.status != 0)
		printf("# %s: %s\n", argv[0], text_get(&result.err));
	return result.status;
}

static int make_file(const char *path, off_t size)
{
	own_fd int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	return fd < 0 ? -1 : ftruncate(fd, size);
}

/* A subvolume with a file of one page, and how mountinfo shows it. */
static int make_subvolume(const char *name, const char *path)
{
	struct btrfs_ioctl_vol_args args = { 0 };
	struct btrfs_ioctl_get_subvol_info_args info = { 0 };
	own_fd int top = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	own_fd int dir = -1, file = -1;

	strcpy(args.name, name);
	if (top < 0 || ioctl(top, BTRFS_IOC_SUBVOL_CREATE, &args) < 0)
		return -1;
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	file = dir < 0 ? -1 : openat(dir, "file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (file < 0 || ftruncate(file, 4096) < 0 ||
	    ioctl(dir, BTRFS_IOC_GET_SUBVOL_INFO, &info) < 0)
		return -1;
	snprintf(tree_option, sizeof(tree_option), "subvolid=%llu", info.treeid);
	return 0;
}

static int make_place(void)
{
	char image[80];
	const char *const mkfs[] = { "/usr/sbin/mkfs.btrfs", "-q", image, NULL };
	const char *const mount_image[] = { "/usr/bin/mount", "-o", "loop", image, place, NULL };
	struct stat st;

	snprintf(image, sizeof(image), "%s/image", aside_path);
	if (mount("none", aside_path, "tmpfs", 0, "size=64m") < 0 ||
	    make_file(image, 256 << 20) < 0 || run(mkfs) != 0 || run(mount_image) != 0 ||
	    make_subvolume("other", other_path) < 0 || make_subvolume("tree", tree_path) < 0 ||
	    stat(tree_path, &st) < 0)
		return -1;
	tree = (struct held_tree){ st.st_dev, tree_option };
	return 0;
}

/* --- holders ------------------------------------------------------------------------ */

static void must(bool condition)
{
	if (!condition)
		_exit(1);
}

/* Says that the tree is held now, and stays. */
static void hold_on(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	must(write(ready[1], "", 1) == 1);
	for (;;)
		pause();
}

static bool has_died(pid_t child)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid;
}

static void wait_until_ready(pid_t child)
{
	struct pollfd pipe = { .fd = ready[0], .events = POLLIN };
	int64_t deadline = clock_monotonic() + 60 * CLOCK_SECOND;
	char byte;

	while (poll(&pipe, 1, 100) == 0)
		check(!has_died(child) && clock_monotonic() < deadline);
	check(read(ready[0], &byte, 1) == 1);
}

static pid_t start(void (*hold)(void))
{
	pid_t child = fork();

	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		hold();
		_exit(0);
	}
	check(child > 0 && holder_count < array_size(holders));
	holders[holder_count++] = child;
	wait_until_ready(child);
	return child;
}

static void end_holders(void)
{
	for (size_t i = 0; i < holder_count; i++)
		kill(holders[i], SIGKILL);
	while (waitpid(-1, NULL, 0) > 0) /* theirs too: see PR_SET_CHILD_SUBREAPER */
		;
	holder_count = 0;
}

static int open_file(void)
{
	int fd;

	must(chdir(tree_path) == 0);
	fd = open("file", O_RDWR | O_CLOEXEC);
	must(fd >= 0 && chdir("/") == 0);
	return fd;
}

static void map_file(void)
{
	int fd = open_file();

	must(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED);
	close(fd);
}

/* --- looking ------------------------------------------------------------------------ */

static struct found {
	int count;
	pid_t pid;
	char what[512];
} found;

static int note(void *arg, pid_t pid, const char *command, const char *what, struct fl_error *e)
{
	found.count++;
	found.pid = pid;
	snprintf(found.what, sizeof(found.what), "%s", what);
	return 0;
}

static int find(const char *beside, bool mappings)
{
	const struct holders_query query = { &tree, 1, beside, mappings };

	found = (struct found){ 0 };
	return holders_find(&query, note, NULL, &err);
}

static void check_nobody(void)
{
	check_ok(find(place, true));
	check_string("", found.what);
	check(found.count == 0);
}

static void check_holder(pid_t pid, const char *what)
{
	check_ok(find(place, true));
	check(found.count == 1 && found.pid == pid);
	check(strstr(found.what, what));
}

static void begin(void)
{
	end_holders();
	check_nobody();
}

/* --- one process, one thread ---------------------------------------------------------- */

static void hold_descriptor(void)
{
	open_file();
	hold_on();
}

static void hold_working_directory(void)
{
	must(chdir(tree_path) == 0);
	hold_on();
}

static void hold_root_directory(void)
{
	must(chroot(tree_path) == 0);
	hold_on();
}

static void hold_mapping(void)
{
	map_file();
	hold_on();
}

static void every_use_is_found(void)
{
	static const struct {
		void (*hold)(void);
		const char *what;
	} cases[] = {
		{ hold_descriptor, "/tree/file" },
		{ hold_working_directory, "working directory" },
		{ hold_root_directory, "root directory" },
		{ hold_mapping, "/tree/file" },
	};

	for (size_t i = 0; i < array_size(cases); i++) {
		begin();
		check_holder(start(cases[i].hold), cases[i].what);
	}
}

static void hold_the_other_tree(void)
{
	strcpy(tree_path, other_path);
	map_file();
	open_file();
	must(chdir(tree_path) == 0);
	hold_on();
}

static void another_tree_of_the_file_system_is_not_this_one(void)
{
	begin();
	start(hold_the_other_tree);
	check_nobody();
}

static void mappings_are_found_without_the_file_system(void)
{
	pid_t holder;

	begin();
	holder = start(hold_mapping);
	check_ok(find(NULL, true));
	check(found.count == 1 && found.pid == holder);
	check_ok(find(place, false));
	check(found.count == 0);
}

static int refuse(void *arg, pid_t pid, const char *command, const char *what, struct fl_error *e)
{
	++*(int *)arg;
	return fl_fail(e, FL_BUSY, "enough");
}

static void a_search_stops_when_told(void)
{
	const struct holders_query query = { &tree, 1, place, false };
	int calls = 0;

	begin();
	start(hold_descriptor);
	start(hold_descriptor);
	check_code(FL_BUSY, holders_find(&query, refuse, &calls, &err));
	check_string("enough", err.text);
	check(calls == 1);
}

/* --- threads -------------------------------------------------------------------------- */

static void start_thread(void *(*body)(void *))
{
	pthread_t thread;

	must(pthread_create(&thread, NULL, body, NULL) == 0);
}

static void *own_descriptors(void *arg)
{
	must(unshare(CLONE_FILES) == 0);
	open_file();
	hold_on();
	return NULL;
}

static void *own_directories(void *arg)
{
	must(unshare(CLONE_FS) == 0 && chdir(tree_path) == 0);
	hold_on();
	return NULL;
}

static void hold_by_own_descriptors(void)
{
	start_thread(own_descriptors);
	for (;;)
		pause();
}

static void hold_by_own_directories(void)
{
	start_thread(own_directories);
	for (;;)
		pause();
}

static void a_thread_with_tables_of_its_own_is_found(void)
{
	begin();
	check_holder(start(hold_by_own_descriptors), "/tree/file");
	begin();
	check_holder(start(hold_by_own_directories), "working directory");
}

static bool has_ended(pid_t thread)
{
	char path[64], line[256] = "", *state;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", (int)getpid(), (int)thread);
	file = fopen(path, "re");
	must(file && fgets(line, sizeof(line), file));
	fclose(file);
	state = strrchr(line, ')');
	return state && state[2] == 'Z';
}

static void *outlive(void *arg)
{
	while (!has_ended(getpid()))
		sched_yield();
	hold_on();
	return NULL;
}

/* The first thread ends, what it has opened stays with the second. */
static void leave_it_to_a_thread(void)
{
	start_thread(outlive);
	syscall(SYS_exit, 0);
}

static void leave_descriptor(void)
{
	open_file();
	leave_it_to_a_thread();
}

static void leave_mapping(void)
{
	map_file();
	leave_it_to_a_thread();
}

static void leave_working_directory(void)
{
	must(chdir(tree_path) == 0);
	leave_it_to_a_thread();
}

static void a_process_outlives_its_first_thread(void)
{
	begin();
	check_holder(start(leave_descriptor), "/tree/file");
	begin();
	check_holder(start(leave_mapping), "/tree/file");
	begin();
	check_holder(start(leave_working_directory), "working directory");
}

/* --- mounts --------------------------------------------------------------------------- */

static void own_namespace(void)
{
	must(unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
}

static void mount_tree(void)
{
	char target[80];

	snprintf(target, sizeof(target), "%s/a mount", aside_path);
	must((mkdir(target, 0700) == 0 || errno == EEXIST) &&
	     mount(tree_path, target, NULL, MS_BIND, NULL) == 0);
}

static void unmount_tree(void)
{
	char target[80];

	snprintf(target, sizeof(target), "%s/a mount", aside_path);
	check(umount(target) == 0);
}

static void hold_mount(void)
{
	own_namespace();
	mount_tree();
	hold_on();
}

static void a_mount_in_another_namespace_is_found(void)
{
	pid_t holder;

	begin();
	holder = start(hold_mount);
	check_holder(holder, "mounted at ");
	check(strstr(found.what, "mount"));
}

static void hold_mount_by_two(void)
{
	own_namespace();
	mount_tree();
	must(fork() >= 0);
	hold_on();
}

/* The namespace that the daemon would be in tells of nobody. */
static void each_process_beside_a_mount_is_found(void)
{
	const struct holders_query query = {
		.trees = &tree, .count = 1, .beside = place, .mappings = true, .everyone = true
	};

	begin();
	mount_tree();
	start(hold_mount_by_two);
	wait_until_ready(holders[0]);
	found = (struct found){ 0 };
	check_ok(holders_find(&query, note, NULL, &err));
	check(found.count == 2);
	check(strstr(found.what, "mounted at "));
	unmount_tree();
	check_ok(find(place, true));
	check(found.count == 1);
}

/* As ZFS has them: ROOT/.heads/t is a file system, and mounted elsewhere, too. */
static void show_whole_tree(char shown[static 96])
{
	char heads[80];

	snprintf(heads, sizeof(heads), "%.60s/.heads", aside_path);
	snprintf(shown, 96, "%s/t", heads);
	must((mkdir(heads, 0700) == 0 || errno == EEXIST) &&
	     mount("none", heads, "tmpfs", 0, NULL) == 0 && mkdir(shown, 0700) == 0 &&
	     mount("none", shown, "tmpfs", 0, NULL) == 0);
}

static char whole_tree[96];

static void hold_no_mount(void)
{
	own_namespace();
	hold_on();
}

static void hold_whole_tree(void)
{
	char target[80];

	own_namespace();
	snprintf(target, sizeof(target), "%s/a mount", aside_path);
	must((mkdir(target, 0700) == 0 || errno == EEXIST) &&
	     mount(whole_tree, target, NULL, MS_BIND, NULL) == 0);
	hold_on();
}

static void a_mount_of_a_tree_with_a_file_system_of_its_own_is_found(void)
{
	char heads[80];
	struct held_tree whole = { 0, "" };
	const struct holders_query query = { &whole, 1, heads, false };
	struct stat st;
	pid_t holder;

	begin();
	show_whole_tree(whole_tree);
	snprintf(heads, sizeof(heads), "%.60s/.heads", aside_path);
	check(stat(whole_tree, &st) == 0);
	whole.device = st.st_dev;
	start(hold_no_mount); /* a copy of the mount table is no use of the tree */
	found = (struct found){ 0 };
	check_ok(holders_find(&query, note, NULL, &err));
	check(found.count == 0);
	holder = start(hold_whole_tree);
	check_ok(holders_find(&query, note, NULL, &err));
	check(found.count == 1 && found.pid == holder && strstr(found.what, "mounted at "));
	end_holders();
	check(umount2(heads, MNT_DETACH) == 0 && rmdir(heads) == 0);
}

/* "subvolid=25" is not "subvolid=257". */
static void an_option_is_compared_whole(void)
{
	char prefix[sizeof(tree_option)];
	const struct held_tree shorter = { 0, prefix };
	const struct holders_query query = { &shorter, 1, place, false };

	begin();
	start(hold_mount);
	snprintf(prefix, sizeof(prefix), "%.*s", (int)strlen(tree_option) - 1, tree_option);
	found.count = 0;
	check_ok(holders_find(&query, note, NULL, &err));
	check(found.count == 0);
}

static void without_a_mount_point_mounts_are_not_looked_at(void)
{
	begin();
	start(hold_mount);
	check_ok(find(NULL, true));
	check(found.count == 0);
	check_ok(find(other_path, true)); /* a directory like others */
	check(found.count == 0);
	check_ok(find("/nowhere/at/all", true));
	check(found.count == 0);
}

/* A mount that no namespace of ours holds is in no table that we can read. */
static void a_mount_point_without_a_device_is_an_error(void)
{
	own_fd int clone = -1;
	char beside[32];

	begin();
	clone = (int)syscall(SYS_open_tree, AT_FDCWD, place, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	check(clone >= 0);
	snprintf(beside, sizeof(beside), "/proc/self/fd/%d", clone);
	check_code(FL_SYSTEM, find(beside, true));
	check(strstr(err.text, beside));
}

/* The elder of the namespace sees none of its mounts. */
static void hold_mount_behind_a_chroot(void)
{
	pid_t elder = getpid(), younger;

	own_namespace();
	mount_tree();
	younger = fork();
	if (younger == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		must(getppid() == elder); /* it may have died before */
		for (;;)
			pause();
	}
	must(younger > 0 && chroot("/proc") == 0);
	hold_on();
}

static void who_sees_no_mounts_hides_none(void)
{
	begin();
	start(hold_mount_behind_a_chroot);
	check_ok(find(place, true));
	check(found.count == 1);
	check(strstr(found.what, "mounted at "));
}

/* --- large tables --------------------------------------------------------------------- */

static bool is_larger_than(const char *path, size_t limit)
{
	static char buffer[65536];
	own_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	ssize_t n;

	while ((n = read(fd, buffer, sizeof(buffer))) > 0)
		length += (size_t)n;
	return n == 0 && length > limit;
}

/* Page after page the same one of a file, which the kernel cannot join; the tree's comes last. */
static void hold_many_mappings(void)
{
	char path[sizeof(aside_path) + LONG_NAME + 2], name[LONG_NAME + 1];
	int fd;

	memset(name, 'x', LONG_NAME);
	name[LONG_NAME] = '\0';
	snprintf(path, sizeof(path), "%s/%s", aside_path, name);
	map_file();
	must(make_file(path, 4096) == 0);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	for (int i = 0; i < MANY_MAPPINGS; i++)
		must(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED);
	close(fd);
	must(is_larger_than("/proc/self/maps", 5 << 20));
	hold_on();
}

static void a_mapping_among_many_is_found(void)
{
	begin();
	check_holder(start(hold_many_mappings), "/tree/file");
}

/* Mounts over mounts at the end of a long path, then one of the tree. */
static void hold_many_mounts(void)
{
	char name[LONG_NAME + 1];

	own_namespace();
	must(chdir(aside_path) == 0);
	memset(name, 'y', LONG_NAME);
	name[LONG_NAME] = '\0';
	for (int i = 0; i < DEEP; i++)
		must((mkdir(name, 0700) == 0 || errno == EEXIST) && chdir(name) == 0);
	for (int i = 0; i < MANY_MOUNTS; i++)
		must(mount("none", ".", "tmpfs", 0, NULL) == 0);
	must(chdir("/") == 0);
	mount_tree();
	must(is_larger_than("/proc/self/mountinfo", 4 << 20));
	hold_on();
}

static void a_mount_among_many_is_found(void)
{
	begin();
	check_holder(start(hold_many_mounts), "mounted at ");
}

/* --- what cannot be read -------------------------------------------------------------- */

static void a_lack_of_descriptors_is_not_silence(void)
{
	struct rlimit limit, low;
	int answered = 0;

	begin();
	start(hold_descriptor);
	check(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	low = limit;
	for (low.rlim_cur = 3; low.rlim_cur < 24; low.rlim_cur++) {
		int r;

		check(setrlimit(RLIMIT_NOFILE, &low) == 0);
		r = find(place, true);
		check(setrlimit(RLIMIT_NOFILE, &limit) == 0);
		check(r == -FL_SYSTEM || (r == 0 && found.count == 1));
		answered += r == 0;
	}
	check(answered > 0 && answered < 21);
}

/* In a child, which then cannot look into processes that can do more than itself. */
static void look_without_the_right_to(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];

	must(syscall(SYS_capget, &header, sets) == 0);
	sets[0].effective &= ~CAP_TO_MASK(CAP_SYS_PTRACE);
	sets[0].permitted &= ~CAP_TO_MASK(CAP_SYS_PTRACE);
	must(syscall(SYS_capset, &header, sets) == 0);
	must(find(place, true) == -FL_DENIED && strstr(err.hint, "CAP_SYS_PTRACE"));
	hold_on();
}

static void a_lack_of_rights_is_not_silence(void)
{
	begin();
	start(hold_descriptor);
	start(look_without_the_right_to);
}

/* --------------------------------------------------------------------------------------- */

/* --- by inodes ------------------------------------------------------------------------ */

/* The other tree has files of the same numbers, on another device. */
static void a_tree_can_be_told_by_its_inodes(void)
{
	static void (*const tests[])(void) = {
		every_use_is_found,
		another_tree_of_the_file_system_is_not_this_one,
		mappings_are_found_without_the_file_system,
		a_process_outlives_its_first_thread,
		a_mount_in_another_namespace_is_found,
	};
	const struct held_tree by_device = tree;
	struct inodes inodes = { 0 };
	own_fd int root = open(tree_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	check(root >= 0);
	check_ok(inodes_collect(root, &inodes, &err));
	close(take_fd(root)); /* holders inherit what is open */
	check(inodes.count == 2);
	tree = (struct held_tree){ 0, "/tree", &inodes };
	for (size_t i = 0; i < array_size(tests); i++)
		tests[i]();
	tree = by_device;
	inodes_done(&inodes);
}

static int run_tests(int argc, char **argv)
{
	int status;

	snprintf(tree_path, sizeof(tree_path), "%s/tree", place);
	snprintf(other_path, sizeof(other_path), "%s/other", place);
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 || pipe2(ready, O_CLOEXEC) < 0 ||
	    own_mounts() < 0 || make_place() < 0) {
		printf("Bail out! no Btrfs to look at\n");
		return 1;
	}
	status = check_main(argc, argv,
			    (struct check[]){
				    CHECK(every_use_is_found),
				    CHECK(another_tree_of_the_file_system_is_not_this_one),
				    CHECK(mappings_are_found_without_the_file_system),
				    CHECK(a_search_stops_when_told),
				    CHECK(a_thread_with_tables_of_its_own_is_found),
				    CHECK(a_process_outlives_its_first_thread),
				    CHECK(a_mount_in_another_namespace_is_found),
				    CHECK(a_mount_of_a_tree_with_a_file_system_of_its_own_is_found),
				    CHECK(an_option_is_compared_whole),
				    CHECK(without_a_mount_point_mounts_are_not_looked_at),
				    CHECK(a_mount_point_without_a_device_is_an_error),
				    CHECK(each_process_beside_a_mount_is_found),
				    CHECK(who_sees_no_mounts_hides_none),
				    CHECK(a_mapping_among_many_is_found),
				    CHECK(a_mount_among_many_is_found),
				    CHECK(a_tree_can_be_told_by_its_inodes),
				    CHECK(a_lack_of_descriptors_is_not_silence),
				    CHECK(a_lack_of_rights_is_not_silence),
				    CHECK_END,
			    });
	end_holders();
	return status;
}

int main(int argc, char **argv)
{
	int status = 0;
	pid_t child;

	if (geteuid() != 0) {
		printf("1..0 # SKIP mounting needs root\n");
		return 0;
	}
	if (!mkdtemp(place))
		return 1;
	snprintf(aside_path, sizeof(aside_path), "%s.aside", place);
	child = mkdir(aside_path, 0700) == 0 ? fork() : -1;
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		exit(run_tests(argc, argv));
	}
	if (child > 0)
		waitpid(child, &status, 0);
	rmdir(aside_path);
	rmdir(place);
	return child > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
