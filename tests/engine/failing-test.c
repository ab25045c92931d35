/* What fails by itself: told once when it begins and once when it ends, and listed meanwhile. */

#include "tests/engine/fixture.h"

#include "base/text.h"

static struct fixture fixture;
static struct fl_error err;

static struct fl_error why(enum fl_code code, const char *text)
{
	struct fl_error error;

	fl_fail_at(&error, __FILE__, __LINE__, code, 0, "%s", text);
	return error;
}

static void set(enum failing what, const char *object, enum fl_code code, const char *text)
{
	struct fl_error error = why(code, text);

	failing_set(fixture.engine, what, object, &error);
}

/* How many events of that kind there have been. */
static size_t events_of(const char *kind)
{
	own(event_list_done) struct event_list list = { 0 };
	size_t count = 0;

	events_list(engine_events(fixture.engine), 0, EVENTS_KEPT, &list);
	for (size_t i = 0; i < list.count; i++)
		count += strcmp(list.items[i].kind, kind) == 0;
	return count;
}

static size_t count_listed(bool *ret_more)
{
	own_free struct failure *rows = NULL;
	size_t count;

	failing_list(fixture.engine, &rows, &count, ret_more);
	return count;
}

static void each_is_told_once(void)
{
	own_free struct failure *rows = NULL;
	size_t count;
	bool more;

	fixture_begin(&fixture);
	check(!failing_is(fixture.engine, FAILING_SNAPSHOT));
	for (int i = 0; i < 3; i++)
		set(FAILING_SNAPSHOT, "data/trunk", FL_UNSUPPORTED, "a subvolume is in it");
	set(FAILING_TRASH, NULL, FL_SYSTEM, "the disk is away");
	check(failing_is(fixture.engine, FAILING_SNAPSHOT));
	check(events_of("not-saved") == 1 && events_of("trash-stays") == 1);
	failing_list(fixture.engine, &rows, &count, &more);
	check(count == 2 && !more);
	check_string("not-saved", rows[0].name); /* the graver one */
	check_string("data/trunk", rows[0].object);
	check_string("a subvolume is in it", rows[0].why.text);
	check(rows[0].since > 0 && rows[0].since <= clock_now() && rows[0].why.hint[0]);
	failing_clear(fixture.engine, FAILING_SNAPSHOT, "data/other");
	failing_clear(fixture.engine, FAILING_SNAPSHOT, "data/trunk");
	failing_clear(fixture.engine, FAILING_SNAPSHOT, "data/trunk");
	check(events_of("saved-again") == 1 && !failing_is(fixture.engine, FAILING_SNAPSHOT));
	failing_forget(fixture.engine, FAILING_TRASH, NULL);
	check(events_of("trash-goes") == 0 && count_listed(&more) == 0);
	fixture_end(&fixture);
}

static void another_reason_is_told(void)
{
	fixture_begin(&fixture);
	set(FAILING_SYNC, NULL, FL_SYSTEM, "one");
	set(FAILING_SYNC, NULL, FL_SYSTEM, "two");
	check(events_of("not-synced") == 1);
	set(FAILING_SYNC, NULL, FL_NO_SPACE, "three");
	check(events_of("not-synced") == 2);
	fixture_end(&fixture);
}

static void there_is_a_bound_for_each_kind(void)
{
	char name[32];
	bool more;

	fixture_begin(&fixture);
	for (int i = 0; i < 10 * FAILING_OBJECTS; i++) {
		snprintf(name, sizeof(name), "data/b%d", i);
		set(FAILING_SNAPSHOT, name, FL_SYSTEM, "no");
	}
	set(FAILING_HOST, "/pool", FL_NO_SPACE, "full");
	check(count_listed(&more) == FAILING_OBJECTS + 1 && more);
	check(events_of("not-saved") == FAILING_OBJECTS && events_of("host-full") == 1);
	failing_clear(fixture.engine, FAILING_SNAPSHOT, "data/b0");
	check(count_listed(&more) == FAILING_OBJECTS && !more);
	set(FAILING_SNAPSHOT, "data/b99", FL_SYSTEM, "no"); /* its next try: there is room now */
	check(count_listed(&more) == FAILING_OBJECTS + 1 && !more);
	fixture_end(&fixture);
}

static void health_names_the_gravest(void)
{
	fixture_begin(&fixture);
	check_ok(engine_health(fixture.engine, &err));
	set(FAILING_TRASH, NULL, FL_SYSTEM, "stays"); /* which is a nuisance */
	check_ok(engine_health(fixture.engine, &err));
	set(FAILING_SNAPSHOT, "data/trunk", FL_SYSTEM, "no");
	check_code(FL_SYSTEM, engine_health(fixture.engine, &err));
	check(strstr(err.text, "data/trunk: no"));
	set(FAILING_HOST, "/pool", FL_NO_SPACE, "full");
	check_code(FL_NO_SPACE, engine_health(fixture.engine, &err));
	fixture_end(&fixture);
}

static int no_sync(struct pool *pool, struct fl_error *failure)
{
	return fl_fail(failure, FL_SYSTEM, "the disk is away");
}

/* A sync that failed is tried again, and what waits for it is not forgotten meanwhile. */
static void what_is_mended_is_told(void)
{
	fixture_begin(&fixture);
	break_driver(&fixture)->sync = no_sync;
	sync_soon(fixture.engine);
	fixture.engine->sync_due = clock_boot();
	check(engine_care(fixture.engine) <= 30 * CLOCK_SECOND);
	check(failing_is(fixture.engine, FAILING_SYNC));
	mend_driver(&fixture);
	check(fixture.engine->sync_due > 0);
	fixture.engine->sync_due = clock_boot();
	(void)engine_care(fixture.engine);
	check(!failing_is(fixture.engine, FAILING_SYNC) && events_of("synced-again") == 1);
	fixture_end(&fixture);
}

/* Snapshots by themselves leave the rest its place; all are told in their order. */
static void what_comes_again_and_again_drives_nothing_out(void)
{
	own(event_list_done) struct event_list list = { 0 };
	struct events events;

	events_init(&events);
	events_add(&events, "create", "data", NULL);
	for (int i = 0; i < 10 * EVENTS_KEPT; i++)
		events_add_routine(&events, "snapshot", "data/trunk", NULL);
	events_add(&events, "rollback", "data", NULL);
	events_list(&events, 0, SIZE_MAX, &list);
	check(list.count == EVENTS_KEPT + 2);
	check_string("create", list.items[0].kind);
	check_string("rollback", list.items[list.count - 1].kind);
	for (size_t i = 1; i < list.count; i++)
		check(list.items[i].number > list.items[i - 1].number);
	events_done(&events);
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(each_is_told_once),
				  CHECK(another_reason_is_told),
				  CHECK(there_is_a_bound_for_each_kind),
				  CHECK(health_names_the_gravest),
				  CHECK(what_is_mended_is_told),
				  CHECK(what_comes_again_and_again_drives_nothing_out),
				  CHECK_END,
			  });
}
