#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/own.h"
#include "base/text.h"
#include "base/utf8.h"

#define LINE 2048

const char *const log_level_names[LOG_LEVELS + 1] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARNING] = "warning",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
};

/* What syslog(3) and the journal have for them. */
static const int priorities[LOG_LEVELS] = {
	[LOG_LEVEL_ERROR] = 3,
	[LOG_LEVEL_WARNING] = 4,
	[LOG_LEVEL_INFO] = 6,
	[LOG_LEVEL_DEBUG] = 7,
};

static _Atomic enum log_level threshold = LOG_LEVEL_INFO;
static __thread const char *request;

void log_set_level(enum log_level level)
{
	threshold = level;
}

void log_set_request(const char *id)
{
	request = id;
}

const char *log_get_request(void)
{
	return request;
}

bool log_level_parse(const char *name, enum log_level *ret)
{
	size_t found = word_find(log_level_names, LOG_LEVELS, name);

	if (found < LOG_LEVELS)
		*ret = (enum log_level)found;
	return found < LOG_LEVELS;
}

static int add_prefix(char line[static LINE], enum log_level level)
{
	char now[CLOCK_TEXT];

	if (getenv("JOURNAL_STREAM"))
		return snprintf(line, LINE, "<%d>", priorities[level]);
	return snprintf(line, LINE, "%s %s ", clock_format(clock_now(), now),
			log_level_names[level]);
}

/* Names and texts from outside may hold anything; a line stays one line, and harms no terminal. */
static void blank_controls(char *line)
{
	size_t n;

	for (; *line; line += n) {
		size_t length = utf8_length(line);

		n = length ? length : 1;
		if (!utf8_is_plain(line, length))
			memset(line, ' ', n);
	}
}

void log_line(enum log_level level, const char *message, const char *fields, ...)
{
	char line[LINE];
	va_list ap;
	int n;

	if (level > threshold)
		return;
	n = add_prefix(line, level);
	n += snprintf(line + n, sizeof(line) - (size_t)n, "%.200s%s", message,
		      fields[0] ? " " : "");
	va_start(ap, fields);
	vsnprintf(line + n, sizeof(line) - (size_t)n - 1, fields, ap);
	va_end(ap);
	n = (int)strlen(line);
	if (request && n < LINE - 64)
		n += snprintf(line + n, sizeof(line) - (size_t)n, " request=%.40s", request);
	blank_controls(line);
	if (n > LINE - 2)
		n = LINE - 2;
	line[n] = '\n';
	/* One write per line, so that lines of several threads never mix.  A log that can't be
	 * written has no other place to be told. */
	if (write(STDERR_FILENO, line, (size_t)n + 1) < 0)
		return;
}
