#pragma once

/*
 * Running a program: the only code that does.
 *
 * An absolute path, an argument vector, an empty environment but LC_ALL=C and a fixed PATH,
 * /dev/null as standard input, no shell, no inherited descriptors.  What it
 * prints is kept up to SPAWN_OUTPUT bytes per stream, the rest is read and
 * dropped.  At the deadline the child (its whole process group) is killed.
 */

#include <stdint.h>

#include "base/error.h"
#include "base/own.h"
#include "base/text.h"

#define SPAWN_OUTPUT (64 * 1024)

struct spawn_result {
	int status; /* exit status, or 128 + signal */
	struct text out;
	struct text err;
};

void spawn_result_done(struct spawn_result *result);

/*
 * Blocks until the program ended.  `timeout` in nanoseconds.  A program that
 * is missing: FL_NOT_FOUND with the path.  One that had to be killed:
 * FL_SYSTEM.  Any exit status is success here; it is in the result.
 */
must_check int spawn_run(const char *const argv[], int64_t timeout, struct spawn_result *ret,
			 struct fl_error *err);
