#pragma once

#include <stdbool.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/own.h"

/*
 * Makes the empty file `to` hold what the file `from` of `size` bytes holds:
 * by sharing its blocks, if `share` and both files allow it; else byte by byte,
 * keeping its holes.
 */
must_check int contents_copy(int from, int to, off_t size, bool share, struct fl_error *err);
/* Can the file system of this directory share blocks between files? */
must_check int contents_probe(int dir, bool *ret, struct fl_error *err);
