#include "tree/report.h"

#include <inttypes.h>
#include <stdio.h>
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
	char line[80];
	int length = snprintf(line, sizeof(line), "%s %" PRIu64 " %" PRIu64 "\n", word,
			      report->entries, report->bytes);

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

int report_done(const struct report *report)
{
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

int report_failed(const struct fl_error *err)
{
	own_text struct text line = { 0 };
	const char *fields[] = { err->text, err->hint, err->object };

	text_add_format(&line, "failed %s\t%d", fl_codes[err->code].name, err->sys);
	for (size_t i = 0; i < array_size(fields); i++) {
		text_add_string(&line, "\t");
		add_field(&line, fields[i]);
	}
	text_add_string(&line, "\n");
	return put(line.bytes, line.length) < 0 ? 1 : 0;
}
