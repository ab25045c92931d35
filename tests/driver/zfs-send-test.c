/* Streams of ZFS: what they leave of others' things, programs that hang or die, quotas, what is
 * mounted. */

#include "zfs-suite.h"

#include <signal.h>
#include <sys/mman.h>

#include "driver/zfs/pool.h"

static const struct uuid ours = { { 1, 1, [15] = 10 } }, theirs = { { 2, 2, [15] = 20 } };
static const struct uuid operation = { { 7, 7, [15] = 70 } };

static int stream_of(struct pool *pool, const struct tree *base, const struct tree *tree)
{
	int fd = memfd_create("stream", MFD_CLOEXEC);
	struct fl_error err = { 0 };

	check_ok(call(pool, send, base, tree, fd, &err));
	check(lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

static int receive(struct pool *pool, const struct tree *base, int fd, struct fl_error *err)
{
	check(lseek(fd, 0, SEEK_SET) == 0);
	return call(pool, receive, &operation, base, fd, err);
}

static void fill(struct pool *pool, const struct tree *tree, size_t bytes)
{
	struct fl_error err = { 0 };
	char *noise = malloc(bytes);
	int dir = -1, file;

	for (size_t i = 0; i < bytes; i++)
		noise[i] = (char)(i * i >> 3);
	check_ok(call(pool, tree_open, tree, &dir, &err));
	file = openat(dir, "noise", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	check(file >= 0 && write(file, noise, bytes) == (ssize_t)bytes);
	close(file);
	close(dir);
	free(noise);
}

static struct pool *with_snapshot(struct tree *ret)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	const struct tree head = tree_head(&ours);

	*ret = snapshot_number(&ours, 1);
	check_ok(call(pool, head_create, &ours, &err));
	fill(pool, &head, 3 * MEBIBYTE);
	check_ok(call(pool, snapshot, &head, ret, &err));
	return pool;
}

/* Nothing below POOL/DATASET/received: no dataset, no snapshot. */
static void check_nothing_received(void)
{
	char *names = ask((const char *[]){ ZFS, "list", "-H", "-r", "-t", "all", "-o", "name",
					    "bench/some/where/received", NULL });

	check_string("bench/some/where/received\n", names);
	free(names);
}

/* A stream mounts nothing. */
static void check_nothing_mounted(void)
{
	char *values = ask((const char *[]){ ZFS, "get", "-H", "-r", "-o", "value", "mounted",
					     "bench/some/where/received", NULL });

	check(!strstr(values, "yes"));
	free(values);
}

static void a_program_that_hangs_or_dies_fails_its_stream(void)
{
	static const char *const deaths[] = { "exec sleep 1000", "kill -9 $$",
					      "head -c 100000 >/dev/null; exit 1" };
	struct fl_error err = { 0 };
	struct tree s1, c1 = snapshot_number(&theirs, 1), head = tree_head(&ours);
	struct pool *pool = with_snapshot(&s1);
	int fd = stream_of(pool, NULL, &s1), nowhere = memfd_create("nowhere", MFD_CLOEXEC);

	for (size_t i = 0; i < array_size(deaths); i++) {
		stand_in("receive", deaths[i]);
		check_code(FL_SYSTEM, receive(pool, NULL, fd, &err));
		stand_in("send", deaths[i]);
		check_code(FL_SYSTEM, call(pool, send, NULL, &s1, nowhere, &err));
	}
	/* Killed in the middle, when ZFS has much of it. */
	stand_in("receive", "head -c 2000000 | { " ZFS " \"$@\"; kill -9 $$; }");
	check(receive(pool, NULL, fd, &err) < 0);
	zfs_use(NULL, 0);
	CHECK_LISTS(pool, &head, &s1);
	check_nothing_received();
	check_ok(receive(pool, NULL, fd, &err));
	check_ok(call(pool, staging_commit, &operation, &c1, &err));
	CHECK_LISTS(pool, &head, &s1, &c1);
	check_nothing_mounted();
	close(fd);
	close(nowhere);
}

static void what_has_no_room_is_refused_and_leaves_nothing(void)
{
	struct fl_error err = { 0 };
	struct tree s1, c1 = snapshot_number(&theirs, 1), head = tree_head(&ours);
	struct pool *pool = with_snapshot(&s1);
	int fd = stream_of(pool, NULL, &s1);

	RUN(ZFS, "set", "quota=6M", "bench/some/where");
	check_code(FL_NO_SPACE, receive(pool, NULL, fd, &err));
	CHECK_LISTS(pool, &head, &s1);
	check_nothing_received();
	RUN(ZFS, "set", "quota=none", "bench/some/where");
	check_ok(receive(pool, NULL, fd, &err));
	check_ok(call(pool, staging_commit, &operation, &c1, &err));
	CHECK_LISTS(pool, &head, &s1, &c1);
	close(fd);
}

/* Datasets and snapshots of others where streams go, under names of theirs. */
static void what_others_put_there_stays(void)
{
	struct fl_error err = { 0 };
	struct tree s1, s2 = snapshot_number(&ours, 2), c1 = snapshot_number(&theirs, 1),
			c2 = snapshot_number(&theirs, 2), head = tree_head(&ours);
	struct pool *pool = with_snapshot(&s1);
	int full = stream_of(pool, NULL, &s1), increment;
	char name[260], daily[280];

	write_to(&head, "file", "two");
	check_ok(call(pool, snapshot, &head, &s2, &err));
	increment = stream_of(pool, &s1, &s2);
	check_ok(receive(pool, NULL, full, &err));
	check_ok(call(pool, staging_commit, &operation, &c1, &err));
	name_of(&c1, name);
	snprintf(daily, sizeof(daily), "%.*s@daily", (int)strcspn(name, "@"), name);
	RUN(ZFS, "snapshot", daily);
	RUN(ZFS, "create", "bench/some/where/received/theirs");
	RUN(ZFS, "snapshot", "bench/some/where/received/theirs@theirs");
	/* Newer than the base, and not ours: it may not go, and may not be taken along. */
	check_code(FL_BUSY, receive(pool, &c1, increment, &err));
	check(strstr(err.text, "daily") && strstr(err.hint, "zfs destroy"));
	pool = reopened();
	CHECK_LISTS(pool, &head, &s1, &s2, &c1);
	check(exists(daily) && exists("bench/some/where/received/theirs@theirs"));
	RUN(ZFS, "destroy", daily);
	check_ok(receive(pool, &c1, increment, &err));
	check_ok(call(pool, staging_commit, &operation, &c2, &err));
	pool = reopened();
	CHECK_LISTS(pool, &head, &s1, &s2, &c1, &c2);
	check_holds(pool, &c2, "file", "two");
	check(exists("bench/some/where/received/theirs@theirs"));
	close(full);
	close(increment);
}

/* One increment upon the other stays in one dataset, at the cost of a few runs. */
static void increments_cost_no_dataset_each(void)
{
	struct fl_error err = { 0 };
	struct tree last, base, head = tree_head(&ours), s[5], c[5];
	struct pool *pool = with_snapshot(&s[0]);
	uint64_t before;
	char *names;
	int fd = stream_of(pool, NULL, &s[0]), datasets = 0;

	c[0] = snapshot_number(&theirs, 1);
	check_ok(receive(pool, NULL, fd, &err));
	check_ok(call(pool, staging_commit, &operation, &c[0], &err));
	close(fd);
	for (int i = 1; i < 5; i++) {
		char contents[2] = { (char)('0' + i) };

		base = s[i - 1];
		s[i] = last = snapshot_number(&ours, i + 1);
		c[i] = snapshot_number(&theirs, i + 1);
		write_to(&head, "file", contents);
		check_ok(call(pool, snapshot, &head, &last, &err));
		fd = stream_of(pool, &base, &last);
		before = zfs_runs();
		check_ok(receive(pool, &c[i - 1], fd, &err));
		check_ok(call(pool, staging_commit, &operation, &c[i], &err));
		printf("# an increment: %d runs of zfs\n", (int)(zfs_runs() - before));
		check(zfs_runs() - before <= 4);
		close(fd);
	}
	names = ask((const char *[]){ ZFS, "list", "-H", "-r", "-o", "name",
				      "bench/some/where/received", NULL });
	for (const char *p = names; (p = strchr(p, '\n')); p++)
		datasets++;
	free(names);
	check(datasets == 2);
	check_holds(pool, &c[4], "file", "4");
	check_holds(pool, &c[1], "file", "1");
}

/* What was made here under a quota comes back changed, and the branch goes on. */
static void a_branch_with_a_quota_goes_there_and_back(void)
{
	const struct uuid group = { { 9, 9, [15] = 90 } }, swapping = { { 5 } };
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	const struct tree head = tree_head(&ours), s1 = snapshot_number(&ours, 1),
			  s2 = snapshot_number(&ours, 2), there = snapshot_number(&theirs, 1),
			  away = tree_head(&theirs), after = snapshot_number(&theirs, 2),
			  back = snapshot_number(&theirs, 3), retired = tree_retired(&swapping);
	int fd;

	check_ok(call(pool, account, &ours, &group, &err));
	check_ok(call(pool, limit, &group, 8 * MEBIBYTE, &err));
	check_ok(call(pool, head_create, &ours, &err));
	fill(pool, &head, 5 * MEBIBYTE);
	check_ok(call(pool, snapshot, &head, &s1, &err));
	write_to(&head, "file", "later");
	check_ok(call(pool, snapshot, &head, &s2, &err));
	fd = stream_of(pool, NULL, &s1);
	check_ok(receive(pool, NULL, fd, &err));
	close(fd);
	check_ok(call(pool, staging_commit, &operation, &there, &err));
	check_ok(call(pool, head_clone, &theirs, &there, &err));
	write_to(&away, "file", "away");
	check_ok(call(pool, snapshot, &away, &after, &err));
	fd = stream_of(pool, &there, &after);
	check_ok(receive(pool, &s1, fd, &err));
	close(fd);
	check_ok(call(pool, staging_commit, &operation, &back, &err));
	check_holds(pool, &back, "file", "away");
	/* Upon the older of two that lie in the head's dataset, from another's. */
	fd = stream_of(pool, &s1, &s2);
	check_ok(receive(pool, &s1, fd, &err));
	close(fd);
	check_ok(call(pool, tree_delete, &(struct tree){ TREE_STAGING, operation }, &err));
	check_ok(call(pool, head_swap, &ours, &s2, &swapping, &err));
	check_ok(call(pool, tree_delete, &retired, &err));
	write_to(&head, "file", "again");
	pool = reopened();
	CHECK_LISTS(pool, &head, &s1, &s2, &there, &away, &after, &back);
	check_holds(pool, &head, "file", "again");
	check_holds(pool, &s2, "file", "later");
	check_holds(pool, &s1, "file", NULL);
	check_holds(pool, &back, "file", "away");
	check_ok(call(pool, tree_delete, &s1, &err));
	check_ok(call(pool, tree_delete, &there, &err));
	check_holds(pool, &s2, "file", "later");
	check_holds(pool, &back, "file", "away");
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	return suite_main(argc, argv, DRIVER_MUST_REVEAL | DRIVER_CAN_SEND,
			  (struct check[]){
				  CHECK(a_program_that_hangs_or_dies_fails_its_stream),
				  CHECK(what_has_no_room_is_refused_and_leaves_nothing),
				  CHECK(what_others_put_there_stays),
				  CHECK(increments_cost_no_dataset_each),
				  CHECK(a_branch_with_a_quota_goes_there_and_back),
				  CHECK_END,
			  });
}
