#pragma once

/*
 * A file of the user's that is being written: it gets its name when it is whole,
 * so that what has the name is never half of it.  Until then it has none, where
 * there can be such files, and is gone with the process, even a killed one;
 * elsewhere it is NAME.ID.part.
 */

#include <limits.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/own.h"

struct part {
	int dir; /* that the file is to be in */
	int fd;
	bool named;
	char name[NAME_MAX + 1]; /* beside its own */
};

#define PART_NONE                   \
	{                           \
		.dir = -1, .fd = -1 \
	}

/* May `place` be written?  FL_EXISTS without `force`.  Only a file is replaced: a device or a
 * pipe is there to be written to, not to be removed (FL_INVALID). */
must_check int part_check(const char *place, bool force, struct fl_error *err);
/* `part` is PART_NONE.  Readable for its owner alone: it holds what the volume keeps from others.
 */
must_check int part_open(struct part *part, const char *place, const char *id,
			 struct fl_error *err);
/* It is whole: gives it the name `place`, durably. */
must_check int part_settle(struct part *part, const char *place, bool force, struct fl_error *err);
/* What was not settled goes. */
void part_done(struct part *part);
#define own_part own(part_done)
