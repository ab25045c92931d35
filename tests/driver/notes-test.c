/* Notes: what the engine wants to find again with a snapshot. */

#include "suite.h"

static const struct uuid branch = { { 7, 7, [15] = 7 } };

struct notes {
	struct text lines;
	size_t count;
};

static int add_note(void *arg, const struct tree *tree, const char *note, struct fl_error *err)
{
	struct notes *notes = arg;
	char name[TREE_TEXT];

	text_add_format(&notes->lines, "%s %s\n", tree_format(tree, name), note);
	notes->count++;
	return 0;
}

/* The pool has this note of the tree and, in all, `count`. */
static void check_note(struct pool *pool, const struct tree *tree, const char *note, size_t count)
{
	struct fl_error err = { 0 };
	struct notes notes = { 0 };
	struct text wanted = { 0 };
	char name[TREE_TEXT];
	bool there;
	int r = call(pool, note_each, add_note, &notes, &err);

	text_add_format(&wanted, "%s %s\n", tree_format(tree, name), note);
	there = strstr(text_get(&notes.lines), text_get(&wanted)) != NULL;
	if (!there && notes.lines.length < 1000)
		show_text("got", text_get(&notes.lines));
	text_done(&notes.lines);
	text_done(&wanted);
	check_ok(r);
	check(there && notes.count == count);
}

static void a_note_comes_with_its_snapshot(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	const struct tree head = tree_head(&branch), one = snapshot_number(&branch, 1),
			  two = snapshot_number(&branch, 2), three = snapshot_number(&branch, 3);

	check_ok(call(pool, head_create, &branch, &err));
	write_to(&head, "file", "text");
	check_ok(call(pool, snapshot_noted, &head, &one, "the first: tab\t, =%@ \"quotes\", grüße",
		      &err));
	check_ok(call(pool, snapshot_noted, &head, &two, NULL, &err));
	check_ok(call(pool, snapshot, &head, &three, &err));
	check_note(pool, &one, "the first: tab\t, =%@ \"quotes\", grüße", 1);
	check_holds(pool, &one, "file", "text");
	pool = reopened();
	CHECK_LISTS(pool, &head, &one, &two, &three);
	check_note(pool, &one, "the first: tab\t, =%@ \"quotes\", grüße", 1);
	check_code(FL_EXISTS, call(pool, snapshot_noted, &head, &one, "again", &err));
	check_note(pool, &one, "the first: tab\t, =%@ \"quotes\", grüße", 1);
}

static void a_note_is_replaced(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	const struct tree head = tree_head(&branch), one = snapshot_number(&branch, 1),
			  two = snapshot_number(&branch, 2);

	check_ok(call(pool, head_create, &branch, &err));
	check_ok(call(pool, snapshot_noted, &head, &one, "first", &err));
	check_ok(call(pool, snapshot, &head, &two, &err));
	check_code(FL_NOT_FOUND,
		   call(pool, note_write, &(struct tree){ .kind = TREE_SNAPSHOT }, "x", &err));
	for (int i = 0; i < 3; i++) {
		check_ok(call(pool, note_write, &one, i == 2 ? "" : "second\nline", &err));
		check_ok(call(pool, note_write, &two, i == 1 ? "short" : "another", &err));
		check_ok(call(pool, sync, &err));
		pool = reopened();
		check_note(pool, &one, i == 2 ? "" : "second\nline", 2);
		check_note(pool, &two, i == 1 ? "short" : "another", 2);
	}
	check_ok(call(pool, note_write, &two, "deleted before it is written", &err));
	check_ok(call(pool, tree_delete, &two, &err));
	check_ok(call(pool, sync, &err));
	check_note(pool, &one, "", 1);
	pool = reopened();
	check_note(pool, &one, "", 1);
}

static void a_note_may_be_long(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	const struct tree head = tree_head(&branch), one = snapshot_number(&branch, 1);
	static char big[128 * 1024 + 1];

	for (size_t i = 0; i + 1 < sizeof(big); i++)
		big[i] = i % 100 ? (char)('a' + i % 23) : '\n';
	check_ok(call(pool, head_create, &branch, &err));
	check_ok(call(pool, snapshot_noted, &head, &one, big, &err));
	pool = reopened();
	check_note(pool, &one, big, 1);
	big[20000] = '%';
	check_ok(call(pool, note_write, &one, big, &err));
	check_ok(call(pool, sync, &err));
	pool = reopened();
	check_note(pool, &one, big, 1);
	big[9000] = '\0';
	check_ok(call(pool, note_write, &one, big, &err));
	check_ok(call(pool, sync, &err));
	pool = reopened();
	check_note(pool, &one, big, 1);
}

static int refuse(void *arg, const struct tree *tree, const char *note, struct fl_error *err)
{
	++*(int *)arg;
	return fl_fail(err, FL_BUSY, "enough");
}

static void a_list_of_notes_stops_when_told(void)
{
	struct fl_error err = { 0 };
	struct pool *pool = fresh();
	const struct tree head = tree_head(&branch), one = snapshot_number(&branch, 1),
			  two = snapshot_number(&branch, 2);
	int calls = 0;

	check_ok(call(pool, head_create, &branch, &err));
	check_ok(call(pool, snapshot_noted, &head, &one, "one", &err));
	check_ok(call(pool, snapshot_noted, &head, &two, "two", &err));
	check_code(FL_BUSY, call(pool, note_each, refuse, &calls, &err));
	check(calls == 1);
}

int main(int argc, char **argv)
{
	return suite_main(argc, argv, DRIVER_CAN_NOTE,
			  (struct check[]){
				  CHECK(a_note_comes_with_its_snapshot),
				  CHECK(a_note_is_replaced),
				  CHECK(a_note_may_be_long),
				  CHECK(a_list_of_notes_stops_when_told),
				  CHECK_END,
			  });
}
