#include "tree/report.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

#define INTERVAL (CLOCK_SECOND / 10)

static int put(const char *line, size_t length)
{
	while (length > 0) {
		ssize_t n = TEMP_FAILURE_RETRY(write(REPORT_FD, line, length));

		if (n < 0)
			return -1;
		line += n;
		length -= (size_t)n;
	}
	return 0;
}

static int put_counts(const char *word, const struct report *report)
{
	char line[100];
	int length = snprintf(line, sizeof(line), "%s %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", word,
			      report->entries, report->bytes, report->left_out);

	return put(line, (size_t)length);
}

static void progress(struct report *report)
{
	int64_t now = clock_monotonic();

	if (now < report->next)
		return;
	report->next = now + INTERVAL;
	/* Nobody waits for this line: one who has gone is noticed by the last line. */
	(void)put_counts("progress", report);
}

void report_entry(struct report *report)
{
	report->entries++;
	progress(report);
}

void report_left_out(struct report *report)
{
	report->left_out++;
}

void report_bytes(struct report *report, uint64_t bytes)
{
	report->bytes += bytes;
	progress(report);
}

void report_reached(struct report *report, uint64_t bytes)
{
	report->bytes = bytes;
	progress(report);
}

int report_digest(const uint8_t *digest, size_t size, struct fl_error *err)
{
	own_text struct text line = { 0 };

	text_add_string(&line, "digest ");
	for (size_t i = 0; i < size; i++)
		text_add_format(&line, "%02x", digest[i]);
	text_add_string(&line, "\n");
	if (put(line.bytes, line.length) < 0)
		return fl_fail_errno(err, "cannot report the digest");
	return 0;
}

/* --- the last line -------------------------------------------------------------- */

static struct text last_words; /* of a run that finds no memory, made while there is some */

static void say_last_words(void)
{
	_exit(put(last_words.bytes, last_words.length) < 0 ? 1 : 0);
}

/* libarchive calls exit(1), which this program itself never does before its last line. */
static void at_exit(void)
{
	if (last_words.length > 0)
		say_last_words();
}

static struct text late_words; /* of a run that takes too long */

/* In the middle of anything: a write and the end are all that may be done. */
static void say_late_words(int signal)
{
	_exit(put(late_words.bytes, late_words.length) < 0 ? 1 : 0);
}

/* No other line than the one that follows. */
static void withdraw_words(void)
{
	signal(SIGXCPU, SIG_IGN);
	text_done(&last_words);
}

int report_done(const struct report *report)
{
	withdraw_words();
	return put_counts("done", report) < 0 ? 1 : 0;
}

/* Names in messages may hold anything; a field holds no control characters. */
static void add_field(struct text *line, const char *field)
{
	for (; *field; field++) {
		char c = (unsigned char)*field < ' ' || *field == 0x7f ? '?' : *field;

		text_add(line, &c, 1);
	}
}

static void write_failure(struct text *line, const struct fl_error *err)
{
	const char *fields[] = { err->text, err->hint, err->object };

	text_add_format(line, "failed %s\t%d", fl_codes[err->code].name, err->sys);
	for (size_t i = 0; i < array_size(fields); i++) {
		text_add_string(line, "\t");
		add_field(line, fields[i]);
	}
	text_add_string(line, "\n");
}

int report_failed(const struct fl_error *err)
{
	own_text struct text line = { 0 };

	write_failure(&line, err);
	withdraw_words();
	return put(line.bytes, line.length) < 0 ? 1 : 0;
}

void report_memory(const struct fl_error *err)
{
	text_clear(&last_words);
	write_failure(&last_words, err);
	text_no_memory = say_last_words;
	atexit(at_exit);
}

void report_late(const struct fl_error *err)
{
	text_clear(&late_words);
	write_failure(&late_words, err);
	signal(SIGXCPU, say_late_words);
}
