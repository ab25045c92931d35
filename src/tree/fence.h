#pragma once

/*
 * A fence around directories (Landlock, linux/landlock.h): what lies outside of them can be neither
 * opened nor changed by name, whatever descriptor a path begins from.  It is one wall more behind
 * the root directory and the filter of calls (sandbox.c), for the day when one of them has a hole:
 * it does not know of owners, modes and attributes, so it can't replace them.
 */

#include <stdbool.h>

#include "base/error.h"
#include "base/own.h"

/*
 * From now on, for ever, for this process: the directory `root` may be read, and changed if it
 * `writes`, with devices if those are made; `source` (-1: none) may be read.  A kernel without
 * Landlock is no failure.  Needs no_new_privs.
 */
must_check int fence_enter(int root, bool writes, bool devices, int source, struct fl_error *err);
