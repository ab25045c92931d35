#pragma once

/*
 * What a disk may hold after the power was cut: made from the image that it
 * began with and the log (log.h).
 */

#include "log.h"

enum state_loss {
	LOSE_NOTHING, /* all that was written by then */
	LOSE_ALL,     /* what was not flushed */
	LOSE_SOME,    /* by chance, in whole and in part */
};

struct state_options {
	uint32_t disk;
	uint64_t position; /* the cut: only the records before it happened */
	enum state_loss loss;
	uint64_t seed;	 /* LOSE_SOME: the same seed, the same state */
	uint64_t sector; /* bytes that are written as one or not at all; a power of two */
};

/* Makes the file `out`: a sparse copy of `base` with the log applied.  FL_INVALID for a position
 * beyond the log's end. */
must_check int state_make(const struct log_reader *log, const struct state_options *options,
			  const char *base, const char *out, struct fl_error *err);
