/*
 * The order is found by a heap of scores.  A deletion raises the scores of the
 * two neighbours only, and the heap is not told: an entry whose snapshot has a
 * higher score by now is put back with that when it comes to the top.  So each
 * deletion makes at most two entries stale, and all of them take n log n.
 */

#include "model/thinning.h"

#include <math.h>
#include <time.h>

#include "base/clock.h"
#include "base/text.h"

struct node {
	int64_t time;
	uint32_t before, after; /* neighbours that are left */
};

struct entry {
	double score;
	uint32_t node;
};

struct thinning {
	int64_t now;
	struct node *nodes;
	struct entry *heap;
	size_t waiting; /* entries in the heap */
	size_t left;
};

/* --- rules ------------------------------------------------------------------------- */

/* `last`: that of the one before. */
static int64_t time_after(int64_t last, int64_t time, int64_t now)
{
	if (time > now)
		time = now;
	return time > last ? time : last;
}

void thinning_order_times(struct thinning_point *points, size_t count, int64_t now)
{
	int64_t last = INT64_MIN;

	for (size_t i = 0; i < count; i++)
		points[i].time = last = time_after(last, points[i].time, now);
}

double thinning_score(int64_t from, int64_t to, int64_t now)
{
	return now == to ? INFINITY : (double)(to - from) / (double)(now - to);
}

/* --- the heap ---------------------------------------------------------------------- */

/* Of equals the older one goes first. */
static bool is_first(const struct entry *a, const struct entry *b)
{
	return a->score < b->score || (a->score == b->score && a->node < b->node);
}

/* Puts `entry` where the hole at `at` is, or below. */
static void sift(struct thinning *thinning, size_t at, struct entry entry)
{
	struct entry *heap = thinning->heap;
	size_t child;

	while ((child = 2 * at + 1) < thinning->waiting) {
		if (child + 1 < thinning->waiting && is_first(&heap[child + 1], &heap[child]))
			child++;
		if (!is_first(&heap[child], &entry))
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = entry;
}

static double score_of(const struct thinning *thinning, uint32_t node)
{
	int64_t from = thinning->nodes[thinning->nodes[node].before].time;
	int64_t to = thinning->nodes[thinning->nodes[node].after].time;

	return thinning_score(from, to, thinning->now);
}

/* --- life --------------------------------------------------------------------------- */

static void copy_times(struct thinning *thinning, const struct thinning_point *points, size_t count)
{
	int64_t last = INT64_MIN;

	for (size_t i = 0; i < count; i++) {
		last = time_after(last, points[i].time, thinning->now);
		thinning->nodes[i] = (struct node){ last, (uint32_t)i - 1, (uint32_t)i + 1 };
	}
}

static void fill_heap(struct thinning *thinning, const struct thinning_point *points, size_t count,
		      int64_t keep_all)
{
	for (uint32_t i = 1; i + 1 < count; i++)
		if (!points[i].pinned && thinning->now - thinning->nodes[i].time >= keep_all)
			thinning->heap[thinning->waiting++] = (struct entry){ score_of(thinning, i),
									      i };
	for (size_t i = thinning->waiting / 2; i-- > 0;)
		sift(thinning, i, thinning->heap[i]);
}

struct thinning *thinning_new(const struct thinning_point *points, size_t count, int64_t now,
			      int64_t keep_all)
{
	struct thinning *thinning = xcalloc(1, sizeof(*thinning));

	thinning->now = now;
	thinning->left = count;
	thinning->nodes = xcalloc(count + 1, sizeof(*thinning->nodes));
	thinning->heap = xcalloc(count + 1, sizeof(*thinning->heap));
	copy_times(thinning, points, count);
	fill_heap(thinning, points, count, keep_all);
	return thinning;
}

void thinning_free(struct thinning *thinning)
{
	if (!thinning)
		return;
	free(thinning->nodes);
	free(thinning->heap);
	free(thinning);
}

size_t thinning_left(const struct thinning *thinning)
{
	return thinning->left;
}

/* --- asking ------------------------------------------------------------------------- */

bool thinning_peek(struct thinning *thinning, size_t *ret_index, double *ret_score)
{
	struct entry *top = thinning->heap;
	double score;

	if (thinning->waiting == 0)
		return false;
	while ((score = score_of(thinning, top->node)) > top->score)
		sift(thinning, 0, (struct entry){ score, top->node });
	*ret_index = top->node;
	*ret_score = top->score;
	return true;
}

void thinning_drop(struct thinning *thinning)
{
	const struct node *gone = &thinning->nodes[thinning->heap[0].node];

	thinning->nodes[gone->before].after = gone->after;
	thinning->nodes[gone->after].before = gone->before;
	thinning->left--;
	if (--thinning->waiting > 0)
		sift(thinning, 0, thinning->heap[thinning->waiting]);
}

bool thinning_next(struct thinning *thinning, const struct thinning_limits *limits,
		   size_t *ret_index, double *ret_score)
{
	if (!thinning_peek(thinning, ret_index, ret_score))
		return false;
	return (limits->count && thinning->left > limits->count) ||
	       (limits->resolution > 0 && *ret_score <= limits->resolution);
}

size_t thinning_plan(const struct thinning_point *points, size_t count, int64_t now,
		     const struct thinning_limits *limits, size_t cap, size_t *ret)
{
	struct thinning *thinning = thinning_new(points, count, now, limits->keep_all);
	size_t planned = 0;
	double score;

	while (planned < cap && thinning_next(thinning, limits, &ret[planned], &score)) {
		thinning_drop(thinning);
		planned++;
	}
	thinning_free(thinning);
	return planned;
}

size_t thinning_cap(size_t made_since)
{
	return 2 * made_since + 8;
}

/* --- calendars ---------------------------------------------------------------------- */

static int64_t hour_of(int64_t seconds)
{
	return seconds / 3600;
}

static int64_t day_of(int64_t seconds)
{
	return seconds / 86400;
}

/* The first day of 1970 was a Thursday. */
static int64_t week_of(int64_t seconds)
{
	return (day_of(seconds) + 3) / 7;
}

static int64_t month_of(int64_t seconds)
{
	const time_t time = seconds;
	struct tm tm;

	gmtime_r(&time, &tm);
	return (int64_t)tm.tm_year * 12 + tm.tm_mon;
}

static int64_t year_of(int64_t seconds)
{
	return month_of(seconds) / 12;
}

static void pin_newest(struct thinning_point *points, size_t count, unsigned wanted,
		       int64_t (*period_of)(int64_t seconds))
{
	int64_t last = INT64_MAX;

	for (size_t i = count; i-- > 0 && wanted > 0;) {
		int64_t period = period_of(points[i].time / CLOCK_SECOND);

		if (period >= last)
			continue;
		points[i].pinned = true;
		last = period;
		wanted--;
	}
}

void thinning_pin_calendar(struct thinning_point *points, size_t count,
			   const struct thinning_calendar *calendar)
{
	pin_newest(points, count, calendar->hours, hour_of);
	pin_newest(points, count, calendar->days, day_of);
	pin_newest(points, count, calendar->weeks, week_of);
	pin_newest(points, count, calendar->months, month_of);
	pin_newest(points, count, calendar->years, year_of);
}
