#include <stdio.h>
#include <string.h>

#include "cli/diff.h"
#include "cli/talk.h"
#include "cli/verbs.h"

/* By the words of the daemon; what is modified in its attributes alone is "a". */
static const struct mark {
	const char *kind;
	char letter;
	enum paint paint;
} marks[] = {
	{ "added", '+', PAINT_TAG },
	{ "removed", '-', PAINT_BAD },
	{ "modified", 'M', PAINT_ID },
	{ "renamed", 'R', PAINT_NAME },
};

static const struct mark *mark_of(struct value *change)
{
	for (size_t i = 0; i < array_size(marks); i++) {
		if (strcmp(field(change, "kind"), marks[i].kind) == 0)
			return &marks[i];
	}
	return NULL;
}

static bool has_what(struct value *change, const char *word)
{
	value_each(value_get(change, "what"), what)
	{
		if (strcmp(value_string(what), word) == 0)
			return true;
	}
	return false;
}

static char letter_of(struct value *change, const struct mark *mark)
{
	if (has_what(change, "type"))
		return 'T';
	if (mark->letter == 'M' && !has_what(change, "contents"))
		return 'a';
	return mark->letter;
}

static void print_change(struct value *change, const struct mark *mark)
{
	const char letter[] = { letter_of(change, mark), '\0' };
	bool directory =
		strcmp(field(value_get(change, mark->letter == '-' ? "before" : "after"), "type"),
		       "directory") == 0;
	own_text struct text line = { 0 };

	print_painted(mark->paint, letter);
	text_add_string(&line, " ");
	if (mark->letter == 'R')
		text_add_format(&line, "%s -> ", field(change, "from"));
	text_add_string(&line, *field(change, "path") ? field(change, "path") : ".");
	text_add_string(&line, directory ? "/" : "");
	print_painted(PAINT_NONE, text_get(&line));
	printf("\n");
}

/* "3 added, 1 renamed": what there is none of is left out. */
static void print_counts(const size_t counts[static array_size(marks)])
{
	const char *between = "";

	for (size_t i = 0; i < array_size(marks); i++) {
		if (counts[i] == 0)
			continue;
		printf("%s%zu %s", between, counts[i], marks[i].kind);
		between = ", ";
	}
	printf("%s\n", *between ? "" : "no changes");
}

/* At most `most` are printed; counts all of them. */
static int print_changes(struct value *items, size_t most, size_t counts[static array_size(marks)],
			 struct fl_error *err)
{
	size_t printed = 0;

	if (!value_is(items, VALUE_ARRAY))
		return fl_fail(err, FL_CORRUPT, "the daemon's answer is not a list");
	value_each(items, change)
	{
		const struct mark *mark = mark_of(change);

		if (!mark)
			return fl_fail(err, FL_CORRUPT, "the daemon tells of a change called '%s'",
				       field(change, "kind"));
		counts[mark - marks]++;
		if (printed++ < most)
			print_change(change, mark);
	}
	return 0;
}

int diff_print(struct value *items, bool counts_alone, struct fl_error *err)
{
	size_t counts[array_size(marks)] = { 0 };

	if (print_changes(items, counts_alone ? 0 : SIZE_MAX, counts, err) < 0)
		return fl_failed(err);
	if (counts_alone)
		print_counts(counts);
	return 0;
}

int diff_preview(struct value *items, size_t most, struct fl_error *err)
{
	size_t counts[array_size(marks)] = { 0 };

	if (print_changes(items, most, counts, err) < 0)
		return fl_failed(err);
	print_counts(counts);
	return 0;
}

int verb_diff(struct invocation *in, struct fl_error *err)
{
	own_free struct value *list = NULL;
	const char *later = in->operand_count > 1 ? in->operands[1] : NULL;
	struct value *items;

	for (size_t i = 0; i < in->operand_count; i++) {
		own_ref struct ref ref = { 0 };

		if (take_ref(in->operands[i], &ref, err) < 0)
			return fl_failed(err);
	}
	if (talk_to(in, "GET", fl_target("/v1/diff", "ref", in->operands[0], "to", later, NULL),
		    NULL, &list, err) < 0)
		return fl_failed(err);
	items = value_get(list, "items");
	if (!value_is(items, VALUE_ARRAY))
		return fl_fail(err, FL_CORRUPT, "the daemon's answer is not a list");
	if (option_given(in, OPT_JSON)) {
		print_json(items);
		return 0;
	}
	return diff_print(items, option_given(in, OPT_STAT), err);
}
