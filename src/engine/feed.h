#pragma once

/*
 * A snapshot as a stream to be read: a thread of its own has the driver write it to a
 * pipe (driver/driver.h, send), and waits in that while nobody reads.  So a transfer whose link was
 * cut keeps its stream at no cost but that of the pipe.
 */

#include "driver/driver.h"

struct engine;
struct feed;

/*
 * `base` NULL: all of it.  `form`: the driver's own, or FORM_DELTA.  The pool stays open and both
 * trees stay until feed_free(): an operation and a claim or a pin of the caller's see to that.
 */
must_check int feed_start(struct engine *engine, const struct tree *base, const struct tree *tree,
			  enum stream_form form, struct feed **ret, struct fl_error *err);
/*
 * Fills `bytes`; `*ret` is less than `length` only at the end, and there fails if the
 * driver did: what was read before is of no use then.
 */
must_check int feed_read(struct feed *feed, void *bytes, size_t length, size_t *ret,
			 struct fl_error *err);
/* Ends it, wherever it is.  Another thread that reads must have been left before. */
void feed_free(struct feed *feed);
OWN_FREEP(feed, feed_free)
