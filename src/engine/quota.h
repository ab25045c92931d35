#pragma once

/*
 * Quotas and usage, as the pool counts them.  In a pool that does not count, account does nothing,
 * a quota is FL_UNSUPPORTED, usage not known.
 */

#include "engine/internal.h"

/* Before the head of a new branch is made: what is written to it counts for its volume. */
must_check int quota_account(struct engine *engine, const struct branch_row *branch,
			     struct fl_error *err);
/* The pool keeps the volume to the new quota in its row: FL_INVALID when that is less than what is
 * used. */
must_check int quota_change(struct engine *engine, const struct volume_row *volume,
			    struct fl_error *err);
/* After a failure: back to what it was; what fails is logged. */
void quota_put_back(struct engine *engine, const struct volume_row *volume, uint64_t former);
/* Makes the pool agree with the catalogue. */
must_check int quota_restore_all(struct engine *engine, struct fl_error *err);
/* For an answer: what cannot be told is unknown, and logged. */
struct amount quota_told(struct engine *engine, enum account account, const struct uuid *uuid);
/* Fills `live` and `history` of the answer about a branch; reads the metadata of its head. */
must_check int quota_live(struct engine *engine, const struct branch_row *row, struct branch *ret,
			  struct fl_error *err);
/*
 * Before anything of a new branch is written: all that is counts for its volume,
 * which keeps to its quota if it is new too.
 */
must_check int quota_begin(struct engine *engine, const struct volume_row *volume, bool new_volume,
			   const struct branch_row *branch, struct fl_error *err);
/* Takes that back, before `tree`, all that was written, is deleted; what fails is logged. */
void quota_abort(struct engine *engine, const struct tree *tree, const struct branch_row *branch,
		 bool new_volume);
/* Before that: an error of writing to the branch that the quota is the cause of says so; is it one?
 */
bool quota_explain(struct engine *engine, const struct volume_row *volume,
		   const struct branch_row *branch, struct fl_error *err);
/* FL_INVALID: too small to be of use, or too large to be true. */
must_check int quota_check_size(uint64_t quota, struct fl_error *err);
