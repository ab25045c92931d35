#pragma once

/*
 * A delta as bytes in memory, for tests and fuzz targets: read from there, and given right
 * checksums after somebody has changed it, so that what lies behind them is tried too.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/own.h"

struct delta_bytes {
	const void *bytes;
	size_t length;
	size_t piece; /* at most so many at a time; 0: as many as are wanted */
};

/* A delta_fill with a struct delta_bytes as its `arg`, which moves on. */
must_check int delta_bytes_give(void *arg, void *bytes, size_t length, size_t *ret,
				struct fl_error *err);

/* Of all commands that are there whole. */
void delta_bytes_mend(void *bytes, size_t length);
