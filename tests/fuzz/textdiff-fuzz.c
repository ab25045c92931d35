#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "model/textdiff.h"
#include "tests/fuzz/fuzz.h"

/*
 * Two texts, which the first 0xff divides: what the diff makes of the earlier must be the
 * later, and its hunks must hold what they say.
 */

static void require(bool condition)
{
	if (!condition)
		abort();
}

struct counts {
	size_t before, after;
};

static void count(void *arg, enum textdiff_mark mark, const char *line, size_t length)
{
	struct counts *counts = arg;

	require(length > 0);
	counts->before += mark != TEXTDIFF_ADDED;
	counts->after += mark != TEXTDIFF_REMOVED;
}

static void check_hunks(const struct textdiff *diff)
{
	struct textdiff_hunk hunk = { 0 };
	size_t edits = 0;

	while (textdiff_next(diff, 3, &hunk)) {
		struct counts counts = { 0 };

		textdiff_each(diff, &hunk, count, &counts);
		require(counts.before == hunk.before_count && counts.after == hunk.after_count);
		edits += hunk.count;
	}
	require(edits == diff->edit_count);
}

static void add(struct text *out, const struct textdiff_side *side, size_t from, size_t end)
{
	text_add(out, side->bytes + side->starts[from], side->starts[end] - side->starts[from]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size ? memchr(data, 0xff, size) : NULL;
	own_textdiff struct textdiff diff = { 0 };
	own_text struct text earlier = { 0 }, later = { 0 }, made = { 0 };
	struct fl_error err = { 0 };
	size_t at = 0;

	text_add(&earlier, size ? (const char *)data : "", end ? (size_t)(end - data) : size);
	if (end)
		text_add(&later, (const char *)end + 1, size - earlier.length - 1);
	if (textdiff_make(text_get(&earlier), earlier.length, text_get(&later), later.length, &diff,
			  &err) < 0) {
		require(err.code == FL_UNSUPPORTED);
		return 0;
	}
	for (size_t i = 0; i < diff.edit_count; i++) {
		const struct textdiff_edit *edit = &diff.edits[i];

		require(edit->before >= at);
		add(&made, &diff.before, at, edit->before);
		add(&made, &diff.after, edit->after, edit->after + edit->added);
		at = edit->before + edit->removed;
	}
	add(&made, &diff.before, at, diff.before.count);
	require(made.length == later.length &&
		memcmp(text_get(&made), text_get(&later), made.length) == 0);
	check_hunks(&diff);
	return 0;
}
