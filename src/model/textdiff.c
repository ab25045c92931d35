#include "model/textdiff.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/*
 * E. W. Myers, "An O(ND) difference algorithm and its variations" (1986), the variation
 * in linear space: the search goes from both ends of the two texts at once, each in rounds
 * of one more edit, until the two meet; what lies before and behind the meeting point is
 * two smaller problems.
 *
 * Lines are numbers here, equal ones the same (number_lines: by sorting, which no choice
 * of lines can make slow, as it could a hash).  Lines that only one of the texts has are
 * edits in any case and do not take part in the search; so texts that have nothing in
 * common cost nothing.
 *
 * A search that has not met after ROUNDS stops where it got farthest from the beginning.
 * What lies before that point is at most ROUNDS edits, so it is found exactly; each stop
 * gets at least ROUNDS lines ahead and costs ROUNDS squared, so all of it is bounded by the
 * number of lines times ROUNDS.
 *
 * The result is marks, `changed`, on the lines of both texts; those that are not marked
 * are as many in both, and equal one by one.
 */

#define ROUNDS 512

/* --- lines as numbers -------------------------------------------------------------------- */

struct line {
	const char *bytes;
	size_t length;
	unsigned *number; /* where it is to go */
	unsigned side;	  /* 1, 2 */
};

static int split(const char *bytes, size_t length, struct textdiff_side *ret, struct fl_error *err)
{
	const char *at = bytes, *end = bytes + length;
	size_t *starts = NULL;
	size_t count = 0;

	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));

		if (count == TEXTDIFF_LINES) {
			free(starts);
			return fl_fail(err, FL_UNSUPPORTED, "it has more than %d lines",
				       TEXTDIFF_LINES);
		}
		*array_add(starts, count) = (size_t)(at - bytes);
		at = newline ? newline + 1 : end;
	}
	starts = array_grow(starts, count, sizeof(*starts));
	starts[count] = length;
	*ret = (struct textdiff_side){ bytes, starts, count };
	return 0;
}

const char *textdiff_line(const struct textdiff_side *side, size_t line, size_t *ret_length)
{
	*ret_length = side->starts[line + 1] - side->starts[line];
	return side->bytes + side->starts[line];
}

static int compare_lines(const void *a, const void *b)
{
	const struct line *x = a, *y = b;
	int order;

	if (x->length != y->length)
		return x->length < y->length ? -1 : 1;
	order = memcmp(x->bytes, y->bytes, x->length);
	if (order == 0 && x->side != y->side)
		return x->side < y->side ? -1 : 1;
	return order;
}

static bool same_line(const struct line *x, const struct line *y)
{
	return x->length == y->length && memcmp(x->bytes, y->bytes, x->length) == 0;
}

/* One of the texts. */
struct part {
	unsigned *numbers; /* heap; 0: only this text has that line */
	size_t *lines;	   /* heap: the place in the text of each number that takes part */
	size_t count;	   /* of these */
	bool *changed;	   /* heap; by the line of the text */
};

static void part_done(struct part *part)
{
	free(part->numbers);
	free(part->lines);
	free(part->changed);
}

static void number_lines(struct line *lines, size_t count)
{
	unsigned number = 0;

	array_sort(lines, count, compare_lines);
	for (size_t i = 0, next; i < count; i = next) {
		for (next = i + 1; next < count && same_line(&lines[i], &lines[next]);)
			next++;
		/* Equal lines lie in the order of their sides. */
		if (lines[i].side == lines[next - 1].side)
			continue;
		number++;
		for (size_t j = i; j < next; j++)
			*lines[j].number = number;
	}
}

static void add_lines(const struct textdiff_side *side, unsigned which, size_t first, size_t end,
		      unsigned *numbers, struct line *lines)
{
	for (size_t i = first; i < end; i++) {
		lines[i - first].bytes = textdiff_line(side, i, &lines[i - first].length);
		lines[i - first].side = which;
		lines[i - first].number = &numbers[i];
	}
}

/* Marks the lines that the other text does not have, and leaves the others for the search. */
static void choose_lines(struct part *part, size_t first, size_t end)
{
	for (size_t i = first; i < end; i++) {
		part->changed[i] = part->numbers[i] == 0;
		if (part->changed[i])
			continue;
		part->lines[part->count] = i;
		part->numbers[part->count++] = part->numbers[i];
	}
}

/* --- the search -------------------------------------------------------------------------- */

/* A rectangle in the plane of both texts: x counts lines of the earlier, y of the later. */
struct box {
	ptrdiff_t x, y, x_end, y_end;
};

/* Every second diagonal x - y from `first` to `last`, and how far each was gone: an x. */
struct front {
	ptrdiff_t *reached; /* heap; by diagonal, from the middle of the memory */
	ptrdiff_t first, last;
};

struct search {
	struct part parts[2];
	struct front forward, backward;
	ptrdiff_t *memory; /* heap, of both fronts */
};

static void search_done(struct search *search)
{
	part_done(&search->parts[0]);
	part_done(&search->parts[1]);
	free(search->memory);
}

static bool equal_at(const struct search *search, ptrdiff_t x, ptrdiff_t y)
{
	return search->parts[0].numbers[x] == search->parts[1].numbers[y];
}

/* One edit more: the neighbours of those that were reached, within the box. */
static struct front widen(const struct front *front, const struct box *box)
{
	struct front wider = *front;

	wider.first += front->first > box->x - box->y_end ? -1 : 1;
	wider.last += front->last < box->x_end - box->y ? 1 : -1;
	return wider;
}

static ptrdiff_t go_forward(const struct search *search, const struct box *box, ptrdiff_t k)
{
	const struct front *f = &search->forward;
	ptrdiff_t x = PTRDIFF_MIN;

	if (k + 1 <= f->last)
		x = f->reached[k + 1]; /* a line of the later text is added */
	if (k - 1 >= f->first && f->reached[k - 1] + 1 > x)
		x = f->reached[k - 1] + 1; /* one of the earlier is removed */
	while (x < box->x_end && x - k < box->y_end && equal_at(search, x, x - k))
		x++;
	return x;
}

static ptrdiff_t go_backward(const struct search *search, const struct box *box, ptrdiff_t k)
{
	const struct front *f = &search->backward;
	ptrdiff_t x = PTRDIFF_MAX;

	if (k - 1 >= f->first)
		x = f->reached[k - 1];
	if (k + 1 <= f->last && f->reached[k + 1] - 1 < x)
		x = f->reached[k + 1] - 1;
	while (x > box->x && x - k > box->y && equal_at(search, x - 1, x - k - 1))
		x--;
	return x;
}

typedef ptrdiff_t go(const struct search *search, const struct box *box, ptrdiff_t k);

/*
 * A round of one front; true: it has met the other, at diagonal `*ret`.  The two reach
 * diagonals of one parity in turns, so only one of them has to look.
 */
static bool advance(const struct search *search, const struct box *box, struct front *front,
		    const struct front *other, go *step, ptrdiff_t *ret)
{
	struct front wider = widen(front, box);
	bool looks = ((wider.first - other->first) & 1) == 0;

	/* What a diagonal is reached from is of the other parity: nothing is overwritten early. */
	for (ptrdiff_t k = wider.first; k <= wider.last; k += 2) {
		wider.reached[k] = step(search, box, k);
		if (!looks || k < other->first || k > other->last)
			continue;
		if (step == go_forward ? wider.reached[k] >= other->reached[k]
				       : wider.reached[k] <= other->reached[k]) {
			*front = wider;
			*ret = k;
			return true;
		}
	}
	*front = wider;
	return false;
}

/* Where the most lines of both are behind. */
static ptrdiff_t farthest(const struct front *front, const struct box *box)
{
	ptrdiff_t best = PTRDIFF_MIN, diagonal = front->first;

	for (ptrdiff_t k = front->first; k <= front->last; k += 2) {
		ptrdiff_t x = front->reached[k];

		if (x <= box->x_end && x - k <= box->y_end && 2 * x - k > best) {
			best = 2 * x - k;
			diagonal = k;
		}
	}
	return diagonal;
}

/* A point that the way through the box goes by; neither of its corners. */
static void find_middle(struct search *search, const struct box *box, ptrdiff_t *ret_x,
			ptrdiff_t *ret_y)
{
	struct front *f = &search->forward, *b = &search->backward;
	ptrdiff_t k = 0;
	bool met = false;

	f->first = f->last = box->x - box->y;
	b->first = b->last = box->x_end - box->y_end;
	f->reached[f->first] = box->x;
	b->reached[b->first] = box->x_end;
	for (int round = 0; round < ROUNDS && !met; round++) {
		met = advance(search, box, f, b, go_forward, &k);
		if (met)
			break;
		met = advance(search, box, b, f, go_backward, &k);
		if (met) {
			*ret_x = b->reached[k];
			*ret_y = *ret_x - k;
			return;
		}
	}
	if (!met)
		k = farthest(f, box);
	*ret_x = f->reached[k];
	*ret_y = *ret_x - k;
}

static void mark(const struct part *part, ptrdiff_t from, ptrdiff_t end)
{
	for (ptrdiff_t i = from; i < end; i++)
		part->changed[part->lines[i]] = true;
}

/*
 * Nested no deeper than the rounds halve: what lies before the middle has half of the
 * edits, or those of one cut search.
 */
static void mark_changes(struct search *search, struct box box)
{
	for (;;) {
		ptrdiff_t x, y;

		while (box.x < box.x_end && box.y < box.y_end && equal_at(search, box.x, box.y)) {
			box.x++;
			box.y++;
		}
		while (box.x < box.x_end && box.y < box.y_end &&
		       equal_at(search, box.x_end - 1, box.y_end - 1)) {
			box.x_end--;
			box.y_end--;
		}
		if (box.x == box.x_end || box.y == box.y_end)
			break;
		find_middle(search, &box, &x, &y);
		mark_changes(search, (struct box){ box.x, box.y, x, y });
		box.x = x;
		box.y = y;
	}
	mark(&search->parts[0], box.x, box.x_end);
	mark(&search->parts[1], box.y, box.y_end);
}

/* --- from marks to edits ----------------------------------------------------------------- */

static bool same_lines(const struct textdiff_side *a, size_t i, const struct textdiff_side *b,
		       size_t j)
{
	size_t length, other;
	const char *line = textdiff_line(a, i, &length), *second = textdiff_line(b, j, &other);

	return length == other && memcmp(line, second, length) == 0;
}

/*
 * Where a removed or added piece is followed by the line that it begins with, it could as
 * well stand one line further down.  It is moved as far as that goes, and joins others
 * there: so a function that was added shows as one piece that ends with its brace.
 */
static void slide(const struct textdiff_side *side, bool *changed, size_t other_count,
		  const bool *other)
{
	size_t i = 0, o = 0; /* behind equally many unchanged lines */

	while (i < side->count) {
		size_t end = i;

		while (end < side->count && changed[end])
			end++;
		while (end > i && end < side->count && !(o < other_count && other[o]) &&
		       same_lines(side, i, side, end)) {
			changed[i++] = false;
			changed[end++] = true;
			o++;
			while (end < side->count && changed[end])
				end++;
		}
		while (o < other_count && other[o])
			o++;
		i = end + 1;
		o++;
	}
}

static void collect(struct textdiff *diff, const bool *removed, const bool *added)
{
	size_t i = 0, j = 0;

	while (i < diff->before.count || j < diff->after.count) {
		struct textdiff_edit edit = { .before = i, .after = j };

		while (i < diff->before.count && removed[i])
			i++;
		while (j < diff->after.count && added[j])
			j++;
		edit.removed = i - edit.before;
		edit.added = j - edit.after;
		if (edit.removed || edit.added)
			*array_add(diff->edits, diff->edit_count) = edit;
		i++;
		j++;
	}
}

/* --- all of it --------------------------------------------------------------------------- */

static void search_init(struct search *search, const struct textdiff *diff, size_t first,
			const size_t ends[static 2])
{
	const struct textdiff_side *sides[] = { &diff->before, &diff->after };
	size_t counts[] = { ends[0] - first, ends[1] - first };
	own_free struct line *lines = xcalloc(counts[0] + counts[1] + 1, sizeof(*lines));
	size_t diagonals;

	for (unsigned i = 0; i < 2; i++) {
		struct part *part = &search->parts[i];

		part->numbers = xcalloc(sides[i]->count + 1, sizeof(*part->numbers));
		part->lines = xcalloc(counts[i] + 1, sizeof(*part->lines));
		part->changed = xcalloc(sides[i]->count + 1, sizeof(*part->changed));
		add_lines(sides[i], i + 1, first, ends[i], part->numbers,
			  i ? lines + counts[0] : lines);
	}
	number_lines(lines, counts[0] + counts[1]);
	for (unsigned i = 0; i < 2; i++)
		choose_lines(&search->parts[i], first, ends[i]);
	diagonals = search->parts[0].count + search->parts[1].count + 1;
	search->memory = xcalloc(2 * diagonals, sizeof(*search->memory));
	search->forward.reached = search->memory + search->parts[1].count;
	search->backward.reached = search->forward.reached + diagonals;
}

static void compare(struct textdiff *diff)
{
	own(search_done) struct search search = { 0 };
	size_t ends[] = { diff->before.count, diff->after.count };
	size_t first = 0;

	while (first < ends[0] && first < ends[1] &&
	       same_lines(&diff->before, first, &diff->after, first))
		first++;
	while (first < ends[0] && first < ends[1] &&
	       same_lines(&diff->before, ends[0] - 1, &diff->after, ends[1] - 1)) {
		ends[0]--;
		ends[1]--;
	}
	search_init(&search, diff, first, ends);
	mark_changes(&search, (struct box){ .x_end = (ptrdiff_t)search.parts[0].count,
					    .y_end = (ptrdiff_t)search.parts[1].count });
	slide(&diff->before, search.parts[0].changed, diff->after.count, search.parts[1].changed);
	slide(&diff->after, search.parts[1].changed, diff->before.count, search.parts[0].changed);
	collect(diff, search.parts[0].changed, search.parts[1].changed);
}

int textdiff_make(const char *before, size_t before_length, const char *after, size_t after_length,
		  struct textdiff *ret, struct fl_error *err)
{
	own_textdiff struct textdiff diff = { 0 };

	if (split(before, before_length, &diff.before, err) < 0 ||
	    split(after, after_length, &diff.after, err) < 0)
		return fl_failed(err);
	compare(&diff);
	*ret = diff;
	diff = (struct textdiff){ 0 };
	return 0;
}

void textdiff_done(struct textdiff *diff)
{
	free(diff->before.starts);
	free(diff->after.starts);
	free(diff->edits);
}

/* --- hunks ------------------------------------------------------------------------------- */

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

bool textdiff_next(const struct textdiff *diff, size_t context, struct textdiff_hunk *hunk)
{
	size_t at = hunk->first + hunk->count;
	const struct textdiff_edit *first, *last;
	size_t lead, tail;

	if (at == diff->edit_count)
		return false;
	first = last = &diff->edits[at];
	while (++at < diff->edit_count &&
	       diff->edits[at].before - (last->before + last->removed) <= 2 * context)
		last = &diff->edits[at];
	lead = smaller(context, first->before);
	tail = smaller(context, diff->before.count - (last->before + last->removed));
	*hunk = (struct textdiff_hunk){
		.first = (size_t)(first - diff->edits),
		.count = (size_t)(last - first) + 1,
		.before = first->before - lead,
		.before_count = lead + last->before + last->removed - first->before + tail,
		.after = first->after - lead,
		.after_count = lead + last->after + last->added - first->after + tail,
	};
	return true;
}

struct telling {
	void (*each)(void *arg, enum textdiff_mark mark, const char *line, size_t length);
	void *arg;
};

static void tell(const struct telling *telling, enum textdiff_mark mark,
		 const struct textdiff_side *side, size_t from, size_t count)
{
	for (size_t i = from; i < from + count; i++) {
		size_t length;
		const char *line = textdiff_line(side, i, &length);

		telling->each(telling->arg, mark, line, length);
	}
}

void textdiff_each(const struct textdiff *diff, const struct textdiff_hunk *hunk,
		   void (*each)(void *arg, enum textdiff_mark mark, const char *line,
				size_t length),
		   void *arg)
{
	const struct telling telling = { each, arg };
	size_t at = hunk->before;

	for (size_t i = hunk->first; i < hunk->first + hunk->count; i++) {
		const struct textdiff_edit *edit = &diff->edits[i];

		tell(&telling, TEXTDIFF_EQUAL, &diff->before, at, edit->before - at);
		tell(&telling, TEXTDIFF_REMOVED, &diff->before, edit->before, edit->removed);
		tell(&telling, TEXTDIFF_ADDED, &diff->after, edit->after, edit->added);
		at = edit->before + edit->removed;
	}
	tell(&telling, TEXTDIFF_EQUAL, &diff->before, at, hunk->before + hunk->before_count - at);
}
