/*
 * A year at one snapshot a minute, under Flocker's rules and others': how many
 * are there in the end, and what can be gone back to.
 *
 *	thinning-year [--decisions]
 *
 * And what one decision takes, of 1,000, 4,096 and 100,000 snapshots; with
 * --decisions that alone, as series for `run`.
 *
 * No storage: the rules alone, with every rule's pass once an hour.  Flocker's
 * are model/thinning.c as the daemon runs it.  Those of others are written here
 * from their documentation:
 *
 *   snapper's timeline   what is younger than half an hour, and the first one of
 *                        each of the newest 10 hours, days, months and years
 *                        (snapper-configs(5), the defaults)
 *   snapper's number     the newest 50, and what is younger than half an hour
 *   zrepl's grid         1x1h(keep=all) | 24x1h | 14x1d, the example of its manual:
 *                        the oldest one of each interval
 *
 * Who goes back to a moment gets the newest snapshot that is not later.  How
 * much older that is, divided by how long ago the moment was, is given for the
 * worst moment that is at least an hour ago and not before the oldest snapshot.
 */

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "model/thinning.h"
#include "sample.h"

#define YEAR (365 * CLOCK_DAY)
#define BEGAN (20454 * CLOCK_DAY) /* 2026-01-01 */

struct history {
	struct thinning_point *points; /* oldest first */
	bool *doomed;
	size_t count;
	int64_t now;
};

struct rule {
	const char *name;
	void (*mark)(struct history *history, const struct rule *rule);
	struct thinning_limits limits;
	struct thinning_calendar calendar;
};

/* --- the rules ------------------------------------------------------------------ */

static void mark_flocker(struct history *history, const struct rule *rule)
{
	own_free size_t *planned = xcalloc(history->count, sizeof(*planned));
	size_t count;

	for (size_t i = 0; i < history->count; i++)
		history->points[i].pinned = false;
	thinning_pin_calendar(history->points, history->count, &rule->calendar);
	count = thinning_plan(history->points, history->count, history->now, &rule->limits,
			      history->count, planned);
	for (size_t i = 0; i < count; i++)
		history->doomed[planned[i]] = true;
}

static int64_t hour_of(int64_t time)
{
	return time / CLOCK_HOUR;
}

static int64_t day_of(int64_t time)
{
	return time / CLOCK_DAY;
}

static int64_t month_of(int64_t time)
{
	time_t seconds = time / CLOCK_SECOND;
	struct tm tm;

	gmtime_r(&seconds, &tm);
	return tm.tm_year * 12 + tm.tm_mon;
}

static int64_t year_of(int64_t time)
{
	return month_of(time) / 12;
}

/* Newest first: the first one of a period is the one before which another period lies. */
static void keep_first_of(struct history *history, int64_t (*period_of)(int64_t time), int limit)
{
	for (size_t i = history->count; i-- > 0 && limit > 0;) {
		const struct thinning_point *point = &history->points[i];

		if (i > 0 && period_of(point->time) == period_of(point[-1].time))
			continue;
		history->doomed[i] = false;
		limit--;
	}
}

static void keep_younger(struct history *history, int64_t age)
{
	for (size_t i = history->count; i-- > 0;)
		if (history->now - history->points[i].time < age)
			history->doomed[i] = false;
}

static void mark_snapper_timeline(struct history *history, const struct rule *rule)
{
	memset(history->doomed, true, history->count);
	keep_younger(history, CLOCK_HOUR / 2);
	keep_first_of(history, hour_of, 10);
	keep_first_of(history, day_of, 10);
	keep_first_of(history, month_of, 10);
	keep_first_of(history, year_of, 10);
}

static void mark_snapper_number(struct history *history, const struct rule *rule)
{
	for (size_t i = 0; i + 50 < history->count; i++)
		history->doomed[i] = true;
	keep_younger(history, CLOCK_HOUR / 2);
}

/* The interval that an age lies in: 0, an hour for all; 1 to 24; 25 to 38; 39, after the last. */
static int grid_interval(int64_t age)
{
	int64_t hours = age / CLOCK_HOUR;

	if (hours < 25)
		return (int)hours;
	hours = 25 + (age - 25 * CLOCK_HOUR) / CLOCK_DAY;
	return hours < 39 ? (int)hours : 39;
}

static void mark_zrepl_grid(struct history *history, const struct rule *rule)
{
	int64_t youngest = history->points[history->count - 1].time;
	int last = 39;

	for (size_t i = 0; i < history->count; i++) {
		int interval = grid_interval(youngest - history->points[i].time);

		history->doomed[i] = interval > 0 && interval == last;
		last = interval;
	}
}

static const struct rule rules[] = {
	{ "Flocker, max-count 4096 (the default)",
	  mark_flocker,
	  { .count = THINNING_COUNT, .keep_all = THINNING_KEEP_ALL },
	  { 0 } },
	{ "Flocker, max-count 256",
	  mark_flocker,
	  { .count = 256, .keep_all = THINNING_KEEP_ALL },
	  { 0 } },
	{ "Flocker, resolution 1/8",
	  mark_flocker,
	  { .resolution = 0.125, .keep_all = THINNING_KEEP_ALL },
	  { 0 } },
	{ "Flocker, max-count 2, keep 24h 14d 12m",
	  mark_flocker,
	  { .count = 2, .keep_all = THINNING_KEEP_ALL },
	  { .hours = 24, .days = 14, .months = 12 } },
	{ "snapper, timeline", mark_snapper_timeline, { 0 }, { 0 } },
	{ "snapper, number", mark_snapper_number, { 0 }, { 0 } },
	{ "zrepl, grid", mark_zrepl_grid, { 0 }, { 0 } },
};

/* --- the year ----------------------------------------------------------------------- */

static void delete_doomed(struct history *history)
{
	size_t left = 0;

	for (size_t i = 0; i < history->count; i++)
		if (!history->doomed[i])
			history->points[left++] = history->points[i];
	memset(history->doomed, 0, history->count);
	history->count = left;
}

static void live(struct history *history, const struct rule *rule)
{
	size_t passes = YEAR / CLOCK_HOUR;

	for (size_t pass = 0; pass < passes; pass++) {
		for (int minute = 0; minute < 60; minute++) {
			history->now += CLOCK_MINUTE;
			history->points[history->count++] = (struct thinning_point){ history->now,
										     false };
		}
		rule->mark(history, rule);
		delete_doomed(history);
	}
}

/* The gap that the moment `age` ago lies in; -1: it is before the oldest. */
static double gap_at(const struct history *history, int64_t age)
{
	int64_t moment = history->now - age;

	for (size_t i = history->count; i-- > 1;)
		if (history->points[i - 1].time <= moment)
			return (double)(history->points[i].time - history->points[i - 1].time);
	return -1;
}

static double worst_ratio(const struct history *history)
{
	double worst = 0;

	for (size_t i = 1; i < history->count; i++) {
		int64_t from = history->points[i - 1].time, to = history->points[i].time;
		int64_t latest = history->now - CLOCK_HOUR;
		int64_t moment = to < latest ? to : latest;

		double ratio = (double)(moment - from) / (double)(history->now - moment);

		worst = ratio > worst ? ratio : worst;
	}
	return worst;
}

static void print_gap(double gap)
{
	if (gap < 0)
		printf(" gone |");
	else if (gap < 2 * (double)CLOCK_HOUR)
		printf(" %.0f min |", gap / (double)CLOCK_MINUTE);
	else if (gap < 2 * (double)CLOCK_DAY)
		printf(" %.1f h |", gap / (double)CLOCK_HOUR);
	else
		printf(" %.1f d |", gap / (double)CLOCK_DAY);
}

static void print_row(const struct history *history, const struct rule *rule, int64_t took)
{
	static const int64_t ages[] = { CLOCK_HOUR,	6 * CLOCK_HOUR, 2 * CLOCK_DAY,
					12 * CLOCK_DAY, 60 * CLOCK_DAY, 330 * CLOCK_DAY };

	double worst = worst_ratio(history);

	printf("| %s | %zu |", rule->name, history->count);
	if (worst > 0)
		printf(" %.3f |", worst);
	else
		printf(" - |");
	for (size_t i = 0; i < array_size(ages); i++)
		print_gap(gap_at(history, ages[i]));
	printf(" %.1f d | %.2f s |\n",
	       (double)(history->now - history->points[0].time) / (double)CLOCK_DAY,
	       (double)took / (double)CLOCK_SECOND);
}

/* --- what a decision takes --------------------------------------------------------- */

#define DECISIONS 101

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/* A branch at its limit: a pass after 60 new ones, calendar included.  Sorted, ns. */
static void decide(size_t count, int64_t took[static DECISIONS])
{
	const struct thinning_limits limits = { .count = count - 60,
						.keep_all = THINNING_KEEP_ALL };
	const struct thinning_calendar calendar = { .hours = 24, .days = 14, .months = 12 };
	own_free struct thinning_point *points = xcalloc(count, sizeof(*points));
	own_free size_t *planned = xcalloc(count, sizeof(*planned));

	for (int i = 0; i < DECISIONS; i++) {
		int64_t began;

		for (size_t j = 0; j < count; j++)
			points[j] = (struct thinning_point){ BEGAN + (int64_t)j * CLOCK_MINUTE,
							     false };
		began = clock_monotonic();
		thinning_pin_calendar(points, count, &calendar);
		if (thinning_plan(points, count, BEGAN + (int64_t)count * CLOCK_MINUTE, &limits,
				  count, planned) != 60)
			abort();
		took[i] = clock_monotonic() - began;
	}
	qsort(took, DECISIONS, sizeof(*took), compare);
}

static int64_t usual_decision(size_t count)
{
	int64_t took[DECISIONS];

	decide(count, took);
	return took[DECISIONS / 2];
}

static int print_decisions(void)
{
	static const size_t counts[] = { 1000, 4096, 100000 };

	for (size_t i = 0; i < array_size(counts); i++) {
		struct sample sample = { .count = DECISIONS };
		char name[16];

		decide(counts[i], sample.ns);
		snprintf(name, sizeof(name), "%zu", counts[i]);
		sample_print(&sample, "thinning", name);
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--decisions") == 0)
		return print_decisions();
	puts("| rule | kept | worst staleness / age | gap 1 h ago | 6 h | 2 d | 12 d | 60 d | 330 "
	     "d |"
	     " reaches back | the year took |");
	puts("|---|---|---|---|---|---|---|---|---|---|---|");
	for (size_t i = 0; i < array_size(rules); i++) {
		size_t room = YEAR / CLOCK_MINUTE + 1;
		struct history history = {
			.points = xcalloc(room, sizeof(*history.points)),
			.doomed = xcalloc(room, sizeof(*history.doomed)),
			.now = BEGAN,
		};
		int64_t began = clock_monotonic();

		live(&history, &rules[i]);
		print_row(&history, &rules[i], clock_monotonic() - began);
		free(history.points);
		free(history.doomed);
	}
	printf("\none decision: 1,000 snapshots %.1f us, 4,096 %.1f us, 100,000 %.2f ms\n",
	       (double)usual_decision(1000) / 1e3, (double)usual_decision(4096) / 1e3,
	       (double)usual_decision(100000) / 1e6);
	return 0;
}
