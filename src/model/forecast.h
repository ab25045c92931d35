#pragma once

/*
 * When a pool will be full, from how its use has moved over the last day.
 *
 * Samples of the bytes in use, one every FORECAST_EVERY, the newest
 * FORECAST_SAMPLES of them; the rate is the median of the slopes between all
 * pairs (Theil and Sen), so that neither a file that was there for an hour nor
 * what thinning gives back at once moves it.  Pure: no I/O, no clock is read.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"

#define FORECAST_EVERY (15 * CLOCK_MINUTE)
#define FORECAST_SAMPLES 96
#define FORECAST_LEAST CLOCK_HOUR      /* that the samples must span, to say anything */
#define FORECAST_FAR (365 * CLOCK_DAY) /* nobody can know what lies beyond */

enum forecast_state {
	FORECAST_UNKNOWN, /* it was not looked at for long enough */
	FORECAST_STEADY,  /* not full within FORECAST_FAR */
	FORECAST_FILLING,
};
#define FORECAST_STATES (FORECAST_FILLING + 1)
extern const char *const forecast_names[FORECAST_STATES];

struct forecast {
	struct {
		int64_t time; /* ns of a clock that never jumps */
		uint64_t used;
	} samples[FORECAST_SAMPLES]; /* a ring */
	size_t count;		     /* ever added */
	bool known;
	double rate; /* bytes per nanosecond, if known */
};

/* Times grow from call to call; zero is the empty forecast. */
void forecast_add(struct forecast *forecast, int64_t time, uint64_t used);

/* `used` and `size` are of now.  FORECAST_FILLING: `*ret_left` is the time until it is full. */
enum forecast_state forecast_read(const struct forecast *forecast, uint64_t used, uint64_t size,
				  int64_t *ret_left);
