#pragma once

/*
 * A text of the engine as values of properties: pure, no I/O.
 *
 * A value has room for PIECE bytes (OpenZFS and zfs-fuse take 8,191), so a text is one
 * property or several:
 *
 *	BASE		SERIAL.COUNT:TEXT	the first piece, and how many there are
 *	BASE.P.I	SERIAL:TEXT		the I-th, from 1; P is SERIAL's last bit
 *
 * SERIAL counts how often the text was written anew.  BASE is set last: until then it leads to
 * the pieces of the text before, which have the other P.  Printable ASCII stands for itself,
 * any other byte and "%" are %XX, so neither tabs nor newlines come into what `zfs get` prints.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"

#define PIECE 7900
#define PIECES 32
#define PROPERTY_NAME 96

struct pieces {
	char *properties[PIECES]; /* "NAME=VALUE", heap; [0] is BASE's */
	size_t count;
};
void pieces_done(struct pieces *pieces);
#define own_pieces own(pieces_done)

/* False when it is too long. */
bool pieces_make(const char *base, uint64_t serial, const char *text, struct pieces *ret);

/* Properties as they were read; borrowed. */
struct property {
	const char *name, *value;
};

/* The text of BASE among `properties`; false when it is not there whole. */
bool pieces_join(const char *base, const struct property *properties, size_t count,
		 uint64_t *ret_serial, struct text *ret);
