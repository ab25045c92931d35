/* Pools: making, opening, taking alone, identity, space, read-only. */

#include "suite.h"

#include <signal.h>
#include <sys/wait.h>

static void the_table_agrees_with_its_bits(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();

	check_ok(driver_check(bench_driver(), &err));
	check_ok(driver_check(pool->driver, &err));
}

static void a_new_pool_is_empty_and_knows_who_it_is(void)
{
	struct pool *pool = fresh();
	struct pool_identity made = bench_identity();

	check(pool->identity.format == POOL_FORMAT);
	check(uuid_equal(&pool->identity.pool, &made.pool));
	check(uuid_equal(&pool->identity.instance, &made.instance));
	check_string(bench_spec()->path, pool->spec.path);
	CHECK_LISTS(pool, NULL);
}

static void a_second_create_leaves_the_first_pool_alone(void)
{
	struct fl_error err = { 0 };
	struct pool_identity other = { POOL_FORMAT, uuid_new(), uuid_new() }, made;
	struct pool *pool = fresh();

	made = bench_identity();
	bench_close();
	check_code(FL_EXISTS, bench_driver()->create(bench_spec(), &other, &err));
	pool = reopened();
	check(uuid_equal(&pool->identity.pool, &made.pool));
}

static void a_pool_in_use_is_not_made_anew(void)
{
	struct fl_error err = { 0 };
	struct pool_identity other = { POOL_FORMAT, uuid_new(), uuid_new() };
	int r;

	fresh();
	r = bench_driver()->create(bench_spec(), &other, &err);
	check(r == -FL_EXISTS || r == -FL_BUSY);
	reopened();
}

static void where_nothing_is_nothing_opens(void)
{
	struct fl_error err = { 0 };
	struct pool_spec spec;
	struct pool *pool = NULL;

	check_ok(bench_place(&err));
	spec = *bench_spec();
	strcat(spec.path, ".missing");
	check_code(FL_NOT_FOUND, bench_driver()->open(&spec, &pool, &err));
	check(pool == NULL);
}

static void an_open_pool_does_not_open_twice(void)
{
	struct fl_error err = { 0 };
	struct pool *second = NULL;

	fresh();
	check_code(FL_BUSY, bench_driver()->open(bench_spec(), &second, &err));
	check(second == NULL);
	reopened();
}

/* Runs in a child: the exit status is the code. */
static int open_elsewhere(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = NULL;
	int status;
	pid_t child = fork();

	if (child == 0)
		_exit(-bench_driver()->open(bench_spec(), &pool, &err));
	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void an_open_pool_does_not_open_in_another_process(void)
{
	fresh();
	check(open_elsewhere() == FL_BUSY);
	bench_close();
	check(open_elsewhere() == FL_OK);
	reopened();
}

/* The child holds the pool, says so, and is killed. */
static void a_killed_holder_leaves_the_pool_free(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = NULL;
	int ready[2], status;
	char byte = 0;
	pid_t child;

	fresh();
	bench_close();
	check(pipe(ready) == 0);
	child = fork();
	if (child == 0) {
		byte = (char)(bench_driver()->open(bench_spec(), &pool, &err) == 0);
		_exit(write(ready[1], &byte, 1) == 1 ? pause() : 1);
	}
	close(ready[1]);
	check(read(ready[0], &byte, 1) == 1);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	close(ready[0]);
	check(byte == 1);
	reopened();
}

static void closing_nothing_is_fine(void)
{
	bench_driver()->close(NULL);
}

static void a_size_that_is_too_small_leaves_nothing(void)
{
	struct fl_error err = { 0 };
	struct pool_identity identity = { POOL_FORMAT, uuid_new(), uuid_new() };
	struct pool_spec spec;
	struct pool *pool = NULL;

	check_ok(bench_place(&err));
	spec = *bench_spec();
	if (spec.size == 0) /* the place has its size already */
		return;
	spec.size = 65536;
	check_code(FL_INVALID, bench_driver()->create(&spec, &identity, &err));
	check_code(FL_NOT_FOUND, bench_driver()->open(&spec, &pool, &err));
	check(access(spec.path, F_OK) < 0);
}

static void a_new_identity_stays(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct pool_identity adopted = pool->identity;

	adopted.instance = uuid_new();
	check_ok(call(pool, identify, &adopted, &err));
	check_ok(call(pool, identify, &adopted, &err));
	check(uuid_equal(&pool->identity.instance, &adopted.instance));
	pool = reopened();
	check(uuid_equal(&pool->identity.instance, &adopted.instance));
	check(uuid_equal(&pool->identity.pool, &adopted.pool));
}

static void a_newer_format_does_not_open(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct pool_identity newer = pool->identity;

	newer.format = POOL_FORMAT + 1;
	check_ok(call(pool, identify, &newer, &err));
	check_code(FL_INVALID, bench_reopen(&pool, &err));
	check(strstr(err.text, "format"));
}

static void statistics_add_up(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct uuid branch = uuid_new();
	struct tree head = tree_head(&branch);
	struct pool_stats before, after;
	char *big;

	check_ok(call(pool, stats, &before, &err));
	if (bench_size() == 0)
		return;
	big = xcalloc(1, (8 << 20) + 1);
	check(before.size >= bench_size() / 4 * 3 && before.size <= bench_size());
	check(before.used <= before.size && before.free <= before.size && before.free > 0);
	check(!before.read_only);
	check_string("ok", before.health);
	for (size_t i = 0; i < 8 << 20; i++) /* nothing that compresses to little */
		big[i] = (char)('a' + (i * 2654435761u >> 11) % 26);
	check_ok(call(pool, head_create, &branch, &err));
	write_to(&head, "big", big);
	free(big);
	check_ok(call(pool, sync, &err));
	check_ok(call(pool, stats, &after, &err));
	check(after.used >= before.used + (7 << 20));
	check(after.free <= before.free - (7 << 20));
}

static void a_pool_grows_while_it_is_open(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct uuid branch = uuid_new();
	struct tree head = tree_head(&branch);
	struct pool_stats before, after;
	uint64_t larger = UINT64_C(384) << 20;
	uint64_t size = bench_spec()->kind == POOL_DEVICE ? 0 : larger; /* 0: all that there is */

	if (!(bench_driver()->capabilities & DRIVER_CAN_GROW))
		return;
	if (bench_spec()->kind == POOL_DIRECTORY || bench_spec()->kind == POOL_DATASET) {
		/* as large as what it lies on */
		check_code(FL_UNSUPPORTED, call(pool, grow, larger, &err));
		return;
	}
	check_ok(call(pool, head_create, &branch, &err));
	write_to(&head, "file", "kept");
	check_ok(call(pool, stats, &before, &err));
	check_ok(bench_enlarge(larger, &err));
	check_ok(call(pool, grow, size, &err));
	check_ok(call(pool, stats, &after, &err));
	check(after.size >= before.size + (100 << 20));
	check(after.free > before.free);
	check_code(FL_INVALID, call(pool, grow, UINT64_C(128) << 20, &err));
	check_holds(pool, &head, "file", "kept");
	pool = reopened();
	check_ok(call(pool, stats, &before, &err));
	check(before.size >= after.size - (1 << 20) && before.size <= after.size + (1 << 20));
	check_holds(pool, &head, "file", "kept");
}

static void read_only_stops_every_writer(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct uuid branch = uuid_new(), other = uuid_new();
	struct tree head = tree_head(&branch), snapshot = snapshot_number(&branch, 1);
	struct pool_stats stats;
	int r;

	check_ok(call(pool, head_create, &branch, &err));
	write_to(&head, "file", "before");
	r = call(pool, set_read_only, true, &err);
	if (r == -FL_UNSUPPORTED && bench_spec()->kind == POOL_DIRECTORY)
		return; /* others use that file system too */
	check_ok(r);
	check_ok(call(pool, set_read_only, true, &err));
	check_ok(call(pool, stats, &stats, &err));
	check(stats.read_only);
	check(strcmp(stats.health, "ok") != 0);
	check(bench_write(&head, "file", "during", &err) < 0);
	check(call(pool, head_create, &other, &err) < 0);
	check(call(pool, snapshot, &head, &snapshot, &err) < 0);
	check(call(pool, file_write, "note", "x", 1, &err) < 0);
	check_holds(pool, &head, "file", "before");
	CHECK_LISTS(pool, &head);
	check_ok(call(pool, set_read_only, false, &err));
	check_ok(call(pool, set_read_only, false, &err));
	write_to(&head, "file", "after");
	check_ok(call(pool, stats, &stats, &err));
	check(!stats.read_only);
	check_string("ok", stats.health);
}

static void synced_and_reopened_all_is_there(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct uuid branch = uuid_new(), clone = uuid_new(), operation = uuid_new();
	struct tree head = tree_head(&branch), cloned = tree_head(&clone);
	struct tree snapshot = snapshot_number(&branch, 1), retired = tree_retired(&operation);
	uint64_t id;

	check_ok(call(pool, head_create, &branch, &err));
	write_to(&head, "file", "one");
	check_ok(call(pool, snapshot, &head, &snapshot, &err));
	write_to(&head, "file", "two");
	check_ok(call(pool, head_swap, &branch, &snapshot, &operation, &err));
	check_ok(call(pool, head_clone, &clone, &snapshot, &err));
	check_ok(call(pool, sync, &err));
	id = id_of(pool, &head);
	pool = reopened();
	CHECK_LISTS(pool, &head, &cloned, &snapshot, &retired);
	check(id_of(pool, &head) == id);
	check_holds(pool, &head, "file", "one");
	check_holds(pool, &retired, "file", "two");
	check_holds(pool, &snapshot, "file", "one");
	check_holds(pool, &cloned, "file", "one");
}

int main(int argc, char **argv)
{
	return suite_main(argc, argv, 0,
			  (struct check[]){
				  CHECK(the_table_agrees_with_its_bits),
				  CHECK(a_new_pool_is_empty_and_knows_who_it_is),
				  CHECK(a_second_create_leaves_the_first_pool_alone),
				  CHECK(a_pool_in_use_is_not_made_anew),
				  CHECK(where_nothing_is_nothing_opens),
				  CHECK(an_open_pool_does_not_open_twice),
				  CHECK(an_open_pool_does_not_open_in_another_process),
				  CHECK(a_killed_holder_leaves_the_pool_free),
				  CHECK(closing_nothing_is_fine),
				  CHECK(a_size_that_is_too_small_leaves_nothing),
				  CHECK(a_new_identity_stays),
				  CHECK(a_newer_format_does_not_open),
				  CHECK(statistics_add_up),
				  CHECK(a_pool_grows_while_it_is_open),
				  CHECK(read_only_stops_every_writer),
				  CHECK(synced_and_reopened_all_is_there),
				  CHECK_END,
			  });
}
