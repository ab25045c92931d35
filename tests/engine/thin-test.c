/*
 * Thinning and policies through the verbs and the caretaker's passes.  Time
 * passes by moving the retention clock, which is all that thinning looks at.
 */

#include "engine/rollback.h"
#include "engine/save.h"
#include "tests/engine/fixture.h"

#include <math.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "catalog/internal.h"
#include "engine/status.h"
#include "engine/thin.h"

static struct fixture fixture;
static struct fl_error err;

/* --- what the tests do ------------------------------------------------------------ */

static void pass_time(int64_t duration)
{
	(void)retention_now(fixture.engine); /* it begins when it is asked first */
	fixture.engine->retention.value += duration;
}

/* Days have their ends where a calendar puts them: not within this test. */
static void begin_at_noon(void)
{
	int64_t now = retention_now(fixture.engine);

	pass_time(CLOCK_DAY - now % CLOCK_DAY + 12 * CLOCK_HOUR);
}

static int try_policy(const char *branch, const char *key, const char *value)
{
	own_metadata struct metadata changes = { 0 };
	own(policy_report_done) struct policy_report report = { 0 };
	struct ref ref = reference(branch);

	check_ok(metadata_set(&changes, key, value, &err));
	return engine_policy_set(fixture.engine, &ref, &changes, &report, &err);
}

static void set_policy(const char *branch, const char *key, const char *value)
{
	check_ok(try_policy(branch, key, value));
}

/* A volume that keeps `max_count` snapshots, none for being young. */
static void begin(const char *max_count)
{
	fixture_begin(&fixture);
	check_ok(make_volume(fixture.engine, "data", NULL, &err));
	set_policy("data", "keep-all", "0s");
	set_policy("data", "max-count", max_count);
}

/* Snapshots "s<first>" and so on, each `apart` after the one before. */
static void take(const char *branch, int first, int count, int64_t apart)
{
	char name[16];

	for (int i = first; i < first + count; i++) {
		pass_time(apart);
		snprintf(name, sizeof(name), "s%d", i);
		check_ok(take_snapshot(fixture.engine, branch, name, &err));
	}
}

static struct thinned_list thin(const char *branch, bool dry)
{
	struct ref ref = branch ? reference(branch) : (struct ref){ 0 };
	struct thinned_list list = { 0 };

	check_ok(engine_thin(fixture.engine, branch ? &ref : NULL, dry, &list, &err));
	return list;
}

static size_t thin_count(const char *branch)
{
	own(thinned_list_done) struct thinned_list list = thin(branch, false);

	return list.count;
}

/* The names of a branch's snapshots, oldest first. */
static char *names_of(const char *branch)
{
	own(snapshot_list_done) struct snapshot_list list = { 0 };
	struct text names = { 0 };
	struct ref ref = reference(branch);

	check_ok(engine_log(fixture.engine, &ref, 0, 1000, &list, &err));
	for (size_t i = list.count; i-- > 0;)
		text_add_format(&names, "%s%s", names.length ? " " : "", list.items[i].name);
	return text_take(&names);
}

static void check_names(const char *branch, const char *wanted)
{
	own_free char *names = names_of(branch);

	check_string(wanted, names);
}

static void check_last_names(const char *branch, const char *wanted)
{
	own_free char *names = names_of(branch);
	size_t length = strlen(names), last = strlen(wanted);

	check_string(wanted, names + (length > last ? length - last : 0));
}

static int count_tree(void *arg, const struct tree *tree, const struct tree_info *info,
		      struct fl_error *failure)
{
	*(size_t *)arg += tree->kind == TREE_SNAPSHOT;
	return 0;
}

/* Snapshots that the pool holds. */
static size_t count_trees(void)
{
	struct pool *pool = fixture.engine->pool;
	size_t count = 0;

	check_ok(pool->driver->list(pool, count_tree, &count, &err));
	return count;
}

static uint64_t count_rows(void)
{
	own_tx struct tx *tx = NULL;
	uint64_t count = 0;

	check_ok(tx_begin(fixture.engine->catalog, &tx, &err));
	check_ok(tx_snapshot_count(tx, &count, &err));
	return count;
}

/* A pass over all branches, whatever was seen of them before. */
static void pass(void)
{
	thin_soon(fixture.engine, true);
	check_ok(thin_pass(fixture.engine, &err));
}

/* --- what goes ---------------------------------------------------------------------- */

static void so_many_stay(void)
{
	begin("8");
	take("data", 1, 200, CLOCK_MINUTE);
	check(thin_count("data") == 192);
	check(count_rows() == 8 && count_trees() == 8);
	check(thin_count("data") == 0);
	/* The first and the last, and more of them the younger they are. */
	own_free char *names = names_of("data");

	check(strncmp(names, "s1 ", 3) == 0 && strstr(names, " s199 s200"));
	fixture_restart(&fixture);
	check_names("data", names);
	check(count_trees() == 8);
	fixture_end(&fixture);
}

static void gaps_are_closed_to_the_resolution(void)
{
	begin("none");
	set_policy("data", "resolution", "1/4");
	take("data", 1, 100, CLOCK_MINUTE);
	check(thin_count("data") > 60);
	check(count_rows() < 40 && count_rows() > 8);
	fixture_end(&fixture);
}

static void what_would_go_is_what_goes(void)
{
	begin("5");
	take("data", 1, 30, CLOCK_MINUTE);
	own(thinned_list_done) struct thinned_list told = thin("data", true);
	check(told.count == 25 && count_rows() == 30);
	own(thinned_list_done) struct thinned_list gone = thin("data", false);
	check(gone.count == told.count && count_rows() == 5);
	for (size_t i = 0; i < told.count; i++)
		check_string(told.items[i].ref, gone.items[i].ref);
	check(strncmp(told.items[0].ref, "data/trunk@{", 12) == 0);
	fixture_end(&fixture);
}

static void without_a_reference_all_branches_are_thinned(void)
{
	begin("3");
	take("data", 1, 6, CLOCK_MINUTE);
	check_ok(make_branch(fixture.engine, "data/test", "data@{s6}", &err));
	set_policy("data/test", "keep-all", "0s");
	set_policy("data/test", "max-count", "2");
	take("data/test", 10, 6, CLOCK_MINUTE);
	check(thin_count(NULL) == 3 + 4);
	check(thin_count(NULL) == 0);
	fixture_end(&fixture);
}

/* --- what stays ------------------------------------------------------------------------ */

static void what_is_pinned_stays(void)
{
	struct ref stash = reference("stash/1@data");
	struct stash shown;

	begin("2");
	take("data", 1, 20, CLOCK_MINUTE);
	check_ok(make_tag(fixture.engine, "v1@data", "data@{s5}", &err));
	check_ok(make_branch(fixture.engine, "data/test", "data@{s7}", &err));
	check(thin_count("data") == 16);
	check_names("data", "s1 s5 s7 s20");
	check_ok(roll_back(fixture.engine, "data", "data@{s7}", &err)); /* a stash */
	take("data", 21, 6, CLOCK_MINUTE);
	check(thin_count("data") == 6);
	check_names("data", "s1 s5 s7 s26");
	check(count_rows() == 5); /* the stash's too; s20, which was before that, is thinned */
	check_ok(engine_stash_show(fixture.engine, &stash, &shown, &err));
	check(shown.snapshot != 0);
	fixture_end(&fixture);
}

static void the_young_stay(void)
{
	begin("2");
	set_policy("data", "keep-all", "5h");
	take("data", 1, 60, 10 * CLOCK_MINUTE); /* far more than taking them takes */
	/* s30 is five hours old. */
	check(thin_count("data") == 29);
	check(count_rows() == 31);
	pass_time(10 * CLOCK_HOUR);
	check(thin_count("data") == 29);
	check_names("data", "s1 s60");
	fixture_end(&fixture);
}

static void the_calendar_keeps(void)
{
	begin("2");
	begin_at_noon();
	set_policy("data", "keep", "3d");
	take("data", 1, 100, 6 * CLOCK_HOUR);
	check(thin_count("data") > 90);
	/* The first, and the last of three days, of which the newest is s100. */
	check(count_rows() == 4);
	fixture_end(&fixture);
}

static int all_held(struct pool *pool, const struct tree *tree, struct tree_info *ret,
		    struct fl_error *failure)
{
	return fl_fail(failure, FL_SYSTEM, "cannot look who uses it");
}

/* Who uses a tree can't be found out: then nothing goes. */
static void what_may_be_in_use_stays(void)
{
	struct thinned_list list = { 0 };

	begin("2");
	take("data", 1, 20, CLOCK_MINUTE);
	break_driver(&fixture)->tree_info = all_held;
	check_code(FL_SYSTEM, engine_thin(fixture.engine, NULL, false, &list, &err));
	check(count_rows() == 20);
	mend_driver(&fixture);
	check(count_trees() == 20);
	fixture_end(&fixture);
}

static void the_trash_is_left_alone(void)
{
	begin("2");
	take("data", 1, 20, CLOCK_MINUTE);
	check_ok(make_branch(fixture.engine, "data/test", "data@{s20}", &err));
	set_policy("data/test", "keep-all", "0s");
	set_policy("data/test", "max-count", "2");
	take("data/test", 30, 10, CLOCK_MINUTE);
	check_ok(destroy(fixture.engine, "data/test", &err));
	check(thin_count(NULL) == 18);
	check(count_rows() == 12);
	fixture_end(&fixture);
}

/* --- passes -------------------------------------------------------------------------------- */

static void a_pass_deletes_no_more_than_was_made(void)
{
	begin("2");
	take("data", 1, 50, CLOCK_MINUTE);
	/* Nothing is remembered: nothing counts as new. */
	pass();
	check(count_rows() == 42);
	take("data", 51, 10, CLOCK_MINUTE);
	pass();
	check(count_rows() == 52 - 28);
	pass();
	check(count_rows() == 16);
	fixture_restart(&fixture);
	pass();
	check(count_rows() == 8);
	fixture_end(&fixture);
}

static struct thin_plan *plan_now(const char *branch)
{
	struct tree tree = tree_of(&fixture, branch);
	struct thin_plan *plan = NULL;
	own_tx struct tx *tx = NULL;

	check_ok(tx_begin(fixture.engine->catalog, &tx, &err));
	check_ok(thin_plan_new(fixture.engine, tx, &tree.uuid, 3, &plan, &err));
	return plan;
}

/* What a file system would tell that cleans up only when the test says so. */
static uint64_t uncleaned, uncleaned_most;
static int (*stats_below)(struct pool *pool, struct pool_stats *ret, struct fl_error *failure);
static int (*delete_below)(struct pool *pool, const struct tree *tree, struct fl_error *failure);

static int slow_stats(struct pool *pool, struct pool_stats *ret, struct fl_error *failure)
{
	int r = stats_below(pool, ret, failure);

	ret->uncleaned = uncleaned;
	return r;
}

static int slow_delete(struct pool *pool, const struct tree *tree, struct fl_error *failure)
{
	uncleaned++;
	if (uncleaned > uncleaned_most)
		uncleaned_most = uncleaned;
	return delete_below(pool, tree, failure);
}

static void begin_slow(void)
{
	struct driver *driver;

	begin("20");
	driver = break_driver(&fixture);
	uncleaned = uncleaned_most = 0;
	stats_below = driver->stats;
	delete_below = driver->tree_delete;
	driver->stats = slow_stats;
	driver->tree_delete = slow_delete;
}

static bool waits(void)
{
	own(status_done) struct status status = { 0 };

	check_ok(engine_status(fixture.engine, &status, &err));
	return status.thinning.state == THIN_STATE_CLEANING;
}

/* Snapshots come and the file system cleans at a steady pace: what it has to clean stays bounded,
 * and so do the snapshots. */
static void what_is_not_cleaned_stays_bounded(void)
{
	const uint64_t most = 256; /* thin.max-uncleaned */
	int waited = 0;

	begin_slow();
	for (int round = 0; round < 30; round++) {
		uint64_t cleaned = round < 15 ? 60 : 180;

		take("data", 1000 * round, 100, CLOCK_MINUTE);
		pass();
		waited += waits();
		uncleaned -= uncleaned < cleaned ? uncleaned : cleaned;
		check(count_rows() <= 20 + 15 * 40);
	}
	check(uncleaned_most == most && waited > 5);
	/* It came to clean faster than snapshots come: nothing is left behind. */
	check(!waits() && count_rows() == 20);
	fixture_end(&fixture);
}

static void thinning_waits_for_the_file_system(void)
{
	begin_slow();
	take("data", 1, 8, CLOCK_MINUTE);
	pass();
	take("data", 100, 100, CLOCK_MINUTE);
	uncleaned = 300;
	pass();
	check(count_rows() == 108 && waits());
	/* What was new stays new. */
	uncleaned = 250;
	pass();
	check(count_rows() == 102 && waits());
	uncleaned = 0;
	pass();
	check(count_rows() == 20 && !waits());
	fixture_end(&fixture);
}

static void where_space_is_short_it_does_not_wait(void)
{
	begin_slow();
	take("data", 1, 8, CLOCK_MINUTE);
	pass();
	take("data", 100, 100, CLOCK_MINUTE);
	uncleaned = 300;
	fixture.engine->space_short = true;
	pass();
	check(count_rows() == 20 && !waits());
	/* Nor does it when somebody asks for it. */
	take("data", 300, 100, CLOCK_MINUTE);
	fixture.engine->space_short = false;
	check(thin_count("data") == 100);
	fixture_end(&fixture);
}

/* When a branch is looked at again though nothing was taken. */
static void a_plan_says_what_rests(void)
{
	struct thin_plan *plan;

	begin("10");
	take("data", 1, 12, CLOCK_MINUTE);
	plan = plan_now("data");
	check(thin_plan_rest(plan) == THIN_DONE);
	thin_plan_free(plan);
	take("data", 13, 5, CLOCK_MINUTE);
	plan = plan_now("data");
	check(thin_plan_rest(plan) == THIN_MORE);
	thin_plan_free(plan);
	set_policy("data", "keep-all", "1d");
	plan = plan_now("data");
	check(thin_plan_rest(plan) == THIN_LATER);
	thin_plan_free(plan);
	fixture_end(&fixture);
}

/* What was pinned or destroyed after the plan was made. */
static void a_plan_that_is_out_of_date_does_no_harm(void)
{
	own(thinned_list_done) struct thinned_list gone = { 0 };
	struct thin_plan *plan;

	begin("3");
	take("data", 1, 6, CLOCK_MINUTE);
	plan = plan_now("data"); /* three of s2 to s5 */
	check_ok(make_tag(fixture.engine, "v2@data", "data@{s2}", &err));
	check_ok(make_tag(fixture.engine, "v3@data", "data@{s3}", &err));
	check_ok(make_branch(fixture.engine, "data/test", "data@{s4}", &err));
	check_ok(destroy(fixture.engine, "data@{s5}", &err));
	check_ok(thin_plan_run(fixture.engine, plan, &gone, &err));
	check(gone.count == 0);
	check_names("data", "s1 s2 s3 s4 s6");
	thin_plan_free(plan);
	fixture_end(&fixture);
}

static void a_plan_for_what_is_in_the_trash_by_now_does_nothing(void)
{
	own(thinned_list_done) struct thinned_list gone = { 0 };
	struct thin_plan *plan;

	begin("3");
	take("data", 1, 6, CLOCK_MINUTE);
	plan = plan_now("data");
	check_ok(destroy(fixture.engine, "data", &err));
	check_ok(thin_plan_run(fixture.engine, plan, &gone, &err));
	check(gone.count == 0 && count_rows() == 6);
	thin_plan_free(plan);
	fixture_end(&fixture);
}

/* --- want of space ------------------------------------------------------------------- */

static uint64_t free_now; /* of 100 MiB */
static enum pool_kind kind;

static int stats_of_a_full_pool(struct pool *pool, struct pool_stats *ret, struct fl_error *failure)
{
	*ret = (struct pool_stats){ .size = 100 << 20, .free = free_now << 20 };
	return 0;
}

static void begin_short(void)
{
	begin("none");
	break_driver(&fixture)->stats = stats_of_a_full_pool;
	kind = fixture.engine->pool->spec.kind;
	fixture.engine->pool->spec.kind = POOL_FILE; /* which has its space alone */
	free_now = 9;
}

static void end_short(void)
{
	fixture.engine->pool->spec.kind = kind;
	mend_driver(&fixture);
	fixture_end(&fixture);
}

static void check_trash(size_t wanted)
{
	own(trash_list_done) struct trash_list list = { 0 };

	check_ok(engine_trash(fixture.engine, &list, &err));
	check(list.count == wanted);
}

static void the_trash_goes_before_snapshots(void)
{
	begin_short();
	take("data", 1, 10, CLOCK_MINUTE);
	for (int i = 0; i < 2; i++) {
		check_ok(make_volume(fixture.engine, "gone", NULL, &err));
		check_ok(destroy(fixture.engine, "gone", &err));
	}
	free_now = 10; /* enough */
	space_look(fixture.engine);
	check_trash(2);
	free_now = 9;
	space_look(fixture.engine);
	check_trash(1);
	space_look(fixture.engine);
	check_trash(0);
	check(count_rows() == 10);
	space_look(fixture.engine);
	check_names("data", "s1 s10");
	end_short();
}

/* Of all branches, a few at a time, and no more as long as space comes back. */
static void the_lowest_scores_of_all_go(void)
{
	begin_short();
	take("data", 1, 3, 10 * CLOCK_DAY);
	check_ok(make_branch(fixture.engine, "data/test", "data@{s3}", &err));
	set_policy("data/test", "keep-all", "0s");
	set_policy("data/test", "max-count", "none");
	take("data/test", 10, 100, CLOCK_MINUTE);
	take("data", 4, 1, CLOCK_HOUR);
	space_look(fixture.engine);
	check(count_rows() == 104 - 64);
	check_names("data", "s1 s2 s3 s4");
	free_now = 8;
	space_look(fixture.engine);
	check(count_rows() == 3 + 2);
	end_short();
}

static void nothing_goes_while_space_comes_back(void)
{
	begin_short();
	take("data", 1, 200, CLOCK_MINUTE);
	free_now = 5;
	space_look(fixture.engine);
	check(count_rows() == 136);
	free_now = 6;
	space_look(fixture.engine);
	free_now = 7;
	space_look(fixture.engine);
	check(count_rows() == 136);
	space_look(fixture.engine);
	check(count_rows() == 72);
	end_short();
}

static void the_young_go_last_and_the_pinned_never(void)
{
	begin_short();
	take("data", 1, 6, CLOCK_MINUTE);
	pass_time(2 * CLOCK_HOUR);
	take("data", 7, 6, CLOCK_MINUTE);
	set_policy("data", "keep-all", "1h");
	check_ok(make_tag(fixture.engine, "v3@data", "data@{s3}", &err));
	check_ok(make_tag(fixture.engine, "v9@data", "data@{s9}", &err));
	space_look(fixture.engine);
	check_names("data", "s1 s3 s7 s8 s9 s10 s11 s12");
	space_look(fixture.engine);
	check_names("data", "s1 s3 s9 s12");
	space_look(fixture.engine);
	check_names("data", "s1 s3 s9 s12");
	end_short();
}

static struct uuid held;
static dev_t root_device;
static pid_t holder;

/* Snapshots of one branch are where the holder has its root. */
static int one_branch_is_held(struct pool *pool, const struct tree *tree, struct tree_info *ret,
			      struct fl_error *failure)
{
	*ret = (struct tree_info){ .device = uuid_equal(&tree->uuid, &held) ? root_device : 0 };
	return 0;
}

/* A process of our own, since the others may be hidden: over directories this is not root. */
static pid_t start_holder(void)
{
	pid_t parent = getpid(), child = fork();

	check(child >= 0);
	if (child > 0)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	for (;;)
		pause();
}

static void end_held(void)
{
	kill(holder, SIGKILL);
	waitpid(holder, NULL, 0);
	end_short();
}

/* A branch of `count` snapshots that are in use, and another with a few that are not. */
static void begin_held(int count)
{
	struct stat root;
	char from[16];

	begin_short();
	take("data", 1, count, CLOCK_SECOND);
	snprintf(from, sizeof(from), "data@{s%d}", count);
	check_ok(make_branch(fixture.engine, "data/test", from, &err));
	take("data/test", 100, 4, 10 * CLOCK_HOUR);
	take("data/test", 104, 3, CLOCK_MINUTE);
	set_policy("data/test", "keep-all", "1h");
	set_policy("data/test", "max-count", "none");
	check(stat("/", &root) == 0);
	root_device = root.st_dev;
	holder = start_holder();
	held = tree_of(&fixture, "data").uuid;
	fixture.broken.tree_info = one_branch_is_held;
}

/* There are more of them, with lower scores, than are given up at a time. */
static void what_is_in_use_is_passed_over(void)
{
	begin_held(80);
	space_look(fixture.engine);
	check_last_names("data/test", " s80 s100 s103 s104 s105 s106");
	space_look(fixture.engine);
	check_last_names("data/test", " s80 s100 s106");
	space_look(fixture.engine);
	check(count_rows() == 80 + 2 && failing_is(fixture.engine, FAILING_SPACE));
	end_held();
}

static void what_is_told_is_what_went(void)
{
	own(event_list_done) struct event_list list = { 0 };
	bool told = false;

	begin_held(10);
	space_look(fixture.engine);
	check(count_rows() == 10 + 5);
	events_list(&fixture.engine->events, 0, 1000, &list);
	for (size_t i = 0; i < list.count; i++)
		if (strcmp(list.items[i].kind, "snapshots-given-up") == 0) {
			check(strncmp(list.items[i].object, "data/test@", 10) == 0);
			told = true;
		}
	check(told);
	end_held();
}

static void a_shared_file_system_is_not_ours_to_empty(void)
{
	begin_short();
	take("data", 1, 10, CLOCK_MINUTE);
	fixture.engine->pool->spec.kind = POOL_DIRECTORY;
	space_look(fixture.engine);
	check(count_rows() == 10);
	end_short();
}

/* --- trouble ----------------------------------------------------------------------- */

static int no_delete(struct pool *pool, const struct tree *tree, struct fl_error *failure)
{
	return fl_fail(failure, FL_SYSTEM, "the disk is away");
}

static void rename_table(const char *statement)
{
	check_ok(connection_run(&fixture.engine->catalog->writer, statement, &err));
}

/* What a policy that changed asks for: a branch that is not looked at otherwise. */
static void a_pass_that_fails_is_still_wanted(void)
{
	begin("8");
	take("data", 1, 8, CLOCK_MINUTE);
	pass();
	set_policy("data", "max-count", "4");
	rename_table("ALTER TABLE branch RENAME TO away");
	check(thin_pass(fixture.engine, &err) < 0);
	rename_table("ALTER TABLE away RENAME TO branch");
	check(count_rows() == 8 && fixture.engine->thin_due != 0);
	check_ok(thin_pass(fixture.engine, &err));
	check(count_rows() == 4);
	fixture_end(&fixture);
}

/* As after a crash between the rows and the trees: the next start deletes them. */
static void a_batch_that_was_cut_is_finished(void)
{
	begin("3");
	take("data", 1, 100, CLOCK_MINUTE);
	break_driver(&fixture)->tree_delete = no_delete;
	check(thin_count("data") == 97);
	mend_driver(&fixture);
	check(count_rows() == 3 && count_trees() == 100);
	fixture_restart(&fixture);
	check(count_rows() == 3 && count_trees() == 3);
	fixture_end(&fixture);
}

/* --- policies ---------------------------------------------------------------------- */

static void check_setting(const char *branch, enum policy_key key, const char *value,
			  enum policy_source source)
{
	own(policy_report_done) struct policy_report report = { 0 };
	struct ref ref = reference(branch);

	check_ok(engine_policy_show(fixture.engine, &ref, &report, &err));
	check_string(value, report.settings[key].value);
	check(report.settings[key].source == source);
}

static void policies_are_set_and_kept(void)
{
	begin("8");
	set_policy("data", "snapshot", "change"); /* what takes none contradicts nothing */
	check_setting("data", POLICY_MAX_COUNT, "8", POLICY_OF_BRANCH);
	check_setting("data", POLICY_SETTLE, "1s", POLICY_DEFAULT);
	check_code(FL_INVALID, try_policy("data", "settle", "1h"));
	check(strstr(err.text, "max-lag"));
	check_code(FL_INVALID, try_policy("data", "resolution", "0.3"));
	check_code(FL_INVALID, try_policy("data", "colour", "red"));
	check_code(FL_INVALID, try_policy("data", "colour", ""));
	check_code(FL_NOT_FOUND, try_policy("data/nope", "settle", ""));
	check_setting("data", POLICY_SETTLE, "1s", POLICY_DEFAULT);
	fixture_restart(&fixture);
	check_setting("data", POLICY_MAX_COUNT, "8", POLICY_OF_BRANCH);
	set_policy("data", "max-count", "");
	check_setting("data", POLICY_MAX_COUNT, "4096", POLICY_DEFAULT);
	fixture_end(&fixture);
}

static struct policy policy_now(const char *branch)
{
	struct tree tree = tree_of(&fixture, branch);
	struct policy policy = { 0 };

	check_ok(engine_policy(fixture.engine, &tree.uuid, &policy, &err));
	return policy;
}

static void a_branch_has_its_own(void)
{
	begin("8");
	take("data", 1, 1, CLOCK_MINUTE);
	check_ok(make_branch(fixture.engine, "data/test", "data@{s1}", &err));
	check(policy_now("data").limits.count == 8);
	check(policy_now("data/test").limits.count == THINNING_COUNT);
	check(policy_now("data/test").limits.keep_all == CLOCK_HOUR);
	fixture_end(&fixture);
}

static void policies_survive_a_lost_catalogue(void)
{
	struct recovery recovery;

	begin("8");
	take("data", 1, 20, CLOCK_MINUTE);
	check_ok(engine_pool_recover(fixture.engine, &recovery, &err));
	check_setting("data", POLICY_MAX_COUNT, "8", POLICY_OF_BRANCH);
	check(count_rows() == 20);
	fixture_end(&fixture);
}

/* --- the clock --------------------------------------------------------------------- */

static int see_stamp(void *arg, const struct kept_row *row, struct fl_error *failure)
{
	*(int64_t *)arg = row->time - row->stamp;
	return 0;
}

/* By how much the retention clock was behind when the newest was taken. */
static int64_t newest_lag(void)
{
	struct tree tree = tree_of(&fixture, "data");
	own_tx struct tx *tx = NULL;
	int64_t lag = -1;

	check_ok(tx_begin(fixture.engine->catalog, &tx, &err));
	check_ok(tx_snapshot_each_kept(tx, &tree.uuid, see_stamp, &lag, &err));
	return lag;
}

/* The wall clock is put 400 days ahead: nothing is older for it, and nothing goes. */
static void a_clock_that_jumps_deletes_nothing(void)
{
	begin("none");
	set_policy("data", "keep-all", "1h");
	set_policy("data", "resolution", "1/1");
	take("data", 1, 20, CLOCK_MINUTE / 2);
	check(newest_lag() < 0);
	fixture.engine->retention.value -= 400 * CLOCK_DAY;
	take("data", 21, 1, CLOCK_MINUTE);
	check(newest_lag() > 399 * CLOCK_DAY && newest_lag() < 401 * CLOCK_DAY);
	check(thin_count("data") == 0);
	fixture_end(&fixture);
}

static void the_clock_is_kept(void)
{
	int64_t before;

	begin("8");
	pass_time(50 * CLOCK_DAY);
	before = retention_now(fixture.engine);
	fixture_restart(&fixture);
	check(retention_now(fixture.engine) >= before);
	check(retention_now(fixture.engine) - before < CLOCK_HOUR);
	fixture_end(&fixture);
}

static void a_clock_that_was_not_kept_is_soon_tried_again(void)
{
	begin("8");
	rename_table("ALTER TABLE setting RENAME TO away");
	check(care_for_retention(fixture.engine) <= CLOCK_MINUTE);
	check(failing_is(fixture.engine, FAILING_CLOCK));
	check(retention_saved_at(fixture.engine) == 0);
	rename_table("ALTER TABLE away RENAME TO setting");
	(void)care_for_retention(fixture.engine);
	check(!failing_is(fixture.engine, FAILING_CLOCK));
	check(retention_saved_at(fixture.engine) > 0);
	fixture_end(&fixture);
}

/* --- why --------------------------------------------------------------------------- */

static void each_snapshot_says_why_it_stays(void)
{
	static const enum stay wanted[] = { STAY_OLDEST, STAY_PINNED, STAY_NOT,	  STAY_CALENDAR,
					    STAY_ROOM,	 STAY_YOUNG,  STAY_NEWEST };
	own(snapshot_list_done) struct snapshot_list list = { 0 };
	struct ref ref = reference("data");

	begin("6");
	begin_at_noon();
	take("data", 1, 4, CLOCK_MINUTE);
	/* To the beginning of a day: its calendar has all that follow in one. */
	pass_time(3 * CLOCK_DAY - retention_now(fixture.engine) % CLOCK_DAY);
	take("data", 5, 3, 30 * CLOCK_MINUTE);
	set_policy("data", "keep-all", "40m");
	set_policy("data", "keep", "2d");
	check_ok(make_tag(fixture.engine, "v1@data", "data@{s2}", &err));
	check_ok(engine_log(fixture.engine, &ref, 0, 100, &list, &err));
	check(list.count == array_size(wanted) && list.items[0].stay == STAY_UNKNOWN);
	check_ok(engine_explain(fixture.engine, &list, &err));
	for (size_t i = 0; i < list.count; i++) {
		const struct snapshot *snapshot = &list.items[list.count - 1 - i];
		bool scored = wanted[i] == STAY_ROOM || wanted[i] == STAY_NOT;

		if (snapshot->stay != wanted[i])
			printf("# %s: %s\n", snapshot->name, stay_names[snapshot->stay]);
		check(snapshot->stay == wanted[i]);
		check(isfinite(snapshot->score) == scored);
	}
	fixture_end(&fixture);
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(so_many_stay),
				  CHECK(gaps_are_closed_to_the_resolution),
				  CHECK(what_would_go_is_what_goes),
				  CHECK(without_a_reference_all_branches_are_thinned),
				  CHECK(what_is_pinned_stays),
				  CHECK(the_young_stay),
				  CHECK(the_calendar_keeps),
				  CHECK(what_may_be_in_use_stays),
				  CHECK(the_trash_is_left_alone),
				  CHECK(a_pass_deletes_no_more_than_was_made),
				  CHECK(what_is_not_cleaned_stays_bounded),
				  CHECK(thinning_waits_for_the_file_system),
				  CHECK(where_space_is_short_it_does_not_wait),
				  CHECK(a_plan_says_what_rests),
				  CHECK(a_plan_that_is_out_of_date_does_no_harm),
				  CHECK(a_plan_for_what_is_in_the_trash_by_now_does_nothing),
				  CHECK(the_trash_goes_before_snapshots),
				  CHECK(the_lowest_scores_of_all_go),
				  CHECK(nothing_goes_while_space_comes_back),
				  CHECK(the_young_go_last_and_the_pinned_never),
				  CHECK(what_is_in_use_is_passed_over),
				  CHECK(what_is_told_is_what_went),
				  CHECK(a_shared_file_system_is_not_ours_to_empty),
				  CHECK(a_pass_that_fails_is_still_wanted),
				  CHECK(a_batch_that_was_cut_is_finished),
				  CHECK(policies_are_set_and_kept),
				  CHECK(a_branch_has_its_own),
				  CHECK(policies_survive_a_lost_catalogue),
				  CHECK(a_clock_that_jumps_deletes_nothing),
				  CHECK(the_clock_is_kept),
				  CHECK(a_clock_that_was_not_kept_is_soon_tried_again),
				  CHECK(each_snapshot_says_why_it_stays),
				  CHECK_END,
			  });
}
