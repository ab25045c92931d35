#pragma once

/*
 * What the program tells the one that started it, on a descriptor of its own:
 * text lines `progress ENTRIES BYTES LEFT-OUT`, at most ten in a second, and at the end
 * exactly one `done ENTRIES BYTES LEFT-OUT` or
 * `failed CODE<tab>ERRNO<tab>TEXT<tab>HINT<tab>OBJECT`.  BYTES are of file
 * contents; those of the archive, as it is stored, when one is unpacked or applied:
 * they can be compared to its size.  ENTRIES of a delta are commands.  Before `done` there may
 * be one `digest HEX`: see digest.h.  ERRNO is what the system said, a decimal number, or 0: a
 * full quota (EDQUOT) has the code of a full file system, but another cure.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/own.h"

#define REPORT_FD 4

struct report {
	uint64_t entries;
	uint64_t bytes;
	uint64_t left_out; /* entries that were not made, on purpose */
	int64_t next;	   /* monotonic time before which no further line is written */
};

void report_entry(struct report *report);
void report_left_out(struct report *report);
void report_bytes(struct report *report, uint64_t bytes);   /* so many more */
void report_reached(struct report *report, uint64_t bytes); /* so many in all */

must_check int report_digest(const uint8_t *digest, size_t size, struct fl_error *err);

/* The last line.  Returns the exit status of the program: 0 when the line was written. */
int report_done(const struct report *report);
int report_failed(const struct fl_error *err);

/*
 * Makes `err` the last line when memory runs out, wherever that is: our own
 * allocations end the program then, and so do some within libarchive.
 */
void report_memory(const struct fl_error *err);
/* Makes `err` the last line when the time that patience.h gives is up. */
void report_late(const struct fl_error *err);
