/*
 * What the verbs cost over ZFS, in programs that are run: one for a snapshot, none for what is
 * known, and at a start as many as ever, whatever is in the pool.
 */

#include "engine/rollback.h"
#include "tests/engine/fixture.h"

#include "driver/zfs/run.h"

static struct fixture fixture;
static struct fl_error err;

/* A volume with two snapshots, and nothing that waits to be written. */
static void begin(void)
{
	fixture_begin(&fixture);
	check_ok(make_volume(fixture.engine, "data", NULL, &err));
	(void)snap(&fixture, "data", "one", "a message");
	(void)snap(&fixture, "data", "two", NULL);
	write_head(&fixture, "data", "three");
	check_ok(driver_of(fixture.engine)->sync(fixture.engine->pool, &err));
}

static void a_snapshot_is_one_program(void)
{
	begin();
	for (int i = 0; i < 3; i++) {
		uint64_t before = zfs_runs();

		check_ok(take_snapshot(fixture.engine, "data", i == 1 ? "named" : NULL, &err));
		check(zfs_runs() - before == 1);
	}
	fixture_end(&fixture);
}

static void what_is_known_is_read_without_one(void)
{
	struct ref data = reference("data"), one = reference("data@{one}");
	own(snapshot_list_done) struct snapshot_list log = { 0 };
	own(snapshot_done) struct snapshot snapshot = { 0 };
	struct stash_list stashes = { 0 };
	struct tag_list tags = { 0 };
	uint64_t before;

	begin();
	before = zfs_runs();
	check_ok(make_tag(fixture.engine, "v1@data", "data@{one}", &err));
	check_ok(engine_log(fixture.engine, &data, 0, 100, &log, &err));
	check_ok(engine_snapshot_show(fixture.engine, &one, &snapshot, &err));
	check_ok(engine_tags(fixture.engine, &data, &tags, &err));
	check_ok(engine_stashes(fixture.engine, &data, &stashes, &err));
	check(log.count == 2 && tags.count == 1);
	check(zfs_runs() == before);
	tag_list_done(&tags);
	stash_list_done(&stashes);
	fixture_end(&fixture);
}

/* What is used nobody knows but ZFS; it is asked for all of them together. */
static void a_list_asks_only_what_is_used(void)
{
	struct volume_list volumes = { 0 };
	struct branch_list branches = { 0 };
	struct ref data = reference("data");
	char name[16];
	uint64_t before;

	begin();
	for (int i = 0; i < 6; i++) {
		snprintf(name, sizeof(name), "data/b%d", i);
		check_ok(make_branch(fixture.engine, name, "data@{one}", &err));
	}
	before = zfs_runs();
	check_ok(engine_branches(fixture.engine, &data, &branches, &err));
	check(branches.count == 7 && zfs_runs() - before <= 2);
	before = zfs_runs();
	check_ok(engine_volumes(fixture.engine, "", 100, &volumes, &err));
	check(volumes.count == 1 && zfs_runs() - before <= 1);
	branch_list_done(&branches);
	volume_list_done(&volumes);
	fixture_end(&fixture);
}

/* A snapshot, a clone, two notes of what was swapped; what is used for the answer.  Where zfs-fuse
 * has to be asked for the clone's mount several times it is more: the least of three counts. */
static void a_rollback_is_five(void)
{
	uint64_t before, least = UINT64_MAX;

	begin();
	for (int i = 0; i < 3; i++) {
		before = zfs_runs();
		check_ok(roll_back(fixture.engine, "data", "data@{one}", &err));
		printf("# %d\n", (int)(zfs_runs() - before));
		if (zfs_runs() - before < least)
			least = zfs_runs() - before;
	}
	check(least <= 5);
	check_head(&fixture, "data", "one");
	fixture_end(&fixture);
}

static uint64_t runs_of_a_start(void)
{
	uint64_t before = zfs_runs();

	fixture_restart(&fixture);
	return zfs_runs() - before;
}

static void a_start_reads_the_state_once(void)
{
	uint64_t few;

	begin();
	(void)runs_of_a_start();
	few = runs_of_a_start();
	for (int i = 0; i < 20; i++)
		check_ok(take_snapshot(fixture.engine, "data", NULL, &err));
	check_ok(driver_of(fixture.engine)->sync(fixture.engine->pool, &err));
	(void)runs_of_a_start();
	/* zfs-fuse may have to be asked for a mount several times */
	check(runs_of_a_start() < few + 10);
	fixture_end(&fixture);
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){ CHECK(a_snapshot_is_one_program),
					    CHECK(what_is_known_is_read_without_one),
					    CHECK(a_list_asks_only_what_is_used),
					    CHECK(a_rollback_is_five),
					    CHECK(a_start_reads_the_state_once), CHECK_END });
}
