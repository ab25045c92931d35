/* What ZFS brings with it: snapshots that lie in datasets, clones that bind, datasets of others, a
 * server that dies. */

#include "suite.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/spawn.h"

#define ZFS "/usr/sbin/zfs"

/* What `zfs ARGUMENTS` prints; on the heap. */
static char *ask(const char *const argv[])
{
	own(spawn_result_done) struct spawn_result result = { 0 };
	struct fl_error err = { 0 };

	check_ok(spawn_run(argv, 60 * CLOCK_SECOND, &result, &err));
	return text_take(&result.out);
}

/* Where the pool's datasets are. */
static const char *where(void)
{
	static char name[80];
	char *pools;

	if (bench_spec()->kind == POOL_DATASET) {
		snprintf(name, sizeof(name), "%.79s", bench_spec()->path);
		return name;
	}
	pools = ask((const char *[]){ "/usr/sbin/zpool", "list", "-H", "-o", "name", NULL });
	snprintf(name, sizeof(name), "%.*s/flocker", (int)strcspn(pools, "\n"), pools);
	free(pools);
	return name;
}

/* How many datasets or snapshots of ours there are, the state not counted. */
static int count_of(const char *type)
{
	char *names = ask((const char *[]){ ZFS, "list", "-H", "-r", "-o", "name", "-t", type,
					    where(), NULL });
	int count = 0;

	for (const char *p = names; (p = strchr(p, '\n')); p++)
		count++;
	free(names);
	return strcmp(type, "filesystem") == 0 ? count - 2 : count;
}

static void later_snapshots_outlive_the_head_that_they_lie_in(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct uuid branch = uuid_new(), operation = uuid_new();
	struct tree head = tree_head(&branch), retired = tree_retired(&operation);
	struct tree first = snapshot_number(&branch, 1), second = snapshot_number(&branch, 2);

	check_ok(call(pool, head_create, &branch, &err));
	write_to(&head, "file", "one");
	check_ok(call(pool, snapshot, &head, &first, &err));
	write_to(&head, "file", "two");
	check_ok(call(pool, snapshot, &head, &second, &err));
	check_ok(call(pool, head_swap, &branch, &first, &operation, &err));
	check_ok(call(pool, tree_delete, &retired, &err));
	CHECK_LISTS(pool, &head, &first, &second);
	check_holds(pool, &second, "file", "two");
	check_holds(pool, &first, "file", "one");
	pool = reopened();
	CHECK_LISTS(pool, &head, &first, &second);
	check_holds(pool, &second, "file", "two");
	/* the last of them takes the old head along, and the first lies in the new one now */
	check_ok(call(pool, tree_delete, &second, &err));
	CHECK_LISTS(pool, &head, &first);
	pool = reopened();
	check(count_of("filesystem") == 1 && count_of("snapshot") == 1);
	check_holds(pool, &head, "file", "one");
	check_ok(call(pool, tree_delete, &first, &err));
	check_ok(call(pool, tree_delete, &head, &err));
	check(count_of("filesystem") == 0 && count_of("snapshot") == 0);
}

/* Ten rollbacks, back and forth, and everything but the head deleted. */
static void nothing_is_left_of_many_rollbacks(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct uuid branch = uuid_new();
	struct tree head = tree_head(&branch), snapshot;

	check_ok(call(pool, head_create, &branch, &err));
	for (int i = 1; i <= 10; i++) {
		struct uuid operation = uuid_new();
		struct tree retired = tree_retired(&operation);
		struct tree target = snapshot_number(&branch, 1 + i / 2);

		snapshot = snapshot_number(&branch, i);
		check_ok(call(pool, snapshot, &head, &snapshot, &err));
		check_ok(call(pool, head_swap, &branch, &target, &operation, &err));
		check_ok(call(pool, tree_delete, &retired, &err));
	}
	for (int i = 1; i <= 10; i++) {
		snapshot = snapshot_number(&branch, i * 7 % 11);
		check_ok(call(pool, tree_delete, &snapshot, &err));
	}
	CHECK_LISTS(pool, &head);
	pool = reopened();
	CHECK_LISTS(pool, &head);
	check(count_of("filesystem") - 1 <= 1); /* a clone needs what it was made of */
	check_ok(call(pool, tree_delete, &head, &err));
	pool = reopened();
	check(count_of("filesystem") == 0 && count_of("snapshot") == 0);
}

static void two_branches_may_use_one_name(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct uuid a = uuid_new(), b = uuid_new(), operation = uuid_new();
	struct tree head = tree_head(&a), other = tree_head(&b), retired = tree_retired(&operation);
	struct tree of_a = snapshot_number(&a, 1), of_b = snapshot_number(&b, 1);
	struct tree later = snapshot_number(&a, 2);

	check_ok(call(pool, head_create, &a, &err));
	write_to(&head, "file", "a");
	check_ok(call(pool, snapshot, &head, &of_a, &err));
	check_ok(call(pool, head_clone, &b, &of_a, &err));
	write_to(&other, "file", "b");
	check_ok(call(pool, snapshot, &other, &of_b, &err));
	check_ok(call(pool, head_swap, &a, &of_a, &operation, &err));
	check_ok(call(pool, snapshot, &head, &later, &err));
	check_ok(call(pool, tree_delete, &retired, &err)); /* promotes over all of these names */
	pool = reopened();
	CHECK_LISTS(pool, &head, &other, &of_a, &of_b, &later);
	check_holds(pool, &of_a, "file", "a");
	check_holds(pool, &of_b, "file", "b");
}

static int delete_it(void *arg, const struct tree *tree, const struct tree_info *info,
		     struct fl_error *err)
{
	return call((struct pool *)arg, tree_delete, tree, err);
}

static void what_is_of_others_is_never_touched(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct uuid branch = uuid_new();
	struct tree head = tree_head(&branch);
	char foreign[120], inner[160], snapshot[180], text[200];
	char *before, *after;
	bool same;

	snprintf(foreign, sizeof(foreign), "%s/mine", where());
	snprintf(inner, sizeof(inner), "%s/deep.0000000000000001", foreign);
	snprintf(snapshot, sizeof(snapshot), "%s@heads.0000000000000002", foreign);
	snprintf(text, sizeof(text), "flocker:tree=heads/%036d\tx\ny\xc3\xa4", 0);
	check_ok(bench_run(
		(const char *[]){ ZFS, "create", "-o", "canmount=off", "-o", text, foreign, NULL },
		&err));
	check_ok(bench_run((const char *[]){ ZFS, "create", "-o", "canmount=off", "-o",
					     "flocker:tree=hidden", inner, NULL },
			   &err));
	check_ok(bench_run(
		(const char *[]){ ZFS, "snapshot", "-o", "flocker:tree=hidden", snapshot, NULL },
		&err));
	before = ask((const char *[]){ ZFS, "get", "-Hp", "-r", "-o", "name,property,value,source",
				       "guid,flocker:tree", foreign, NULL });
	pool = reopened();
	CHECK_LISTS(pool, NULL);
	check_ok(call(pool, head_create, &branch, &err));
	pool = reopened();
	CHECK_LISTS(pool, &head);
	check_ok(call(pool, list, delete_it, pool, &err));
	pool = reopened();
	after = ask((const char *[]){ ZFS, "get", "-Hp", "-r", "-o", "name,property,value,source",
				      "guid,flocker:tree", foreign, NULL });
	same = strcmp(before, after) == 0 && strlen(before) > 100;
	free(before);
	free(after);
	check(same);
}

/* Deleted is deleted; what somebody still has open goes when he is gone. */
static void what_is_in_use_is_deleted_later(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct uuid branch = uuid_new(), other = uuid_new();
	struct tree head = tree_head(&branch), second = tree_head(&other);
	int64_t deadline;
	int fd = -1, held;

	check_ok(call(pool, head_create, &branch, &err));
	check_ok(call(pool, head_create, &other, &err));
	check_ok(call(pool, tree_open, &head, &fd, &err));
	held = openat(fd, ".", O_PATH | O_CLOEXEC);
	close(fd); /* zfs-fuse never lets go of what is closed and unmounted in one moment */
	check(held >= 0);
	check_ok(call(pool, tree_delete, &head, &err));
	check_missing(pool, &head);
	check(count_of("filesystem") == 2);
	close(held);
	check_ok(call(pool, tree_delete, &second, &err));
	/* zfs-fuse hears of it a moment after the kernel; each deletion looks for what can go now.
	 */
	deadline = clock_monotonic() + CLOCK_MINUTE;
	while (count_of("filesystem") != 0) {
		check(clock_monotonic() < deadline);
		check_ok(call(pool, tree_delete, &second, &err));
	}
}

/* The pool, opened anew after all files of its state are gone. */
static struct pool *without_state(void)
{
	int64_t deadline = clock_monotonic() + CLOCK_MINUTE;
	struct fl_error err = { 0 };
	char state[100];

	bench_close();
	snprintf(state, sizeof(state), "%s/state", where());
	while (bench_run((const char *[]){ ZFS, "destroy", state, NULL }, &err) < 0) {
		check(clock_monotonic() < deadline);
		usleep(20000);
	}
	return reopened();
}

/* NULL: there are none. */
static void check_facts(struct pool *pool, const struct uuid *branch, const char *wanted)
{
	struct fl_error err = { 0 };
	struct text text = { 0 };
	int r = call(pool, facts_read, branch, &text, &err);
	bool same = wanted && strcmp(text_get(&text), wanted) == 0;

	text_done(&text);
	check_code(wanted ? FL_OK : FL_NOT_FOUND, r);
	check(same || !wanted);
}

static void facts_are_known_without_their_files(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct uuid a = uuid_new(), b = uuid_new(), operation = uuid_new(), last = uuid_new();
	struct tree retired = tree_retired(&operation), gone = tree_retired(&last);
	struct tree head = tree_head(&a), side = tree_head(&b), one = snapshot_number(&a, 1);

	/* from birth */
	check_ok(call(pool, facts_write, &a, "a, \"first\"\n", &err));
	check_ok(call(pool, head_create, &a, &err));
	pool = without_state();
	check_facts(pool, &a, "a, \"first\"\n");
	/* as they change, and with a swap */
	check_ok(call(pool, facts_write, &a, "second", &err));
	check_ok(call(pool, sync, &err));
	check_ok(call(pool, snapshot, &head, &one, &err));
	check_ok(call(pool, head_swap, &a, &one, &operation, &err));
	check_ok(call(pool, tree_delete, &retired, &err));
	pool = without_state();
	check_facts(pool, &a, "second");
	/* the snapshot moves into the dataset of another branch, and its own goes */
	check_ok(call(pool, facts_write, &b, "b", &err));
	check_ok(call(pool, head_clone, &b, &one, &err));
	check_ok(call(pool, head_retire, &a, &last, &err));
	check_ok(call(pool, tree_delete, &gone, &err));
	check_ok(call(pool, sync, &err));
	pool = without_state();
	CHECK_LISTS(pool, &side, &one);
	check_facts(pool, &a, "second");
	check_facts(pool, &b, "b");
	/* deleted is deleted */
	check_code(FL_BUSY, call(pool, facts_delete, &a, &err));
	check_ok(call(pool, tree_delete, &one, &err));
	check_ok(call(pool, facts_delete, &a, &err));
	pool = without_state();
	check_facts(pool, &a, NULL);
	check_facts(pool, &b, "b");
}

static int count_note(void *arg, const struct tree *tree, const char *note, struct fl_error *err)
{
	++*(int *)arg;
	return 0;
}

/* What a file is newer than is written anew; what stands above is said of something else. */
static void only_its_own_properties_tell_of_a_dataset(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct uuid branch = uuid_new(), other = uuid_new();
	struct tree head = tree_head(&branch), one = snapshot_number(&branch, 1);
	char property[200], uuid[UUID_TEXT];
	int notes = 0;

	check_ok(call(pool, facts_write, &branch, "mine", &err));
	check_ok(call(pool, head_create, &branch, &err));
	check_ok(call(pool, snapshot, &head, &one, &err));
	snprintf(property, sizeof(property), "flocker:facts.%s=9.1:inherited",
		 uuid_format(&branch, uuid));
	check_ok(bench_run((const char *[]){ ZFS, "set", property, where(), NULL }, &err));
	snprintf(property, sizeof(property), "flocker:facts.%s=9.1:inherited",
		 uuid_format(&other, uuid));
	check_ok(bench_run((const char *[]){ ZFS, "set", property, where(), NULL }, &err));
	check_ok(bench_run((const char *[]){ ZFS, "set", "flocker:note=1.1:x", where(), NULL },
			   &err));
	pool = without_state();
	check_facts(pool, &branch, "mine");
	check_facts(pool, &other, NULL);
	check_ok(call(pool, note_each, count_note, &notes, &err));
	check(notes == 0);
}

static void a_pool_that_is_not_imported_is_not_found(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();

	if (bench_spec()->kind != POOL_DATASET)
		return;
	bench_close();
	check_ok(bench_run((const char *[]){ "/usr/sbin/zpool", "export", "bench", NULL }, &err));
	check_code(FL_NOT_FOUND, bench_reopen(&pool, &err));
	check(strstr(err.text, "bench"));
	check_ok(bench_run((const char *[]){ "/usr/sbin/zpool", "import", "-d", bench_directory(),
					     "bench", NULL },
			   &err));
	reopened();
}

static pid_t start_server(void)
{
	const char *const ready[] = { "/usr/sbin/zpool", "list", NULL };
	int64_t deadline = clock_monotonic() + CLOCK_MINUTE;
	struct fl_error err = { 0 };
	pid_t server = fork();

	if (server == 0) {
		dup2(open("/dev/null", O_RDWR), STDOUT_FILENO);
		execl("/usr/bin/setpriv", "setpriv", "--pdeathsig", "KILL", "/usr/sbin/zfs-fuse",
		      "--no-daemon", "--no-kstat-mount", "--enable-xattr", (char *)NULL);
		_exit(127);
	}
	while (bench_run(ready, &err) < 0 && clock_monotonic() < deadline)
		usleep(20000);
	return server;
}

static void a_server_that_died_is_found_again(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct uuid branch = uuid_new();
	struct tree head = tree_head(&branch), first = snapshot_number(&branch, 1);
	struct pool_stats stats;
	struct text text = { 0 };
	char root[160], file[400], uuid[UUID_TEXT];
	int64_t deadline;
	int fd;

	snprintf(root, sizeof(root), "%s/root", bench_directory());
	snprintf(file, sizeof(file), "%s/.heads/%s/file", root, uuid_format(&branch, uuid));
	check_ok(call(pool, head_create, &branch, &err));
	check_ok(call(pool, expose, root, &err));
	write_to(&head, "file", "kept");
	check_ok(call(pool, snapshot, &head, &first, &err));
	check_ok(call(pool, file_write, "note", "x", 1, &err));
	kill((pid_t)atoi(getenv("ZFS_FUSE_PID")), SIGKILL);
	deadline = clock_monotonic() + CLOCK_MINUTE;
	while (call(pool, stats, &stats, &err) == 0 && clock_monotonic() < deadline)
		usleep(20000);
	check_code(FL_UNREACHABLE, call(pool, stats, &stats, &err));
	check(err.hint[0]);
	check(call(pool, snapshot, &head, &first, &err) < 0);
	start_server();
	check_ok(call(pool, stats, &stats, &err));
	check_string("ok", stats.health);
	fd = open(file, O_RDONLY | O_CLOEXEC);
	check(fd >= 0);
	close(fd);
	check_holds(pool, &head, "file", "kept");
	check_holds(pool, &first, "file", "kept");
	check_ok(call(pool, file_read, "note", &text, &err));
	text_done(&text);
	check_ok(call(pool, conceal, root, &err));
	reopened();
}

int main(int argc, char **argv)
{
	return suite_main(argc, argv, DRIVER_MUST_REVEAL,
			  (struct check[]){
				  CHECK(later_snapshots_outlive_the_head_that_they_lie_in),
				  CHECK(nothing_is_left_of_many_rollbacks),
				  CHECK(two_branches_may_use_one_name),
				  CHECK(what_is_of_others_is_never_touched),
				  CHECK(what_is_in_use_is_deleted_later),
				  CHECK(facts_are_known_without_their_files),
				  CHECK(only_its_own_properties_tell_of_a_dataset),
				  CHECK(a_pool_that_is_not_imported_is_not_found),
				  CHECK(a_server_that_died_is_found_again),
				  CHECK_END,
			  });
}
