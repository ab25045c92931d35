#include <time.h>

#include "base/clock.h"
#include "tests/check.h"
#include "tests/unit/random.h"

#define LAST INT64_C(9214646399999999999) /* the end of the year 2261 */

static void times_are_written_in_utc(void)
{
	static const struct {
		int64_t time;
		const char *text, *storage;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00.000000000Z", "19700101T000000.000000000Z" },
		{ 1, "1970-01-01T00:00:00.000000001Z", "19700101T000000.000000001Z" },
		{ -1, "1969-12-31T23:59:59.999999999Z", "19691231T235959.999999999Z" },
		{ -CLOCK_SECOND, "1969-12-31T23:59:59.000000000Z", "19691231T235959.000000000Z" },
		{ INT64_C(1795168800000000000), "2026-11-20T10:00:00.000000000Z",
		  "20261120T100000.000000000Z" },
		{ LAST, "2261-12-31T23:59:59.999999999Z", "22611231T235959.999999999Z" },
		{ INT64_MAX, "2262-04-11T23:47:16.854775807Z", "22620411T234716.854775807Z" },
	};
	char text[CLOCK_TEXT];

	for (size_t i = 0; i < array_size(cases); i++) {
		check_string(cases[i].text, clock_format(cases[i].time, text));
		check_string(cases[i].storage, clock_format_storage(cases[i].time, text));
	}
}

static void times_are_read_as_people_write_them(void)
{
	static const struct {
		const char *text, *means;
	} cases[] = {
		{ "2026-11-20", "2026-11-20T23:59:59.999999999Z" },
		{ "2026-11-20T10:00:00Z", "2026-11-20T10:00:00.000000000Z" },
		{ "2026-11-20t10:00:00z", "2026-11-20T10:00:00.000000000Z" },
		{ "2026-11-20 10:00", "2026-11-20T10:00:00.000000000Z" },
		{ "2026-11-20T10:00Z", "2026-11-20T10:00:00.000000000Z" },
		{ "2026-11-20T10:00:00.5", "2026-11-20T10:00:00.500000000Z" },
		{ "2026-11-20T10:00:00.123456789+00:00", "2026-11-20T10:00:00.123456789Z" },
		{ "2026-11-20T10:00+01:00", "2026-11-20T09:00:00.000000000Z" },
		{ "2026-11-20T10:00-0530", "2026-11-20T15:30:00.000000000Z" },
		{ "2026-01-01T00:30+01:00", "2025-12-31T23:30:00.000000000Z" },
		{ "2024-02-29", "2024-02-29T23:59:59.999999999Z" },
		{ "2000-02-29", "2000-02-29T23:59:59.999999999Z" },
		{ "1970-01-01T00:00Z", "1970-01-01T00:00:00.000000000Z" },
		{ "2261-12-31", "2261-12-31T23:59:59.999999999Z" },
	};
	struct fl_error err = { 0 };
	char text[CLOCK_TEXT];
	int64_t time;

	for (size_t i = 0; i < array_size(cases); i++) {
		check_ok(clock_parse(cases[i].text, &time, &err));
		check_string(cases[i].means, clock_format(time, text));
	}
}

static void other_times_are_told_what_is_wrong(void)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{ "", "expected a year and '-'" },
		{ "tomorrow", "expected a year and '-'" },
		{ "26-11-20", "expected a year and '-'" },
		{ "-2026-11-20", "expected a year and '-'" },
		{ "20261-11-20", "expected a year and '-'" },
		{ "2026-1-20", "expected a month and '-'" },
		{ "2026-11", "expected a month and '-'" },
		{ "2026-13-20", "there is no such day between 1970 and 2261" },
		{ "2026-00-20", "there is no such day between 1970 and 2261" },
		{ "2026-11-00", "there is no such day between 1970 and 2261" },
		{ "2026-11-31", "there is no such day between 1970 and 2261" },
		{ "2026-02-29", "there is no such day between 1970 and 2261" },
		{ "2100-02-29", "there is no such day between 1970 and 2261" },
		{ "2026-11-x", "there is no such day between 1970 and 2261" },
		{ "1969-12-31", "there is no such day between 1970 and 2261" },
		{ "2262-01-01", "there is no such day between 1970 and 2261" },
		{ "2026-11-20x", "expected 'T' after the date" },
		{ "2026-11-201", "expected 'T' after the date" },
		{ "2026-11-20T", "expected an hour from 00 to 23 and ':'" },
		{ "2026-11-20T24:00", "expected an hour from 00 to 23 and ':'" },
		{ "2026-11-20T10", "expected an hour from 00 to 23 and ':'" },
		{ "2026-11-20T10:", "expected minutes from 00 to 59" },
		{ "2026-11-20T10:60", "expected minutes from 00 to 59" },
		{ "2026-11-20T10:00:", "expected seconds from 00 to 59" },
		{ "2026-11-20T10:00:60", "expected seconds from 00 to 59" },
		{ "2026-11-20T10:00:00.", "expected one to nine digits after '.'" },
		{ "2026-11-20T10:00:00.1234567890",
		  "expected 'Z', an offset like '+01:00', or the end" },
		{ "2026-11-20T10:00:00Zulu", "expected 'Z', an offset like '+01:00', or the end" },
		{ "2026-11-20T10:00 CET", "expected 'Z', an offset like '+01:00', or the end" },
		{ "2026-11-20T10:00+1", "expected 'Z', an offset like '+01:00', or the end" },
		{ "2026-11-20T10:00+24:00", "expected 'Z', an offset like '+01:00', or the end" },
		{ "2026-11-20T10:00+01:60", "expected 'Z', an offset like '+01:00', or the end" },
		{ "1970-01-01T00:00+01:00", "it is before 1970" },
		{ "2261-12-31T23:59-00:01", "it is after 2261" },
	};
	struct fl_error err;
	int64_t time = 7;
	char wanted[200];

	for (size_t i = 0; i < array_size(cases); i++) {
		printf("# %s\n", cases[i].text);
		check_code(FL_INVALID, clock_parse(cases[i].text, &time, &err));
		snprintf(wanted, sizeof(wanted), "'%s' is not a time: %s", cases[i].text,
			 cases[i].why);
		check_string(wanted, err.text);
		check_string(
			"write it as 2026-11-20, 2026-11-20T10:00:00Z or 2026-11-20T10:00:00+01:00",
			err.hint);
		check(time == 7);
	}
}

static int64_t random_time(void)
{
	int64_t time = (int64_t)(random_next() % ((uint64_t)LAST + 1));

	return random_below(4) ? time : time - time % CLOCK_SECOND;
}

static void parse_undoes_format(void)
{
	struct fl_error err = { 0 };
	char text[CLOCK_TEXT];
	int64_t parsed;

	random_begin(71);
	for (int i = 0; i < 50000; i++) {
		int64_t time = random_time();

		check_ok(clock_parse(clock_format(time, text), &parsed, &err));
		check(parsed == time);
		check_ok(clock_parse_storage(clock_format_storage(time, text), &parsed, &err));
		check(parsed == time);
	}
}

static void storage_times_sort_as_text(void)
{
	char a[CLOCK_TEXT], b[CLOCK_TEXT];

	random_begin(72);
	for (int i = 0; i < 20000; i++) {
		int64_t x = random_time(), y = random_below(2) ? random_time() : x + CLOCK_SECOND;
		int order = strcmp(clock_format_storage(x, a), clock_format_storage(y, b));

		check((order < 0) == (x < y) && (order > 0) == (x > y));
	}
}

/* Against the C library: any local time with any offset. */
static void offsets_agree_with_the_c_library(void)
{
	struct fl_error err = { 0 };
	char text[80], date[40];

	random_begin(73);
	for (int i = 0; i < 20000; i++) {
		int offset = (int)random_below(24 * 60), sign = random_below(2) ? 1 : -1;
		time_t wanted = (time_t)(CLOCK_DAY / CLOCK_SECOND +
					 (int64_t)random_below(9214646400 - 3 * 86400));
		time_t local = wanted + sign * offset * 60;
		struct tm tm;
		int64_t time;

		gmtime_r(&local, &tm);
		strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
		snprintf(text, sizeof(text), "%s%c%02d%s%02d", date, sign > 0 ? '+' : '-',
			 offset / 60, random_below(2) ? ":" : "", offset % 60);
		check_ok(clock_parse(text, &time, &err));
		check(time == wanted * CLOCK_SECOND);
	}
}

static void only_the_exact_storage_form_is_read(void)
{
	static const char *const cases[] = {
		"",
		"2026-11-20T10:00:00Z",
		"20261120T100000Z",
		"20261120T100000.Z",
		"20261120T100000.00000000Z",
		"20261120T100000.0000000000Z",
		"20261120T100000.000000000",
		"20261120T100000.000000000z",
		"20261120T100000.000000000Z ",
		"20261120 100000.000000000Z",
		"20261320T100000.000000000Z",
		"20260229T100000.000000000Z",
		"20261120T240000.000000000Z",
		"20261120T106000.000000000Z",
		"20261120T100060.000000000Z",
		"20261120T10000.000000000Z",
		"19691231T235959.000000000Z",
		"22620101T000000.000000000Z",
		"x0261120T100000.000000000Z",
		"20261120T1x0000.000000000Z",
		"20261120T100x00.000000000Z",
		"20261120T10000x.000000000Z",
	};
	struct fl_error err;
	int64_t time = 7;
	char wanted[100];

	for (size_t i = 0; i < array_size(cases); i++) {
		check_code(FL_INVALID, clock_parse_storage(cases[i], &time, &err));
		snprintf(wanted, sizeof(wanted), "'%s' is not a storage time", cases[i]);
		check_string(wanted, err.text);
		check(time == 7);
	}
}

static void durations_are_sums_of_units(void)
{
	static const struct {
		const char *text;
		int64_t duration;
	} cases[] = {
		{ "0s", 0 },
		{ "30s", 30 * CLOCK_SECOND },
		{ "10m", 10 * CLOCK_MINUTE },
		{ "2h", 2 * CLOCK_HOUR },
		{ "1d", CLOCK_DAY },
		{ "1w", 7 * CLOCK_DAY },
		{ "1h30m", 90 * CLOCK_MINUTE },
		{ "1s1s", 2 * CLOCK_SECOND },
		{ "0090m", 90 * CLOCK_MINUTE },
		{ "9223372036s", INT64_C(9223372036) * CLOCK_SECOND },
		{ "15250w1d23h47m16s", INT64_C(9223372036) * CLOCK_SECOND },
	};
	struct fl_error err = { 0 };
	int64_t duration;

	for (size_t i = 0; i < array_size(cases); i++) {
		check_ok(clock_parse_duration(cases[i].text, &duration, &err));
		check(duration == cases[i].duration);
	}
}

static void other_durations_are_told_what_is_wrong(void)
{
	static const char unit[] = "expected a number and one of s, m, h, d, w",
			  longer[] = "it is too long";
	static const struct {
		const char *text, *why;
	} cases[] = {
		{ "", unit },
		{ "s", unit },
		{ "30", unit },
		{ "30x", unit },
		{ "1h30", unit },
		{ "1h 30m", unit },
		{ "-1h", unit },
		{ "1.5h", unit },
		{ "2H", unit },
		{ "9223372037s", longer },
		{ "9223372036s1s", longer },
		{ "15251w", longer },
		{ "99999999999999999999s", longer },
		{ "9223372036854775808s", longer },
	};
	struct fl_error err;
	int64_t duration = 7;
	char wanted[200];

	for (size_t i = 0; i < array_size(cases); i++) {
		check_code(FL_INVALID, clock_parse_duration(cases[i].text, &duration, &err));
		snprintf(wanted, sizeof(wanted), "'%s' is not a duration: %s", cases[i].text,
			 cases[i].why);
		check_string(wanted, err.text);
		check_string("write it as 30s, 10m, 2h, 1d, 1w or a sum like 1h30m", err.hint);
		check(duration == 7);
	}
}

static void the_clocks_run(void)
{
	int64_t before = clock_monotonic();

	check(clock_now() > INT64_C(1500000000) * CLOCK_SECOND);
	check(clock_monotonic() >= before);
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(times_are_written_in_utc),
				  CHECK(times_are_read_as_people_write_them),
				  CHECK(other_times_are_told_what_is_wrong),
				  CHECK(parse_undoes_format),
				  CHECK(storage_times_sort_as_text),
				  CHECK(offsets_agree_with_the_c_library),
				  CHECK(only_the_exact_storage_form_is_read),
				  CHECK(durations_are_sums_of_units),
				  CHECK(other_durations_are_told_what_is_wrong),
				  CHECK(the_clocks_run),
				  CHECK_END,
			  });
}
