#pragma once

/*
 * Metadata: text values by key, on volumes and snapshots.  Keys follow the
 * name grammar; values are UTF-8 without control characters, up to 1,024
 * bytes; up to 64 pairs.  Kept sorted by key; a key stands once.
 */

#include <stddef.h>

#include "base/error.h"
#include "base/own.h"
#include "base/text.h"

#define METADATA_PAIRS 64
#define METADATA_VALUE 1024

struct metadata_pair {
	char *key;
	char *value;
};

struct metadata {
	struct metadata_pair *pairs;
	size_t count;
};

void metadata_done(struct metadata *metadata);
#define own_metadata own(metadata_done)

/* Sets or replaces; a NULL value removes (a missing key is fine).  FL_INVALID says what is wrong.
 */
must_check int metadata_set(struct metadata *metadata, const char *key, const char *value,
			    struct fl_error *err);
/* Borrowed; NULL when there is none. */
const char *metadata_get(const struct metadata *metadata, const char *key);
void metadata_copy(const struct metadata *from, struct metadata *ret);

/* One line per pair, "key=value\n": how it is stored.  Values hold no newline, so nothing is
 * escaped. */
void metadata_encode(const struct metadata *metadata, struct text *out);
must_check int metadata_decode(const char *text, struct metadata *ret, struct fl_error *err);
