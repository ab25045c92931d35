/* account, unaccount, limit, usage, usages, occupied: on pools that count, and on those that do
 * not. */

#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "suite.h"

#define MEBIBYTE (UINT64_C(1) << 20)

static const struct uuid group = { { 7, 7, [15] = 70 } };
static const struct uuid branch_a = { { 1, 1, [15] = 10 } }, branch_b = { { 2, 2, [15] = 20 } };

/* A fresh pool that counts, with `branch_a` in `group`; NULL where the pool cannot. */
static struct pool *counting(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct pool_stats stats;

	check_ok(call(pool, stats, &stats, &err));
	if (!stats.quota)
		return NULL;
	check_ok(call(pool, account, &branch_a, &group, &err));
	check_ok(call(pool, account, &branch_a, &group, &err));
	check_ok(call(pool, head_create, &branch_a, &err));
	return pool;
}

/* 0, or the errno that ended it. */
static int fill_tree(struct pool *pool, const struct tree *where, const char *name, uint64_t bytes,
		     bool sync)
{
	static char block[1 << 20];
	struct fl_error err = { 0 };
	int tree, file, failure = 0;

	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = (char)(i * i >> 3);
	check_ok(call(pool, tree_open, where, &tree, &err));
	file = openat(tree, name, O_CREAT | O_WRONLY, 0644);
	if (file < 0)
		failure = errno;
	for (uint64_t done = 0; !failure && done < bytes; done += sizeof(block))
		if (write(file, block, sizeof(block)) < 0)
			failure = errno;
	if (!failure && sync && fsync(file) < 0)
		failure = errno;
	if (file >= 0)
		close(file);
	close(tree);
	return failure;
}

/* ZFS stops writers a little late, and counts the metadata of a tree with its files. */
static uint64_t late(void)
{
	return strcmp(bench_driver()->name, "zfs") == 0 ? MEBIBYTE / 4 : 0;
}

/* Synced, so that the space is allocated. */
static int fill(struct pool *pool, const struct uuid *branch, const char *name, uint64_t bytes)
{
	const struct tree head = tree_head(branch);

	return fill_tree(pool, &head, name, bytes, true);
}

static uint64_t used(struct pool *pool, enum account account, const struct uuid *uuid)
{
	struct fl_error err = { 0 };
	struct usage usage;

	check_ok(call(pool, sync, &err));
	check_ok(call(pool, usage, account, uuid, &usage, &err));
	check(usage.known);
	return usage.bytes;
}

static void a_pool_says_whether_it_counts(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct pool_stats stats;
	struct usage usage = { .known = true };

	check_ok(call(pool, stats, &stats, &err));
	check(stats.quota == (pool->spec.kind != POOL_DIRECTORY));
	if (stats.quota)
		return;
	check_ok(call(pool, account, &branch_a, &group, &err));
	check_ok(call(pool, head_create, &branch_a, &err));
	check_ok(call(pool, limit, &group, 0, &err));
	check_code(FL_UNSUPPORTED, call(pool, limit, &group, MEBIBYTE, &err));
	check(err.hint[0]);
	check_ok(call(pool, usage, ACCOUNT_BRANCH, &branch_a, &usage, &err));
	check(!usage.known);
	usage.known = true;
	check_ok(call(pool, usages, &(struct account_name){ ACCOUNT_BRANCH, branch_a }, 1, &usage,
		      &err));
	check(!usage.known);
}

static void what_heads_allocate_counts_for_branch_and_group(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = counting();
	const struct tree first = snapshot_number(&branch_a, 1), head = tree_head(&branch_a);
	const struct uuid operation = uuid_new();

	if (!pool)
		return;
	check(fill(pool, &branch_a, "file", 8 * MEBIBYTE) == 0);
	check_ok(call(pool, snapshot, &head, &first, &err));
	check_ok(call(pool, account, &branch_b, &group, &err));
	check_ok(call(pool, head_clone, &branch_b, &first, &err));
	check(used(pool, ACCOUNT_BRANCH, &branch_b) < MEBIBYTE); /* shared: another's */
	check(fill(pool, &branch_b, "more", 4 * MEBIBYTE) == 0);
	check(used(pool, ACCOUNT_BRANCH, &branch_b) >= 4 * MEBIBYTE);
	/* A swapped head still counts, the new one too. */
	check_ok(call(pool, head_swap, &branch_a, &first, &operation, &err));
	check(fill(pool, &branch_a, "new", 2 * MEBIBYTE) == 0);
	check(used(pool, ACCOUNT_BRANCH, &branch_a) >= 10 * MEBIBYTE);
	check(used(pool, ACCOUNT_GROUP, &group) >= 14 * MEBIBYTE);
	check(used(pool, ACCOUNT_GROUP, &group) < 16 * MEBIBYTE);
}

static void a_limit_stops_writing_and_nothing_else(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = counting();
	const struct tree head = tree_head(&branch_a), first = snapshot_number(&branch_a, 1),
			  second = snapshot_number(&branch_a, 2);
	const struct uuid operation = uuid_new();
	const struct tree retired = tree_retired(&operation);

	if (!pool)
		return;
	check_ok(call(pool, limit, &group, 16 * MEBIBYTE, &err));
	check(fill(pool, &branch_a, "file", 8 * MEBIBYTE) == 0);
	check_ok(call(pool, snapshot, &head, &first, &err));
	check(fill(pool, &branch_a, "much", 64 * MEBIBYTE) == EDQUOT);
	check(used(pool, ACCOUNT_GROUP, &group) <= 16 * MEBIBYTE + late());
	check_ok(call(pool, snapshot, &head, &second, &err));
	check_ok(call(pool, account, &branch_b, &group, &err));
	check_ok(call(pool, head_clone, &branch_b, &second, &err));
	check(fill(pool, &branch_b, "much", 64 * MEBIBYTE) == EDQUOT); /* by any branch of it */
	check_ok(call(pool, head_swap, &branch_a, &first, &operation, &err));
	check_ok(call(pool, tree_delete, &retired, &err));
	check_ok(call(pool, tree_delete, &second, &err));
	check_ok(call(pool, limit, &group, 0, &err));
	check(fill(pool, &branch_a, "much", 64 * MEBIBYTE) == 0);
}

/* What is half-made counts like a head, which it becomes. */
static void what_is_in_staging_counts_for_its_branch(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = counting();
	const struct uuid operation = uuid_new();
	const struct tree staging = tree_staging(&operation);

	if (!pool)
		return;
	check_ok(call(pool, limit, &group, 16 * MEBIBYTE, &err));
	check(fill(pool, &branch_a, "file", 8 * MEBIBYTE) == 0);
	check_ok(call(pool, account, &branch_b, &group, &err));
	check_ok(call(pool, staging_create, &operation, &branch_b, &err));
	check(fill_tree(pool, &staging, "some", 4 * MEBIBYTE, true) == 0);
	check(used(pool, ACCOUNT_BRANCH, &branch_b) >= 4 * MEBIBYTE);
	check(used(pool, ACCOUNT_GROUP, &group) >= 12 * MEBIBYTE);
	check(fill_tree(pool, &staging, "much", 64 * MEBIBYTE, true) == EDQUOT);
	check_ok(call(pool, head_restore, &staging, &branch_b, &err));
	check(used(pool, ACCOUNT_GROUP, &group) <= 16 * MEBIBYTE + late());
	check(fill(pool, &branch_b, "more", 64 * MEBIBYTE) == EDQUOT);
}

/* Not when its space is free again, but at once; unwritten pages of it too. */
static void what_came_to_nothing_counts_no_more(void)
{
	static const struct uuid other = { { 8, 8, [15] = 80 } };
	struct fl_error err = { 0 };
	struct pool *pool = counting();
	const struct uuid operation = uuid_new(), another = uuid_new();
	const struct tree staging = tree_staging(&operation), second = tree_staging(&another);
	struct usage usage;

	if (!pool)
		return;
	check_ok(call(pool, limit, &group, 16 * MEBIBYTE, &err));
	check_ok(call(pool, account, &branch_b, &group, &err));
	check_ok(call(pool, staging_create, &operation, &branch_b, &err));
	check(fill_tree(pool, &staging, "some", 4 * MEBIBYTE, true) == 0);
	check(fill_tree(pool, &staging, "more", 8 * MEBIBYTE, false) == 0);
	check_ok(call(pool, unaccount, &staging, &branch_b, NULL, &err));
	check_ok(call(pool, unaccount, &staging, &branch_b, NULL, &err));
	check(used(pool, ACCOUNT_GROUP, &group) < MEBIBYTE);
	check_ok(call(pool, usage, ACCOUNT_BRANCH, &branch_b, &usage, &err));
	check(!usage.known);
	check(fill(pool, &branch_a, "file", 15 * MEBIBYTE) == 0);
	check_ok(call(pool, tree_delete, &staging, &err));
	/* With its group, and with one where the tree is missing. */
	check_ok(call(pool, limit, &other, MEBIBYTE, &err));
	check_ok(call(pool, account, &branch_b, &other, &err));
	check_ok(call(pool, staging_create, &another, &branch_b, &err));
	check_ok(call(pool, unaccount, &second, &branch_b, &other, &err));
	check_ok(call(pool, tree_delete, &second, &err));
	check_ok(call(pool, account, &branch_b, &other, &err));
	check_ok(call(pool, unaccount, &second, &branch_b, &other, &err));
	check_ok(call(pool, usage, ACCOUNT_GROUP, &other, &usage, &err));
	check(!usage.known);
	check(used(pool, ACCOUNT_GROUP, &group) >= 15 * MEBIBYTE);
}

static void a_limit_is_kept_over_reopening(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = counting();
	struct usage usage;

	if (!pool)
		return;
	check_ok(call(pool, limit, &group, 16 * MEBIBYTE, &err));
	check_ok(call(pool, sync, &err));
	pool = reopened();
	check_ok(call(pool, usage, ACCOUNT_GROUP, &group, &usage, &err));
	check(usage.known && usage.limit == 16 * MEBIBYTE);
	check(fill(pool, &branch_a, "much", 64 * MEBIBYTE) == EDQUOT);
}

/* What is left of a deleted branch is gone with the next opening; what lives stays. */
static void groups_of_deleted_trees_are_removed(void)
{
	static const struct uuid other = { { 8, 8, [15] = 80 } };
	struct fl_error err = { 0 };
	struct pool *pool = counting();
	const struct tree head = tree_head(&branch_b);
	struct usage usage;
	int64_t deadline;

	if (!pool)
		return;
	check_ok(call(pool, account, &branch_b, &other, &err));
	check_ok(call(pool, head_create, &branch_b, &err));
	check_ok(call(pool, sync, &err));
	pool = reopened();
	check_ok(call(pool, usage, ACCOUNT_BRANCH, &branch_b, &usage, &err));
	check(usage.known);
	check_ok(call(pool, tree_delete, &head, &err));
	deadline = clock_monotonic() + 2 * CLOCK_MINUTE;
	while (usage.known &&
	       clock_monotonic() < deadline) { /* the kernel deletes in its own time */
		check_ok(call(pool, sync, &err));
		pool = reopened();
		check_ok(call(pool, usage, ACCOUNT_GROUP, &other, &usage, &err));
	}
	check(!usage.known);
	check_ok(call(pool, usage, ACCOUNT_GROUP, &group, &usage, &err));
	check(usage.known);
}

static void many_are_asked_about_at_once(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = counting();
	const struct account_name names[] = {
		{ ACCOUNT_GROUP, group },
		{ ACCOUNT_BRANCH, branch_b },
		{ ACCOUNT_BRANCH, branch_a },
		{ ACCOUNT_GROUP, branch_a }, /* a branch is no group */
	};
	struct usage usages[4];

	if (!pool)
		return;
	check_ok(call(pool, limit, &group, 16 * MEBIBYTE, &err));
	check(fill(pool, &branch_a, "file", 8 * MEBIBYTE) == 0);
	check_ok(call(pool, sync, &err));
	check_ok(call(pool, usages, names, 4, usages, &err));
	check(usages[0].known && usages[0].limit == 16 * MEBIBYTE);
	check(usages[0].bytes == used(pool, ACCOUNT_GROUP, &group));
	check(!usages[1].known && !usages[3].known);
	check(usages[2].known && usages[2].limit == 0);
	check(usages[2].bytes == used(pool, ACCOUNT_BRANCH, &branch_a));
	check_ok(call(pool, limit, &group, 0, &err));
	check_ok(call(pool, usages, names, 1, usages, &err));
	check(usages[0].known && usages[0].limit == 0);
}

static bool is_about(uint64_t bytes, uint64_t wanted)
{
	return bytes >= wanted && bytes <= wanted + late();
}

static void a_tree_is_as_large_as_its_files(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = counting();
	const struct tree head = tree_head(&branch_a), first = snapshot_number(&branch_a, 1);
	uint64_t bytes, again;

	if (!pool)
		return;
	check_ok(call(pool, occupied, &head, &bytes, &err));
	check(is_about(bytes, 0));
	check(fill(pool, &branch_a, "file", 8 * MEBIBYTE) == 0);
	check_ok(call(pool, sync, &err));
	check_ok(call(pool, occupied, &head, &bytes, &err));
	check(is_about(bytes, 8 * MEBIBYTE));
	check_ok(call(pool, occupied, &head, &again, &err)); /* kept */
	check(again == bytes);
	check_ok(call(pool, snapshot, &head, &first, &err));
	check(fill(pool, &branch_a, "file", MEBIBYTE) == 0); /* the first of eight */
	write_to(&head, "little", "five!");
	check_ok(call(pool, sync, &err));
	check_ok(call(pool, occupied, &head, &bytes, &err));
	check(is_about(bytes, 8 * MEBIBYTE + 5));
	check_ok(call(pool, occupied, &first, &bytes, &err));
	check(is_about(bytes, 8 * MEBIBYTE));
}

static bool is_estimate(uint64_t bytes, uint64_t wanted)
{
	return bytes >= wanted && bytes <= wanted + MEBIBYTE / 16;
}

static void what_sending_a_tree_takes_is_known_before(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = counting();
	const struct tree head = tree_head(&branch_a), first = snapshot_number(&branch_a, 1);
	const struct tree second = snapshot_number(&branch_a, 2);
	uint64_t bytes;

	if (!pool || !(pool->driver->capabilities & DRIVER_CAN_WEIGH))
		return;
	check(fill(pool, &branch_a, "file", 8 * MEBIBYTE) == 0);
	check_ok(call(pool, snapshot, &head, &first, &err));
	check_ok(call(pool, weigh, NULL, &first, &bytes, &err));
	check(is_estimate(bytes, 8 * MEBIBYTE));
	check(fill(pool, &branch_a, "more", 2 * MEBIBYTE) == 0);
	write_to(&head, "little", "five!");
	check_ok(call(pool, snapshot, &head, &second, &err));
	check_ok(call(pool, weigh, &first, &second, &bytes, &err));
	check(is_estimate(bytes, 2 * MEBIBYTE + 5));
	check_ok(call(pool, weigh, NULL, &second, &bytes, &err));
	check(is_estimate(bytes, 10 * MEBIBYTE + 5));
	check_ok(call(pool, weigh, &second, &second, &bytes, &err));
	check(bytes == 0);
}

/* To take a subvolume out of the tree takes room in it. */
static void a_full_tree_with_a_subvolume_inside_is_deleted(void)
{
	struct btrfs_ioctl_vol_args args = { .name = "inside" };
	struct fl_error err = { 0 };
	struct pool *pool = counting();
	const struct tree head = tree_head(&branch_a);
	struct usage usage;
	own_fd int dir = -1;

	if (!pool || strcmp(bench_driver()->name, "btrfs") != 0)
		return;
	check_ok(call(pool, limit, &group, 8 * MEBIBYTE, &err));
	check_ok(call(pool, tree_open, &head, &dir, &err));
	check(ioctl(dir, BTRFS_IOC_SUBVOL_CREATE, &args) == 0);
	check(fill(pool, &branch_a, "inside/file", 16 * MEBIBYTE) == EDQUOT);
	check_ok(call(pool, tree_delete, &head, &err));
	CHECK_LISTS(pool, NULL);
	check_ok(call(pool, usage, ACCOUNT_GROUP, &group, &usage, &err));
	check(usage.limit == 8 * MEBIBYTE);
}

int main(int argc, char **argv)
{
	return suite_main(argc, argv, DRIVER_CAN_LIMIT,
			  (struct check[]){
				  CHECK(a_pool_says_whether_it_counts),
				  CHECK(what_heads_allocate_counts_for_branch_and_group),
				  CHECK(a_limit_stops_writing_and_nothing_else),
				  CHECK(what_is_in_staging_counts_for_its_branch),
				  CHECK(what_came_to_nothing_counts_no_more),
				  CHECK(a_limit_is_kept_over_reopening),
				  CHECK(groups_of_deleted_trees_are_removed),
				  CHECK(many_are_asked_about_at_once),
				  CHECK(a_tree_is_as_large_as_its_files),
				  CHECK(what_sending_a_tree_takes_is_known_before),
				  CHECK(a_full_tree_with_a_subvolume_inside_is_deleted),
				  CHECK_END,
			  });
}
