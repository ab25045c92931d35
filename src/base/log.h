#pragma once

/*
 * Logging: one line per event on standard error, "LEVEL message key=value ...".
 * On a terminal or into a file the line begins with the time; under systemd
 * (JOURNAL_STREAM) with the syslog priority "<N>" instead.  Messages are lower
 * case without a full stop; facts follow as key=value, texts in quotes.  The
 * layer that decides logs, once.  Never secrets, never contents.  Safe from any thread.
 *
 *	log_info("pool opened", "driver=%s size=%" PRIu64, name, size);
 */

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG, LOG_LEVELS };

/* NULL at the end. */
extern const char *const log_level_names[LOG_LEVELS + 1];

void log_set_level(enum log_level level);

/* False for a name that is none of them. */
bool log_level_parse(const char *name, enum log_level *ret);

/* The id that every line of this thread carries as request=..., or NULL.  Borrowed. */
void log_set_request(const char *id);
const char *log_get_request(void);

/* `fields` is printf-style: "key=%s other=%d"; it may be "". */
void log_line(enum log_level level, const char *message, const char *fields, ...)
	__attribute__((format(printf, 3, 4)));

#define log_error(message, ...) log_line(LOG_LEVEL_ERROR, message, "" __VA_ARGS__)
#define log_warning(message, ...) log_line(LOG_LEVEL_WARNING, message, "" __VA_ARGS__)
#define log_info(message, ...) log_line(LOG_LEVEL_INFO, message, "" __VA_ARGS__)
#define log_debug(message, ...) log_line(LOG_LEVEL_DEBUG, message, "" __VA_ARGS__)
