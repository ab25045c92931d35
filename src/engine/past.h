#pragma once

/*
 * The past of a branch: the ancestry of what its head continues from, as stretches of lines, newest
 * first (model/lineage.h).  Only the lines that it goes through are read, so it costs the same
 * however many branches the volume has.  Valid as long as the transaction it was read in.
 */

#include "engine/internal.h"

/* The position that the branch's head continues from, or none. */
must_check int head_position(struct tx *tx, const struct uuid *branch, struct position *ret,
			     struct fl_error *err);
/* The stretches of a position's ancestry, newest first; `*ret` is heap. */
must_check int past_of(struct tx *tx, const struct position *position, struct stretch **ret,
		       size_t *ret_count, struct fl_error *err);

struct past { /* of the branch that is asked about, by its head */
	struct tx *tx;
	const struct target *target;
	struct stretch *stretches;
	size_t count;
	char branch[REF_SHORT];
};

void past_done(struct past *past);
#define own_past own(past_done)

/* Borrows `target`.  `*ret` is to be released after a failure, too. */
must_check int past_load(struct tx *tx, const struct target *target, struct past *ret,
			 struct fl_error *err);

/* Each finds one snapshot; FL_NOT_FOUND says what there is instead. */

/* So many before the newest. */
must_check int past_back(const struct past *past, uint64_t back, struct snapshot_row *ret,
			 struct fl_error *err);
must_check int past_oldest(const struct past *past, struct snapshot_row *ret, struct fl_error *err);
/* The newest that is not younger than this (past-time.c). */
must_check int past_at(const struct past *past, int64_t time, struct snapshot_row *ret,
		       struct fl_error *err);
/* The newest that is at least so many nanoseconds old. */
must_check int past_ago(struct engine *engine, const struct past *past, int64_t ago,
			struct snapshot_row *ret, struct fl_error *err);
