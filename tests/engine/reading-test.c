/*
 * Snapshots that are deleted while they are compared.
 *
 * The reference driver compares nothing, so its copy here is given a diff that
 * does what somebody else might do meanwhile.
 */

#include "tests/engine/fixture.h"

static struct fixture fixture;
static struct fl_error err;
static unsigned compared;

static bool in_pool(const struct tree *tree)
{
	struct tree_info info;
	struct fl_error missing;

	return driver_of(fixture.engine)->tree_info(fixture.engine->pool, tree, &info, &missing) ==
	       0;
}

static size_t count_staging(void)
{
	own_free char *state = describe(&fixture);
	const char *found = strstr(state, "staging=");

	check(found != NULL);
	return (size_t)atoi(found + strlen("staging="));
}

static int tell_nobody(void *arg, const struct change *change, struct fl_error *error)
{
	return 0;
}

static int compare(const char *earlier, const char *later)
{
	struct ref refs[] = { reference(earlier), reference(later) };

	return engine_diff(fixture.engine, &refs[0], &refs[1], tell_nobody, NULL, &err);
}

static void begin(int (*diff)(struct pool *pool, const struct tree *earlier,
			      const struct tree *later, change_each *each, void *arg,
			      struct fl_error *error))
{
	struct driver *broken;

	fixture_begin(&fixture);
	check_ok(make_volume(fixture.engine, "data", NULL, &err));
	check_ok(make_branch(fixture.engine, "data/test", "data", &err));
	snap(&fixture, "data/test", "a", NULL);
	snap(&fixture, "data/test", "b", NULL);
	broken = break_driver(&fixture);
	broken->capabilities |= DRIVER_CAN_DIFF | DRIVER_CAN_SHARE;
	broken->diff = diff;
	compared = 0;
}

static void end(void)
{
	mend_driver(&fixture);
	fixture_end(&fixture);
}

/* --- a snapshot ----------------------------------------------------------------- */

static int destroy_earlier(struct pool *pool, const struct tree *earlier, const struct tree *later,
			   change_each *each, void *arg, struct fl_error *error)
{
	compared++;
	check(earlier->kind == TREE_SNAPSHOT && later->kind == TREE_SNAPSHOT);
	check_ok(destroy(fixture.engine, "data/test@{a}", error));
	check(compare("data/test@{a}", "data/test@{b}") == -FL_NOT_FOUND);
	check(in_pool(earlier));
	return 0;
}

static void a_snapshot_stays_until_it_was_read(void)
{
	struct tree tree;

	begin(destroy_earlier);
	tree = tree_of(&fixture, "data/test@{a}");
	check_ok(compare("data/test@{a}", "data/test@{b}"));
	engine_care(fixture.engine);
	check(compared == 1 && !in_pool(&tree));
	end();
}

/* --- by two at once --------------------------------------------------------------- */

static int compare_once_more(struct pool *pool, const struct tree *earlier,
			     const struct tree *later, change_each *each, void *arg,
			     struct fl_error *error)
{
	if (++compared == 2)
		return destroy(fixture.engine, "data/test@{a}", error);
	check_ok(compare("data/test@{a}", "data/test@{b}"));
	engine_care(fixture.engine);
	check(compared == 2 && in_pool(earlier)); /* for the first reads on */
	return 0;
}

static void the_last_reader_lets_it_go(void)
{
	struct tree tree;

	begin(compare_once_more);
	tree = tree_of(&fixture, "data/test@{a}");
	check_ok(compare("data/test@{a}", "data/test@{b}"));
	engine_care(fixture.engine);
	check(!in_pool(&tree));
	end();
}

/* --- a whole branch ---------------------------------------------------------------- */

static int empty_trash(struct pool *pool, const struct tree *earlier, const struct tree *later,
		       change_each *each, void *arg, struct fl_error *error)
{
	uint64_t count;

	compared++;
	check_ok(destroy(fixture.engine, "data/test", error));
	check_ok(engine_trash_empty(fixture.engine, NULL, &count, error));
	check(count == 1 && in_pool(earlier) && in_pool(later));
	return 0;
}

static void a_branch_stays_until_it_was_read(void)
{
	struct tree trees[2];

	begin(empty_trash);
	trees[0] = tree_of(&fixture, "data/test@{a}");
	trees[1] = tree_of(&fixture, "data/test@{b}");
	check_ok(compare("data/test@{a}", "data/test@{b}"));
	engine_care(fixture.engine);
	check(compared == 1 && !in_pool(&trees[0]) && !in_pool(&trees[1]));
	end();
}

/* --- heads -------------------------------------------------------------------------- */

static int expect_staging(struct pool *pool, const struct tree *earlier, const struct tree *later,
			  change_each *each, void *arg, struct fl_error *error)
{
	compared++;
	check(earlier->kind == TREE_SNAPSHOT && later->kind == TREE_STAGING);
	check(count_staging() == 1);
	return fl_fail(error, FL_SYSTEM, "as if it could not go on");
}

static void a_head_is_compared_by_a_private_snapshot(void)
{
	begin(expect_staging);
	check(compare("data/test@{b}", "data/test") == -FL_SYSTEM);
	check(compared == 1 && count_staging() == 0);
	check(compare("data/test@{b}", "data/test@{latest}") == 0); /* the same one */
	check(compared == 1);
	end();
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(a_snapshot_stays_until_it_was_read),
				  CHECK(the_last_reader_lets_it_go),
				  CHECK(a_branch_stays_until_it_was_read),
				  CHECK(a_head_is_compared_by_a_private_snapshot),
				  CHECK_END,
			  });
}
