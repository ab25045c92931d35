/* ZFS in trouble: others' things among ours, pools that are degraded, full, read-only or being
 * scrubbed, programs that hang, and what is in use. */

#include "zfs-suite.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "driver/zfs/pool.h"

static const struct uuid branch = { { 1, 1, [15] = 10 } }, other = { { 2, 2, [15] = 20 } };

/* --- of others ------------------------------------------------------------------------- */

static void what_others_hold_or_cloned_is_deleted_when_they_let_go(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct tree head = tree_head(&branch), held = snapshot_number(&branch, 1),
		    cloned = snapshot_number(&branch, 2);
	char held_name[260], cloned_name[260];

	check_ok(call(pool, head_create, &branch, &err));
	check_ok(call(pool, snapshot, &head, &held, &err));
	check_ok(call(pool, snapshot, &head, &cloned, &err));
	name_of(&held, held_name);
	name_of(&cloned, cloned_name);
	RUN(ZFS, "hold", "backup", held_name);
	RUN(ZFS, "clone", "-o", "canmount=off", cloned_name, "bench/theirs");
	check_ok(call(pool, tree_delete, &held, &err));
	check_ok(call(pool, tree_delete, &cloned, &err));
	CHECK_LISTS(pool, &head);
	pool = reopened();
	CHECK_LISTS(pool, &head);
	check(exists(held_name) && exists(cloned_name) && exists("bench/theirs"));
	RUN(ZFS, "release", "backup", held_name);
	check(!exists(held_name));
	RUN(ZFS, "destroy", "bench/theirs");
	check(!exists(cloned_name));
	check_ok(call(pool, tree_delete, &head, &err));
	CHECK_LISTS(pool, NULL);
}

/* As a tool makes them that takes snapshots of everything.  They stay where they are, and under
 * their names. */
static void others_snapshots_with_clashing_names_are_left_alone(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	const struct uuid operation = uuid_new();
	struct tree head = tree_head(&branch), retired = tree_retired(&operation),
		    first = snapshot_number(&branch, 1), second = snapshot_number(&branch, 2);
	char old[260], new[260], daily[280], newer[280];

	check_ok(call(pool, head_create, &branch, &err));
	write_to(&head, "file", "one");
	check_ok(call(pool, snapshot, &head, &first, &err));
	name_of(&head, old);
	snprintf(daily, sizeof(daily), "%s@daily", old);
	RUN(ZFS, "snapshot", daily);
	check_ok(call(pool, snapshot, &head, &second, &err));
	check_ok(call(pool, head_swap, &branch, &second, &operation, &err));
	check_ok(call(pool, tree_delete, &retired, &err)); /* a promotion would move it */
	CHECK_LISTS(pool, &head, &first, &second);
	check(exists(daily));
	name_of(&head, new);
	snprintf(newer, sizeof(newer), "%s@daily", new);
	RUN(ZFS, "snapshot", newer); /* and would fail now */
	pool = reopened();
	CHECK_LISTS(pool, &head, &first, &second);
	check(exists(daily) && exists(newer));
	check_holds(pool, &first, "file", "one");
	RUN(ZFS, "destroy", daily);
	RUN(ZFS, "destroy", newer);
	pool = reopened();
	CHECK_LISTS(pool, &head, &first, &second);
	check(!exists(old)); /* now it could go */
}

/* --- how the pool is --------------------------------------------------------------------- */

static void snapshots_go_on_while_a_pool_is_degraded_or_scrubbed(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct tree head = tree_head(&branch), first = snapshot_number(&branch, 1),
		    second = snapshot_number(&branch, 2);
	char file[200], copy[200];
	struct pool_stats stats;

	snprintf(file, sizeof(file), "%s/zfs.img", bench_directory());
	snprintf(copy, sizeof(copy), "%s/copy.img", bench_directory());
	check_ok(call(pool, head_create, &branch, &err));
	RUN("/usr/bin/truncate", "-s", "1G", copy);
	RUN(ZPOOL, "attach", "bench", file, copy);
	RUN(ZPOOL, "offline", "bench", copy);
	check_ok(call(pool, stats, &stats, &err));
	check(strstr(stats.health, "DEGRADED") && strstr(stats.health, "zpool status bench"));
	write_to(&head, "file", "one");
	check_ok(call(pool, snapshot, &head, &first, &err));
	RUN(ZPOOL, "detach", "bench", copy);
	unlink(copy);
	check_ok(call(pool, stats, &stats, &err));
	check_string("ok", stats.health);
	RUN(ZPOOL, "scrub", "bench");
	check_ok(call(pool, snapshot, &head, &second, &err));
	check_ok(call(pool, stats, &stats, &err));
	check_string("ok", stats.health);
	check_holds(pool, &first, "file", "one");
	check_holds(pool, &second, "file", "one");
}

static int fill(struct pool *pool, const struct tree *tree)
{
	static char block[1 << 20];
	struct fl_error err = { 0 };
	int dir = -1, file, failure = 0;

	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = (char)(i * i >> 3);
	check_ok(call(pool, tree_open, tree, &dir, &err));
	file = openat(dir, "much", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	for (int i = 0; i < 2048 && !failure; i++)
		if (write(file, block, sizeof(block)) < 0)
			failure = errno;
	close(file);
	close(dir);
	return failure;
}

static void a_full_pool_says_so_and_is_left_by_deleting(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct tree head = tree_head(&branch), full = tree_head(&other),
		    first = snapshot_number(&branch, 1);

	check_ok(call(pool, head_create, &branch, &err));
	check_ok(call(pool, head_create, &other, &err));
	write_to(&head, "file", "one");
	check(fill(pool, &full) == ENOSPC);
	check_ok(call(pool, sync, &err));
	check_code(FL_NO_SPACE, call(pool, snapshot, &head, &first, &err));
	CHECK_LISTS(pool, &head, &full);
	check_ok(call(pool, tree_delete, &full, &err));
	check_ok(call(pool, snapshot, &head, &first, &err));
	check_holds(pool, &first, "file", "one");
}

static void a_pool_that_others_made_read_only_says_so(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct tree head = tree_head(&branch), first = snapshot_number(&branch, 1);
	struct pool_stats stats;

	check_ok(call(pool, head_create, &branch, &err));
	write_to(&head, "file", "one");
	RUN(ZFS, "set", "readonly=on", "bench/some");
	check_ok(call(pool, stats, &stats, &err));
	check(stats.read_only);
	check_string("read-only", stats.health);
	check_ok(call(pool, snapshot, &head, &first, &err));
	pool = reopened();
	CHECK_LISTS(pool, &head, &first);
	check_holds(pool, &head, "file", "one");
	RUN(ZFS, "inherit", "readonly", "bench/some");
	check_ok(call(pool, stats, &stats, &err));
	check(!stats.read_only);
	pool = reopened();
	write_to(&head, "file", "two");
	check_holds(pool, &head, "file", "two");
}

/* --- programs ------------------------------------------------------------------------------ */

static void a_program_that_hangs_fails_its_operation_and_no_other(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct tree head = tree_head(&branch), first = snapshot_number(&branch, 1),
		    second = snapshot_number(&branch, 2);

	check_ok(call(pool, head_create, &branch, &err));
	write_to(&head, "file", "one");
	stand_in("snapshot", "exec sleep 1000");
	check_code(FL_SYSTEM, call(pool, snapshot, &head, &first, &err));
	check(strstr(err.text, "zfs snapshot") && strstr(err.text, "killed"));
	check_missing(pool, &first);
	/* One that did its work before counts. */
	stand_in("snapshot", ZFS " \"$@\"; exec sleep 1000");
	check_ok(call(pool, snapshot, &head, &second, &err));
	zfs_use(NULL, 0);
	CHECK_LISTS(pool, &head, &second);
	check_ok(call(pool, snapshot, &head, &first, &err));
	pool = reopened();
	CHECK_LISTS(pool, &head, &first, &second);
	check_holds(pool, &second, "file", "one");
}

/* --- in use ---------------------------------------------------------------- */

/* A process whose working directory this is, as soon as it answers. */
static pid_t occupy(const char *directory)
{
	int ready[2];
	char byte;
	pid_t pid;

	check(pipe(ready) == 0);
	pid = fork();
	if (pid == 0) {
		if (chdir(directory) < 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		execl("/usr/bin/setpriv", "setpriv", "--pdeathsig", "KILL", "/bin/sleep", "1000",
		      (char *)NULL);
		_exit(127);
	}
	close(ready[1]);
	check(read(ready[0], &byte, 1) == 1);
	close(ready[0]);
	return pid;
}

static void whoever_keeps_a_pool_busy_is_named(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	char root[160], path[400], uuid[UUID_TEXT], process[40], namespace[60];
	struct stat st;
	pid_t pid;

	snprintf(root, sizeof(root), "%s/root", bench_directory());
	snprintf(path, sizeof(path), "%s/.heads/%s", root, uuid_format(&branch, uuid));
	check_ok(call(pool, head_create, &branch, &err));
	check_ok(call(pool, expose, root, &err));
	pid = occupy(path);
	snprintf(process, sizeof(process), "process %d (", (int)pid);
	check(stat("/proc/self/ns/mnt", &st) == 0);
	snprintf(namespace, sizeof(namespace), ") in mount namespace %llu",
		 (unsigned long long)st.st_ino);
	check_code(FL_BUSY, call(pool, conceal, root, &err));
	check(strstr(err.text, process) && strstr(err.text, namespace) && err.hint[0]);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	check_ok(call(pool, conceal, root, &err));
}

/* As containers do, and whatever copies all mounts. */
static void a_mount_namespace_that_keeps_a_mount_is_named(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	const struct tree head = tree_head(&branch);
	char root[160], wanted[80];
	struct tree_info info;
	struct stat st;
	int ready[2];
	pid_t pid;
	char byte;

	snprintf(root, sizeof(root), "%s/root", bench_directory());
	check_ok(call(pool, head_create, &branch, &err));
	check_ok(call(pool, expose, root, &err));
	check_ok(call(pool, tree_info, &head, &info, &err));
	check(pipe(ready) == 0);
	pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWNS) < 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		close(ready[0]);
		execl("/usr/bin/setpriv", "setpriv", "--pdeathsig", "KILL", "/bin/sleep", "1000",
		      (char *)NULL);
		_exit(127);
	}
	close(ready[1]);
	check(read(ready[0], &byte, 1) == 1);
	close(ready[0]);
	snprintf(root, sizeof(root), "/proc/%d/ns/mnt", (int)pid);
	check(stat(root, &st) == 0);
	snprintf(wanted, sizeof(wanted), "mount namespace %llu of process %d (",
		 (unsigned long long)st.st_ino, (int)pid);
	fl_fail(&err, FL_BUSY, "it is busy");
	name_users(info.device, &err);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	check(strncmp(err.text, "it is busy: in use by ", 22) == 0 && strstr(err.text, wanted));
	fl_fail(&err, FL_BUSY, "it is busy");
	name_users(info.device, &err);
	check_string("it is busy", err.text);
}

int main(int argc, char **argv)
{
	return suite_main(argc, argv, DRIVER_MUST_REVEAL,
			  (struct check[]){
				  CHECK(what_others_hold_or_cloned_is_deleted_when_they_let_go),
				  CHECK(others_snapshots_with_clashing_names_are_left_alone),
				  CHECK(snapshots_go_on_while_a_pool_is_degraded_or_scrubbed),
				  CHECK(a_full_pool_says_so_and_is_left_by_deleting),
				  CHECK(a_pool_that_others_made_read_only_says_so),
				  CHECK(a_program_that_hangs_fails_its_operation_and_no_other),
				  CHECK(whoever_keeps_a_pool_busy_is_named),
				  CHECK(a_mount_namespace_that_keeps_a_mount_is_named),
				  CHECK_END,
			  });
}
