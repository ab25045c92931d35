#pragma once

/* The time of an entry of an archive, to the nanosecond, before 1970 as well. */

#include <time.h>

#include "tree/input.h"

/* Of the entry that input_next() gave last. */
must_check int times_modified(const struct input *input, struct archive_entry *entry,
			      struct timespec *ret, struct fl_error *err);
