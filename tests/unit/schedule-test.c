#include "model/schedule.h"

#include "base/clock.h"
#include "tests/check.h"
#include "tests/unit/random.h"

#define MS (CLOCK_SECOND / 1000)

static struct fl_error err;

static struct policy read_policy(const char *key, const char *value)
{
	own_metadata struct metadata own = { 0 };
	struct policy policy;

	if (key)
		check_ok(metadata_set(&own, key, value, &err));
	check_ok(policy_read(&own, NULL, &policy, &err));
	return policy;
}

/* A snapshot from `now` that takes `took`. */
static void take(struct schedule *schedule, const struct policy *policy, int64_t now, int64_t took)
{
	schedule_began(schedule, now);
	check(schedule_due(schedule, policy) == SCHEDULE_NEVER);
	schedule_ended(schedule, policy, now + took);
}

static void nothing_changed_nothing_due(void)
{
	const struct policy policy = read_policy(NULL, NULL);
	struct schedule schedule = SCHEDULE_NEW;

	check(schedule_due(&schedule, &policy) == SCHEDULE_NEVER);
	take(&schedule, &policy, 1000 * CLOCK_SECOND, MS);
	check(schedule_due(&schedule, &policy) == SCHEDULE_NEVER);
}

static void it_waits_for_quiet_but_not_for_ever(void)
{
	const struct policy policy = read_policy(NULL, NULL);
	struct schedule schedule = SCHEDULE_NEW;
	const int64_t start = 50 * CLOCK_SECOND;

	schedule_changed(&schedule, start);
	check(schedule_due(&schedule, &policy) == start + CLOCK_SECOND);
	for (int64_t now = start; now < start + 20 * CLOCK_SECOND; now += 300 * MS) {
		schedule_changed(&schedule, now);
		check(schedule_due(&schedule, &policy) ==
		      (now + CLOCK_SECOND < start + 5 * CLOCK_SECOND ? now + CLOCK_SECOND
								     : start + 5 * CLOCK_SECOND));
	}
}

static void the_price_is_paid_by_rest(void)
{
	const struct policy policy = read_policy(NULL, NULL);
	struct schedule schedule = SCHEDULE_NEW;
	const int64_t start = 50 * CLOCK_SECOND;

	schedule_changed(&schedule, start);
	take(&schedule, &policy, start + CLOCK_SECOND, 20 * MS);
	schedule_changed(&schedule, start + 2 * CLOCK_SECOND);
	/* 20 ms are 0.5 % of 4 s. */
	check(schedule_due(&schedule, &policy) == start + CLOCK_SECOND + 4 * CLOCK_SECOND);
}

static void not_more_often_than_allowed(void)
{
	const struct policy policy = read_policy("min-interval", "30s");
	const struct policy hourly = read_policy("snapshot", "every 1h");
	const struct policy manual = read_policy("snapshot", "manual");
	struct schedule schedule = SCHEDULE_NEW;

	schedule_changed(&schedule, 0);
	check(schedule_due(&schedule, &hourly) == CLOCK_SECOND);
	take(&schedule, &policy, CLOCK_SECOND, 0);
	check(schedule_due(&schedule, &hourly) == SCHEDULE_NEVER);
	schedule_changed(&schedule, 2 * CLOCK_SECOND);
	check(schedule_due(&schedule, &policy) == 31 * CLOCK_SECOND);
	check(schedule_due(&schedule, &hourly) == CLOCK_SECOND + CLOCK_HOUR);
	check(schedule_due(&schedule, &manual) == SCHEDULE_NEVER);
}

static void what_changes_meanwhile_is_taken_next(void)
{
	const struct policy policy = read_policy("duty", "100%");
	struct schedule schedule = SCHEDULE_NEW;

	schedule_changed(&schedule, 0);
	schedule_began(&schedule, CLOCK_SECOND);
	schedule_changed(&schedule, CLOCK_SECOND + 5 * MS);
	schedule_changed(&schedule, CLOCK_SECOND + 6 * MS);
	check(schedule_due(&schedule, &policy) == SCHEDULE_NEVER);
	schedule_ended(&schedule, &policy, CLOCK_SECOND + 10 * MS);
	check(schedule_due(&schedule, &policy) == 2 * CLOCK_SECOND + 6 * MS);
	schedule_clean(&schedule);
	check(schedule_due(&schedule, &policy) == SCHEDULE_NEVER);
}

static void failures_back_off(void)
{
	const struct policy policy = read_policy(NULL, NULL);
	struct schedule schedule = SCHEDULE_NEW;
	int64_t now = 0, wait = CLOCK_SECOND / 10;

	random_begin(91);
	schedule_changed(&schedule, now);
	for (int i = 0; i < 100; i++) {
		int64_t due = schedule_due(&schedule, &policy);

		check(due != SCHEDULE_NEVER);
		now = due > now ? due : now;
		schedule_began(&schedule, now);
		schedule_failed(&schedule, now, random_next());
		/* Not before min-interval, give or take a quarter of the wait. */
		due = schedule_due(&schedule, &policy) - now;
		check(due <= wait + wait / 4 || due == CLOCK_SECOND);
		check(due >= wait - wait / 4);
		wait = 2 * wait < CLOCK_MINUTE ? 2 * wait : CLOCK_MINUTE;
	}
	check(schedule.failures == 100);
	take(&schedule, &policy, now, MS);
	check(schedule.failures == 0 && !schedule.dirty);
}

/*
 * Whatever happens: no change is forgotten, a snapshot begins within the bounds,
 * never two at once, and all of them take no more than their part of the time.
 */
static void no_change_is_forgotten(void)
{
	const struct policy policy = read_policy(NULL, NULL);
	struct schedule schedule = SCHEDULE_NEW;
	int64_t now = 0, unsaved = SCHEDULE_NEVER, taking = 0, spent = 0;

	random_begin(92);
	for (int i = 0; i < 200000; i++) {
		int64_t due = schedule_due(&schedule, &policy);

		now += (int64_t)random_below(400) * MS;
		if (random_below(3) == 0) {
			schedule_changed(&schedule, now);
			unsaved = unsaved == SCHEDULE_NEVER ? now : unsaved;
		}
		check(schedule.running || unsaved == SCHEDULE_NEVER ||
		      schedule_due(&schedule, &policy) != SCHEDULE_NEVER);
		if (schedule.running) {
			spent += now - taking;
			schedule_ended(&schedule, &policy, now);
		} else if (due <= now) {
			check(unsaved != SCHEDULE_NEVER);
			schedule_began(&schedule, now);
			unsaved = SCHEDULE_NEVER;
			taking = now;
		}
	}
	check((double)spent <= 0.0051 * (double)now);
	check((double)spent > 0.003 * (double)now); /* and not far less: they were taken */
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(nothing_changed_nothing_due),
				  CHECK(it_waits_for_quiet_but_not_for_ever),
				  CHECK(the_price_is_paid_by_rest),
				  CHECK(not_more_often_than_allowed),
				  CHECK(what_changes_meanwhile_is_taken_next),
				  CHECK(failures_back_off),
				  CHECK(no_change_is_forgotten),
				  CHECK_END,
			  });
}
