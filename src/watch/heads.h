#pragma once

/*
 * The trees of a pool by the numbers that the file system gives them, and what
 * was last known of each: whose head it is, if it is one.  Grows with what it is
 * asked about; for one thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/own.h"
#include "base/uuid.h"

struct watched {
	uint64_t number;    /* of the tree; 0: this place is free */
	bool head;	    /* of `branch` */
	struct uuid branch; /* if it is one */
	uint64_t touched;   /* the point of its last change that was looked into */
	uint64_t floor;	    /* what was changed up to this point is known to be in a snapshot */
	bool awaited;	    /* an event named it before it was known to be a head */
	uint64_t told;	    /* the round in which the branch was told last */
	int64_t active;	   /* clock_monotonic() until which it is asked for changes; 0: it is not */
	uint64_t answered; /* the point of its last change, when it was asked */
};

/* Zero is the empty map. */
struct heads {
	struct watched *items; /* heap; a hash table of `room` places, a power of two */
	size_t count, room;
};

void heads_done(struct heads *heads);

/* NULL when there is none.  Valid until the next heads_add(). */
struct watched *heads_find(const struct heads *heads, uint64_t number);
/* The same, but adds one that is no head.  `number` is not 0. */
struct watched *heads_add(struct heads *heads, uint64_t number);
