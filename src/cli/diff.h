#pragma once

/* Changes as `diff` prints them, for the others that have some to tell. */

#include <stdbool.h>

#include "base/error.h"
#include "base/own.h"
#include "lib/value.h"

/* `items`: an array of them; with `counts_alone` a line that says how many there are. */
must_check int diff_print(struct value *items, bool counts_alone, struct fl_error *err);
/* The first `most` of them, and how many there are of all. */
must_check int diff_preview(struct value *items, size_t most, struct fl_error *err);
