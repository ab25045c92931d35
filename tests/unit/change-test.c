#include "model/change.h"

#include <limits.h>
#include <string.h>

#include "base/text.h"
#include "check.h"

static struct fl_error err;

static int write_line(void *arg, const struct change *change, struct fl_error *unused)
{
	text_add_format(arg, "%s %s%s%s %u\n", change_kind_names[change->kind],
			change->from && strcmp(change->from, change->path) != 0 ? change->from : "",
			change->from && strcmp(change->from, change->path) != 0 ? "->" : "",
			change->path, change->what);
	return 0;
}

static void check_told(struct changes *changes, const char *wanted)
{
	own_text struct text text = { 0 };

	check_ok(changes_tell(changes, write_line, &text, &err));
	check_string(wanted, text_get(&text));
}

static void nothing_is_nothing(void)
{
	own_changes struct changes *changes = changes_new(CHANGES_MOST);

	check_told(changes, "");
}

static void passing_names_are_not_told(void)
{
	own_changes struct changes *changes = changes_new(CHANGES_MOST);

	check_ok(changes_make(changes, "o257-7-0", &err));
	check_ok(changes_rename(changes, "o257-7-0", "a", &err));
	check_ok(changes_touch(changes, "a", CHANGE_CONTENTS, &err));
	check_ok(changes_make(changes, "gone", &err));
	check_ok(changes_remove(changes, "gone", &err));
	check_ok(changes_rename(changes, "b", "o1", &err));
	check_ok(changes_rename(changes, "o1", "b", &err));
	check_told(changes, "added a 0\n");
}

static void a_link_and_a_removal_are_a_rename(void)
{
	own_changes struct changes *changes = changes_new(CHANGES_MOST);

	check_ok(changes_link(changes, "new", "old", &err));
	check_ok(changes_remove(changes, "old", &err));
	check_ok(changes_touch(changes, "new", CHANGE_ATTRIBUTES, &err));
	check_ok(changes_link(changes, "second", "first", &err));
	check_told(changes, "renamed old->new 2\nadded second 0\n");
}

static void what_lies_in_a_renamed_directory_has_not_moved(void)
{
	own_changes struct changes *changes = changes_new(CHANGES_MOST);

	check_ok(changes_touch(changes, "dir/file", CHANGE_CONTENTS, &err));
	check_ok(changes_rename(changes, "dir", "there", &err));
	check_ok(changes_touch(changes, "there/other", CHANGE_CONTENTS, &err));
	check_ok(changes_remove(changes, "there/sub/lost", &err));
	check_told(changes, "removed dir/sub/lost 0\n"
			    "renamed dir->there 0\n"
			    "modified dir/file->there/file 1\n"
			    "modified dir/other->there/other 1\n");
}

static void another_file_in_its_place(void)
{
	own_changes struct changes *changes = changes_new(CHANGES_MOST);

	check_ok(changes_remove(changes, "saved", &err));
	check_ok(changes_make(changes, "saved", &err));
	/* Its file lives on under another name. */
	check_ok(changes_rename(changes, "moved", "elsewhere", &err));
	check_ok(changes_make(changes, "moved", &err));
	/* Two that changed places. */
	check_ok(changes_rename(changes, "x", "o1", &err));
	check_ok(changes_rename(changes, "y", "x", &err));
	check_ok(changes_rename(changes, "o1", "y", &err));
	check_told(changes, "renamed moved->elsewhere 0\n"
			    "added moved 0\n"
			    "modified saved 17\n"
			    "renamed y->x 0\n"
			    "renamed x->y 0\n");
}

static void the_tree_itself_is_told_of(void)
{
	own_changes struct changes *changes = changes_new(CHANGES_MOST);

	check_ok(changes_touch(changes, "", CHANGE_ATTRIBUTES, &err));
	check_told(changes, "modified  2\n");
}

static void what_does_not_fit_is_refused(void)
{
	own_changes struct changes *changes = changes_new(CHANGES_MOST);
	char name[NAME_MAX + 2];

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	check_ok(changes_make(changes, "new", &err));
	check_code(FL_CORRUPT, changes_make(changes, "new", &err));
	check_code(FL_CORRUPT, changes_touch(changes, "new/in", CHANGE_CONTENTS, &err));
	check_ok(changes_remove(changes, "old", &err));
	check_code(FL_CORRUPT, changes_remove(changes, "old", &err));
	check_code(FL_CORRUPT, changes_link(changes, "link", "old", &err));
	check_code(FL_CORRUPT, changes_remove(changes, "old/in/it", &err));
	check_code(FL_CORRUPT, changes_make(changes, "", &err));
	check_code(FL_CORRUPT, changes_make(changes, "/a", &err));
	check_code(FL_CORRUPT, changes_make(changes, name, &err));
	check_code(FL_CORRUPT, changes_rename(changes, "dir", "dir/in/it", &err));
	check_code(FL_CORRUPT, changes_rename(changes, "dir", "dir/in", &err));
}

static int count_renames(void *arg, const struct change *change, struct fl_error *unused)
{
	*(size_t *)arg += change->kind == CHANGE_RENAMED;
	return 0;
}

/* Looking at all of them for each of them takes minutes. */
static void a_file_with_many_names_takes_no_time(void)
{
	own_changes struct changes *changes = changes_new(CHANGES_MOST);
	size_t renames = 0;
	char name[32];

	for (int i = 0; i < 400000; i++) {
		snprintf(name, sizeof(name), "name%d", i);
		check_ok(changes_link(changes, name, "old", &err));
	}
	check_ok(changes_remove(changes, "old", &err));
	check_ok(changes_tell(changes, count_renames, &renames, &err));
	check(renames == 1);
}

static void more_names_than_there_may_be_are_refused(void)
{
	own_changes struct changes *changes = changes_new(3);

	check_ok(changes_make(changes, "one", &err));
	check_ok(changes_make(changes, "two", &err));
	check_ok(changes_rename(changes, "two", "three", &err));
	check_code(FL_UNSUPPORTED, changes_make(changes, "four", &err));
	check(strstr(err.text, "3 names") && err.hint[0]);
	check_code(FL_UNSUPPORTED, changes_touch(changes, "dir/in/it", CHANGE_CONTENTS, &err));
}

static int stop(void *arg, const struct change *change, struct fl_error *e)
{
	return fl_fail(e, FL_BUSY, "enough");
}

static void telling_stops_when_it_is_told_to(void)
{
	own_changes struct changes *changes = changes_new(CHANGES_MOST);

	check_ok(changes_make(changes, "new", &err));
	check_code(FL_BUSY, changes_tell(changes, stop, NULL, &err));
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(nothing_is_nothing),
				  CHECK(passing_names_are_not_told),
				  CHECK(a_link_and_a_removal_are_a_rename),
				  CHECK(what_lies_in_a_renamed_directory_has_not_moved),
				  CHECK(another_file_in_its_place),
				  CHECK(the_tree_itself_is_told_of),
				  CHECK(what_does_not_fit_is_refused),
				  CHECK(a_file_with_many_names_takes_no_time),
				  CHECK(more_names_than_there_may_be_are_refused),
				  CHECK(telling_stops_when_it_is_told_to),
				  CHECK_END,
			  });
}
