/*
 * What the verbs mean: pasts, points in them, and what must not be destroyed.
 */

#include "tests/engine/fixture.h"

#include "base/text.h"

static struct fixture fixture;
static struct fl_error err;

static void begin(void)
{
	const struct create_options options = { .name = "data" };
	struct volume volume = { 0 };

	fixture_begin(&fixture);
	check_ok(engine_create(fixture.engine, &options, &volume, &err));
	volume_done(&volume);
}

/* A snapshot of `branch` whose file "f" holds the name. */
static uint64_t snap(const char *branch, const char *name)
{
	const struct snapshot_options options = { .name = name, .reason = REASON_USER };
	struct snapshot_list list = { 0 };
	struct ref ref = reference(branch);
	uint64_t id;

	write_head(&fixture, branch, name);
	check_ok(engine_snapshot(fixture.engine, &ref, 1, &options, &list, &err));
	id = list.items[0].id;
	snapshot_list_done(&list);
	return id;
}

static int roll_back(const char *branch, const char *target)
{
	struct ref ref = reference(branch), to = reference(target);
	struct rollback rollback = { 0 };
	int r = engine_rollback(fixture.engine, &ref, &to, &rollback, &err);

	rollback_done(&rollback);
	return r;
}

static int make_branch(const char *name, const char *from)
{
	struct ref ref = reference(name), source = reference(from);
	struct branch branch = { 0 };
	int r = engine_branch(fixture.engine, &ref, &source, &branch, &err);

	branch_done(&branch);
	return r;
}

static int make_tag(const char *name, const char *target)
{
	struct ref tag = reference(name), at = reference(target);
	struct tag made = { 0 };

	return engine_tag(fixture.engine, &tag, &at, &made, &err);
}

static int destroy(const char *text)
{
	struct ref ref = reference(text);

	return engine_destroy(fixture.engine, &ref, NULL, &err);
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
	snap("data", "a");
	snap("data", "b");
	snap("data", "c");
	check_log("c b a", "data");
	check_ok(make_branch("data/test", "data@{b}"));
	snap("data/test", "d");
	check_log("d b* a*", "data/test");
	check_ok(roll_back("data", "data@{a}"));
	check_log("a", "data");
	snap("data", "e");
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
		snap("data", name);
	}
	check_ok(make_branch("data/test", "data@{n7}"));
	snap("data/test", "t");
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
	snap("data", "a");
	snap("data", "b");
	check_ok(make_branch("data/test", "data@{b}"));
	snap("data/test", "c");
	check_contents(&fixture, "data/test@{latest}", "c");
	check_contents(&fixture, "data/test@{-1}", "b");
	check_contents(&fixture, "data/test@{-2}", "a");
	check_contents(&fixture, "data/test@{a}", "a");
	check_code(FL_NOT_FOUND, roll_back("data/test", "data/test@{-3}"));
	check_string("data/test has only 3 snapshots: the oldest is @{-2}", err.text);
	check_code(FL_NOT_FOUND, roll_back("data", "data@{c}"));
	check_code(FL_NOT_FOUND, roll_back("data", "data@{2001-01-01}"));
	check(strstr(err.hint, "data/trunk@{"));
	check_code(FL_NOT_FOUND, roll_back("data", "data@{2200-01-01}"));
	check(strstr(err.text, "lies in the future"));
	fixture_end(&fixture);
}

static void going_back_loses_nothing(void)
{
	begin();
	snap("data", "a");
	write_head(&fixture, "data", "unsaved");
	check_ok(roll_back("data", "data@{a}"));
	check_head(&fixture, "data", "a");
	check_contents(&fixture, "stash/1@data", "unsaved");
	write_head(&fixture, "data", "again");
	check_ok(roll_back("data", "stash/1@data"));
	check_head(&fixture, "data", "unsaved");
	check_contents(&fixture, "stash/2@data", "again");
	fixture_end(&fixture);
}

static void what_is_needed_stays(void)
{
	uint64_t count;

	begin();
	snap("data", "a");
	snap("data", "b");
	snap("data", "c");
	check_ok(make_tag("v1@data", "data@{b}"));
	check_code(FL_BUSY, destroy("data@{b}"));
	check(strstr(err.text, "tag v1"));
	check_ok(make_branch("data/test", "data@{a}"));
	check_code(FL_BUSY, destroy("data@{a}"));
	check(strstr(err.text, "branch test"));
	check_code(FL_BUSY, destroy("data@{c}"));
	check_ok(destroy("v1@data"));
	check_ok(destroy("data@{b}"));
	check_log("c a", "data");

	snap("data/test", "t");
	check_ok(make_branch("data/more", "data/test@{t}"));
	check_code(FL_BUSY, destroy("data/test"));
	check(strstr(err.text, "branch more"));
	check_ok(destroy("data/more"));
	check_ok(destroy("data/test"));
	check_code(FL_INVALID, destroy("data/trunk"));
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
	check_ok(make_tag("first@data", "data"));
	check_ok(make_branch("data/test", "first@data"));
	snapshot = snap("data/test", "t");
	check_ok(destroy("data/test"));
	snprintf(text, sizeof(text), "data@{%s}", snapid_format(snapshot, id));
	check_ok(make_tag("keep@data", text));
	check_code(FL_BUSY, engine_trash_empty(fixture.engine, "data/test", &count, &err));
	check(strstr(err.text, "tag keep"));
	check_ok(engine_trash_empty(fixture.engine, NULL, &count, &err));
	check(count == 0);
	check_contents(&fixture, "keep@data", "t");
	check_ok(destroy("keep@data"));
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
	check_string("snapshot takes a volume (mydata) or a branch (mydata/test), not a tag "
		     "(v1@mydata): 'v1@data'",
		     err.text);
	check_code(FL_INVALID, roll_back("data", "data"));
	check_code(FL_NOT_FOUND, make_branch("data/x", "v9@data"));
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
