#pragma once

/*
 * Two texts, line by line: what has to be removed from the earlier one and added to
 * make the later one, and the hunks of a unified diff that show it.
 *
 * The fewest lines that do, unless the texts are large and have little in common:
 * then the search is cut short, so that the time is bounded (a few seconds for a
 * million lines) and the result longer than need be, but as true.
 *
 * Lines end with '\n', or where the text ends; any bytes may stand in them.  A last
 * line without an end differs from the same one with it.  Pure; the bytes are
 * borrowed and have to outlive it.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/own.h"

#define TEXTDIFF_LINES 1000000 /* of each text */

struct textdiff_side {
	const char *bytes;
	size_t *starts; /* of each line, and the end of the last one; heap */
	size_t count;
};

/* `removed` lines of the earlier text from `before` on give way to `added` of the later from
 * `after` on.  Lines count from 0; one of the numbers of lines may be 0. */
struct textdiff_edit {
	size_t before, removed, after, added;
};

struct textdiff {
	struct textdiff_side before, after;
	struct textdiff_edit *edits; /* in order, at least one equal line between two; heap */
	size_t edit_count;
};

/* FL_UNSUPPORTED: one has more than TEXTDIFF_LINES lines. */
must_check int textdiff_make(const char *before, size_t before_length, const char *after,
			     size_t after_length, struct textdiff *ret, struct fl_error *err);
void textdiff_done(struct textdiff *diff);
#define own_textdiff own(textdiff_done)

/* A line with its end; `*ret_length` in bytes. */
const char *textdiff_line(const struct textdiff_side *side, size_t line, size_t *ret_length);

/* Edits that lie so close together that the equal lines around them meet. */
struct textdiff_hunk {
	size_t first, count;				 /* edits */
	size_t before, before_count, after, after_count; /* lines, with those around the edits */
};

/*
 * The hunk after `*hunk` (zeroed: the first), with up to `context` equal lines at its
 * ends; false: there is none.
 */
bool textdiff_next(const struct textdiff *diff, size_t context, struct textdiff_hunk *hunk);

enum textdiff_mark { TEXTDIFF_EQUAL, TEXTDIFF_REMOVED, TEXTDIFF_ADDED };

/* The lines of a hunk in the order of a unified diff; an equal one is the earlier text's. */
void textdiff_each(const struct textdiff *diff, const struct textdiff_hunk *hunk,
		   void (*each)(void *arg, enum textdiff_mark mark, const char *line,
				size_t length),
		   void *arg);
