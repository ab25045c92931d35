#include "repl/throttle.h"

#include "base/thread.h"
#include "tests/check.h"

#define MILLION INT64_C(1000000)
#define BEGIN (1000 * CLOCK_SECOND)

/* --- the limit ----------------------------------------------------------------------- */

static void without_a_limit_nobody_waits(void)
{
	struct bucket bucket = { 0 };

	for (int i = 0; i < 3; i++)
		check(bucket_due(&bucket, bucket_ask(&bucket, UINT32_MAX, BEGIN), BEGIN) <= BEGIN);
}

static void each_waits_for_those_before(void)
{
	struct bucket bucket = { 0 };

	bucket_set(&bucket, 1000, BEGIN);
	check(bucket_due(&bucket, bucket_ask(&bucket, 500, BEGIN), BEGIN) == BEGIN);
	check(bucket_due(&bucket, bucket_ask(&bucket, 2000, BEGIN), BEGIN) ==
	      BEGIN + CLOCK_SECOND / 2);
	check(bucket_due(&bucket, bucket_ask(&bucket, 1, BEGIN), BEGIN) ==
	      BEGIN + CLOCK_SECOND * 5 / 2);
}

static void little_is_saved_up(void)
{
	struct bucket bucket = { 0 };
	int64_t later = BEGIN + CLOCK_HOUR;
	uint64_t ticket;

	bucket_set(&bucket, 1000, BEGIN);
	bucket_ask(&bucket, 500, BEGIN);
	ticket = bucket_ask(&bucket, 100, later); /* is saved: a tenth of a second */
	check(bucket_due(&bucket, ticket, later) <= later);
	ticket = bucket_ask(&bucket, 1000, later);
	check(bucket_due(&bucket, ticket, later) <= later);
	ticket = bucket_ask(&bucket, 1, later);
	check(bucket_due(&bucket, ticket, later) == later + CLOCK_SECOND);
}

static void over_time_it_is_the_rate(void)
{
	struct bucket bucket = { 0 };
	int64_t now = BEGIN;
	uint64_t bytes = 0;

	bucket_set(&bucket, 3 * MILLION, now);
	while (now < BEGIN + 100 * CLOCK_SECOND) {
		int64_t due = bucket_due(&bucket, bucket_ask(&bucket, 4099, now), now);

		bytes += 4099;
		if (due > now)
			now = due;
	}
	check(bytes > 299 * MILLION && bytes < 301 * MILLION);
}

static void a_new_rate_is_for_those_who_wait_too(void)
{
	struct bucket bucket = { 0 };
	uint64_t ticket;

	bucket_set(&bucket, 1, BEGIN);
	bucket_ask(&bucket, 1000, BEGIN);
	ticket = bucket_ask(&bucket, 1000, BEGIN);
	check(bucket_due(&bucket, ticket, BEGIN) == BEGIN + 1000 * CLOCK_SECOND);
	bucket_set(&bucket, 99, BEGIN + 10 * CLOCK_SECOND); /* 10 of them are paid */
	check(bucket_due(&bucket, ticket, BEGIN) == BEGIN + 20 * CLOCK_SECOND);
	bucket_set(&bucket, 0, BEGIN + 10 * CLOCK_SECOND);
	check(bucket_due(&bucket, ticket, BEGIN + 10 * CLOCK_SECOND) == BEGIN + 10 * CLOCK_SECOND);
	bucket_set(&bucket, 1, BEGIN + 10 * CLOCK_SECOND); /* without debts */
	ticket = bucket_ask(&bucket, 1, BEGIN + 10 * CLOCK_SECOND);
	check(bucket_due(&bucket, ticket, BEGIN + 10 * CLOCK_SECOND) == BEGIN + 10 * CLOCK_SECOND);
}

static void huge_numbers_are_no_trouble(void)
{
	struct bucket bucket = { 0 };
	uint64_t ticket;

	bucket_set(&bucket, 1, BEGIN);
	bucket_ask(&bucket, INT64_MAX, BEGIN);
	ticket = bucket_ask(&bucket, 1, BEGIN);
	check(bucket_due(&bucket, ticket, BEGIN) == INT64_MAX);
	bucket_set(&bucket, UINT64_MAX, BEGIN);
	check(bucket_due(&bucket, ticket, BEGIN) <= BEGIN + CLOCK_SECOND);
}

struct waiter {
	struct throttle throttle;
	_Atomic bool cancelled;
	struct fl_error err;
	int r;
};

static void *wait_long(void *arg)
{
	struct waiter *w = arg;

	w->r = throttle_wait(&w->throttle, 1, &w->cancelled, &w->err);
	return NULL;
}

static void threads_wait_and_are_woken(void)
{
	struct waiter w = { 0 };
	struct fl_error err;
	pthread_t thread;

	throttle_init(&w.throttle, 1);
	check_ok(throttle_wait(&w.throttle, UINT32_MAX, NULL, &err));
	check_ok(thread_start(&thread, 0, wait_long, &w, &err));
	atomic_store(&w.cancelled, true);
	throttle_wake(&w.throttle);
	pthread_join(thread, NULL);
	check(w.r == -FL_UNREACHABLE && fl_is_cancelled(&w.err));
	atomic_store(&w.cancelled, false);
	check_ok(thread_start(&thread, 0, wait_long, &w, &err));
	throttle_set(&w.throttle, 0);
	pthread_join(thread, NULL);
	err = w.err;
	check_ok(w.r);
	throttle_done(&w.throttle);
	throttle_init(&w.throttle, 1000 * MILLION);
	for (int i = 0; i < 3; i++) /* each but the first waits a millisecond */
		check_ok(throttle_wait(&w.throttle, MILLION, NULL, &err));
	throttle_done(&w.throttle);
}

/* --- the meter ------------------------------------------------------------------------ */

static void a_steady_rate_is_told(void)
{
	struct meter meter = { 0 };
	int64_t now = BEGIN;

	meter_begin(&meter, now);
	check(meter_rate(&meter, now) == 0 && meter_left(&meter, 100, now) == -1);
	for (int i = 1; i <= 300; i++) {
		now = BEGIN + i * (CLOCK_SECOND / 10);
		meter_add(&meter, MILLION / 10, now);
		if (i >= 10)
			check(meter_rate(&meter, now) >= (uint64_t)MILLION * 9 / 10 &&
			      meter_rate(&meter, now) <= (uint64_t)MILLION * 11 / 10);
	}
	check(meter.done == 30 * MILLION);
	check(meter_left(&meter, 30 * MILLION, now) == 0);
	check(meter_left(&meter, 60 * MILLION, now) > 27 * CLOCK_SECOND);
	check(meter_left(&meter, 60 * MILLION, now) < 33 * CLOCK_SECOND);
}

static void what_is_long_past_does_not_count(void)
{
	struct meter meter = { 0 };

	meter_begin(&meter, BEGIN);
	meter_add(&meter, 1000 * MILLION, BEGIN + CLOCK_SECOND);
	check(meter_rate(&meter, BEGIN + 2 * CLOCK_SECOND) == 500 * MILLION);
	check(meter_rate(&meter, BEGIN + 5 * CLOCK_SECOND) == 200 * MILLION);
	check(meter_rate(&meter, BEGIN + CLOCK_MINUTE) == 0);
	check(meter_left(&meter, 2000 * MILLION, BEGIN + CLOCK_MINUTE) == -1);
	meter_add(&meter, 50 * MILLION, BEGIN + CLOCK_MINUTE);
	check(meter_rate(&meter, BEGIN + CLOCK_MINUTE) == 5 * MILLION);
	meter_add(&meter, 1, BEGIN); /* a clock that goes back is none of our trouble */
	check(meter_rate(&meter, BEGIN + CLOCK_MINUTE) == 5 * MILLION);
}

static void a_short_burst_is_no_rate(void)
{
	struct meter meter = { 0 };

	meter_begin(&meter, BEGIN);
	meter_add(&meter, MILLION, BEGIN + 1);
	check(meter_rate(&meter, BEGIN + 1) == 10 * MILLION);
	check(meter_left(&meter, UINT64_MAX, BEGIN + 1) == INT64_MAX);
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (const struct check[]){
				  CHECK(without_a_limit_nobody_waits),
				  CHECK(each_waits_for_those_before),
				  CHECK(little_is_saved_up),
				  CHECK(over_time_it_is_the_rate),
				  CHECK(a_new_rate_is_for_those_who_wait_too),
				  CHECK(huge_numbers_are_no_trouble),
				  CHECK(threads_wait_and_are_woken),
				  CHECK(a_steady_rate_is_told),
				  CHECK(what_is_long_past_does_not_count),
				  CHECK(a_short_burst_is_no_rate),
				  CHECK_END,
			  });
}
