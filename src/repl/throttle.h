#pragma once

/*
 * How fast bytes may go, and how fast they do.
 */

#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"

/* --- the limit ----------------------------------------------------------------------- */

/*
 * Bytes a second, shared by all who ask, who go in the order of asking.  Pure.  Whoever asks goes
 * when the bytes asked for before him are paid; who had no use for it saves up BUCKET_BURST.
 */
#define BUCKET_BURST (CLOCK_SECOND / 10)

struct bucket {
	uint64_t rate;	/* bytes a second; 0: no limit */
	uint64_t asked; /* bytes, in all */
	uint64_t paid;	/* the same, at `since` */
	int64_t since;	/* monotonic */
};

/* From `now` on; who waits already waits by the new rate. */
void bucket_set(struct bucket *bucket, uint64_t rate, int64_t now);
/* Asks for `bytes`; what bucket_due() wants to know. */
uint64_t bucket_ask(struct bucket *bucket, uint64_t bytes, int64_t now);
/* When who was given `ticket` may go: `now` or earlier: at once. */
int64_t bucket_due(const struct bucket *bucket, uint64_t ticket, int64_t now);

/* The same for threads, which wait.  Any thread. */
struct throttle {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	struct bucket bucket;
};

void throttle_init(struct throttle *throttle, uint64_t rate);
void throttle_done(struct throttle *throttle);
void throttle_set(struct throttle *throttle, uint64_t rate);
/*
 * Waits until `bytes` may go.  FL_UNREACHABLE, for which fl_is_cancelled() is true, as soon
 * as `*cancelled` (NULL: never) is found set: after throttle_wake().
 */
must_check int throttle_wait(struct throttle *throttle, uint64_t bytes,
			     const _Atomic bool *cancelled, struct fl_error *err);
void throttle_wake(struct throttle *throttle);

/* --- the meter ------------------------------------------------------------------------ */

/* Over the last METER_SECONDS.  Pure; times are monotonic.  Zero is a meter that was not begun. */
#define METER_SECONDS 10

struct meter {
	int64_t begun;
	int64_t second;			   /* the newest of `bytes`, counted from `begun` */
	uint64_t bytes[METER_SECONDS + 1]; /* by second, modulo */
	uint64_t done;
};

void meter_begin(struct meter *meter, int64_t now);
void meter_add(struct meter *meter, uint64_t bytes, int64_t now);
/* Bytes a second. */
uint64_t meter_rate(const struct meter *meter, int64_t now);
/* Nanoseconds until `total` are done at that rate, 0 when they are; -1: cannot be told. */
int64_t meter_left(const struct meter *meter, uint64_t total, int64_t now);
