#pragma once

/*
 * Times and durations.  A time is a signed count of nanoseconds since
 * 1970-01-01T00:00:00Z, without leap seconds; 64 bits reach the year 2262.
 * A duration is nanoseconds too.  Nothing here but the first four functions asks
 * the system anything.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/own.h"

#define CLOCK_TEXT 36 /* any text form below, with the final NUL */
#define CLOCK_SECOND INT64_C(1000000000)
#define CLOCK_MINUTE (60 * CLOCK_SECOND)
#define CLOCK_HOUR (60 * CLOCK_MINUTE)
#define CLOCK_DAY (24 * CLOCK_HOUR)

int64_t clock_now(void);       /* wall clock */
int64_t clock_monotonic(void); /* for deadlines and durations */
/* For poll(): rounded up, 0 when it is past, and no more than a minute: who waits looks again. */
int clock_milliseconds_until(int64_t monotonic);
int64_t clock_boot(void); /* since the machine was started, sleep included */

/* RFC 3339 in UTC with nine digits: 2026-11-20T10:00:00.000000000Z */
char *clock_format(int64_t time, char text[static CLOCK_TEXT]);

/* As it stands in storage names: 20261120T100000.000000000Z.  Sorts as text. */
char *clock_format_storage(int64_t time, char text[static CLOCK_TEXT]);

/* Exactly what clock_format_storage() writes.  FL_INVALID otherwise. */
must_check int clock_parse_storage(const char *text, int64_t *ret, struct fl_error *err);

/*
 * RFC 3339 as a person types it: "2026-11-20T10:00:00Z", with an offset
 * ("+01:00"), with up to nine digits of fraction, with a space or "t" for the
 * "T", without seconds ("2026-11-20T10:00Z").  A date alone means its last
 * nanosecond in UTC (DESIGN section 2).  A time without a zone is UTC.
 * FL_INVALID with what is wrong otherwise.  Years 1970 to 2261.
 */
must_check int clock_parse(const char *text, int64_t *ret, struct fl_error *err);

/*
 * "30s", "10m", "2h", "1d", "1w", and sums of them without spaces ("1h30m"),
 * whole numbers.  FL_INVALID otherwise, and for more than 292 years.
 */
must_check int clock_parse_duration(const char *text, int64_t *ret, struct fl_error *err);
