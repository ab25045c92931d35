/* When a pool will be full: known lines, noise, and what must not move the answer. */
#include "tests/check.h"

#include <math.h>

#include "model/forecast.h"
#include "tests/unit/random.h"

#define GIB (UINT64_C(1) << 30)

static struct forecast forecast;
static int64_t left;

static void begin(void)
{
	forecast = (struct forecast){ 0 };
}

static enum forecast_state read_at(uint64_t used, uint64_t size)
{
	return forecast_read(&forecast, used, size, &left);
}

static bool is_about(double wanted, double percent)
{
	return fabs((double)left - wanted) <= wanted * percent / 100;
}

static void it_is_not_known_at_first(void)
{
	begin();
	check(read_at(GIB, 10 * GIB) == FORECAST_UNKNOWN);
	for (int i = 0; i < 4; i++) {
		forecast_add(&forecast, i * FORECAST_EVERY, (uint64_t)i * GIB);
		check(read_at(GIB, 10 * GIB) == FORECAST_UNKNOWN);
	}
	forecast_add(&forecast, 4 * FORECAST_EVERY, 4 * GIB);
	check(read_at(4 * GIB, 10 * GIB) == FORECAST_FILLING);
	check(is_about(6.0 * (double)FORECAST_EVERY, 0.1));
}

static void what_is_full_is_full(void)
{
	begin();
	check(read_at(10 * GIB, 10 * GIB) == FORECAST_FILLING && left == 0);
	check(read_at(0, 0) == FORECAST_UNKNOWN);
}

static void what_does_not_grow_is_steady(void)
{
	begin();
	for (int i = 0; i < 50; i++)
		forecast_add(&forecast, i * FORECAST_EVERY, 5 * GIB);
	check(read_at(5 * GIB, 10 * GIB) == FORECAST_STEADY);
	begin();
	for (int i = 0; i < 50; i++)
		forecast_add(&forecast, i * FORECAST_EVERY, (uint64_t)(100 - i) * GIB);
	check(read_at(50 * GIB, 100 * GIB) == FORECAST_STEADY);
	begin(); /* in years */
	for (int i = 0; i < 50; i++)
		forecast_add(&forecast, i * FORECAST_EVERY, GIB + (uint64_t)i * 1024);
	check(read_at(GIB, 100 * GIB) == FORECAST_STEADY);
}

/* A line with noise, a file of 50 GiB that was there for three hours, and thinning's steps. */
static void what_comes_and_goes_does_not_move_it(void)
{
	uint64_t rate = 20 << 20;

	begin();
	for (int i = 0; i < FORECAST_SAMPLES; i++) {
		uint64_t used = 20 * GIB + (uint64_t)i * rate + random_below(8 << 20);

		if (i >= 30 && i < 42)
			used += 50 * GIB;
		forecast_add(&forecast, i * FORECAST_EVERY, used);
	}
	check(read_at(22 * GIB, 100 * GIB) == FORECAST_FILLING);
	check(is_about((double)(78 * GIB) / (double)rate * (double)FORECAST_EVERY, 10));
}

/* Only the last day counts. */
static void what_was_before_is_forgotten(void)
{
	uint64_t used = 0;
	int64_t time = 0;

	begin();
	for (int i = 0; i < 3 * FORECAST_SAMPLES; i++, time += FORECAST_EVERY) {
		used += i < 2 * FORECAST_SAMPLES ? GIB : GIB / 10;
		forecast_add(&forecast, time, used);
	}
	check(read_at(used, used + 100 * GIB) == FORECAST_FILLING);
	check(is_about(1000.0 * (double)FORECAST_EVERY, 1));
}

/* A host that slept for a week between two samples. */
static void gaps_do_no_harm(void)
{
	int64_t time = 0;
	uint64_t used = GIB;

	begin();
	for (int i = 0; i < 20; i++) {
		int64_t gap = i == 10 ? 7 * CLOCK_DAY : FORECAST_EVERY;

		time += gap;
		used += (uint64_t)(gap / CLOCK_SECOND) * 4096;
		forecast_add(&forecast, time, used);
	}
	check(read_at(used, used + 4096 * 86400) == FORECAST_FILLING);
	check(is_about((double)CLOCK_DAY, 1));
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(it_is_not_known_at_first),
				  CHECK(what_is_full_is_full),
				  CHECK(what_does_not_grow_is_steady),
				  CHECK(what_comes_and_goes_does_not_move_it),
				  CHECK(what_was_before_is_forgotten),
				  CHECK(gaps_do_no_harm),
				  CHECK_END,
			  });
}
