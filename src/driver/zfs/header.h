#pragma once

/*
 * The first record of what `zfs send` writes, which says what the stream is: the same on all
 * kinds of ZFS (dmu_replay_record, DRR_BEGIN).  Pure.
 */

#include <stdbool.h>
#include <stdint.h>

#define HEADER_LENGTH 312

struct header {
	uint64_t to;   /* the guid of the snapshot that it makes */
	uint64_t from; /* of the one that it was made from; 0: none */
	bool clone;    /* that one is another dataset's: it makes a new dataset */
};

/* False for anything but a stream of one snapshot of a file system. */
bool header_parse(const uint8_t bytes[static HEADER_LENGTH], struct header *ret);
