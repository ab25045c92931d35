/*
 * A catalogue and a pool that are at odds: what a start makes of them.
 */

#include "tests/engine/fixture.h"

#include "base/text.h"

static struct fixture fixture;
static struct fl_error err;

/* Two volumes, one with a branch. */
static void begin(void)
{
	fixture_begin(&fixture);
	check_ok(make_volume(fixture.engine, "data", NULL, &err));
	snap(&fixture, "data", "a", NULL);
	check_ok(make_branch(fixture.engine, "data/test", "data@{a}", &err));
	snap(&fixture, "data/test", "b", NULL);
	check_ok(make_branch(fixture.engine, "data/fresh", "data@{a}", &err));
	check_ok(make_volume(fixture.engine, "empty", NULL, &err));
}

/* The state after a restart must be the one wanted. */
static void check_restart(const char *wanted)
{
	own_free char *found = NULL;

	fixture_restart(&fixture);
	found = describe(&fixture);
	check_same_state(wanted, found, "after a restart");
}

static int insert_intents(struct tx *tx, void *arg, struct fl_error *failure)
{
	static char unknown
		[] = "{}",
	 lost[] = "{\"head\":1,"
		  "\"taken\":{\"branch\":\"6ba7b810-9dad-41d1-80b4-00c04fd430c8\",\"time\":5},"
		  "\"target\":{\"branch\":\"6ba7b810-9dad-41d1-80b4-00c04fd430c8\",\"time\":4}}";
	struct intent_row strange = { uuid_new(), "strange", unknown };
	struct intent_row rollback = { *(const struct uuid *)arg, "rollback", lost };
	struct intent_row damaged = { uuid_new(), "delete-branch", unknown };

	if (tx_intent_insert(tx, &strange, failure) < 0 ||
	    tx_intent_insert(tx, &rollback, failure) < 0)
		return fl_failed(failure);
	return tx_intent_insert(tx, &damaged, failure);
}

static int count_intent(void *arg, const struct intent_row *row, struct fl_error *failure)
{
	*(size_t *)arg += strcmp(row->verb, "delete-retired") != 0;
	return 0;
}

static size_t count_intents(void)
{
	own_tx struct tx *tx = NULL;
	size_t count = 0;

	check_ok(tx_begin(fixture.engine->catalog, &tx, &err));
	check_ok(tx_intent_each(tx, count_intent, &count, &err));
	return count;
}

static void intents_that_fail_stop_nobody(void)
{
	struct uuid operation = uuid_new();
	own_free char *before = NULL;

	begin();
	before = describe(&fixture);
	check_ok(catalog_write(fixture.engine->catalog, CATALOG_DURABLE, insert_intents, &operation,
			       &err));
	check_restart(before);
	check(count_intents() == 3);
	fixture_end(&fixture);
}

/* Two trees in staging: one whose rollback could not be finished, one of nobody. */
static struct tree staged[2];
static size_t swept[2];

static int list_staged(struct pool *pool,
		       int (*each)(void *arg, const struct tree *tree, const struct tree_info *info,
				   struct fl_error *failure),
		       void *arg, struct fl_error *failure)
{
	struct tree_info info = { 0 };

	for (size_t i = 0; i < array_size(staged); i++)
		if (each(arg, &staged[i], &info, failure) < 0)
			return fl_failed(failure);
	return fixture.whole->list(pool, each, arg, failure);
}

static int delete_staged(struct pool *pool, const struct tree *tree, struct fl_error *failure)
{
	for (size_t i = 0; i < array_size(staged); i++)
		swept[i] += uuid_equal(&tree->uuid, &staged[i].uuid);
	return fixture.whole->tree_delete(pool, tree, failure);
}

static void what_a_rollback_may_need_is_not_swept(void)
{
	struct uuid operation = uuid_new(), other = uuid_new();
	struct driver *driver;

	begin();
	check_ok(catalog_write(fixture.engine->catalog, CATALOG_DURABLE, insert_intents, &operation,
			       &err));
	staged[0] = tree_staging(&operation);
	staged[1] = tree_staging(&other);
	driver = break_driver(&fixture);
	driver->list = list_staged;
	driver->tree_delete = delete_staged;
	check_ok(reconcile(fixture.engine, &err));
	mend_driver(&fixture);
	check(swept[0] == 0 && swept[1] == 1);
	fixture_end(&fixture);
}

static int delete_nothing(struct pool *pool, const struct tree *tree, struct fl_error *failure)
{
	return fl_fail(failure, FL_NO_SPACE, "no room to delete anything");
}

/* What the pool can't delete is in nobody's way, and does not come back. */
static void deletions_that_fail_stop_nobody(void)
{
	own_free char *before = NULL, *after = NULL;
	struct uuid other = uuid_new();
	struct tree_info info;
	struct driver *driver;
	struct tree doomed;

	begin();
	snap(&fixture, "data", "doomed", NULL);
	snap(&fixture, "data", "tip", NULL);
	doomed = tree_of(&fixture, "data@{doomed}");
	staged[0] = staged[1] = tree_staging(&other);
	driver = break_driver(&fixture);
	driver->tree_delete = delete_nothing;
	check_ok(destroy(fixture.engine, "data@{doomed}", &err));
	before = describe(&fixture);
	driver->list = list_staged;
	check_ok(reconcile(fixture.engine, &err));
	driver->list = fixture.whole->list;
	after = describe(&fixture);
	mend_driver(&fixture);
	check_same_state(before, after, "while nothing can be deleted");
	check(count_intents() == 1);
	fixture_restart(&fixture);
	check(count_intents() == 0);
	check_code(
		FL_NOT_FOUND,
		driver_of(fixture.engine)->tree_info(fixture.engine->pool, &doomed, &info, &err));
	fixture_end(&fixture);
}

static void a_lost_head_is_made_anew(void)
{
	static const char *const branches[] = { "data/test", "data/fresh", "empty" };
	struct pool *pool;

	begin();
	pool = fixture.engine->pool;
	write_head(&fixture, "data", "not in a snapshot");
	for (size_t i = 0; i < array_size(branches); i++) {
		struct tree head = tree_of(&fixture, branches[i]);

		check_ok(pool->driver->tree_delete(pool, &head, &err));
	}
	fixture_restart(&fixture);
	check_head(&fixture, "data", "not in a snapshot");
	check_head(&fixture, "data/test", "b");
	check_head(&fixture, "data/fresh", "a");
	snap(&fixture, "empty", "one", NULL);
	check_head(&fixture, "empty", "one");
	fixture_end(&fixture);
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(intents_that_fail_stop_nobody),
				  CHECK(what_a_rollback_may_need_is_not_swept),
				  CHECK(deletions_that_fail_stop_nobody),
				  CHECK(a_lost_head_is_made_anew),
				  CHECK_END,
			  });
}
