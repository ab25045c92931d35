/* What the engine keeps in the pool: facts beside the snapshots, and small files. */

#include "suite.h"

static void check_facts(struct pool *pool, const struct uuid *branch, const char *wanted)
{
	struct fl_error err = { 0 };
	struct text text = { 0 };
	int r = call(pool, facts_read, branch, &text, &err), same;

	same = strcmp(text_get(&text), wanted) == 0;
	text_done(&text);
	check_ok(r);
	check(same);
}

static void check_file(struct pool *pool, const char *name, const void *wanted, size_t length)
{
	struct fl_error err = { 0 };
	struct text text = { 0 };
	int r = call(pool, file_read, name, &text, &err), same;

	same = text.length == length && memcmp(text_get(&text), wanted, length) == 0;
	text_done(&text);
	check_ok(r);
	check(same);
}

static void facts_are_replaced(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct uuid branch = uuid_new(), other = uuid_new();
	struct text text = { 0 };

	check_code(FL_NOT_FOUND, call(pool, facts_read, &branch, &text, &err));
	check(text.bytes == NULL);
	check_ok(call(pool, facts_write, &branch, "first\n", &err));
	check_ok(call(pool, facts_write, &other, "", &err));
	check_ok(call(pool, facts_write, &branch, "the second, longer\n", &err));
	check_facts(pool, &branch, "the second, longer\n");
	check_ok(call(pool, facts_write, &branch, "short\n", &err));
	check_facts(pool, &branch, "short\n");
	check_facts(pool, &other, "");
	pool = reopened();
	check_facts(pool, &branch, "short\n");
	CHECK_LISTS(pool, NULL); /* facts are no tree */
}

static void facts_reach_their_limit_and_no_further(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct uuid branch = uuid_new();
	static char big[(16 << 20) + 2];
	int r;

	memset(big, 'f', sizeof(big) - 1);
	r = call(pool, facts_write, &branch, big, &err);
	check_code(FL_INVALID, r);
	big[16 << 20] = '\0';
	check_ok(call(pool, facts_write, &branch, big, &err));
	check_facts(pool, &branch, big);
}

struct branches {
	struct uuid seen[16];
	size_t count;
};

static int add_branch(void *arg, const struct uuid *branch, struct fl_error *err)
{
	struct branches *branches = arg;

	if (branches->count == array_size(branches->seen))
		return fl_fail(err, FL_INVALID, "more branches than a test makes");
	branches->seen[branches->count++] = *branch;
	return 0;
}

static int times_listed(struct pool *pool, const struct uuid *branch)
{
	struct fl_error err = { 0 };
	struct branches branches = { 0 };
	int times = 0;

	check_ok(call(pool, facts_list, add_branch, &branches, &err));
	for (size_t i = 0; i < branches.count; i++)
		times += uuid_equal(&branches.seen[i], branch);
	return times;
}

static void branches_with_facts_or_snapshots_are_listed(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct uuid facts_only = uuid_new(), snapshots_only = uuid_new(), both = uuid_new();
	struct uuid head_only = uuid_new();
	struct tree head = tree_head(&head_only);
	struct tree a = snapshot_number(&snapshots_only, 1), b = snapshot_number(&both, 2);

	check_ok(call(pool, head_create, &head_only, &err));
	check_ok(call(pool, facts_write, &facts_only, "facts", &err));
	check_ok(call(pool, facts_write, &both, "facts", &err));
	check_ok(call(pool, snapshot, &head, &a, &err));
	check_ok(call(pool, snapshot, &head, &b, &err));
	check(times_listed(pool, &facts_only) == 1);
	check(times_listed(pool, &snapshots_only) == 1);
	check(times_listed(pool, &both) == 1);
	check(times_listed(pool, &head_only) == 0);
}

static int deny(void *arg, const struct uuid *branch, struct fl_error *err)
{
	return fl_fail(err, FL_DENIED, "enough");
}

static void a_list_of_branches_stops_when_told(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct uuid branch = uuid_new();

	check_ok(call(pool, facts_list, deny, NULL, &err));
	check_ok(call(pool, facts_write, &branch, "facts", &err));
	check_code(FL_DENIED, call(pool, facts_list, deny, NULL, &err));
}

static void facts_stay_while_there_are_snapshots(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct uuid branch = uuid_new();
	struct tree head = tree_head(&branch), first = snapshot_number(&branch, 1);
	struct text text = { 0 };

	check_ok(call(pool, facts_delete, &branch, &err));
	check_ok(call(pool, head_create, &branch, &err));
	check_ok(call(pool, facts_write, &branch, "facts", &err));
	check_ok(call(pool, snapshot, &head, &first, &err));
	check_code(FL_BUSY, call(pool, facts_delete, &branch, &err));
	check_facts(pool, &branch, "facts");
	check_ok(call(pool, tree_delete, &first, &err));
	check_ok(call(pool, facts_delete, &branch, &err));
	check_ok(call(pool, facts_delete, &branch, &err));
	check_code(FL_NOT_FOUND, call(pool, facts_read, &branch, &text, &err));
	check(times_listed(pool, &branch) == 0);
	check_ok(call(pool, snapshot, &head, &first, &err)); /* the branch goes on */
}

static void a_file_is_replaced_whole(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct text text = { 0 };
	static char big[1 << 20];

	check_code(FL_NOT_FOUND, call(pool, file_read, "catalog.backup", &text, &err));
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 7 + i / 253);
	check_ok(call(pool, file_write, "catalog.backup", big, sizeof(big), &err));
	check_file(pool, "catalog.backup", big, sizeof(big));
	check_ok(call(pool, file_write, "catalog.backup", "a\0b", 3, &err));
	check_file(pool, "catalog.backup", "a\0b", 3);
	check_ok(call(pool, file_write, "catalog.backup", "", 0, &err));
	check_file(pool, "catalog.backup", "", 0);
	check_ok(call(pool, file_write, "catalog.backup", "last", 4, &err));
	pool = reopened();
	check_file(pool, "catalog.backup", "last", 4);
	CHECK_LISTS(pool, NULL); /* files are no trees */
}

static void a_file_is_appended_to(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();

	check_ok(call(pool, file_append, "journal", "one ", 4, &err));
	check_ok(call(pool, file_append, "journal", "two ", 4, &err));
	check_file(pool, "journal", "one two ", 8);
	check_ok(call(pool, file_write, "journal", "three ", 6, &err));
	check_ok(call(pool, file_append, "journal", "four", 4, &err));
	check_file(pool, "journal", "three four", 10);
	pool = reopened();
	check_ok(call(pool, file_append, "journal", "!", 1, &err));
	check_file(pool, "journal", "three four!", 11);
}

static void what_is_no_name_for_a_file_is_refused(void)
{
	static const char *const names[] = {
		"",
		".",
		"..",
		"../note",
		"a/b",
		"Note",
		"heads",
		"facts",
		"flocker.json",
		"scratch",
		"abcdefghijklmnopqrstuvwxyzabcdefg",
	};
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct text text = { 0 };

	for (size_t i = 0; i < array_size(names); i++) {
		check_code(FL_INVALID, call(pool, file_write, names[i], "x", 1, &err));
		check_code(FL_INVALID, call(pool, file_append, names[i], "x", 1, &err));
		check_code(FL_INVALID, call(pool, file_read, names[i], &text, &err));
	}
}

static void a_read_gives_out_what_is_there_and_nothing_else(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	struct text text = { 0 };
	struct uuid branch = uuid_new();
	int same;

	check_ok(call(pool, file_write, "note", "one", 3, &err));
	check_ok(call(pool, facts_write, &branch, "two", &err));
	check_ok(call(pool, file_read, "note", &text, &err));
	text_done(&text);
	check_ok(call(pool, facts_read, &branch, &text, &err));
	same = text.length == 3 && strcmp(text_get(&text), "two") == 0;
	text_done(&text);
	check(same);
}

int main(int argc, char **argv)
{
	return suite_main(argc, argv, 0,
			  (struct check[]){
				  CHECK(facts_are_replaced),
				  CHECK(facts_reach_their_limit_and_no_further),
				  CHECK(branches_with_facts_or_snapshots_are_listed),
				  CHECK(a_list_of_branches_stops_when_told),
				  CHECK(facts_stay_while_there_are_snapshots),
				  CHECK(a_file_is_replaced_whole),
				  CHECK(a_file_is_appended_to),
				  CHECK(what_is_no_name_for_a_file_is_refused),
				  CHECK(a_read_gives_out_what_is_there_and_nothing_else),
				  CHECK_END,
			  });
}
