/*
 * What the verbs mean: pasts, points in them, and what must not be destroyed.
 */

#include "tests/engine/fixture.h"

#include "base/text.h"

static struct fixture fixture;
static struct fl_error err;

static void begin(void)
{
	fixture_begin(&fixture);
	check_ok(make_volume(fixture.engine, "data", NULL, &err));
}

/* The names in the log of `ref`, newest first, as "c b a". */
static void check_log(const char *wanted, const char *text)
{
	own_text struct text names = { 0 };
	struct snapshot_list list = { 0 };
	struct ref ref = reference(text);

	check_ok(engine_log(fixture.engine, &ref, 0, 1000, &list, &err));
	for (size_t i = 0; i < list.count; i++)
		text_add_format(&names, "%s%s%s", i ? " " : "", list.items[i].name,
				list.items[i].began ? "*" : "");
	snapshot_list_done(&list);
	check_string(wanted, text_get(&names));
}

static void a_log_follows_parents_through_branches_and_rollbacks(void)
{
	begin();
	snap(&fixture, "data", "a", NULL);
	snap(&fixture, "data", "b", NULL);
	snap(&fixture, "data", "c", NULL);
	check_log("c b a", "data");
	check_ok(make_branch(fixture.engine, "data/test", "data@{b}", &err));
	snap(&fixture, "data/test", "d", NULL);
	check_log("d b* a*", "data/test");
	check_ok(roll_back(fixture.engine, "data", "data@{a}", &err));
	check_log("a", "data");
	snap(&fixture, "data", "e", NULL);
	check_log("e a", "data");
	check_log(" c b a", "stash/1@data");
	check_log("b a", "data@{b}");
	fixture_restart(&fixture);
	check_log("e a", "data");
	check_log("d b* a*", "data/test");
	fixture_end(&fixture);
}

static void a_log_goes_on_after_each_of_its_snapshots(void)
{
	uint64_t after = 0;
	char name[16];
	int seen = 0;

	begin();
	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		snap(&fixture, "data", name, NULL);
	}
	check_ok(make_branch(fixture.engine, "data/test", "data@{n7}", &err));
	snap(&fixture, "data/test", "t", NULL);
	for (;;) {
		struct snapshot_list list = { 0 };
		struct ref ref = reference("data/test");

		check_ok(engine_log(fixture.engine, &ref, after, 1, &list, &err));
		if (list.count == 0)
			break;
		check(seen == 0 || list.items[0].id != after);
		check((list.items[0].parent == 0) == (seen == 8));
		after = list.items[0].id;
		seen++;
		snapshot_list_done(&list);
	}
	check(seen == 9);
	fixture_end(&fixture);
}

static void points_are_counted_along_the_past(void)
{
	begin();
	snap(&fixture, "data", "a", NULL);
	snap(&fixture, "data", "b", NULL);
	check_ok(make_branch(fixture.engine, "data/test", "data@{b}", &err));
	snap(&fixture, "data/test", "c", NULL);
	check_contents(&fixture, "data/test@{latest}", "c");
	check_contents(&fixture, "data/test@{-1}", "b");
	check_contents(&fixture, "data/test@{-2}", "a");
	check_contents(&fixture, "data/test@{a}", "a");
	check_code(FL_NOT_FOUND, roll_back(fixture.engine, "data/test", "data/test@{-3}", &err));
	check_string("data/test has only 3 snapshots: the oldest is @{-2}", err.text);
	check_code(FL_NOT_FOUND, roll_back(fixture.engine, "data", "data@{c}", &err));
	check_code(FL_NOT_FOUND, roll_back(fixture.engine, "data", "data@{2001-01-01}", &err));
	check(strstr(err.hint, "data/trunk@{"));
	check_code(FL_NOT_FOUND, roll_back(fixture.engine, "data", "data@{2200-01-01}", &err));
	check(strstr(err.text, "lies in the future"));
	fixture_end(&fixture);
}

static void going_back_loses_nothing(void)
{
	begin();
	snap(&fixture, "data", "a", NULL);
	write_head(&fixture, "data", "unsaved");
	check_ok(roll_back(fixture.engine, "data", "data@{a}", &err));
	check_head(&fixture, "data", "a");
	check_contents(&fixture, "stash/1@data", "unsaved");
	write_head(&fixture, "data", "again");
	check_ok(roll_back(fixture.engine, "data", "stash/1@data", &err));
	check_head(&fixture, "data", "unsaved");
	check_contents(&fixture, "stash/2@data", "again");
	fixture_end(&fixture);
}

static void what_is_needed_stays(void)
{
	uint64_t count;

	begin();
	snap(&fixture, "data", "a", NULL);
	snap(&fixture, "data", "b", NULL);
	snap(&fixture, "data", "c", NULL);
	check_ok(make_tag(fixture.engine, "v1@data", "data@{b}", &err));
	check_code(FL_BUSY, destroy(fixture.engine, "data@{b}", &err));
	check(strstr(err.text, "tag v1"));
	check_ok(make_branch(fixture.engine, "data/test", "data@{a}", &err));
	check_code(FL_BUSY, destroy(fixture.engine, "data@{a}", &err));
	check(strstr(err.text, "branch test"));
	check_code(FL_BUSY, destroy(fixture.engine, "data@{c}", &err));
	check_ok(destroy(fixture.engine, "v1@data", &err));
	check_ok(destroy(fixture.engine, "data@{b}", &err));
	check_log("c a", "data");

	snap(&fixture, "data/test", "t", NULL);
	check_ok(make_branch(fixture.engine, "data/more", "data/test@{t}", &err));
	check_code(FL_BUSY, destroy(fixture.engine, "data/test", &err));
	check(strstr(err.text, "branch more"));
	check_ok(destroy(fixture.engine, "data/more", &err));
	check_ok(destroy(fixture.engine, "data/test", &err));
	check_code(FL_INVALID, destroy(fixture.engine, "data/trunk", &err));
	check_ok(engine_trash_empty(fixture.engine, NULL, &count, &err));
	check(count == 2);
	check_log("c a", "data");
	fixture_end(&fixture);
}

/* A snapshot can still be found by its id while its branch is in the trash. */
static void a_tag_keeps_a_branch_in_the_trash(void)
{
	char text[64], id[SNAPID_TEXT];
	uint64_t count, snapshot;

	begin();
	check_ok(make_tag(fixture.engine, "first@data", "data", &err));
	check_ok(make_branch(fixture.engine, "data/test", "first@data", &err));
	snapshot = snap(&fixture, "data/test", "t", NULL);
	check_ok(destroy(fixture.engine, "data/test", &err));
	snprintf(text, sizeof(text), "data@{%s}", snapid_format(snapshot, id));
	check_ok(make_tag(fixture.engine, "keep@data", text, &err));
	check_code(FL_BUSY, engine_trash_empty(fixture.engine, "data/test", &count, &err));
	check(strstr(err.text, "tag keep"));
	check_ok(engine_trash_empty(fixture.engine, NULL, &count, &err));
	check(count == 0);
	check_contents(&fixture, "keep@data", "t");
	check_ok(destroy(fixture.engine, "keep@data", &err));
	check_ok(engine_trash_empty(fixture.engine, NULL, &count, &err));
	check(count == 1);
	fixture_end(&fixture);
}

/* Two ids with eight digits in common do not happen by themselves: the rows are made here. */
static int insert_twins(struct tx *tx, void *arg, struct fl_error *error)
{
	const struct uuid *branch = arg;

	for (int i = 0; i < 2; i++) {
		struct snapshot_row row = { .sequence = 10 + (uint64_t)i, .reason = REASON_USER };

		row.storage = (struct snapname){ fixture.instance, clock_now() };
		row.position = (struct position){ *branch, row.storage.time };
		row.id = UINT64_C(0xabcdef1200000000) + (uint64_t)i;
		if (tx_snapshot_insert(tx, &row, error) < 0)
			return fl_failed(error);
	}
	return 0;
}

static void an_ambiguous_id_lists_its_candidates(void)
{
	own_target struct target target = { 0 };
	struct snapshot snapshot = { 0 };
	struct ref ref;

	begin();
	ref = reference("data");
	check_ok(resolve_now(fixture.engine, &ref, &target, &err));
	check_ok(catalog_write(fixture.engine->catalog, CATALOG_LAZY, insert_twins,
			       &target.branch.uuid, &err));
	ref = reference("data@{abcdef12}");
	check_code(FL_INVALID, engine_snapshot_show(fixture.engine, &ref, &snapshot, &err));
	check(strstr(err.text, "abcdef1200000000") && strstr(err.text, "abcdef1200000001"));
	check_string("type more digits", err.hint);
	ref = reference("data@{abcdef1200000001}");
	check_ok(engine_snapshot_show(fixture.engine, &ref, &snapshot, &err));
	check(snapshot.id == UINT64_C(0xabcdef1200000001));
	snapshot_done(&snapshot);
	fixture_end(&fixture);
}

static void references_that_do_not_fit_say_what_fits(void)
{
	const struct snapshot_options options = { .reason = REASON_USER };
	struct snapshot_list list = { 0 };
	struct ref tag = reference("v1@data");

	begin();
	check_code(FL_INVALID, engine_snapshot(fixture.engine, &tag, 1, &options, &list, &err));
	check_string("snapshot takes a volume (VOLUME) or a branch (VOLUME/BRANCH), not a tag "
		     "(TAG@VOLUME): 'v1@data'",
		     err.text);
	check_code(FL_INVALID, roll_back(fixture.engine, "data", "data", &err));
	check_code(FL_NOT_FOUND, make_branch(fixture.engine, "data/x", "v9@data", &err));
	check(strstr(err.hint, "flocker tags data"));
	fixture_end(&fixture);
}

int main(int argc, char **argv)
{
	return check_main(
		argc, argv,
		(struct check[]){ CHECK(a_log_follows_parents_through_branches_and_rollbacks),
				  CHECK(a_log_goes_on_after_each_of_its_snapshots),
				  CHECK(points_are_counted_along_the_past),
				  CHECK(going_back_loses_nothing), CHECK(what_is_needed_stays),
				  CHECK(a_tag_keeps_a_branch_in_the_trash),
				  CHECK(an_ambiguous_id_lists_its_candidates),
				  CHECK(references_that_do_not_fit_say_what_fits), CHECK_END });
}
