#pragma once

/*
 * UUIDs: 16 bytes, RFC 9562 version 4, made from the kernel's random source.
 * The text form is the usual 36 characters, lower case.  The zero UUID means
 * "none".
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/own.h"

#define UUID_TEXT 37 /* with the final NUL */

struct uuid {
	uint8_t bytes[16];
};

/* A new random UUID.  Aborts if the kernel has no random source, which cannot happen after boot. */
struct uuid uuid_new(void);

/* Writes the text form into `text` and returns it. */
char *uuid_format(const struct uuid *uuid, char text[static UUID_TEXT]);

/* Accepts exactly the 36-character form, either case.  FL_INVALID otherwise. */
must_check int uuid_parse(const char *text, struct uuid *ret, struct fl_error *err);

/* Some order, for qsort(3) and bsearch(3). */
int uuid_compare(const void *a, const void *b);
bool uuid_equal(const struct uuid *a, const struct uuid *b);
bool uuid_is_none(const struct uuid *uuid);
