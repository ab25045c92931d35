#include "model/textdiff.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "check.h"
#include "random.h"

static struct fl_error err;

/* --- by example -------------------------------------------------------------------------- */

static void print_line(void *arg, enum textdiff_mark mark, const char *line, size_t length)
{
	const char marks[] = " -+";

	text_add(arg, &marks[mark], 1);
	text_add(arg, line, length);
	if (length == 0 || line[length - 1] != '\n')
		text_add_string(arg, "~\n");
}

static void print_diff(const struct textdiff *diff, size_t context, struct text *out)
{
	struct textdiff_hunk hunk = { 0 };

	while (textdiff_next(diff, context, &hunk)) {
		text_add_format(out, "@ %zu,%zu %zu,%zu\n", hunk.before, hunk.before_count,
				hunk.after, hunk.after_count);
		textdiff_each(diff, &hunk, print_line, out);
	}
}

static void check_diff(const char *before, const char *after, const char *wanted)
{
	own_textdiff struct textdiff diff = { 0 };
	own_text struct text text = { 0 };

	check_ok(textdiff_make(before, strlen(before), after, strlen(after), &diff, &err));
	print_diff(&diff, 1, &text);
	check_string(wanted, text_get(&text));
}

static void what_is_equal_has_no_hunks(void)
{
	check_diff("", "", "");
	check_diff("a\nb", "a\nb", "");
}

static void hunks_show_what_is_around(void)
{
	check_diff("a\nb\nc\n", "a\nB\nc\n", "@ 0,3 0,3\n a\n-b\n+B\n c\n");
	check_diff("", "a\n", "@ 0,0 0,1\n+a\n");
	check_diff("a\nb\n", "", "@ 0,2 0,0\n-a\n-b\n");
	check_diff("a\nb\n", "a\nb", "@ 0,2 0,2\n a\n-b\n+b~\n");
	check_diff("1\n2\n3\n4\n5\n6\n", "0\n1\n2\n3\n4\n5\n6\n7\n",
		   "@ 0,1 0,2\n+0\n 1\n@ 5,1 6,2\n 6\n+7\n");
	check_diff("1\n2\n3\n", "0\n1\n2\n4\n", "@ 0,3 0,4\n+0\n 1\n 2\n-3\n+4\n");
}

static void a_piece_ends_with_its_brace(void)
{
	check_diff("f {\n}\n\ng {\n}\n", "f {\n}\n\nh {\n}\n\ng {\n}\n",
		   "@ 2,2 2,5\n \n+h {\n+}\n+\n g {\n");
}

static void any_bytes_are_text(void)
{
	own_textdiff struct textdiff diff = { 0 };

	check_ok(textdiff_make("\0a\n\xff", 4, "\0b\n\xff", 4, &diff, &err));
	check(diff.edit_count == 1 && diff.edits[0].removed == 1 && diff.edits[0].added == 1);
}

static void too_many_lines_are_refused(void)
{
	own_free char *lines = xcalloc(TEXTDIFF_LINES + 1, 1);
	own_textdiff struct textdiff diff = { 0 }, most = { 0 };

	memset(lines, '\n', TEXTDIFF_LINES + 1);
	check_code(FL_UNSUPPORTED, textdiff_make("", 0, lines, TEXTDIFF_LINES + 1, &diff, &err));
	check(diff.before.starts == NULL);
	check_ok(textdiff_make("x", 1, lines, TEXTDIFF_LINES, &most, &err));
	check(most.edits[0].added == TEXTDIFF_LINES);
}

/* --- by their properties ----------------------------------------------------------------- */

/* Lines of few kinds, so that many of them are equal. */
static void random_text(struct text *text, size_t lines, size_t kinds)
{
	text_clear(text);
	for (size_t i = 0; i < lines; i++)
		text_add_format(text, "%zu\n", random_below(kinds));
	if (text->length > 0 && random_below(4) == 0)
		text->bytes[--text->length] = '\0';
}

static void make(const struct text *a, const struct text *b, struct textdiff *ret)
{
	check_ok(textdiff_make(text_get(a), a->length, text_get(b), b->length, ret, &err));
}

static void add_lines(struct text *out, const struct textdiff_side *side, size_t from, size_t count)
{
	size_t length;

	for (size_t i = from; i < from + count; i++) {
		const char *line = textdiff_line(side, i, &length);

		text_add(out, line, length);
	}
}

/* The later text, made of the earlier and what the edits add; `*ret`: how many lines they are. */
static void apply(const struct textdiff *diff, struct text *out, size_t *ret)
{
	size_t at = 0;

	*ret = 0;
	for (size_t i = 0; i < diff->edit_count; i++) {
		const struct textdiff_edit *e = &diff->edits[i];

		check(e->before > at || i == 0);
		check(e->removed + e->added > 0);
		add_lines(out, &diff->before, at, e->before - at);
		add_lines(out, &diff->after, e->after, e->added);
		at = e->before + e->removed;
		*ret += e->removed + e->added;
	}
	add_lines(out, &diff->before, at, diff->before.count - at);
}

static bool equal(const struct text *a, const struct text *b)
{
	return a->length == b->length && memcmp(text_get(a), text_get(b), a->length) == 0;
}

static size_t check_true(const struct textdiff *diff, const struct text *after)
{
	own_text struct text made = { 0 };
	size_t lines;

	apply(diff, &made, &lines);
	check(equal(&made, after));
	return lines;
}

static bool same(const struct textdiff *d, size_t i, size_t j)
{
	size_t n, m;
	const char *a = textdiff_line(&d->before, i, &n), *b = textdiff_line(&d->after, j, &m);

	return n == m && memcmp(a, b, n) == 0;
}

/* The fewest lines that do, by trying everything: the table of the textbooks. */
static size_t fewest(const struct textdiff *d)
{
	size_t rows = d->before.count + 1, columns = d->after.count + 1;
	own_free size_t *common = xcalloc(rows * columns, sizeof(*common));

	for (size_t i = 1; i < rows; i++)
		for (size_t j = 1; j < columns; j++) {
			size_t *at = &common[i * columns + j], up = at[-(ptrdiff_t)columns];

			*at = up > at[-1] ? up : at[-1];
			if (same(d, i - 1, j - 1))
				*at = at[-(ptrdiff_t)columns - 1] + 1;
		}
	return rows - 1 + columns - 1 - 2 * common[rows * columns - 1];
}

static void a_diff_is_true_and_the_shortest(void)
{
	own_text struct text a = { 0 }, b = { 0 };

	random_begin(20261121);
	for (int round = 0; round < 20000; round++) {
		own_textdiff struct textdiff diff = { 0 };
		size_t kinds = 1 + random_below(6);

		random_text(&a, random_below(25), kinds);
		random_text(&b, random_below(25), kinds);
		make(&a, &b, &diff);
		check(check_true(&diff, &b) == fewest(&diff));
	}
}

/* What print_line() wrote, read again: each line of both texts is there or between hunks. */
static void hunks_hold_every_edit(void)
{
	own_text struct text a = { 0 }, b = { 0 };

	random_begin(7);
	for (int round = 0; round < 2000; round++) {
		own_textdiff struct textdiff diff = { 0 };
		struct textdiff_hunk hunk = { 0 };
		size_t context = random_below(4), before = 0, edits = 0;

		random_text(&a, random_below(60), 12);
		random_text(&b, random_below(60), 12);
		make(&a, &b, &diff);
		while (textdiff_next(&diff, context, &hunk)) {
			const struct textdiff_edit *last = &diff.edits[hunk.first + hunk.count - 1];

			check(hunk.before >= before && hunk.first == edits);
			check(hunk.before + context >= diff.edits[hunk.first].before);
			before = hunk.before + hunk.before_count;
			check(before >= last->before + last->removed &&
			      before <= diff.before.count);
			check(hunk.after + hunk.after_count <= diff.after.count);
			edits += hunk.count;
		}
		check(edits == diff.edit_count);
	}
}

/* A shuffle of the same lines: the search is cut short, again and again. */
static void large_texts_take_bounded_time(void)
{
	own_text struct text a = { 0 }, b = { 0 };
	own_textdiff struct textdiff diff = { 0 };

	random_begin(3);
	random_text(&a, 200000, 5000);
	random_text(&b, 200000, 5000);
	make(&a, &b, &diff);
	check_true(&diff, &b);
}

static void few_edits_in_a_large_text_are_found_exactly(void)
{
	own_text struct text a = { 0 }, b = { 0 };
	own_textdiff struct textdiff diff = { 0 };

	for (int i = 0; i < 100000; i++) {
		text_add_format(&a, "%d\n", i % 1000);
		if (i % 400 != 7)
			text_add_format(&b, "%d\n", i % 1000);
	}
	make(&a, &b, &diff);
	check(check_true(&diff, &b) == 250);
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(what_is_equal_has_no_hunks),
				  CHECK(hunks_show_what_is_around),
				  CHECK(a_piece_ends_with_its_brace),
				  CHECK(any_bytes_are_text),
				  CHECK(too_many_lines_are_refused),
				  CHECK(a_diff_is_true_and_the_shortest),
				  CHECK(hunks_hold_every_edit),
				  CHECK(large_texts_take_bounded_time),
				  CHECK(few_edits_in_a_large_text_are_found_exactly),
				  CHECK_END,
			  });
}
