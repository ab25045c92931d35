#include "repl/throttle.h"

#include <errno.h>
#include <string.h>

/* --- the limit ----------------------------------------------------------------------- */

/* `count` units of `each` for every `per`; where that is more than fits, the most that does. */
static uint64_t scale(uint64_t count, uint64_t each, uint64_t per)
{
	unsigned __int128 all = (unsigned __int128)count * each / per;

	return all > INT64_MAX ? INT64_MAX : (uint64_t)all;
}

static uint64_t paid_at(const struct bucket *bucket, int64_t now)
{
	uint64_t time = now > bucket->since ? (uint64_t)(now - bucket->since) : 0;

	return bucket->paid + scale(time, bucket->rate, (uint64_t)CLOCK_SECOND);
}

void bucket_set(struct bucket *bucket, uint64_t rate, int64_t now)
{
	bucket->paid = bucket->rate ? paid_at(bucket, now) : bucket->asked;
	bucket->since = now;
	bucket->rate = rate;
}

uint64_t bucket_ask(struct bucket *bucket, uint64_t bytes, int64_t now)
{
	uint64_t ticket = bucket->asked;
	uint64_t most = ticket +
			scale((uint64_t)BUCKET_BURST, bucket->rate, (uint64_t)CLOCK_SECOND);

	if (paid_at(bucket, now) > most) {
		bucket->paid = most;
		bucket->since = now;
	}
	bucket->asked += bytes;
	return ticket;
}

int64_t bucket_due(const struct bucket *bucket, uint64_t ticket, int64_t now)
{
	uint64_t wait;

	if (bucket->rate == 0 || ticket <= bucket->paid)
		return now;
	wait = scale(ticket - bucket->paid, (uint64_t)CLOCK_SECOND, bucket->rate);
	return wait > (uint64_t)(INT64_MAX - bucket->since) ? INT64_MAX
							    : bucket->since + (int64_t)wait;
}

void throttle_init(struct throttle *throttle, uint64_t rate)
{
	pthread_condattr_t attributes;

	*throttle = (struct throttle){ 0 };
	pthread_mutex_init(&throttle->mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&throttle->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	bucket_set(&throttle->bucket, rate, clock_monotonic());
}

void throttle_done(struct throttle *throttle)
{
	pthread_cond_destroy(&throttle->changed);
	pthread_mutex_destroy(&throttle->mutex);
}

void throttle_set(struct throttle *throttle, uint64_t rate)
{
	own_lock(guard, &throttle->mutex);
	bucket_set(&throttle->bucket, rate, clock_monotonic());
	pthread_cond_broadcast(&throttle->changed);
}

int throttle_wait(struct throttle *throttle, uint64_t bytes, const _Atomic bool *cancelled,
		  struct fl_error *err)
{
	own_lock(guard, &throttle->mutex);
	uint64_t ticket = bucket_ask(&throttle->bucket, bytes, clock_monotonic());

	for (;;) {
		int64_t now = clock_monotonic();
		int64_t due = bucket_due(&throttle->bucket, ticket, now);
		struct timespec time = { .tv_sec = due / CLOCK_SECOND,
					 .tv_nsec = due % CLOCK_SECOND };

		if (cancelled && atomic_load(cancelled)) {
			fl_fail(err, FL_UNREACHABLE, "the transfer was cancelled");
			err->sys = ECANCELED;
			return fl_failed(err);
		}
		if (due <= now)
			return 0;
		pthread_cond_timedwait(&throttle->changed, &throttle->mutex, &time);
	}
}

void throttle_wake(struct throttle *throttle)
{
	own_lock(guard, &throttle->mutex);
	pthread_cond_broadcast(&throttle->changed);
}

/* --- the meter ------------------------------------------------------------------------ */

#define SLOTS (METER_SECONDS + 1)

void meter_begin(struct meter *meter, int64_t now)
{
	*meter = (struct meter){ .begun = now };
}

static int64_t second_of(const struct meter *meter, int64_t now)
{
	int64_t second = (now - meter->begun) / CLOCK_SECOND;

	return second > meter->second ? second : meter->second;
}

void meter_add(struct meter *meter, uint64_t bytes, int64_t now)
{
	int64_t second = second_of(meter, now);

	if (second - meter->second >= SLOTS)
		memset(meter->bytes, 0, sizeof(meter->bytes));
	else
		for (int64_t s = meter->second + 1; s <= second; s++)
			meter->bytes[s % SLOTS] = 0;
	meter->second = second;
	meter->bytes[second % SLOTS] += bytes;
	meter->done += bytes;
}

uint64_t meter_rate(const struct meter *meter, int64_t now)
{
	int64_t second = second_of(meter, now), first = second - METER_SECONDS;
	int64_t since;
	uint64_t bytes = 0;

	if (first < 0)
		first = 0;
	for (int64_t s = first; s <= meter->second; s++)
		bytes += meter->bytes[s % SLOTS];
	since = now - meter->begun - first * CLOCK_SECOND;
	if (since < CLOCK_SECOND / 10) /* too short to tell */
		since = CLOCK_SECOND / 10;
	return scale(bytes, (uint64_t)CLOCK_SECOND, (uint64_t)since);
}

int64_t meter_left(const struct meter *meter, uint64_t total, int64_t now)
{
	uint64_t rate = meter_rate(meter, now);

	if (meter->done >= total)
		return 0;
	if (rate == 0)
		return -1;
	return (int64_t)scale(total - meter->done, (uint64_t)CLOCK_SECOND, rate);
}
