#include "model/schedule.h"

#include "base/clock.h"

#define BACKOFF_FIRST (CLOCK_SECOND / 10)
#define BACKOFF_MOST CLOCK_MINUTE
#define DUTY_WHOLE 1000000

/* Sums that would pass the end of time stay there. */
static int64_t later(int64_t time, int64_t by)
{
	int64_t sum;

	return __builtin_add_overflow(time, by, &sum) ? SCHEDULE_NEVER : sum;
}

static int64_t greater(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t less(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

void schedule_changed(struct schedule *schedule, int64_t now)
{
	if (!schedule->dirty)
		schedule->first_change = now;
	schedule->dirty = true;
	schedule->last_change = now;
}

int64_t schedule_due(const struct schedule *schedule, const struct policy *policy)
{
	int64_t due;

	if (!schedule->dirty || schedule->running || policy->when == POLICY_MANUAL)
		return SCHEDULE_NEVER;
	due = less(later(schedule->last_change, policy->settle),
		   later(schedule->first_change, policy->max_lag));
	due = greater(due, schedule->earliest);
	if (schedule->began == SCHEDULE_BEFORE)
		return due;
	due = greater(due, later(schedule->began, policy->min_interval));
	return policy->when == POLICY_EVERY ? greater(due, later(schedule->began, policy->every))
					    : due;
}

void schedule_began(struct schedule *schedule, int64_t now)
{
	schedule->dirty = false;
	schedule->running = true;
	schedule->began = now;
}

void schedule_ended(struct schedule *schedule, const struct policy *policy, int64_t now)
{
	int64_t took = greater(now - schedule->began, 0), rest;

	schedule->running = false;
	schedule->failures = 0;
	if (__builtin_mul_overflow(took, DUTY_WHOLE - (int64_t)policy->duty, &rest))
		rest = SCHEDULE_NEVER;
	schedule->earliest = later(now, rest / (int64_t)policy->duty);
}

void schedule_failed(struct schedule *schedule, int64_t now, uint64_t chance)
{
	int64_t wait = BACKOFF_MOST;

	if (schedule->failures < 10) /* beyond, the doubled one is longer than the longest */
		wait = less(BACKOFF_FIRST << schedule->failures, BACKOFF_MOST);
	wait += (int64_t)(chance % (uint64_t)(wait / 2)) - wait / 4;
	schedule->failures++;
	schedule->running = false;
	/* What it was to hold is still not held. */
	if (schedule->dirty)
		schedule->first_change = less(schedule->first_change, schedule->began);
	schedule->dirty = true;
	schedule->earliest = later(now, wait);
}

void schedule_clean(struct schedule *schedule)
{
	schedule->dirty = false;
}
