#pragma once

/*
 * Thinning: which snapshots of a branch go first, when some must (DESIGN section 7).
 *
 * For neighbours a < b < c the score of b is (c - a) / (now - c): the gap that
 * its deletion leaves, measured by how long ago that gap ends.  The lowest goes
 * first.  A year ago a gap of a day is small, an hour ago it is everything; so
 * recent snapshots stay dense, old ones get sparse and never all go, and
 * nothing depends on a calendar.
 *
 * Deleting b gives its neighbours a wider gap, so their scores only ever rise:
 * the order in which snapshots go does not depend on where one stops.  What
 * stays under a stricter limit is a part of what stays under a looser one.
 *
 * Never deleted: the first and the last, pinned ones, and those younger than
 * `keep_all`.  They count as neighbours.
 *
 * Times are the retention clock's (model/retention.h), in the order of the
 * sequence.  One that is less than the one before it counts as equal to it, one
 * after `now` as `now`: a clock that was wrong makes snapshots younger, never
 * older.
 *
 * Here are the rules alone, over arrays; no I/O.  Plain values, no locks.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct thinning_point {
	int64_t time; /* ns */
	bool pinned;
};

/* Times as they count here: none after `now`, none before that of the one before it. */
void thinning_order_times(struct thinning_point *points, size_t count, int64_t now);
/* The score of one between neighbours of these times; INFINITY: `to` is now. */
double thinning_score(int64_t from, int64_t to, int64_t now);

/* What stops it; 0: no such limit. */
struct thinning_limits {
	size_t count;	   /* at most so many stay */
	double resolution; /* gaps up to this part of their age are closed: 0.125 */
	int64_t keep_all;  /* ns: none that is younger goes */
};

#define THINNING_COUNT 4096			   /* default of `count` */
#define THINNING_KEEP_ALL (INT64_C(3600000000000)) /* default of `keep_all`: an hour */

/* Snapshots in the order in which they go: made once, asked until the caller has enough. */
struct thinning;

/* `points` oldest first; read here, not kept.  Heap; thinning_free(). */
struct thinning *thinning_new(const struct thinning_point *points, size_t count, int64_t now,
			      int64_t keep_all);
void thinning_free(struct thinning *thinning);

/* The next to go, without deleting it: its index and its score.  False: none may go any more. */
bool thinning_peek(struct thinning *thinning, size_t *ret_index, double *ret_score);
/* Deletes the one that thinning_peek() told of last. */
void thinning_drop(struct thinning *thinning);
/* How many are left. */
size_t thinning_left(const struct thinning *thinning);

/* The next to go under `limits`, without deleting it.  False: what is left may stay. */
bool thinning_next(struct thinning *thinning, const struct thinning_limits *limits,
		   size_t *ret_index, double *ret_score);

/*
 * What goes under `limits`, in its order, at most `cap`: indices into `points`.
 * `ret` has room for `cap`.  Returns how many.
 */
size_t thinning_plan(const struct thinning_point *points, size_t count, int64_t now,
		     const struct thinning_limits *limits, size_t cap, size_t *ret);

/*
 * How many one pass may delete, but for want of space: 2 * (new since the last
 * pass) + 8.  So a clock, a policy or a catalogue that is wrong takes as long to
 * do harm as it took to make what is harmed.
 */
size_t thinning_cap(size_t made_since);

/* --- calendars ------------------------------------------------------------------- */

/*
 * Extra pins by calendar: of each of the newest `hours` hours, `days` days,
 * ... in which there are snapshots, the last one stays.  UTC; weeks begin on
 * Monday.
 */
struct thinning_calendar {
	unsigned hours, days, weeks, months, years;
};

/* Sets `pinned` of what the calendar keeps; takes no pin away. */
void thinning_pin_calendar(struct thinning_point *points, size_t count,
			   const struct thinning_calendar *calendar);
