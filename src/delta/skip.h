#pragma once

/*
 * What a sender does to a delta that it makes once more for one who has a part of it: leaves out
 * what lies before the receiver's point, after it has compared that it is the same.
 * What is left is a delta too: the header, the first command, and what comes after the point.
 */

#include "delta/point.h"
#include "delta/read.h"

struct delta_skip;

/* The whole delta comes from `fill`, which is not called before the first delta_skip_read(). */
struct delta_skip *delta_skip_new(const struct delta_point *point, delta_fill *fill, void *arg);
void delta_skip_free(struct delta_skip *skip);
OWN_FREEP(delta_skip, delta_skip_free)

/*
 * The next bytes of what is left; a delta_fill, with the skip as its `arg`.  FL_DIVERGED: this
 * delta does not begin with what the point stands for, so that all of it has to be sent; that
 * comes before the first byte.  Otherwise the codes of delta_next().
 */
must_check int delta_skip_read(void *skip, void *bytes, size_t length, size_t *ret,
			       struct fl_error *err);

/* How many bytes were left out. */
uint64_t delta_skip_saved(const struct delta_skip *skip);
