#pragma once

/* The log and its segments: for src/audit alone. */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "audit/record.h"

#define SEGMENT_NAME 32

struct audit {
	int state; /* borrowed */
	struct audit_limits limits;

	pthread_mutex_t mutex; /* of what follows; held for no sync */
	int directory;	       /* -1: not looked at yet */
	unsigned first, last;  /* segments; last 0: there is none */
	int fd;		       /* of the last, for writing; -1: not yet */
	uint64_t size;	       /* of what was written to it whole */
	bool torn;	       /* there may be more behind that, of a write that failed */
	struct audit_mark head;
	uint64_t lost; /* records since the last that was written */
	struct fl_error trouble;
};

char *segment_name(unsigned segment, char name[static SEGMENT_NAME]);

/* Opens the directory and finds the segments, unless that was done.  Under the mutex. */
must_check int segments_find(struct audit *audit, struct fl_error *err);

/* False: the directory that is open has been moved away or removed.  Under the mutex. */
bool directory_is_in_place(const struct audit *audit);

/* All bytes of a segment; replaces what `ret` holds. */
must_check int segment_read(struct audit *audit, int directory, unsigned segment, struct text *ret,
			    struct fl_error *err);

/* The line before `*end` (which is behind a newline, or 0: false), without its newline; `*end`
 * moves to its begin. */
bool line_before(const struct text *text, size_t *end, const char **ret, size_t *ret_length);

/* Bytes up to and with the last newline. */
size_t whole_lines(const struct text *text);
