/*
 * Operations: how they are begun, looked at, cancelled, ended, cut off; and
 * what a crash leaves of an import.  The reference driver has no files, so that
 * what a program does to trees is done by hand here; archives-test has one.
 */

#include "engine/archive.h"
#include "engine/birth.h"
#include "tests/engine/fixture.h"

static struct fixture fixture;
static struct fl_error err;

static struct running *begin(const struct uuid *id)
{
	struct operation wanted = { .verb = "import", .object = "mydata", .total_bytes = 100 };
	struct running *running = NULL;

	if (id)
		wanted.id = *id;
	check_ok(operation_begin(fixture.engine, &wanted, &running, &err));
	return running;
}

static struct operation look(const struct uuid *id)
{
	struct operation found = { 0 };

	check_ok(engine_operation(fixture.engine, id, &found, &err));
	return found;
}

static void an_operation_is_seen_while_it_runs_and_after(void)
{
	struct operation_list list = { 0 };
	struct uuid id = uuid_new();
	struct operation ended;
	struct running *running;

	fixture_begin(&fixture);
	running = begin(&id);
	check(uuid_equal(operation_id(running), &id));
	operation_progress(running, 42);
	check(look(&id).state == OPERATION_RUNNING && look(&id).done_bytes == 42);
	check(look(&id).total_bytes == 100 && look(&id).ended == 0);
	operation_end(running, NULL, &ended);
	check(ended.state == OPERATION_DONE && ended.done_bytes == 42 && ended.ended != 0);
	operation_end(begin(NULL), NULL, NULL);
	fixture_restart(&fixture);
	check(look(&id).state == OPERATION_DONE && look(&id).done_bytes == 42);
	check_ok(engine_operations(fixture.engine, &list, &err));
	check(list.count == 2 && uuid_equal(&list.items[1].id, &id));
	operation_list_done(&list);
	fixture_end(&fixture);
}

static void an_id_is_given_once(void)
{
	struct operation wanted = { .verb = "import", .object = "other" };
	struct running *running, *second = NULL;

	fixture_begin(&fixture);
	wanted.id = uuid_new();
	check_code(FL_NOT_FOUND, engine_operation(fixture.engine, &wanted.id, &wanted, &err));
	check_code(FL_NOT_FOUND, engine_operation_cancel(fixture.engine, &wanted.id, &err));
	running = begin(&wanted.id);
	check_code(FL_EXISTS, operation_begin(fixture.engine, &wanted, &second, &err));
	operation_end(running, NULL, NULL);
	check_code(FL_EXISTS, operation_begin(fixture.engine, &wanted, &second, &err));
	check(!second);
	fixture_end(&fixture);
}

static void a_failure_is_recorded(void)
{
	struct fl_error why = { .code = FL_CORRUPT, .text = "no archive", .hint = "look at it" };
	struct uuid id = uuid_new();

	fixture_begin(&fixture);
	operation_end(begin(&id), &why, NULL);
	check(look(&id).state == OPERATION_FAILED && look(&id).error.code == FL_CORRUPT);
	check_string("no archive", look(&id).error.text);
	check_string("look at it", look(&id).error.hint);
	fixture_end(&fixture);
}

/* Its program would go on for long. */
static void start_child(struct running *running, struct spawned *child)
{
	const char *const argv[] = { "/bin/sleep", "1000", NULL };

	*child = (struct spawned)SPAWNED_NONE;
	check_ok(spawn_start(argv, NULL, 0, child, &err));
	operation_child(running, child);
}

static void check_killed(struct running *running, struct spawned *child)
{
	int status = 0;

	spawn_wait(child, &status);
	operation_child(running, NULL);
	spawned_done(child);
	check(status == 128 + 9);
}

static void a_cancelled_one_kills_its_program_and_says_so(void)
{
	struct uuid id = uuid_new();
	struct running *running;
	struct spawned child;

	fixture_begin(&fixture);
	running = begin(&id);
	start_child(running, &child);
	check_ok(operation_check(running, &err));
	check_ok(engine_operation_cancel(fixture.engine, &id, &err));
	check_killed(running, &child);
	check_code(FL_SYSTEM, operation_check(running, &err));
	operation_end(running, &err, NULL);
	check(look(&id).state == OPERATION_CANCELLED);
	check_ok(engine_operation_cancel(fixture.engine, &id, &err));
	check(look(&id).state == OPERATION_CANCELLED);
	fixture_end(&fixture);
}

static void one_that_is_cancelled_first_starts_nothing(void)
{
	struct uuid id = uuid_new();
	struct running *running;
	struct spawned child;

	fixture_begin(&fixture);
	running = begin(&id);
	check_ok(engine_operation_cancel(fixture.engine, &id, &err));
	start_child(running, &child);
	check_killed(running, &child);
	operation_end(running, &err, NULL);
	fixture_end(&fixture);
}

static int insert_running(struct tx *tx, void *arg, struct fl_error *failure)
{
	const struct operation row = { .id = *(const struct uuid *)arg, .verb = "import" };

	return tx_operation_insert(tx, &row, failure);
}

static void what_a_crash_cut_off_has_failed(void)
{
	struct uuid id = uuid_new();

	fixture_begin(&fixture);
	check_ok(catalog_write(fixture.engine->catalog, CATALOG_LAZY, insert_running, &id, &err));
	fixture_restart(&fixture);
	check(look(&id).state == OPERATION_FAILED && look(&id).ended != 0);
	check_string("the daemon ended while it ran", look(&id).error.text);
	fixture_end(&fixture);
}

static void *end_when_cancelled(void *arg)
{
	struct running *running = arg;
	struct fl_error failure;

	while (operation_check(running, &failure) == 0)
		sched_yield();
	operation_end(running, &failure, NULL);
	return NULL;
}

static void who_recovers_the_pool_ends_them_first(void)
{
	struct operation wanted = { .verb = "import", .object = "mydata" };
	struct recovery recovery;
	struct running *running;
	pthread_t thread;

	fixture_begin(&fixture);
	running = begin(NULL);
	check(pthread_create(&thread, NULL, end_when_cancelled, running) == 0);
	check_ok(engine_pool_recover(fixture.engine, &recovery, &err));
	pthread_join(thread, NULL);
	check_ok(operation_begin(fixture.engine, &wanted, &running, &err));
	operation_end(running, NULL, NULL);
	fixture_end(&fixture);
}

static void without_files_there_are_no_archives(void)
{
	const struct ref ref = reference("mydata");
	const struct import_options options = { .ref = &ref, .fd = -1, .directory = "/tmp" };
	struct operation_list list = { 0 };
	struct operation operation;
	own_free char *before = NULL, *after = NULL;

	fixture_begin(&fixture);
	if (driver_of(fixture.engine)->capabilities & DRIVER_CAN_EXPOSE) { /* it has files */
		fixture_end(&fixture);
		return;
	}
	before = describe(&fixture);
	check_code(FL_UNSUPPORTED, engine_import(fixture.engine, &options, &operation, &err));
	fixture.engine->tree_program = xstrdup("/bin/true");
	check_code(FL_UNSUPPORTED, engine_import(fixture.engine, &options, &operation, &err));
	after = describe(&fixture);
	check_same_state(before, after, "after an import that failed");
	check_ok(engine_operations(fixture.engine, &list, &err));
	check(list.count == 1 && list.items[0].state == OPERATION_FAILED);
	check_string("mydata", list.items[0].object);
	operation_list_done(&list);
	fixture_end(&fixture);
}

/* --- what a crash leaves of an import --------------------------------------------- */

/* Its first steps in the pool: 1 the facts, 2 the head, 3 its first snapshot. */
static void half_import(int steps)
{
	const struct create_options options = { .name = "mydata" };
	const struct snapshot_options hidden = { .reason = REASON_IMPORT };
	own_volume_row struct volume_row volume = { 0 };
	own_snapshot_row struct snapshot_row taken = { 0 };
	struct uuid operation = uuid_new();
	struct tree staging = tree_staging(&operation);
	struct pool *pool = fixture.engine->pool;
	struct branch_row branch;
	struct line line = { .start = 1 };
	struct tx *tx = NULL;

	fill_volume_row(fixture.engine, &options, &volume);
	branch = birth_branch(fixture.engine, &volume, TRUNK);
	line.branch = branch.uuid;
	check_ok(pool->driver->staging_create(pool, &operation, NULL, &err));
	write_tree(pool, &staging, "imported");
	if (steps >= 1) {
		check_ok(tx_begin(fixture.engine->catalog, &tx, &err));
		check_ok(facts_save(fixture.engine, tx, &volume, &branch, &line, &err));
		tx_end(tx);
	}
	if (steps >= 2)
		check_ok(pool->driver->head_restore(pool, &staging, &branch.uuid, &err));
	if (steps >= 3)
		check_ok(snapshot_take(fixture.engine, &branch, &hidden, &taken, &err));
}

static void an_import_that_was_cut_off_is_there_or_not(void)
{
	struct ref ref = reference("mydata");

	for (int steps = 0; steps <= 3; steps++) {
		own_free char *before = NULL, *after = NULL;
		struct branch branch = { 0 };

		fixture_begin(&fixture);
		before = describe(&fixture);
		half_import(steps);
		fixture_restart(&fixture);
		if (steps < 2) {
			after = describe(&fixture);
			check_same_state(before, after, "after a restart");
		} else {
			check_head(&fixture, "mydata", "imported");
			check_ok(engine_branch_show(fixture.engine, &ref, &branch, &err));
			check(branch.snapshots == (steps == 3 ? 1 : 0));
			branch_done(&branch);
		}
		fixture_end(&fixture);
	}
}

/* The last step fails: the record to be written with the rows does not exist. */
static void an_import_without_rows_is_taken_back(void)
{
	const struct create_options options = { .name = "mydata" };
	const struct operation unknown = { .id = uuid_new(), .verb = "import" };
	own_volume_row struct volume_row volume = { 0 };
	own_free char *before = NULL, *after = NULL;
	struct uuid operation = uuid_new();
	struct birth birth = { .volume = &volume, .new_volume = true, .has_from = true };

	fixture_begin(&fixture);
	before = describe(&fixture);
	fill_volume_row(fixture.engine, &options, &volume);
	birth.from = tree_staging(&operation);
	birth.operation = &unknown;
	birth.branch = birth_branch(fixture.engine, &volume, TRUNK);
	birth.line = (struct line){ .branch = birth.branch.uuid, .start = 1 };
	check_ok(driver_of(fixture.engine)
			 ->staging_create(fixture.engine->pool, &operation, NULL, &err));
	check_code(FL_NOT_FOUND, birth_run(fixture.engine, &birth, &err));
	after = describe(&fixture);
	check_same_state(before, after, "after a birth that failed");
	fixture_end(&fixture);
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(an_operation_is_seen_while_it_runs_and_after),
				  CHECK(an_id_is_given_once),
				  CHECK(a_failure_is_recorded),
				  CHECK(a_cancelled_one_kills_its_program_and_says_so),
				  CHECK(one_that_is_cancelled_first_starts_nothing),
				  CHECK(what_a_crash_cut_off_has_failed),
				  CHECK(who_recovers_the_pool_ends_them_first),
				  CHECK(without_files_there_are_no_archives),
				  CHECK(an_import_that_was_cut_off_is_there_or_not),
				  CHECK(an_import_without_rows_is_taken_back),
				  CHECK_END,
			  });
}
