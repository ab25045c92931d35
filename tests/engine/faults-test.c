/*
 * Every verb with its n-th call into the driver failing, for every n, before
 * and after the call is done: the verb fails with a typed error and has changed
 * nothing, or succeeds; either way a restart finds the same state.
 */

#include "engine/rollback.h"
#include "tests/engine/fixture.h"

#include "base/clock.h"
#include "base/text.h"
#include "engine/birth.h"
#include "engine/together.h"
#include "tests/engine/place.h"

#define CALLS 64		   /* more than any verb makes */
#define BUDGET (15 * CLOCK_SECOND) /* for a sample, where a run of all takes too long */

struct verb {
	const char *name;
	void (*prepare)(struct fixture *fixture);
	int (*run)(struct engine *engine, struct fl_error *err);
	bool late; /* the stash must have what was written after the rollback */
};

/* --- what the verbs run on ------------------------------------------------ */

static void prepare_volume(struct fixture *fixture)
{
	struct fl_error err;

	check_ok(make_volume(fixture->engine, "data", NULL, &err));
	write_head(fixture, "data", "one");
	check_ok(take_snapshot(fixture->engine, "data", "one", &err));
	write_head(fixture, "data", "two");
}

static void prepare_family(struct fixture *fixture)
{
	struct fl_error err;

	prepare_volume(fixture);
	check_ok(make_branch(fixture->engine, "data/test", "data@{one}", &err));
	check_ok(take_snapshot(fixture->engine, "data/test", NULL, &err));
	check_ok(make_tag(fixture->engine, "v1@data", "data@{one}", &err));
}

/* A stash, and nothing else half-done: the caretaker has passed. */
static void prepare_stash(struct fixture *fixture)
{
	struct fl_error err;

	prepare_family(fixture);
	check_ok(roll_back(fixture->engine, "data", "v1@data", &err));
	engine_care(fixture->engine);
}

static void prepare_spare(struct fixture *fixture)
{
	struct fl_error err;

	prepare_volume(fixture);
	check_ok(take_snapshot(fixture->engine, "data", "spare", &err));
	check_ok(take_snapshot(fixture->engine, "data", "last", &err));
}

/* A branch of which all goes that may. */
static void prepare_thin(struct fixture *fixture)
{
	own_metadata struct metadata rules = { 0 };
	own(policy_report_done) struct policy_report report = { 0 };
	struct ref ref = reference("data");
	struct fl_error err;

	prepare_family(fixture);
	for (int i = 0; i < 5; i++)
		check_ok(take_snapshot(fixture->engine, "data", NULL, &err));
	check_ok(metadata_set(&rules, "keep-all", "0s", &err));
	check_ok(metadata_set(&rules, "max-count", "2", &err));
	check_ok(engine_policy_set(fixture->engine, &ref, &rules, &report, &err));
}

static void prepare_trash(struct fixture *fixture)
{
	struct fl_error err;

	prepare_stash(fixture);
	check_ok(destroy(fixture->engine, "data", &err));
}

static void prepare_branch_trash(struct fixture *fixture)
{
	struct fl_error err;

	prepare_stash(fixture);
	check_ok(destroy(fixture->engine, "data/test", &err));
}

static int find_retired(void *arg, const struct tree *tree, const struct tree_info *info,
			struct fl_error *err)
{
	if (tree->kind == TREE_RETIRED)
		*(struct tree *)arg = *tree;
	return 0;
}

/* A rollback, and a process that had the old head open and wrote on. */
static void prepare_late_write(struct fixture *fixture)
{
	struct tree retired = { 0 };
	struct fl_error err;

	prepare_family(fixture);
	check_ok(roll_back(fixture->engine, "data", "v1@data", &err));
	check_ok(driver_of(fixture->engine)
			 ->list(fixture->engine->pool, find_retired, &retired, &err));
	check(retired.kind == TREE_RETIRED);
	write_tree(fixture->engine->pool, &retired, "late");
}

/* --- the verbs ---------------------------------------------------------------- */

static int run_create(struct engine *engine, struct fl_error *err)
{
	return make_volume(engine, "new", NULL, err);
}

static int run_create_from(struct engine *engine, struct fl_error *err)
{
	return make_volume(engine, "new", "v1@data", err);
}

static int run_create_from_live(struct engine *engine, struct fl_error *err)
{
	return make_volume(engine, "new", "data", err);
}

static int run_snapshot(struct engine *engine, struct fl_error *err)
{
	return take_snapshot(engine, "data", "two", err);
}

static int run_snapshot_both(struct engine *engine, struct fl_error *err)
{
	const struct snapshot_options options = { .reason = REASON_USER };
	struct ref refs[] = { reference("data"), reference("data/test") };
	struct snapshot_list list = { 0 };
	int r = engine_snapshot(engine, refs, 2, &options, &list, err);

	snapshot_list_done(&list);
	return r;
}

static int run_snapshot_together(struct engine *engine, struct fl_error *err)
{
	own_together struct together together = { 0 };
	const struct snapshot_options options = { .reason = REASON_USER, .together = &together };
	struct ref refs[] = { reference("data"), reference("data/test") };
	struct snapshot_list list = { 0 };
	int r = engine_snapshot(engine, refs, 2, &options, &list, err);

	snapshot_list_done(&list);
	return r;
}

static int run_branch(struct engine *engine, struct fl_error *err)
{
	return make_branch(engine, "data/new", NULL, err);
}

static int run_branch_from(struct engine *engine, struct fl_error *err)
{
	return make_branch(engine, "data/new", "v1@data", err);
}

static int run_tag(struct engine *engine, struct fl_error *err)
{
	struct ref tag = reference("live@data");
	struct tag made = { 0 };

	return engine_tag(engine, &tag, NULL, &made, err);
}

static int run_rollback(struct engine *engine, struct fl_error *err)
{
	return roll_back(engine, "data", "data@{one}", err);
}

static int run_restore(struct engine *engine, struct fl_error *err)
{
	struct ref stash = reference("stash/1@data");
	struct rollback rollback = { 0 };
	int r = engine_stash_restore(engine, &stash, AROUND_RESTART, &rollback, err);

	rollback_done(&rollback);
	return r;
}

static int run_set(struct engine *engine, struct fl_error *err)
{
	struct ref ref = reference("data");
	const struct set_options options = { .description = "the data" };
	struct volume volume = { 0 };
	int r = engine_set_volume(engine, &ref, &options, &volume, err);

	volume_done(&volume);
	return r;
}

static int run_rename(struct engine *engine, struct fl_error *err)
{
	struct ref ref = reference("data");

	return engine_rename(engine, &ref, "other", err);
}

static int run_rename_branch(struct engine *engine, struct fl_error *err)
{
	struct ref ref = reference("data/test");

	return engine_rename(engine, &ref, "other", err);
}

static int run_destroy(struct engine *engine, struct fl_error *err)
{
	return destroy(engine, "data", err);
}

static int run_destroy_branch(struct engine *engine, struct fl_error *err)
{
	return destroy(engine, "data/test", err);
}

static int run_destroy_snapshot(struct engine *engine, struct fl_error *err)
{
	return destroy(engine, "data@{spare}", err);
}

static int run_trash_restore(struct engine *engine, struct fl_error *err)
{
	struct trash_item item;

	return engine_trash_restore(engine, "data", NULL, &item, err);
}

static int run_branch_trash_restore(struct engine *engine, struct fl_error *err)
{
	struct trash_item item;

	return engine_trash_restore(engine, "data/test", "back", &item, err);
}

static int run_thin(struct engine *engine, struct fl_error *err)
{
	struct thinned_list gone = { 0 };
	int r = engine_thin(engine, NULL, false, &gone, err);

	thinned_list_done(&gone);
	return r;
}

static int run_trash_empty(struct engine *engine, struct fl_error *err)
{
	uint64_t count;

	return engine_trash_empty(engine, NULL, &count, err);
}

/* A pass of the caretaker fails aloud only in the log; what it could not do it does in the next. */
/* What an import does when its program is done: contents in staging become a volume. */
static int run_birth_from_staging(struct engine *engine, struct fl_error *err)
{
	const struct create_options options = { .name = "born" };
	own_volume_row struct volume_row volume = { 0 };
	struct uuid operation = uuid_new();
	struct tree staging = tree_staging(&operation);
	struct birth birth = {
		.volume = &volume, .new_volume = true, .has_from = true, .from = staging
	};
	struct fl_error ignored;

	fill_volume_row(engine, &options, &volume);
	birth.branch = birth_branch(engine, &volume, TRUNK);
	birth.line = (struct line){ .branch = birth.branch.uuid, .start = 1 };
	if (driver_of(engine)->staging_create(engine->pool, &operation, NULL, err) == 0 &&
	    birth_run(engine, &birth, err) == 0)
		return 0;
	(void)!driver_of(engine)->tree_delete(engine->pool, &staging, &ignored);
	return fl_failed(err);
}

static int run_care(struct engine *engine, struct fl_error *err)
{
	engine_care(engine);
	return 0;
}

static const struct verb verbs[] = {
	{ "birth from staging", prepare_volume, run_birth_from_staging, false },
	{ "create", prepare_volume, run_create },
	{ "create from a tag", prepare_family, run_create_from },
	{ "create from a live head", prepare_family, run_create_from_live },
	{ "snapshot", prepare_volume, run_snapshot },
	{ "snapshot of two", prepare_family, run_snapshot_both },
	{ "snapshot of two together", prepare_family, run_snapshot_together },
	{ "branch", prepare_volume, run_branch },
	{ "branch from a tag", prepare_family, run_branch_from },
	{ "tag", prepare_volume, run_tag },
	{ "rollback", prepare_family, run_rollback },
	{ "stash restore", prepare_stash, run_restore },
	{ "set", prepare_volume, run_set },
	{ "rename", prepare_family, run_rename },
	{ "rename a branch", prepare_family, run_rename_branch },
	{ "destroy", prepare_stash, run_destroy },
	{ "destroy a branch", prepare_stash, run_destroy_branch },
	{ "destroy a snapshot", prepare_spare, run_destroy_snapshot },
	{ "thin", prepare_thin, run_thin },
	{ "trash restore", prepare_trash, run_trash_restore },
	{ "trash restore of a branch", prepare_branch_trash, run_branch_trash_restore },
	{ "trash empty", prepare_trash, run_trash_empty },
	{ "trash empty of a branch", prepare_branch_trash, run_trash_empty },
	{ "release of a head", prepare_late_write, run_care, .late = true },
};

/* --- the sweep -------------------------------------------------------------------- */

static void compare(const struct verb *verb, unsigned long n, bool before, const char *when,
		    const char *wanted, const char *found)
{
	char text[160];

	snprintf(text, sizeof(text), "%s (%s, call %lu failing %s)", when, verb->name, n,
		 before ? "before" : "after");
	check_same_state(wanted, found, text);
}

/* The pool alone is wrapped for the call, and unwrapped after it. */
static int run_with_fault(struct fixture *fixture, const struct verb *verb, struct fault_plan *plan,
			  struct fl_error *err)
{
	int r;

	fixture->engine->pool = fault_wrap(fixture->engine->pool, plan);
	r = verb->run(fixture->engine, err);
	fixture->engine->pool = unwrap(fixture->engine->pool);
	return r;
}

static void cut_pool(char *state)
{
	*strstr(state, "pool heads=") = '\0';
}

/* Answers whether the verb made so many calls at all. */
static bool sweep_one(const struct verb *verb, unsigned long n, bool before)
{
	struct fault_plan plan = { .fail_at = n, .before = before };
	own_free char *old = NULL, *new = NULL, *again = NULL;
	struct fixture fixture;
	struct fl_error err = { 0 };
	int r;

	fixture_begin(&fixture);
	verb->prepare(&fixture);
	if (!verb->late)
		engine_care(fixture.engine);
	old = describe(&fixture);
	r = run_with_fault(&fixture, verb, &plan, &err);
	check(r == 0 || err.text[0] != '\0');
	if (plan.fired)
		engine_care(fixture.engine);
	new = describe(&fixture);
	if (r < 0)
		compare(verb, n, before, "at once", old, new);
	fixture_restart(&fixture);
	engine_care(fixture.engine);
	again = describe(&fixture);
	if (r == 0) { /* what it left to be done in the pool is done at the next start */
		cut_pool(new);
		cut_pool(again);
	}
	compare(verb, n, before, "after a restart", r < 0 ? old : new, again);
	if (verb->late)
		check_contents(&fixture, "stash/1@data", "late");
	fixture_end(&fixture);
	return plan.fired;
}

/* One call of each verb, as many verbs as fit; FLOCKER_SEED says which. */
static void sweep_sample(bool before)
{
	const char *text = getenv("FLOCKER_SEED");
	unsigned seed = text ? (unsigned)strtoul(text, NULL, 10) : (unsigned)clock_now();
	int64_t end = clock_monotonic() + BUDGET;
	size_t first, i;

	printf("# FLOCKER_SEED=%u\n", seed);
	first = (size_t)rand_r(&seed) % array_size(verbs);
	for (i = 0; i < array_size(verbs) && clock_monotonic() < end; i++) {
		const struct verb *verb = &verbs[(first + i) % array_size(verbs)];
		unsigned long n = 1 + (unsigned long)rand_r(&seed) % 5;

		while (!sweep_one(verb, n, before) && n > 1)
			n /= 2;
	}
	printf("# %zu of %zu verbs, from '%s' on\n", i, array_size(verbs), verbs[first].name);
}

static void sweep(bool before)
{
	if (place_is_slow() && !getenv("FLOCKER_TEST_LONG")) {
		sweep_sample(before);
		return;
	}
	for (size_t i = 0; i < array_size(verbs); i++) {
		unsigned long n = 1;

		while (sweep_one(&verbs[i], n, before))
			check(++n < CALLS);
		printf("# %s: %lu calls\n", verbs[i].name, n - 1);
	}
}

static void calls_that_fail_before_they_are_done(void)
{
	sweep(true);
}

static void calls_that_fail_after_they_are_done(void)
{
	sweep(false);
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){ CHECK(calls_that_fail_before_they_are_done),
					    CHECK(calls_that_fail_after_they_are_done),
					    CHECK_END });
}
