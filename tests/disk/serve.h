#pragma once

/* A directory of disks: files that are blocks, logged (log.h).  See serve.c. */

#include "base/error.h"
#include "base/own.h"

/*
 * Mounts a file system at `point` that holds one file for each of `images`,
 * under its last component, and serves it until it is unmounted or the process
 * is told to end.  The log is made.
 */
must_check int serve(const char *point, const char *log, char **images, unsigned count,
		     struct fl_error *err);
