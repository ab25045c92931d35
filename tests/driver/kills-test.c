/*
 * The process is killed before each system call of each entry that changes a
 * pool.  A child opens the pool, stops, and runs the entry under ptrace up to
 * the n-th call; the next process finds the trees and files as before or as
 * after, with at most one tree in staging, and the entry taken again leads to
 * the state after.  For drivers whose pools outlive the process.
 */

#include "suite.h"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#define CALLS 400 /* more than any entry makes */

static const struct uuid a = { { 0xa } }, b = { { 0xb } }, operation = { { 1 } };

static int create_head(struct pool *pool, struct fl_error *err)
{
	return call(pool, head_create, &b, err);
}

static int clone_head(struct pool *pool, struct fl_error *err)
{
	const struct tree first = snapshot_number(&a, 1);

	return call(pool, head_clone, &b, &first, err);
}

static int swap_head(struct pool *pool, struct fl_error *err)
{
	const struct tree first = snapshot_number(&a, 1);

	return call(pool, head_swap, &a, &first, &operation, err);
}

static int retire_head(struct pool *pool, struct fl_error *err)
{
	return call(pool, head_retire, &a, &operation, err);
}

static int restore_head(struct pool *pool, struct fl_error *err)
{
	const struct tree retired = tree_retired(&operation);

	return call(pool, head_restore, &retired, &a, err);
}

static int create_staging(struct pool *pool, struct fl_error *err)
{
	return call(pool, staging_create, &operation, NULL, err);
}

static int clone_to_staging(struct pool *pool, struct fl_error *err)
{
	const struct tree first = snapshot_number(&a, 1);

	return call(pool, staging_clone, &operation, NULL, &first, err);
}

/* A tree that was written to, as one that was received. */
static int write_in_staging(struct pool *pool, struct fl_error *err)
{
	const struct tree staging = tree_staging(&operation);

	if (clone_to_staging(pool, err) < 0)
		return fl_failed(err);
	return bench_write(&staging, "file", "received", err);
}

static int commit_staging(struct pool *pool, struct fl_error *err)
{
	const struct tree first_of_b = snapshot_number(&b, 2);

	return call(pool, staging_commit, &operation, &first_of_b, err);
}

static int adopt_staging(struct pool *pool, struct fl_error *err)
{
	const struct tree staging = tree_staging(&operation);

	return call(pool, head_restore, &staging, &b, err);
}

static int take_snapshot(struct pool *pool, struct fl_error *err)
{
	const struct tree head = tree_head(&a), first_of_b = snapshot_number(&b, 2);

	return call(pool, snapshot, &head, &first_of_b, err);
}

static int delete_snapshot(struct pool *pool, struct fl_error *err)
{
	const struct tree first = snapshot_number(&a, 1);

	return call(pool, tree_delete, &first, err);
}

static int write_facts(struct pool *pool, struct fl_error *err)
{
	return call(pool, facts_write, &a, "new", err);
}

static int write_first_facts(struct pool *pool, struct fl_error *err)
{
	return call(pool, facts_write, &b, "new", err);
}

static int write_note(struct pool *pool, struct fl_error *err)
{
	return call(pool, file_write, "note", "new", 3, err);
}

static int adopt(struct pool *pool, struct fl_error *err)
{
	const struct pool_identity other = { POOL_FORMAT, bench_identity().pool, b };

	return call(pool, identify, &other, err);
}

static const struct verb {
	const char *name;
	int (*take)(struct pool *pool, struct fl_error *err);
	int (*before)(struct pool *pool, struct fl_error *err); /* or NULL */
	bool once;						/* a second call is FL_EXISTS */
	bool stages; /* the tree in staging is what it makes */
} verbs[] = {
	{ "head_create", create_head, NULL, true },
	{ "head_clone", clone_head, NULL, true },
	{ "head_swap", swap_head, NULL, false },
	{ "head_retire", retire_head, NULL, false },
	{ "head_restore", restore_head, retire_head, false },
	{ "head_restore, from staging", adopt_staging, create_staging, false },
	{ "staging_clone", clone_to_staging, NULL, true, true },
	{ "staging_commit", commit_staging, write_in_staging, false },
	{ "snapshot", take_snapshot, NULL, true },
	{ "tree_delete", delete_snapshot, NULL, false },
	{ "facts_write", write_facts, NULL, false },
	{ "facts_write, the first", write_first_facts, NULL, false },
	{ "file_write", write_note, NULL, false },
	{ "identify", adopt, NULL, false },
};

/* --- what a pool holds, as text ------------------------------------------------ */

static void add_contents(struct pool *pool, const struct tree *tree, struct text *state)
{
	char *contents, name[TREE_TEXT];
	struct fl_error err;

	if (bench_read(tree, "file", &contents, &err) < 0)
		return;
	text_add_format(state, "%s=%s\n", tree_format(tree, name), contents);
	free(contents);
}

static void add_texts(struct pool *pool, struct text *state)
{
	char instance[UUID_TEXT];
	struct text text = { 0 };
	struct fl_error err;

	if (call(pool, facts_read, &a, &text, &err) == 0)
		text_add_format(state, "facts a %s\n", text_get(&text));
	if (call(pool, facts_read, &b, &text, &err) == 0)
		text_add_format(state, "facts b %s\n", text_get(&text));
	if (call(pool, file_read, "note", &text, &err) == 0)
		text_add_format(state, "note %s\n", text_get(&text));
	text_done(&text);
	text_add_format(state, "of %s\n", uuid_format(&pool->identity.instance, instance));
}

/* All but staging, which the next process empties; `ret_staging` is how much lies there. */
static void describe(struct pool *pool, char state[static 4096], int *ret_staging)
{
	const struct tree trees[] = { tree_head(&a), tree_head(&b), tree_retired(&operation),
				      snapshot_number(&a, 1), snapshot_number(&b, 2) };
	char *listing = listing_of(pool), *rest = listing, *line;
	struct text text = { 0 };

	*ret_staging = 0;
	while ((line = strsep(&rest, "\n"))) {
		if (strncmp(line, "staging/", 8) == 0)
			++*ret_staging;
		else
			text_add_format(&text, "%s\n", line);
	}
	free(listing);
	for (size_t i = 0; i < array_size(trees); i++)
		add_contents(pool, &trees[i], &text);
	add_texts(pool, &text);
	snprintf(state, 4096, "%s", text_get(&text));
	text_done(&text);
}

/* --- before, the kill, after ---------------------------------------------------- */

static int clear_one(void *arg, const struct tree *tree, const struct tree_info *info,
		     struct fl_error *err)
{
	return call((struct pool *)arg, tree_delete, tree, err);
}

static void set_up(const struct verb *verb)
{
	const struct tree head = tree_head(&a), first = snapshot_number(&a, 1);
	const struct pool_identity mine = bench_identity();
	struct fl_error err = { 0 };
	struct pool *pool = reopened();

	check_ok(call(pool, identify, &mine, &err));
	check_ok(call(pool, list, clear_one, pool, &err));
	check_ok(call(pool, facts_delete, &b, &err));
	check_ok(call(pool, head_create, &a, &err));
	write_to(&head, "file", "one");
	check_ok(call(pool, snapshot, &head, &first, &err));
	write_to(&head, "file", "two");
	check_ok(call(pool, facts_write, &a, "old", &err));
	check_ok(call(pool, file_write, "note", "old", 3, &err));
	if (verb->before)
		check_ok(verb->before(pool, &err));
}

static void be_killed(const struct verb *verb)
{
	struct pool *pool = NULL;
	struct fl_error err;

	if (bench_driver()->open(bench_spec(), &pool, &err) < 0 ||
	    ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 || raise(SIGSTOP) != 0)
		_exit(2);
	_exit(verb->take(pool, &err) == 0 ? 0 : 1);
}

/* Lets the child go on through that many beginnings and ends of system calls.  False: it ended. */
static bool pass(pid_t child, int stops, int *status)
{
	for (int stop = 0; stop < stops; stop++) {
		if (ptrace(PTRACE_SYSCALL, child, NULL, NULL) < 0)
			return false;
		waitpid(child, status, 0);
		if (!WIFSTOPPED(*status))
			return false;
	}
	return true;
}

/* True: killed before its n-th system call.  False: it made fewer, and succeeded. */
static bool kill_before(const struct verb *verb, int n)
{
	int status = 0;
	pid_t child;
	bool running;

	bench_close();
	child = fork();
	if (child == 0)
		be_killed(verb);
	waitpid(child, &status, 0);
	running = WIFSTOPPED(status);
	running = running && pass(child, 1 + 2 * (n - 1), &status);
	if (running) {
		kill(child, SIGKILL);
		waitpid(child, &status, 0);
		return true;
	}
	check(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return false;
}

/* A swap's one step between: the head is the new one already, the old one waits in staging. */
static bool is_half_swapped(struct pool *pool)
{
	const struct tree head = tree_head(&a), staging = tree_staging(&operation);
	struct tree_info info;
	struct fl_error err;
	char *old = NULL;
	bool half;

	if (call(pool, tree_info, &staging, &info, &err) < 0)
		return false;
	check_ok(bench_read(&staging, "file", &old, &err));
	half = strcmp(old, "two") == 0;
	free(old);
	if (half)
		check_holds(pool, &head, "file", "one");
	return half;
}

/* A snapshot that lacks its flag would be changed by this. */
static bool is_writable(struct pool *pool)
{
	const struct tree made = snapshot_number(&b, 2);
	struct tree_info info;
	struct fl_error err;

	return geteuid() == 0 && call(pool, tree_info, &made, &info, &err) == 0 &&
	       bench_write(&made, "intruder", "x", &err) == 0;
}

static void check_after_kill(const struct verb *verb, const char *before, const char *after)
{
	struct fl_error err = { 0 };
	char found[4096];
	int staging, r;
	struct pool *pool = reopened();

	describe(pool, found, &staging);
	check(staging <= 1);
	check(!is_writable(pool));
	if (strcmp(found, after) != 0 && !(verb->take == swap_head && is_half_swapped(pool)))
		check(same_text(before, found));
	r = verb->take(pool, &err);
	if (r != -FL_EXISTS || !verb->once || strcmp(found, after) != 0)
		check_ok(r);
	pool = reopened();
	describe(pool, found, &staging);
	check(staging == verb->stages);
	check(same_text(after, found));
}

static void kill_everywhere(const struct verb *verb)
{
	static char before[4096], after[4096];
	struct fl_error err = { 0 };
	int staging, n = 1;

	set_up(verb);
	describe(reopened(), before, &staging);
	check_ok(verb->take(reopened(), &err));
	describe(reopened(), after, &staging);
	check(staging == verb->stages);
	for (;; n++) {
		check(n < CALLS);
		set_up(verb);
		if (!kill_before(verb, n))
			break;
		check_after_kill(verb, before, after);
	}
	printf("# %s: killed before each of %d system calls\n", verb->name, n - 1);
	check(n > 2);
}

static void a_kill_leaves_before_or_after(void)
{
	fresh();
	for (size_t i = 0; i < array_size(verbs); i++)
		kill_everywhere(&verbs[i]);
}

int main(int argc, char **argv)
{
	return suite_main(argc, argv, DRIVER_CAN_EXPOSE,
			  (struct check[]){
				  CHECK(a_kill_leaves_before_or_after),
				  CHECK_END,
			  });
}
