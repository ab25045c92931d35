#include "base/clock.h"

#include <string.h>
#include <time.h>

#define YEAR_MAX 2261 /* the last whole year that 64 bits of nanoseconds reach */

static int64_t read_clock(clockid_t id)
{
	struct timespec now;

	if (clock_gettime(id, &now) < 0)
		abort();
	return now.tv_sec * CLOCK_SECOND + now.tv_nsec;
}

int64_t clock_now(void)
{
	return read_clock(CLOCK_REALTIME);
}

int clock_milliseconds_until(int64_t monotonic)
{
	int64_t left = monotonic - clock_monotonic();

	if (left <= 0)
		return 0;
	left = left / 1000000 + 1;
	return left > 60000 ? 60000 : (int)left;
}

int64_t clock_boot(void)
{
	return read_clock(CLOCK_BOOTTIME);
}

int64_t clock_monotonic(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

/* The parts of a time; `nanoseconds` is never negative. */
static struct tm split_time(int64_t time, int *nanoseconds)
{
	int64_t rest = time % CLOCK_SECOND;
	time_t seconds = time / CLOCK_SECOND;
	struct tm tm;

	if (rest < 0) {
		rest += CLOCK_SECOND;
		seconds--;
	}
	gmtime_r(&seconds, &tm);
	*nanoseconds = (int)rest;
	return tm;
}

/*
 * Numbers as so many digits, each followed by a separator, or by nothing where
 * that is NUL.  By hand: lists have thousands of times.
 */
static char *put_number(char *p, int value, int digits, char separator)
{
	for (int i = digits - 1; i >= 0; i--, value /= 10)
		p[i] = (char)('0' + value % 10);
	p += digits;
	if (separator)
		*p++ = separator;
	return p;
}

static char *put_time(int64_t time, char between_days, char between_hours,
		      char text[static CLOCK_TEXT])
{
	int nanoseconds;
	struct tm tm = split_time(time, &nanoseconds);
	char *p = text;

	p = put_number(p, tm.tm_year + 1900, 4, between_days);
	p = put_number(p, tm.tm_mon + 1, 2, between_days);
	p = put_number(p, tm.tm_mday, 2, 'T');
	p = put_number(p, tm.tm_hour, 2, between_hours);
	p = put_number(p, tm.tm_min, 2, between_hours);
	p = put_number(p, tm.tm_sec, 2, '.');
	p = put_number(p, nanoseconds, 9, 'Z');
	*p = '\0';
	return text;
}

char *clock_format(int64_t time, char text[static CLOCK_TEXT])
{
	return put_time(time, '-', ':', text);
}

char *clock_format_storage(int64_t time, char text[static CLOCK_TEXT])
{
	return put_time(time, '\0', '\0', text);
}

/* Takes between `least` and `most` digits at *p; -1 when there are fewer. */
static int take_digits(const char **p, int least, int most)
{
	int value = 0, n = 0;

	while (n < most && (*p)[n] >= '0' && (*p)[n] <= '9')
		value = value * 10 + ((*p)[n++] - '0');
	if (n < least)
		return -1;
	*p += n;
	return value;
}

/* A fraction of a second: up to nine digits, as nanoseconds; -1 when there is none. */
static int take_fraction(const char **p)
{
	const char *start = *p;
	int value = take_digits(p, 1, 9);

	if (value < 0)
		return -1;
	for (long n = *p - start; n < 9; n++)
		value *= 10;
	return value;
}

static bool days_fit_month(int year, int month, int day)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	if (month < 1 || month > 12 || day < 1)
		return false;
	return day <= days[month - 1] + (month == 2 && leap ? 1 : 0);
}

static int64_t join_time(int year, int month, int day, int hour, int minute, int second)
{
	struct tm tm = {
		.tm_year = year - 1900,
		.tm_mon = month - 1,
		.tm_mday = day,
		.tm_hour = hour,
		.tm_min = minute,
		.tm_sec = second,
	};

	return timegm(&tm) * CLOCK_SECOND;
}

static bool take_char(const char **p, const char *accepted)
{
	if (**p == '\0' || !strchr(accepted, **p))
		return false;
	(*p)++;
	return true;
}

int clock_parse_storage(const char *text, int64_t *ret, struct fl_error *err)
{
	char again[CLOCK_TEXT];
	const char *p = text;
	int year = take_digits(&p, 4, 4), month = take_digits(&p, 2, 2),
	    day = take_digits(&p, 2, 2);
	int hour, minute, second, fraction;
	int64_t time;

	if (!take_char(&p, "T"))
		goto bad;
	hour = take_digits(&p, 2, 2);
	minute = take_digits(&p, 2, 2);
	second = take_digits(&p, 2, 2);
	if (!take_char(&p, "."))
		goto bad;
	fraction = take_fraction(&p);
	if (year < 1970 || year > YEAR_MAX || !days_fit_month(year, month, day) || hour < 0 ||
	    minute < 0 || second < 0 || fraction < 0)
		goto bad;
	time = join_time(year, month, day, hour, minute, second) + fraction;
	/* Whatever was normalised on the way (a minute 75, eight digits) does not format to itself.
	 */
	if (strcmp(clock_format_storage(time, again), text) != 0)
		goto bad;
	*ret = time;
	return 0;
bad:
	return fl_fail(err, FL_INVALID, "'%.40s' is not a storage time", text);
}

/* "Z", "+01:00", "-0530" or nothing, as seconds east of UTC. */
static bool take_zone(const char **p, int *ret)
{
	int sign = **p == '-' ? -1 : 1, hours, minutes;

	*ret = 0;
	if (**p == '\0' || take_char(p, "Zz"))
		return true;
	if (!take_char(p, "+-"))
		return false;
	hours = take_digits(p, 2, 2);
	take_char(p, ":");
	minutes = take_digits(p, 2, 2);
	*ret = sign * (hours * 3600 + minutes * 60);
	return hours >= 0 && hours < 24 && minutes >= 0 && minutes < 60;
}

static int fail_time(const char *text, const char *why, struct fl_error *err)
{
	fl_fail(err, FL_INVALID, "'%.60s' is not a time: %s", text, why);
	return fl_hint(err,
		       "write it as 2026-11-20, 2026-11-20T10:00:00Z or 2026-11-20T10:00:00+01:00");
}

static int parse_time_of_day(const char *text, const char *p, int64_t day, int64_t *ret,
			     struct fl_error *err)
{
	int hour = take_digits(&p, 2, 2), minute, second = 0, fraction = 0, zone;

	if (hour < 0 || hour > 23 || !take_char(&p, ":"))
		return fail_time(text, "expected an hour from 00 to 23 and ':'", err);
	minute = take_digits(&p, 2, 2);
	if (minute < 0 || minute > 59)
		return fail_time(text, "expected minutes from 00 to 59", err);
	if (take_char(&p, ":"))
		second = take_digits(&p, 2, 2);
	if (second < 0 || second > 59)
		return fail_time(text, "expected seconds from 00 to 59", err);
	if (take_char(&p, "."))
		fraction = take_fraction(&p);
	if (fraction < 0)
		return fail_time(text, "expected one to nine digits after '.'", err);
	if (!take_zone(&p, &zone) || *p != '\0')
		return fail_time(text, "expected 'Z', an offset like '+01:00', or the end", err);
	day += (hour * 3600 + minute * 60 + second - zone) * CLOCK_SECOND + fraction;
	if (day < 0)
		return fail_time(text, "it is before 1970", err);
	/* An offset may lead out of the last year. */
	if (day >= join_time(YEAR_MAX + 1, 1, 1, 0, 0, 0))
		return fail_time(text, "it is after 2261", err);
	*ret = day;
	return 0;
}

int clock_parse(const char *text, int64_t *ret, struct fl_error *err)
{
	const char *p = text;
	int year = take_digits(&p, 4, 4), month, day;
	int64_t time;

	if (year < 0 || !take_char(&p, "-"))
		return fail_time(text, "expected a year and '-'", err);
	month = take_digits(&p, 2, 2);
	if (month < 0 || !take_char(&p, "-"))
		return fail_time(text, "expected a month and '-'", err);
	day = take_digits(&p, 2, 2);
	if (year < 1970 || year > YEAR_MAX || !days_fit_month(year, month, day))
		return fail_time(text, "there is no such day between 1970 and 2261", err);
	time = join_time(year, month, day, 0, 0, 0);
	if (*p == '\0') {
		*ret = time + CLOCK_DAY - 1;
		return 0;
	}
	if (!take_char(&p, "Tt "))
		return fail_time(text, "expected 'T' after the date", err);
	return parse_time_of_day(text, p, time, ret, err);
}

static int64_t unit_of(char letter)
{
	switch (letter) {
	case 's':
		return CLOCK_SECOND;
	case 'm':
		return CLOCK_MINUTE;
	case 'h':
		return CLOCK_HOUR;
	case 'd':
		return CLOCK_DAY;
	case 'w':
		return 7 * CLOCK_DAY;
	default:
		return 0;
	}
}

static int fail_duration(const char *text, const char *why, struct fl_error *err)
{
	fl_fail(err, FL_INVALID, "'%.60s' is not a duration: %s", text, why);
	return fl_hint(err, "write it as 30s, 10m, 2h, 1d, 1w or a sum like 1h30m");
}

int clock_parse_duration(const char *text, int64_t *ret, struct fl_error *err)
{
	int64_t sum = 0, term, unit;
	const char *p = text;

	do {
		const char *start = p;

		for (term = 0; *p >= '0' && *p <= '9'; p++)
			if (__builtin_mul_overflow(term, 10, &term) ||
			    __builtin_add_overflow(term, *p - '0', &term))
				return fail_duration(text, "it is too long", err);
		unit = unit_of(*p);
		if (p == start || unit == 0)
			return fail_duration(text, "expected a number and one of s, m, h, d, w",
					     err);
		if (__builtin_mul_overflow(term, unit, &term) ||
		    __builtin_add_overflow(sum, term, &sum))
			return fail_duration(text, "it is too long", err);
		p++;
	} while (*p != '\0');
	*ret = sum;
	return 0;
}
