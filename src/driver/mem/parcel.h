#pragma once

/*
 * The stream of the memory driver, what send() writes and receive() reads there:
 *
 *	"flocker mem 1\n" BASE		the digest of what it is applied to, 0 for nothing
 *	"=" KEY VALUE ...		a file that is new or another
 *	"-" KEY ...			one that is gone
 *	"." DIGEST			the end; of the files that there are then
 *
 * KEY and VALUE are a length, 8 bytes, and so many bytes; BASE and DIGEST 8 bytes; numbers
 * begin with their lowest byte.  Pure: no I/O, no state.
 */

#include "base/error.h"
#include "base/own.h"
#include "driver/mem/map.h"

/* By which BASE tells what it is; never 0. */
uint64_t parcel_digest(const struct map *files);

/* Appends what makes `files` out of `base`; NULL: all of them. */
void parcel_encode(const struct map *base, const struct map *files, struct text *out);

/* FL_CORRUPT: it is damaged or breaks off.  FL_INVALID: it is none, or does not fit `base`. */
must_check int parcel_decode(const struct text *parcel, const struct map *base, struct map *ret,
			     struct fl_error *err);
