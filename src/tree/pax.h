#pragma once

/*
 * The pax tar format (POSIX.1-2008, pax utility), as GNU tar and libarchive
 * read it: a header block of old tar; what does not fit there stands in an
 * extended header before it, records of "LENGTH KEY=VALUE\n".
 */

#include <stdint.h>

#include "tree/attrs.h"

#define PAX_BLOCK 512

struct pax_entry {
	const char *path;   /* a directory's ends with "/" */
	const char *target; /* of a link of either kind, or NULL */
	char type; /* '0' file, '1' hard link, '2' symbolic link, '3' '4' devices, '5' directory,
		      '6' FIFO */
	dev_t device;
	uint64_t size;		   /* bytes that follow */
	const struct text *sparse; /* the map that comes first of those bytes, or NULL */
	uint64_t real_size;	   /* with a map: the file's */
	const struct attrs *attrs;
};

/* The blocks in front of the contents. */
must_check int pax_header(const struct pax_entry *entry, struct text *ret, struct fl_error *err);

/* How many zeros follow `size` bytes of contents. */
static inline size_t pax_padding(uint64_t size)
{
	return (size_t)(-size % PAX_BLOCK);
}
