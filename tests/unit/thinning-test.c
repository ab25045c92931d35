/*
 * Thinning, by its properties: random histories are thinned and what stays is
 * held against what the header promises, and against a second implementation
 * that looks at all snapshots for each deletion.
 */

#include "model/thinning.h"

#include <math.h>

#include "base/clock.h"
#include "base/own.h"
#include "base/text.h"
#include "model/stay.h"
#include "tests/check.h"
#include "tests/unit/random.h"

#define MOST 200
#define ROUNDS 400

struct history {
	struct thinning_point points[MOST];
	size_t count;
	int64_t now;
	int64_t keep_all;
};

/* Numbers small enough that a quotient of doubles is exact where two are equal. */
static void make_history(struct history *history)
{
	int64_t time = 1 + (int64_t)random_below(1000);

	history->count = random_below(MOST + 1);
	for (size_t i = 0; i < history->count; i++) {
		history->points[i] = (struct thinning_point){ time, random_below(12) == 0 };
		/* Bursts, quiet times, and now and then one at the same time. */
		time += (int64_t)random_below(random_below(8) == 0 ? 5000 : 40);
	}
	history->now = time + (int64_t)random_below(2000);
	history->keep_all = random_below(3) == 0 ? 0 : (int64_t)random_below(3000);
}

static struct thinning_limits make_limits(const struct history *history)
{
	return (struct thinning_limits){
		.count = random_below(3) == 0 ? 0 : 1 + random_below(MOST),
		.resolution = random_below(3) == 0 ? 0 : 1.0 / (double)(1 + random_below(32)),
		.keep_all = history->keep_all,
	};
}

static bool may_go(const struct history *history, size_t i)
{
	return i > 0 && i + 1 < history->count && !history->points[i].pinned &&
	       history->now - history->points[i].time >= history->keep_all;
}

static size_t neighbour(const bool *gone, size_t i, int step)
{
	do
		i += (size_t)step;
	while (gone[i]);
	return i;
}

static double score(const struct history *history, const bool *gone, size_t i)
{
	int64_t a = history->points[neighbour(gone, i, -1)].time;
	int64_t c = history->points[neighbour(gone, i, 1)].time;

	return history->now == c ? INFINITY : (double)(c - a) / (double)(history->now - c);
}

/* --- the second implementation -------------------------------------------------------- */

static bool lowest(const struct history *history, const bool *gone, size_t *ret, double *ret_score)
{
	bool any = false;

	for (size_t i = 0; i < history->count; i++) {
		double found;

		if (gone[i] || !may_go(history, i))
			continue;
		found = score(history, gone, i);
		if (!any || found < *ret_score) {
			*ret = i;
			*ret_score = found;
		}
		any = true;
	}
	return any;
}

static size_t plan_slowly(const struct history *history, const struct thinning_limits *limits,
			  size_t cap, size_t *ret, bool *gone)
{
	size_t left = history->count, planned = 0;
	double least = 0;

	memset(gone, 0, MOST * sizeof(*gone));
	while (planned < cap && lowest(history, gone, &ret[planned], &least) &&
	       ((limits->count && left > limits->count) ||
		(limits->resolution > 0 && least <= limits->resolution))) {
		gone[ret[planned++]] = true;
		left--;
	}
	return planned;
}

static size_t plan(const struct history *history, const struct thinning_limits *limits, size_t cap,
		   size_t *ret)
{
	return thinning_plan(history->points, history->count, history->now, limits, cap, ret);
}

static void the_order_is_that_of_the_rule(void)
{
	struct history history;
	size_t fast[MOST], slow[MOST];
	bool gone[MOST];

	random_begin(71);
	for (int i = 0; i < ROUNDS; i++) {
		struct thinning_limits limits;
		size_t cap = random_below(4) == 0 ? random_below(MOST) : MOST, count;

		make_history(&history);
		limits = make_limits(&history);
		count = plan(&history, &limits, cap, fast);
		check(count == plan_slowly(&history, &limits, cap, slow, gone));
		check(count == 0 || memcmp(fast, slow, count * sizeof(*fast)) == 0);
	}
}

/* --- what the header promises ----------------------------------------------------------- */

static size_t remove_planned(struct history *history, const size_t *planned, size_t count)
{
	bool gone[MOST] = { false };
	size_t left = 0;

	for (size_t i = 0; i < count; i++) {
		check(planned[i] < history->count && !gone[planned[i]]);
		check(may_go(history, planned[i]));
		gone[planned[i]] = true;
	}
	for (size_t i = 0; i < history->count; i++)
		if (!gone[i])
			history->points[left++] = history->points[i];
	check(left == history->count - count);
	return history->count = left;
}

/* Each gap was there before, or is within the resolution of its age. */
static void check_gaps(const struct history *before, const struct history *after, double resolution)
{
	for (size_t i = 1, at = 0; i < after->count; i++) {
		int64_t from = after->points[i - 1].time, to = after->points[i].time;
		bool widened = false;

		while (before->points[at].time < from)
			at++;
		for (size_t j = at; j < before->count && before->points[j].time < to; j++)
			widened |= before->points[j].time > from;
		check(!widened || (double)(to - from) <= resolution * (double)(before->now - to));
	}
}

static void only_what_may_go_goes(void)
{
	struct history history, before;
	const bool none[MOST] = { false };
	size_t planned[MOST];

	random_begin(72);
	for (int i = 0; i < ROUNDS; i++) {
		struct thinning_limits limits;
		size_t count;

		make_history(&history);
		before = history;
		limits = make_limits(&history);
		count = plan(&history, &limits, MOST, planned);
		remove_planned(&history, planned, count);
		if (!limits.count)
			check_gaps(&before, &history, limits.resolution);
		/* Nothing is kept that the limits do not keep, so a second pass finds nothing. */
		for (size_t j = 0; j < history.count; j++)
			check(!may_go(&history, j) ||
			      ((!limits.count || history.count <= limits.count) &&
			       (limits.resolution <= 0 ||
				score(&history, none, j) > limits.resolution)));
		check(plan(&history, &limits, MOST, planned) == 0);
	}
}

static void a_stricter_limit_keeps_a_part_of_a_looser_ones(void)
{
	struct history history;
	size_t strict[MOST], loose[MOST];

	random_begin(73);
	for (int i = 0; i < ROUNDS; i++) {
		struct thinning_limits limits;
		size_t many, few, fixed = 0;

		make_history(&history);
		limits = (struct thinning_limits){ .count = 1 + random_below(MOST),
						   .keep_all = history.keep_all };
		many = plan(&history, &limits, MOST, strict);
		for (size_t j = 0; j < history.count; j++)
			fixed += !may_go(&history, j);
		/* Exactly so many stay, unless more must, or there are fewer. */
		check(history.count - many == limits.count || many == 0 ||
		      history.count - many == fixed);
		check(history.count - many >= fixed);
		limits.count += random_below(MOST);
		few = plan(&history, &limits, MOST, loose);
		check(few <= many);
		check(few == 0 || memcmp(strict, loose, few * sizeof(*strict)) == 0);
	}
}

/* The bound of DESIGN section 7: 2 log(T / d) to the base 1 + e, and three for each pin. */
static void a_resolution_bounds_the_count(void)
{
	enum { MINUTES = 20000 };
	own_free struct thinning_point *points = xcalloc(MINUTES, sizeof(*points));
	own_free size_t *planned = xcalloc(MINUTES, sizeof(*planned));

	random_begin(74);
	for (int round = 0; round < 20; round++) {
		double resolution = 1.0 / (double)(1 + random_below(16));
		struct thinning_limits limits = { .resolution = resolution };
		size_t pins = 0, left;
		double bound;

		for (size_t i = 0; i < MINUTES; i++) {
			points[i] = (struct thinning_point){ (int64_t)i * CLOCK_MINUTE,
							     random_below(2000) == 0 };
			pins += points[i].pinned;
		}
		left = MINUTES - thinning_plan(points, MINUTES, MINUTES * CLOCK_MINUTE, &limits,
					       MINUTES, planned);
		bound = 2 * log(MINUTES) / log(1 + resolution) + 4 + 3 * (double)pins;
		check((double)left <= bound);
		check(left > 10);
	}
}

static void a_clock_that_was_wrong_makes_younger(void)
{
	struct history history, straight;
	size_t crooked[MOST], wanted[MOST];

	random_begin(75);
	for (int i = 0; i < ROUNDS; i++) {
		struct thinning_limits limits;
		int64_t last = INT64_MIN;
		size_t count;

		make_history(&history);
		for (size_t j = 0; j < history.count; j++)
			if (random_below(10) == 0)
				history.points[j].time += (int64_t)random_below(40000) - 20000;
		straight = history;
		for (size_t j = 0; j < straight.count; j++) {
			int64_t time = history.points[j].time;

			last = time > last ? time : last;
			straight.points[j].time = last < history.now ? last : history.now;
		}
		limits = make_limits(&history);
		count = plan(&history, &limits, MOST, crooked);
		check(count == plan(&straight, &limits, MOST, wanted));
		check(count == 0 || memcmp(crooked, wanted, count * sizeof(*wanted)) == 0);
	}
}

/* Nothing but differences counts: not when it is, nor in what unit. */
static void only_differences_count(void)
{
	struct history history, moved;
	size_t here[MOST], there[MOST];

	random_begin(76);
	for (int i = 0; i < ROUNDS; i++) {
		int64_t by = (int64_t)random_below(1 << 20);
		struct thinning_limits limits;
		size_t count;

		make_history(&history);
		moved = history;
		moved.now += by;
		for (size_t j = 0; j < moved.count; j++)
			moved.points[j].time += by;
		limits = make_limits(&history);
		count = plan(&history, &limits, MOST, here);
		check(count == plan(&moved, &limits, MOST, there));
		check(count == 0 || memcmp(here, there, count * sizeof(*here)) == 0);
	}
}

/* What may go today may go tomorrow: scores fall as time passes. */
static void scores_fall_with_time(void)
{
	struct thinning_point points[] = { { 100, false }, { 180, false }, { 300, false } };
	double before = INFINITY, found;
	size_t index;

	for (int64_t now = 300; now < 100000; now += 977) {
		struct thinning *thinning = thinning_new(points, 3, now, 0);

		check(thinning_peek(thinning, &index, &found) && index == 1);
		check(found <= before);
		before = found;
		thinning_free(thinning);
	}
	check(before < 0.01);
}

static void little_is_never_thinned(void)
{
	struct thinning_point points[] = { { 1, false }, { 2, false } };
	const struct thinning_limits limits = { .count = 1, .resolution = 1e9 };
	size_t planned[2];

	for (size_t count = 0; count <= 2; count++)
		check(thinning_plan(points, count, 1000000, &limits, 2, planned) == 0);
	check(thinning_cap(0) == 8 && thinning_cap(100) == 208);
}

/* --- calendars ------------------------------------------------------------------------- */

static int64_t at(const char *text)
{
	struct fl_error err;
	int64_t time = 0;

	check_ok(clock_parse(text, &time, &err));
	return time;
}

static void calendars_pin_the_last_of_each_period(void)
{
	static const char *const times[] = {
		"2024-12-31T23:59Z", "2025-01-01T00:00Z", "2025-11-30T12:00Z", "2026-11-15T23:00Z",
		"2026-11-16T00:10Z", "2026-11-20T08:00Z", "2026-11-20T08:59Z", "2026-11-21T00:00Z",
		"2026-11-21T10:15Z", "2026-11-21T10:45Z",
	};
	static const struct {
		struct thinning_calendar calendar;
		const char *pinned; /* a letter for each */
	} cases[] = {
		{ { 0 }, "----------" },
		{ { .hours = 2 }, "-------+-+" },
		{ { .hours = 3 }, "------++-+" },
		{ { .days = 2 }, "------+--+" },
		{ { .days = 9 }, "+++++-+--+" },
		{ { .weeks = 2 }, "---+-----+" }, /* the 15th was a Sunday */
		{ { .months = 2 }, "--+------+" },
		{ { .years = 3 }, "+-+------+" },
		{ { .hours = 1, .years = 2 }, "--+------+" },
	};
	struct thinning_point points[array_size(times)];

	for (size_t i = 0; i < array_size(cases); i++) {
		for (size_t j = 0; j < array_size(times); j++)
			points[j] = (struct thinning_point){ at(times[j]), false };
		thinning_pin_calendar(points, array_size(times), &cases[i].calendar);
		for (size_t j = 0; j < array_size(times); j++)
			check(points[j].pinned == (cases[i].pinned[j] == '+'));
	}
}

/* --- a year ------------------------------------------------------------------------------- */

/* --- why the rest stays ----------------------------------------------------------------- */

static void times_are_put_in_order(void)
{
	static const int64_t wanted[] = { 5, 7, 7, 9, 20, 20, 20 };
	struct thinning_point points[] = { { 5, false }, { 7, true },	{ 6, false }, { 9, false },
					   { 30, true }, { 11, false }, { 20, false } };

	thinning_order_times(points, array_size(points), 20);
	for (size_t i = 0; i < array_size(points); i++)
		check(points[i].time == wanted[i]);
	check(points[1].pinned && points[4].pinned && !points[2].pinned);
}

/* The first reason that is so counts; hours have their ends at multiples of them. */
static void each_says_why_it_stays(void)
{
	static const struct {
		int64_t minute;
		bool pinned;
		enum stay wanted;
	} cases[] = {
		{ 0, false, STAY_OLDEST },   { 10, true, STAY_PINNED },
		{ 20, false, STAY_ROOM },    { 50, false, STAY_CALENDAR },
		{ 70, false, STAY_ROOM },    { 80, true, STAY_PINNED },
		{ 100, false, STAY_YOUNG },  { 119, false, STAY_YOUNG },
		{ 125, false, STAY_NEWEST },
	};
	static const struct thinning_calendar calendar = { .hours = 3 };
	struct thinning_point points[array_size(cases)];
	enum stay stays[array_size(cases)];

	for (size_t i = 0; i < array_size(cases); i++)
		points[i] = (struct thinning_point){ cases[i].minute * CLOCK_MINUTE,
						     cases[i].pinned };
	stay_judge(points, array_size(cases), 130 * CLOCK_MINUTE, 40 * CLOCK_MINUTE, &calendar,
		   stays);
	for (size_t i = 0; i < array_size(cases); i++)
		check(stays[i] == cases[i].wanted);
	stay_judge(points, 1, CLOCK_DAY, 0, &calendar, stays);
	check(stays[0] == STAY_NEWEST);
}

/* By the second implementation; what does not stay for room has none. */
static void the_rest_has_the_scores_of_the_rule(void)
{
	static const struct thinning_calendar none = { 0 };

	for (int round = 0; round < ROUNDS; round++) {
		struct thinning_limits limits;
		struct history history;
		double scores[MOST];
		enum stay stays[MOST];
		size_t planned[MOST], going;
		bool gone[MOST] = { 0 };

		make_history(&history);
		limits = make_limits(&history);
		thinning_order_times(history.points, history.count, history.now);
		going = thinning_plan(history.points, history.count, history.now, &limits, MOST,
				      planned);
		stay_judge(history.points, history.count, history.now, history.keep_all, &none,
			   stays);
		for (size_t i = 0; i < going; i++) {
			check(stays[planned[i]] == STAY_ROOM);
			stays[planned[i]] = STAY_NOT;
			gone[planned[i]] = true;
		}
		for (size_t i = 0; i < history.count; i++)
			scores[i] = -1;
		stay_score(history.points, history.count, history.now, stays, scores);
		for (size_t i = 0; i < history.count; i++) {
			check((stays[i] == STAY_ROOM) == (may_go(&history, i) && !gone[i]));
			check(scores[i] == (stays[i] == STAY_ROOM ? score(&history, gone, i) : -1));
		}
	}
}

/* A snapshot a minute for a year, thinned each hour as the daemon does it. */
static size_t live_a_year(const struct thinning_limits *limits, struct thinning_point *points)
{
	enum { HOURS = 365 * 24 };
	size_t count = 0, planned[MOST];

	for (int64_t hour = 0; hour < HOURS; hour++) {
		int64_t now = (hour + 1) * CLOCK_HOUR;
		size_t gone, left = 0;

		for (int64_t minute = 0; minute < 60; minute++)
			points[count++] = (struct thinning_point){
				hour * CLOCK_HOUR + minute * CLOCK_MINUTE, false
			};
		gone = thinning_plan(points, count, now, limits, thinning_cap(60), planned);
		for (size_t i = 0; i < gone; i++)
			points[planned[i]].time = -1;
		for (size_t i = 0; i < count; i++)
			if (points[i].time >= 0)
				points[left++] = points[i];
		count = left;
	}
	return count;
}

static void a_year_of_minutes(void)
{
	static const struct thinning_limits count = { .count = 4096, .keep_all = CLOCK_HOUR };
	static const struct thinning_limits eighth = { .resolution = 0.125,
						       .keep_all = CLOCK_HOUR };
	own_free struct thinning_point *points = xcalloc(8192, sizeof(*points));
	const int64_t now = 365 * 24 * CLOCK_HOUR;
	size_t left = live_a_year(&count, points);

	check(left == 4096);
	left = live_a_year(&eighth, points);
	check(left > 100 && left < 400);
	for (size_t i = 1; i < left; i++)
		check(points[i].time - points[i - 1].time <= CLOCK_MINUTE ||
		      (double)(points[i].time - points[i - 1].time) <=
			      0.125 * (double)(now - points[i].time));
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(the_order_is_that_of_the_rule),
				  CHECK(only_what_may_go_goes),
				  CHECK(a_stricter_limit_keeps_a_part_of_a_looser_ones),
				  CHECK(a_resolution_bounds_the_count),
				  CHECK(a_clock_that_was_wrong_makes_younger),
				  CHECK(only_differences_count),
				  CHECK(scores_fall_with_time),
				  CHECK(little_is_never_thinned),
				  CHECK(calendars_pin_the_last_of_each_period),
				  CHECK(times_are_put_in_order),
				  CHECK(each_says_why_it_stays),
				  CHECK(the_rest_has_the_scores_of_the_rule),
				  CHECK(a_year_of_minutes),
				  CHECK_END,
			  });
}
