#include <stdio.h>
#include <string.h>

#include "cli/content.h"
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

static void print_counts_json(const size_t counts[static array_size(marks)])
{
	for (size_t i = 0; i < array_size(marks); i++)
		printf("%s\"%s\":%zu", i ? "," : "{", marks[i].kind, counts[i]);
	printf("}\n");
}

static int count_changes(struct value *items, size_t counts[static array_size(marks)],
			 struct fl_error *err)
{
	if (!value_is(items, VALUE_ARRAY))
		return fl_fail(err, FL_CORRUPT, "the daemon's answer is not a list");
	value_each(items, change)
	{
		const struct mark *mark = mark_of(change);

		if (!mark)
			return fl_fail(err, FL_CORRUPT, "the daemon tells of a change called '%s'",
				       field(change, "kind"));
		counts[mark - marks]++;
	}
	return 0;
}

static void print_first(struct value *items, size_t most)
{
	size_t printed = 0;

	value_each(items, change)
	{
		if (printed++ == most)
			break;
		print_change(change, mark_of(change));
	}
}

int diff_print(struct value *items, bool counts_alone, struct fl_error *err)
{
	size_t counts[array_size(marks)] = { 0 };

	if (count_changes(items, counts, err) < 0)
		return fl_failed(err);
	if (counts_alone)
		print_counts(counts);
	else
		print_first(items, SIZE_MAX);
	return 0;
}

int diff_preview(struct value *items, size_t most, struct fl_error *err)
{
	size_t counts[array_size(marks)] = { 0 };

	if (count_changes(items, counts, err) < 0)
		return fl_failed(err);
	print_first(items, most);
	print_counts(counts);
	return 0;
}

static int print_stat(struct value *items, struct fl_error *err)
{
	size_t counts[array_size(marks)] = { 0 };

	if (count_changes(items, counts, err) < 0)
		return fl_failed(err);
	print_counts_json(counts);
	return 0;
}

static int get_changes(struct invocation *in, const char *earlier, const char *later,
		       struct value **ret, struct fl_error *err)
{
	own_free struct value *list = NULL;

	if (talk_to(in, "GET", fl_target("/v1/diff", "ref", earlier, "to", later, NULL), NULL,
		    &list, err) < 0)
		return fl_failed(err);
	if (!value_is(value_get(list, "items"), VALUE_ARRAY))
		return fl_fail(err, FL_CORRUPT, "the daemon's answer is not a list");
	*ret = take_ptr(list);
	return 0;
}

static int diff_contents(struct invocation *in, struct fl_error *err)
{
	own_text struct text earlier = { 0 }, later = { 0 };
	own_moments struct moments moments = { 0 };
	own_free struct value *list = NULL;

	if (option_given(in, OPT_STAT))
		return fl_fail(err, FL_INVALID, "give --stat or --content, not both");
	if (moments_find(in, &moments, err) < 0)
		return fl_failed(err);
	text_add_format(&earlier, "%s%s", text_get(&moments.refs[0]), text_get(&moments.paths[0]));
	text_add_format(&later, "%s%s", text_get(&moments.refs[1]), text_get(&moments.paths[1]));
	if (get_changes(in, text_get(&earlier), text_get(&later), &list, err) < 0)
		return fl_failed(err);
	return content_print(in, &moments, value_get(list, "items"), err);
}

/* The grammar, checked here so that the message needs no daemon. */
static int take_operands(struct invocation *in, struct fl_error *err)
{
	char volumes[2][NAME_TEXT] = { "", "" };

	for (size_t i = 0; i < in->operand_count; i++) {
		own_ref struct ref ref = { 0 };

		if (ref_parse(in->operands[i], &ref, err) < 0)
			return fl_object(err, "%.150s", in->operands[i]);
		snprintf(volumes[i], NAME_TEXT, "%s", ref.volume);
	}
	if (in->operand_count > 1 && strcmp(volumes[0], volumes[1]) != 0 &&
	    !option_given(in, OPT_JSON))
		fprintf(stderr,
			"flocker: '%s' and '%s' are two volumes: what they do not share is all "
			"compared, which takes longer\n",
			volumes[0], volumes[1]);
	return 0;
}

int verb_diff(struct invocation *in, struct fl_error *err)
{
	own_free struct value *list = NULL;
	const char *later = in->operand_count > 1 ? in->operands[1] : NULL;
	bool stat = option_given(in, OPT_STAT);
	struct value *items;

	if (take_operands(in, err) < 0)
		return fl_failed(err);
	if (option_given(in, OPT_CONTENT))
		return diff_contents(in, err);
	if (get_changes(in, in->operands[0], later, &list, err) < 0)
		return fl_failed(err);
	items = value_get(list, "items");
	if (option_given(in, OPT_JSON) && stat)
		return print_stat(items, err);
	if (option_given(in, OPT_JSON)) {
		print_json(items);
		return 0;
	}
	return diff_print(items, stat, err);
}
