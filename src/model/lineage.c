#include "model/lineage.h"

#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "base/text.h"

/*
 * A walk goes from a position to its line, from there to the line's parent, and
 * so on to the root.  After thousands of rollbacks there are thousands
 * of lines, so they are kept sorted and each is found by halving.
 */
struct walk {
	const struct lineage *lineage;
	struct position at; /* what is next */
	size_t steps;	    /* taken: more than there are lines is a cycle */
};

bool position_is_none(const struct position *position)
{
	return position->time == 0;
}

bool position_equal(const struct position *a, const struct position *b)
{
	return a->time == b->time && uuid_equal(&a->branch, &b->branch);
}

/* Does `line` stand before (branch, time) or at it? */
static bool at_or_before(const struct line *line, const struct uuid *branch, int64_t time)
{
	int order = memcmp(line->branch.bytes, branch->bytes, sizeof(branch->bytes));

	return order < 0 || (order == 0 && line->start <= time);
}

static int compare_lines(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	if (!at_or_before(x, &y->branch, y->start))
		return 1;
	return at_or_before(y, &x->branch, x->start) ? 0 : -1;
}

void lineage_sort(struct line *lines, size_t count)
{
	array_sort(lines, count, compare_lines);
}

/* The last line at or before (branch, time), if it is one of the branch's. */
const struct line *lineage_find(const struct lineage *lineage, const struct uuid *branch,
				int64_t time)
{
	size_t low = 0, high = lineage->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (at_or_before(&lineage->lines[middle], branch, time))
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 || !uuid_equal(&lineage->lines[low - 1].branch, branch))
		return NULL;
	return &lineage->lines[low - 1];
}

/* The next older stretch, or false at the root. */
static bool walk_next(struct walk *walk, struct stretch *ret)
{
	const struct line *line;

	if (position_is_none(&walk->at) || walk->steps == walk->lineage->count)
		return false;
	line = lineage_find(walk->lineage, &walk->at.branch, walk->at.time);
	if (!line)
		return false;
	*ret = (struct stretch){ line->branch, line->start, walk->at.time };
	walk->at = line->parent;
	walk->steps++;
	return true;
}

size_t lineage_ancestry(const struct lineage *lineage, const struct position *position,
			struct stretch *ret, size_t limit)
{
	struct walk walk = { .lineage = lineage, .at = *position };
	struct stretch stretch;
	size_t n = 0;

	while (walk_next(&walk, &stretch)) {
		if (n < limit)
			ret[n] = stretch;
		n++;
	}
	return n;
}

struct position lineage_head_parent(const struct lineage *lineage, const struct uuid *branch,
				    int64_t newest)
{
	const struct line *last = lineage_find(lineage, branch, INT64_MAX);

	if (!last)
		return (struct position){ 0 };
	if (newest < last->start)
		return last->parent;
	return (struct position){ *branch, newest };
}

bool lineage_is_ancestor(const struct lineage *lineage, const struct position *position,
			 const struct position *of)
{
	struct walk walk = { .lineage = lineage, .at = *of };
	struct stretch stretch;

	while (walk_next(&walk, &stretch))
		if (stretch.from <= position->time && position->time <= stretch.to &&
		    uuid_equal(&stretch.branch, &position->branch))
			return true;
	return false;
}

/*
 * Two ancestries that meet in a line share all that is before it.  So they are
 * compared from the root upwards: the last line that both go through holds the
 * answer, and it is where the first of them leaves that line.
 */
struct position lineage_common(const struct lineage *lineage, const struct position *a,
			       const struct position *b)
{
	own_free struct stretch *of_a = xcalloc(lineage->count, sizeof(*of_a));
	own_free struct stretch *of_b = xcalloc(lineage->count, sizeof(*of_b));
	size_t i = lineage_ancestry(lineage, a, of_a, lineage->count);
	size_t j = lineage_ancestry(lineage, b, of_b, lineage->count);
	struct position common = { 0 };

	for (; i > 0 && j > 0; i--, j--) {
		const struct stretch *x = &of_a[i - 1], *y = &of_b[j - 1];

		if (x->from != y->from || !uuid_equal(&x->branch, &y->branch))
			break;
		common = (struct position){ x->branch, x->to < y->to ? x->to : y->to };
	}
	return common;
}
