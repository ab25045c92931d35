/*
 * Each call of a scenario fails once, before it is done and after it, as when
 * an answer is lost.  What the pool holds is then exactly what it held before
 * that step or holds after it; the step is taken once more, the scenario goes
 * on to its end, and the pool opens again.
 */

#include "suite.h"

#include "driver/decorators.h"

static const struct uuid a = { { 0xa } }, b = { { 0xb } }, c = { { 0xc } };
static const struct uuid swapping = { { 1 } }, retiring = { { 2 } }, receiving = { { 3 } };
static struct tree head_a, head_b, first, second, received, swapped;

static int create_head(struct pool *pool, struct fl_error *err)
{
	return call(pool, head_create, &a, err);
}

static int write_facts(struct pool *pool, struct fl_error *err)
{
	return call(pool, facts_write, &a, "facts", err);
}

static int take_first(struct pool *pool, struct fl_error *err)
{
	return call(pool, snapshot, &head_a, &first, err);
}

static int take_second(struct pool *pool, struct fl_error *err)
{
	return call(pool, snapshot, &head_a, &second, err);
}

static int swap_head(struct pool *pool, struct fl_error *err)
{
	return call(pool, head_swap, &a, &first, &swapping, err);
}

static int write_backup(struct pool *pool, struct fl_error *err)
{
	return call(pool, file_write, "backup", "contents", 8, err);
}

static int append_journal(struct pool *pool, struct fl_error *err)
{
	return call(pool, file_append, "journal", "line\n", 5, err);
}

static int delete_second(struct pool *pool, struct fl_error *err)
{
	return call(pool, tree_delete, &second, err);
}

static int retire_head(struct pool *pool, struct fl_error *err)
{
	return call(pool, head_retire, &a, &retiring, err);
}

static int restore_head(struct pool *pool, struct fl_error *err)
{
	const struct tree retired = tree_retired(&retiring);

	return call(pool, head_restore, &retired, &a, err);
}

static int create_staging(struct pool *pool, struct fl_error *err)
{
	return call(pool, staging_create, &swapping, NULL, err);
}

static int clone_to_staging(struct pool *pool, struct fl_error *err)
{
	return call(pool, staging_clone, &receiving, NULL, &first, err);
}

static int commit_staging(struct pool *pool, struct fl_error *err)
{
	return call(pool, staging_commit, &receiving, &received, err);
}

static int adopt_staging(struct pool *pool, struct fl_error *err)
{
	const struct tree staging = tree_staging(&swapping);

	return call(pool, head_restore, &staging, &c, err);
}

static int clone_head(struct pool *pool, struct fl_error *err)
{
	return call(pool, head_clone, &b, &first, err);
}

static int delete_swapped(struct pool *pool, struct fl_error *err)
{
	return call(pool, tree_delete, &swapped, err);
}

static int ask_changed(struct pool *pool, struct fl_error *err)
{
	bool changed;

	return call(pool, changed_since, &head_a, &first, &changed, err);
}

static int read_backup(struct pool *pool, struct fl_error *err)
{
	own_text struct text text = { 0 };

	return call(pool, file_read, "backup", &text, err);
}

static int read_facts(struct pool *pool, struct fl_error *err)
{
	own_text struct text text = { 0 };

	return call(pool, facts_read, &a, &text, err);
}

static int open_head(struct pool *pool, struct fl_error *err)
{
	own_fd int fd = -1;
	int r = call(pool, tree_open, &head_a, &fd, err);

	return r == -FL_UNSUPPORTED ? 0 : r;
}

static int ask_stats(struct pool *pool, struct fl_error *err)
{
	struct pool_stats stats;

	return call(pool, stats, &stats, err);
}

static int sync_all(struct pool *pool, struct fl_error *err)
{
	return call(pool, sync, err);
}

static int delete_facts(struct pool *pool, struct fl_error *err)
{
	return call(pool, facts_delete, &b, err);
}

static int identify(struct pool *pool, struct fl_error *err)
{
	const struct pool_identity same = pool->identity;

	return call(pool, identify, &same, err);
}

static int stop_writing(struct pool *pool, struct fl_error *err)
{
	int r = call(pool, set_read_only, true, err);

	return r == -FL_UNSUPPORTED ? 0 : r; /* a file system that others use too */
}

static int go_on_writing(struct pool *pool, struct fl_error *err)
{
	int r = call(pool, set_read_only, false, err);

	return r == -FL_UNSUPPORTED ? 0 : r; /* a file system that others use too */
}

static const struct step {
	int (*take)(struct pool *pool, struct fl_error *err);
	bool once; /* a second call is FL_EXISTS */
} steps[] = {
	{ create_head, true },
	{ write_facts },
	{ open_head },
	{ take_first, true },
	{ take_second, true },
	{ ask_changed },
	{ swap_head },
	{ write_backup },
	{ append_journal },
	{ read_backup },
	{ read_facts },
	{ stop_writing },
	{ go_on_writing },
	{ delete_second },
	{ retire_head },
	{ restore_head },
	{ clone_head, true },
	{ create_staging, true },
	{ clone_to_staging, true },
	{ commit_staging },
	{ adopt_staging },
	{ delete_swapped },
	{ delete_facts },
	{ identify },
	{ ask_stats },
	{ sync_all },
};
#define STEPS array_size(steps)

/* What the pool holds around each step without a fault. */
static struct {
	char *before, *after;
} states[STEPS];

static void forget_states(void)
{
	for (size_t i = 0; i < STEPS; i++) {
		free(states[i].before);
		free(states[i].after);
		states[i].before = states[i].after = NULL;
	}
}

static void name_trees(void)
{
	head_a = tree_head(&a);
	head_b = tree_head(&b);
	first = snapshot_number(&a, 1);
	second = snapshot_number(&a, 2);
	received = snapshot_number(&c, 3);
	swapped = tree_retired(&swapping);
}

/* Trees, the contents of those that have any, and the facts: one text per state. */
static char *state_of(struct pool *pool)
{
	const struct tree *const all[] = { &head_a, &head_b, &first, &second, &received, &swapped };
	char *trees = listing_of(pool), *contents, line[TREE_TEXT];
	struct text state = { 0 }, facts = { 0 };
	struct fl_error err;

	text_add_string(&state, trees);
	free(trees);
	for (size_t i = 0; i < array_size(all); i++) {
		if (bench_read(all[i], "file", &contents, &err) < 0)
			continue;
		text_add_format(&state, "%s=%s\n", tree_format(all[i], line), contents);
		free(contents);
	}
	if (call(pool, facts_read, &a, &facts, &err) == 0)
		text_add_string(&state, text_get(&facts));
	text_done(&facts);
	return text_take(&state);
}

/* A process writes into the head between the steps: its contents tell the states apart. */
static void write_between(size_t step)
{
	if (steps[step].take == take_first)
		write_to(&head_a, "file", "one");
	if (steps[step].take == take_second || steps[step].take == retire_head)
		write_to(&head_a, "file", "two");
}

static void check_state(struct pool *pool, const char *wanted)
{
	char *state = state_of(pool);
	bool same = same_text(wanted, state);

	free(state);
	check(same);
}

static void without_a_fault_the_scenario_works(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();

	name_trees();
	forget_states();
	for (size_t i = 0; i < STEPS; i++) {
		write_between(i);
		states[i].before = state_of(pool);
		check_ok(steps[i].take(pool, &err));
		states[i].after = state_of(pool);
	}
	check_state(reopened(), states[STEPS - 1].after);
}

static struct pool *wrap_fault(struct pool *inner, void *arg)
{
	return fault_wrap(inner, arg);
}

/* The pool is empty again, as before the first step. */
static int clear_one(void *arg, const struct tree *tree, const struct tree_info *info,
		     struct fl_error *err)
{
	return call((struct pool *)arg, tree_delete, tree, err);
}

static struct pool *cleared(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = reopened();

	check_ok(call(pool, list, clear_one, pool, &err));
	check_ok(call(pool, facts_delete, &a, &err));
	check_state(pool, states[0].before);
	return reopened();
}

static void fail_step(size_t failing, bool before)
{
	struct fl_error err = { 0 };
	struct fault_plan plan = { .fail_at = failing + 1, .before = before };
	struct pool *pool = cleared(), *inner = pool;
	int wanted = before || !steps[failing].once ? 0 : -FL_EXISTS;

	pool = bench_wrap(wrap_fault, &plan);
	for (size_t i = 0; i < STEPS; i++) {
		write_between(i);
		if (i != failing) {
			check_ok(steps[i].take(pool, &err));
			continue;
		}
		check_code(FL_SYSTEM, steps[i].take(pool, &err));
		check(err.sys == EIO && strstr(err.text, "fault") && plan.fired == 1);
		check_state(inner, before ? states[i].before : states[i].after);
		check(steps[i].take(pool, &err) == wanted);
		check_state(inner, states[i].after);
	}
	check(plan.fired == 1 && plan.calls == STEPS + 1);
	pool = reopened();
	check_state(pool, states[STEPS - 1].after);
}

/* Each test may run alone. */
static void begin(void)
{
	if (!states[STEPS - 1].after)
		without_a_fault_the_scenario_works();
	fresh();
}

static void any_call_may_fail_before_it_is_done(void)
{
	begin();
	for (size_t i = 0; i < STEPS; i++)
		fail_step(i, true);
}

static void any_answer_may_be_lost(void)
{
	begin();
	for (size_t i = 0; i < STEPS; i++)
		fail_step(i, false);
}

/* After a fault nobody goes on: the next process finds the pool before the step or after it. */
static void any_fault_may_be_the_end_of_the_process(void)
{
	struct fl_error err = { 0 };

	begin();
	for (size_t failing = 0; failing < 2 * STEPS; failing++) {
		struct fault_plan plan = { .fail_at = failing / 2 + 1, .before = failing % 2 };
		struct pool *pool = cleared();
		size_t i = 0;

		pool = bench_wrap(wrap_fault, &plan);
		for (; i < STEPS; i++) {
			write_between(i);
			if (steps[i].take(pool, &err) < 0)
				break;
		}
		if (i != failing / 2)
			printf("# step %zu: %s\n", i, err.text);
		check(i == failing / 2);
		check_state(reopened(), plan.before ? states[i].before : states[i].after);
	}
}

int main(int argc, char **argv)
{
	atexit(forget_states);
	return suite_main(argc, argv, 0,
			  (struct check[]){
				  CHECK(without_a_fault_the_scenario_works),
				  CHECK(any_call_may_fail_before_it_is_done),
				  CHECK(any_answer_may_be_lost),
				  CHECK(any_fault_may_be_the_end_of_the_process),
				  CHECK_END,
			  });
}
