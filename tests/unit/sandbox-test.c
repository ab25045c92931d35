/*
 * What is refused within the sandbox of flocker-tree, which must be tried from
 * within: each try is a child, which enters and then ends with what came of it.
 */

#include "tests/check.h"

#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/fs.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/handover.h"
#include "tree/sandbox.h"

#define ROOT_FD 3
#define SOURCE_FD 5
#define NOT_IN 200 /* statuses that are no errno */
#define KILLED 201

static char root[] = "/tmp/flocker-sandbox-XXXXXX";
static pid_t parent;

static bool without_source; /* and with a descriptor of a directory that lies outside instead */

static bool late; /* the tree comes by another descriptor than its own */

/* Where the tree's descriptor is to be, is the socket over which it comes. */
static bool give_late(int dir)
{
	struct fl_error err;
	int ends[2];

	return handover_pair(ends, &err) == 0 && handover_give(ends[0], dir, &err) == 0 &&
	       dup2(ends[1], ROOT_FD) == ROOT_FD;
}

/* The errno of `attempt` within the sandbox, 0 where it is allowed. */
static int try(int (*attempt)(void))
{
	const struct sandbox sandbox = { .writes = true,
					 .late = late,
					 .highest = SOURCE_FD,
					 .source = without_source ? 0 : SOURCE_FD,
					 .memory = 1 << 28 };
	struct fl_error err = { 0 };
	pid_t child = fork();
	int status;

	if (child == 0) {
		int dir = fcntl(open(root, O_RDONLY | O_DIRECTORY), F_DUPFD, SOURCE_FD + 1);
		int other = without_source ? open("/", O_RDONLY | O_DIRECTORY) : dir;

		if (!(late ? give_late(dir) : dup2(dir, ROOT_FD) == ROOT_FD) ||
		    dup2(other, SOURCE_FD) < 0)
			_exit(NOT_IN);
		if (sandbox_enter(&sandbox, ROOT_FD, &err) < 0)
			_exit(NOT_IN);
		errno = 0;
		_exit(attempt() < 0 ? errno : 0);
	}
	check(waitpid(child, &status, 0) == child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : KILLED;
}

static int delete_by_number(void)
{
	struct btrfs_ioctl_vol_args_v2 args = { .flags = BTRFS_SUBVOL_SPEC_BY_ID,
						.subvolid = UINT64_MAX };

	return ioctl(ROOT_FD, BTRFS_IOC_SNAP_DESTROY_V2, &args);
}

static int resize(void)
{
	struct btrfs_ioctl_vol_args args = { .name = "1" };

	return ioctl(ROOT_FD, BTRFS_IOC_RESIZE, &args);
}

static int freeze(void)
{
	return ioctl(ROOT_FD, FIFREEZE, 0);
}

static int get_flags(void)
{
	int flags;

	return ioctl(ROOT_FD, FS_IOC_GETFLAGS, &flags);
}

static void the_tree_is_no_way_to_its_file_system(void)
{
	check(try(delete_by_number) == EPERM);
	check(try(resize) == EPERM);
	check(try(freeze) == EPERM);
	check(try(get_flags) == EPERM);
}

/* Of a directory, so that any file system refuses it in words of its own. */
static int clone_nothing(void)
{
	int r = ioctl(ROOT_FD, FICLONE, ROOT_FD);

	return r < 0 && errno != EPERM ? 0 : -1;
}

static void contents_can_be_shared(void)
{
	check(try(clone_nothing) == 0);
}

/* Where ".." of the source leads, by its number. */
static int leave_source(void)
{
	struct stat inside, above;

	if (fstat(SOURCE_FD, &inside) < 0 || fstatat(SOURCE_FD, "..", &above, 0) < 0)
		return -1;
	errno = EXDEV;
	return above.st_ino == inside.st_ino && above.st_dev == inside.st_dev ? 0 : -1;
}

static int change_source(void)
{
	return mkdirat(SOURCE_FD, "new", 0700);
}

static int change_tree(void)
{
	return mkdirat(ROOT_FD, "new", 0700) < 0 ? -1 : unlinkat(ROOT_FD, "new", AT_REMOVEDIR);
}

static void what_is_read_can_be_neither_left_nor_changed(void)
{
	check(try(leave_source) == 0);
	check(try(change_source) == EROFS);
	check(try(change_tree) == 0);
}

/* All but the descriptor is as if it had been there. */
static void a_tree_may_come_late(void)
{
	late = true;
	check(try(change_tree) == 0);
	check(try(change_source) == EROFS);
	check(try(delete_by_number) == EPERM);
	late = false;
}

static int open_outside(void)
{
	return openat(SOURCE_FD, "etc/passwd", O_RDONLY);
}

static int make_outside(void)
{
	return mkdirat(SOURCE_FD, "tmp/flocker-sandbox-new", 0700);
}

/* Made, moved to another directory, and gone. */
static int make_inside(void)
{
	if (mkdirat(ROOT_FD, "one", 0700) < 0 || mkdirat(ROOT_FD, "two", 0700) < 0 ||
	    openat(ROOT_FD, "one/file", O_RDWR | O_CREAT | O_TRUNC, 0755) < 0 ||
	    renameat(ROOT_FD, "one/file", ROOT_FD, "two/file") < 0 ||
	    unlinkat(ROOT_FD, "two/file", 0) < 0 || unlinkat(ROOT_FD, "one", AT_REMOVEDIR) < 0)
		return -1;
	return unlinkat(ROOT_FD, "two", AT_REMOVEDIR);
}

/* A descriptor that was forgotten leads nowhere. */
static void what_lies_outside_is_out_of_reach(void)
{
	if (syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) < 2) {
		printf("# this kernel has no Landlock\n");
		return;
	}
	without_source = true;
	check(try(open_outside) == EACCES);
	check(try(make_outside) == EACCES);
	check(try(make_inside) == 0);
	without_source = false;
}

static int signal_thread(void)
{
	return (int)syscall(SYS_tgkill, parent, parent, 0);
}

static int signal_any(void)
{
	return (int)syscall(SYS_tkill, parent, 0);
}

static int queue_signal(void)
{
	siginfo_t info = { .si_code = SI_QUEUE };

	return (int)syscall(SYS_rt_sigqueueinfo, parent, 0, &info);
}

static int signal_itself(void)
{
	return (int)syscall(SYS_tgkill, getpid(), getpid(), 0);
}

static void no_other_process_gets_a_signal(void)
{
	check(try(signal_thread) == EPERM);
	check(try(signal_any) == EPERM);
	check(try(queue_signal) == EPERM);
	check(try(signal_itself) == 0);
}

static int limit_other(void)
{
	struct rlimit limit;

	return prlimit(parent, RLIMIT_NOFILE, NULL, &limit);
}

static int limit_itself(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit);
}

static void no_other_process_gets_limits(void)
{
	check(try(limit_other) == EPERM);
	check(try(limit_itself) == 0);
}

/* open_tree_attr() of Linux 6.15, as if it were called for nothing. */
static int call_the_future(void)
{
	return (int)syscall(467, -1, "", 0, NULL, 0);
}

static void calls_that_are_newer_do_not_exist(void)
{
	check(try(call_the_future) == ENOSYS);
}

int main(int argc, char **argv)
{
	int r;

	parent = getpid();
	if (geteuid() != 0) {
		printf("1..0 # SKIP only root can enter the sandbox\n");
		return 0;
	}
	if (!mkdtemp(root))
		return 1;
	r = check_main(argc, argv,
		       (struct check[]){
			       CHECK(the_tree_is_no_way_to_its_file_system),
			       CHECK(contents_can_be_shared),
			       CHECK(what_is_read_can_be_neither_left_nor_changed),
			       CHECK(a_tree_may_come_late),
			       CHECK(what_lies_outside_is_out_of_reach),
			       CHECK(no_other_process_gets_a_signal),
			       CHECK(no_other_process_gets_limits),
			       CHECK(calls_that_are_newer_do_not_exist),
			       CHECK_END,
		       });
	rmdir(root);
	return r;
}
