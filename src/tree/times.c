#include "tree/times.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "tree/pax.h"

/*
 * "-1.5" is one and a half seconds before 1970 to POSIX and to GNU tar, and half
 * a second to the readers of some versions of libarchive, which add the fraction
 * to the seconds; "-0.5" and "0.5" are even the same to them.  So where a time
 * may be such a one, its record is read here, from the headers as they came, and
 * what libarchive made of it does not count, whether its version is right or not.
 * (Their writers err the same way: "-2.5" for -1.5.  No record tells these
 * from the right ones; they are taken by the word.)
 */

#define MINUS_LIMIT (INT64_MAX / 10 - 1)
#define RECORDS_LIMIT (1 << 20) /* libarchive takes no larger header */
#define SIZE_AT 124
#define SIZE_LENGTH 12
#define TYPE_AT 156

/* The value of a record, which ends where it does: a decimal number that is below zero. */
static bool parse_negative(const char *value, size_t length, struct timespec *ret)
{
	int64_t seconds = 0;
	long fraction = 0, unit = 100000000;
	size_t i = 1;

	if (length < 2 || value[0] != '-')
		return false;
	for (; i < length && value[i] >= '0' && value[i] <= '9'; i++) {
		if (seconds > MINUS_LIMIT)
			return false;
		seconds = seconds * 10 + (value[i] - '0');
	}
	if (i < length && value[i++] != '.')
		return false;
	for (; i < length && value[i] >= '0' && value[i] <= '9'; i++, unit /= 10)
		fraction += (value[i] - '0') * unit;
	ret->tv_sec = fraction > 0 ? -seconds - 1 : -seconds;
	ret->tv_nsec = fraction > 0 ? 1000000000 - fraction : 0;
	return i == length;
}

/* Reads "LENGTH KEY=VALUE\n" after each other; the last time counts.  Ends at what is no record. */
static void find_time(const char *records, size_t size, struct timespec *time)
{
	static const char key[] = "mtime=";

	while (size > 0) {
		size_t length = 0, digits = 0;

		for (; digits < size && digits < 8 && records[digits] >= '0' &&
		       records[digits] <= '9';
		     digits++)
			length = length * 10 + (size_t)(records[digits] - '0');
		if (length > size || length < digits + 2 || records[digits] != ' ')
			return;
		if (length > digits + 1 + strlen(key) &&
		    memcmp(records + digits + 1, key, strlen(key)) == 0)
			(void)parse_negative(records + digits + 1 + strlen(key),
					     length - digits - strlen(key) - 2, time);
		records += length;
		size -= length;
	}
}

static size_t size_of(const char header[static PAX_BLOCK])
{
	char digits[SIZE_LENGTH + 1] = { 0 };

	memcpy(digits, header + SIZE_AT, SIZE_LENGTH);
	return strtoul(digits, NULL, 8);
}

static int unreachable(struct fl_error *err)
{
	fl_fail(err, FL_UNSUPPORTED, "its headers are too long to read its time before 1970");
	return fl_hint(err, "shorten its name, or give it a time after 1970 with `touch`");
}

/* The headers in front of the entry's own: `x` has records, the others a name or what is skipped.
 */
static int read_headers(const struct input *input, struct timespec *time, struct fl_error *err)
{
	own_free char *records = NULL;
	char header[PAX_BLOCK];
	uint64_t at = 0;

	for (;;) {
		size_t size;

		if (!input_header(input, at, header, sizeof(header)))
			return unreachable(err);
		size = size_of(header);
		if (!header[TYPE_AT] || !strchr("xgLKXV", header[TYPE_AT]) || size > RECORDS_LIMIT)
			return 0;
		at += PAX_BLOCK;
		if (header[TYPE_AT] == 'x') {
			free(records);
			records = xcalloc(size + 1, 1);
			if (!input_header(input, at, records, size))
				return unreachable(err);
			find_time(records, size, time);
		}
		at += size + pax_padding(size);
	}
}

int times_modified(const struct input *input, struct archive_entry *entry, struct timespec *ret,
		   struct fl_error *err)
{
	ret->tv_sec = archive_entry_mtime(entry);
	ret->tv_nsec = archive_entry_mtime_nsec(entry);
	if (ret->tv_nsec < 0 || ret->tv_nsec >= 1000000000)
		return fl_fail(err, FL_INVALID, "its time has %ld nanoseconds", ret->tv_nsec);
	if (ret->tv_sec > 0 || ret->tv_nsec == 0)
		return 0;
	return read_headers(input, ret, err);
}
