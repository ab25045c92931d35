#pragma once

/*
 * A snapshot's storage name and its id (DESIGN section 2).
 *
 * The storage name is `<instance uuid>.<UTC time>`, for example
 * "0190...-....20261121T080000.123456789Z": unique and sortable without any
 * catalogue.  The id is the first 16 hexadecimal digits of the SHA-256 of that
 * name, so that every instance gives a snapshot the same id.
 */

#include <stdint.h>

#include "base/clock.h"
#include "base/uuid.h"

#define SNAPNAME_TEXT (UUID_TEXT + CLOCK_TEXT) /* with the final NUL */
#define SNAPID_TEXT 17

struct snapname {
	struct uuid instance; /* that took it */
	int64_t time;	      /* nanoseconds UTC */
};

char *snapname_format(const struct snapname *name, char text[static SNAPNAME_TEXT]);
must_check int snapname_parse(const char *text, struct snapname *ret, struct fl_error *err);

/* The id as a number (its text form is 16 lower-case hexadecimal digits). */
uint64_t snapname_id(const struct snapname *name);
char *snapid_format(uint64_t id, char text[static SNAPID_TEXT]);
