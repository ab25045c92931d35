/* Quotas on ZFS: what becomes of the datasets that count, beyond what every driver promises. */

#include "zfs-suite.h"

#include <unistd.h>

static const struct uuid group = { { 7, 7, [15] = 70 } }, another = { { 8, 8, [15] = 80 } };
static const struct uuid branch = { { 1, 1, [15] = 10 } }, other = { { 2, 2, [15] = 20 } };

/* 0, or the errno that ended it. */
static int fill(struct pool *pool, const struct uuid *where, const char *name, uint64_t bytes)
{
	static char block[1 << 20];
	const struct tree head = tree_head(where);
	struct fl_error err = { 0 };
	int tree = -1, file, failure = 0;

	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = (char)(i * i >> 3);
	check_ok(call(pool, tree_open, &head, &tree, &err));
	file = openat(tree, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	if (file < 0)
		failure = errno;
	for (uint64_t done = 0; !failure && done < bytes; done += sizeof(block))
		if (write(file, block, sizeof(block)) < 0)
			failure = errno;
	if (!failure && fsync(file) < 0)
		failure = errno;
	if (file >= 0)
		close(file);
	close(tree);
	return failure;
}

static struct usage usage_of(struct pool *pool, enum account account, const struct uuid *uuid)
{
	struct fl_error err = { 0 };
	struct usage usage = { 0 };

	check_ok(call(pool, sync, &err));
	check_ok(call(pool, usage, account, uuid, &usage, &err));
	return usage;
}

static void remove_file(struct pool *pool, const char *name)
{
	const struct tree head = tree_head(&branch);
	struct fl_error err = { 0 };
	int tree = -1;

	check_ok(call(pool, tree_open, &head, &tree, &err));
	check(unlinkat(tree, name, 0) == 0);
	close(tree);
}

static struct pool *counting(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();

	check_ok(call(pool, account, &branch, &group, &err));
	check_ok(call(pool, head_create, &branch, &err));
	return pool;
}

/* ZFS promotes nothing where the quota is exceeded; a volume at its quota must be able to get below
 * it. */
static void what_is_deleted_at_the_quota_gives_its_space_back(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = counting();
	const struct uuid operation = uuid_new();
	const struct tree head = tree_head(&branch), retired = tree_retired(&operation);
	const struct tree first = snapshot_number(&branch, 1), second = snapshot_number(&branch, 2);
	struct usage usage;

	check_ok(call(pool, limit, &group, 16 * MEBIBYTE, &err));
	check_ok(call(pool, snapshot, &head, &first, &err));
	check(fill(pool, &branch, "much", 64 * MEBIBYTE) == EDQUOT);
	check_ok(call(pool, snapshot, &head, &second, &err));
	check_ok(call(pool, head_swap, &branch, &first, &operation, &err));
	check_ok(call(pool, tree_delete, &second, &err));
	check_ok(call(pool, tree_delete, &retired, &err));
	usage = usage_of(pool, ACCOUNT_GROUP, &group);
	check(usage.bytes < MEBIBYTE && usage.limit == 16 * MEBIBYTE);
	check(fill(pool, &branch, "file", 12 * MEBIBYTE) == 0);
	check(fill(pool, &branch, "much", 64 * MEBIBYTE) == EDQUOT);
}

/* What a copy in another volume shares with its original counts for the original while that has
 * snapshots. */
static void what_a_copy_shares_counts_for_the_original(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = counting();
	const struct uuid operation = uuid_new(), end = uuid_new();
	const struct tree head = tree_head(&branch), retired = tree_retired(&operation),
			  ended = tree_retired(&end);
	const struct tree first = snapshot_number(&branch, 1), second = snapshot_number(&branch, 2);

	check_ok(call(pool, snapshot, &head, &first, &err));
	check(fill(pool, &branch, "file", 8 * MEBIBYTE) == 0);
	check_ok(call(pool, snapshot, &head, &second, &err));
	check_ok(call(pool, account, &other, &another, &err));
	check_ok(call(pool, head_clone, &other, &second, &err));
	check_ok(call(pool, head_swap, &branch, &first, &operation, &err));
	check_ok(call(pool, tree_delete, &retired,
		      &err)); /* its newest snapshot has only this clone */
	check(usage_of(pool, ACCOUNT_GROUP, &group).bytes >= 8 * MEBIBYTE);
	check(usage_of(pool, ACCOUNT_GROUP, &another).bytes < MEBIBYTE);
	check(usage_of(pool, ACCOUNT_BRANCH, &branch).bytes >= 8 * MEBIBYTE);
	/* Once it is gone the copy alone has it, as soon as it may. */
	check_ok(call(pool, limit, &another, 4 * MEBIBYTE, &err));
	check_ok(call(pool, head_retire, &branch, &end, &err));
	check_ok(call(pool, tree_delete, &first, &err));
	check_ok(call(pool, tree_delete, &second, &err));
	check_ok(call(pool, tree_delete, &ended, &err));
	check_ok(call(pool, limit, &another, 0, &err));
	pool = reopened();
	check(!usage_of(pool, ACCOUNT_GROUP, &group).known);
	check(usage_of(pool, ACCOUNT_GROUP, &another).bytes >= 8 * MEBIBYTE);
}

static void a_limit_of_less_than_is_used_stops_writing(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = counting();
	int64_t deadline;

	check(fill(pool, &branch, "file", 8 * MEBIBYTE) == 0);
	check_ok(call(pool, sync, &err));
	check_ok(call(pool, limit, &group, 4 * MEBIBYTE, &err));
	check(usage_of(pool, ACCOUNT_GROUP, &group).limit == 4 * MEBIBYTE);
	check(fill(pool, &branch, "more", 8 * MEBIBYTE) == EDQUOT);
	check_ok(call(pool, limit, &group, 32 * MEBIBYTE, &err));
	check(usage_of(pool, ACCOUNT_GROUP, &group).limit == 32 * MEBIBYTE);
	check(fill(pool, &branch, "more", 8 * MEBIBYTE) == 0);
	remove_file(pool, "more");
	/* The kernel tells zfs-fuse in its own time that nobody has the file any more. */
	deadline = clock_monotonic() + CLOCK_MINUTE;
	while (usage_of(pool, ACCOUNT_GROUP, &group).bytes >= 9 * MEBIBYTE)
		check(clock_monotonic() < deadline);
}

/* In a pool that was made before it counted. */
static void a_head_that_is_there_counts_from_then_on(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	const struct tree head = tree_head(&branch), first = snapshot_number(&branch, 1);
	uint64_t id;

	check_ok(call(pool, head_create, &branch, &err));
	check(fill(pool, &branch, "file", 8 * MEBIBYTE) == 0);
	check_ok(call(pool, snapshot, &head, &first, &err));
	id = id_of(pool, &head);
	check(!usage_of(pool, ACCOUNT_BRANCH, &branch).known);
	check_ok(call(pool, account, &branch, &group, &err));
	check(usage_of(pool, ACCOUNT_BRANCH, &branch).bytes >= 8 * MEBIBYTE);
	check_ok(call(pool, limit, &group, 16 * MEBIBYTE, &err));
	check(fill(pool, &branch, "much", 64 * MEBIBYTE) == EDQUOT);
	pool = reopened();
	CHECK_LISTS(pool, &head, &first);
	check(id_of(pool, &head) == id);
	check(usage_of(pool, ACCOUNT_BRANCH, &branch).bytes >= 15 * MEBIBYTE);
}

static void many_are_asked_about_by_one_program(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = counting();
	struct account_name names[100];
	struct usage usages[100];
	char path[200], script[240];
	struct stat st;

	snprintf(path, sizeof(path), "%s/runs", bench_directory());
	snprintf(script, sizeof(script), "printf x >>%s", path);
	for (size_t i = 0; i < array_size(names); i++)
		names[i] = (struct account_name){ i % 2 ? ACCOUNT_BRANCH : ACCOUNT_GROUP,
						  i % 2 ? branch : group };
	check_ok(call(pool, sync, &err));
	stand_in("get", script);
	check_ok(call(pool, usage, ACCOUNT_GROUP, &group, usages, &err));
	check(stat(path, &st) == 0 && st.st_size == 1);
	/* Who asks again asks for all; and of this one there is nothing. */
	check_ok(call(pool, usage, ACCOUNT_BRANCH, &other, usages, &err));
	check(!usages[0].known && stat(path, &st) == 0 && st.st_size == 2);
	check_ok(call(pool, sync, &err)); /* what was told is old now */
	check_ok(call(pool, usages, names, array_size(names), usages, &err));
	zfs_use(NULL, 0);
	for (size_t i = 0; i < array_size(names); i++)
		check(usages[i].known && usages[i].bytes > 0);
	check(stat(path, &st) == 0 && st.st_size == 3);
}

/* Its dataset goes with its last branch, but not its limit. */
static void a_group_without_branches_keeps_its_limit_and_nothing_else(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = counting();
	const struct tree head = tree_head(&branch);
	struct usage usage;
	char name[260];

	check_ok(call(pool, limit, &group, 16 * MEBIBYTE, &err));
	name_of(&head, name);
	*strrchr(name, '/') = '\0';
	check(exists(name));
	check_ok(call(pool, tree_delete, &head, &err));
	check(!exists(name));
	usage = usage_of(pool, ACCOUNT_GROUP, &group);
	check(usage.known && usage.bytes == 0 && usage.limit == 16 * MEBIBYTE);
	check(!usage_of(pool, ACCOUNT_BRANCH, &branch).known);
	check_ok(call(pool, account, &other, &group, &err));
	check_ok(call(pool, head_create, &other, &err));
	check(fill(pool, &other, "much", 64 * MEBIBYTE) == EDQUOT);
	check(usage_of(pool, ACCOUNT_GROUP, &group).limit == 16 * MEBIBYTE);
}

static void what_others_put_into_a_group_is_left_alone(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = counting();
	const struct tree head = tree_head(&branch);
	char name[260], theirs[280], forged[280];

	name_of(&head, name);
	*strrchr(name, '/') = '\0'; /* the group's */
	snprintf(theirs, sizeof(theirs), "%s/theirs", name);
	snprintf(forged, sizeof(forged), "bench/some/where/v.0000000000000051/x.0000000000000007");
	RUN(ZFS, "create", "-o", "canmount=off", theirs);
	/* What is not in the dataset of a group is not ours, whatever it says. */
	RUN(ZFS, "create", "-p", "-o", "canmount=off", "-o", "flocker:tree=hidden", forged);
	check_ok(call(pool, tree_delete, &head, &err));
	pool = reopened();
	CHECK_LISTS(pool, NULL);
	check(exists(theirs) && exists(forged));
	RUN(ZFS, "destroy", theirs);
	reopened();
	check(!exists(name));
	check(exists(forged));
}

int main(int argc, char **argv)
{
	return suite_main(argc, argv, DRIVER_MUST_REVEAL | DRIVER_CAN_LIMIT,
			  (struct check[]){
				  CHECK(what_is_deleted_at_the_quota_gives_its_space_back),
				  CHECK(what_a_copy_shares_counts_for_the_original),
				  CHECK(a_limit_of_less_than_is_used_stops_writing),
				  CHECK(a_head_that_is_there_counts_from_then_on),
				  CHECK(many_are_asked_about_by_one_program),
				  CHECK(a_group_without_branches_keeps_its_limit_and_nothing_else),
				  CHECK(what_others_put_into_a_group_is_left_alone),
				  CHECK_END,
			  });
}
