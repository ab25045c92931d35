#pragma once

/* One line of the log: its bytes as audit.h describes them.  For src/audit alone. */

#include "audit/audit.h"
#include "base/text.h"

/* The hash that the first record continues. */
#define FIRST_PREVIOUS "0000000000000000000000000000000000000000000000000000000000000000"

/* Appends the line of the record that follows `mark`, which moves on to it. */
void record_encode(const struct audit_entry *entry, int64_t time, struct audit_mark *mark,
		   struct text *out);

struct record_frame {
	uint64_t number;
	char previous[AUDIT_HASH];
	char hash[AUDIT_HASH]; /* as it stands there */
};

/* Looks at the fixed parts of a line (without its newline).  False: it is no record. */
bool record_frame(const char *line, size_t length, struct record_frame *ret);
/* Is the hash that of the contents?  Only for a line that has a frame. */
bool record_is_right(const char *line, size_t length);

/* All of it.  `ret` owns a copy.  FL_CORRUPT when it is no record. */
must_check int record_decode(const char *line, size_t length, struct audit_record *ret,
			     struct fl_error *err);
