#pragma once

/*
 * A new branch, with or without its volume: what all verbs that make one have in common.  The rows
 * are the caller's; what the pool gets is taken back when a later step fails.
 */

#include "engine/internal.h"

struct birth {
	const struct volume_row *volume;
	bool new_volume; /* the volume is made with it */
	struct branch_row branch;
	struct line line; /* its first */
	const struct snapshot_row
		*taken; /* taken for it just now, not in the catalogue yet; or NULL */
	bool has_from;
	struct tree from; /* the contents; else empty.  One in staging becomes the head itself, and
			     a first snapshot of it is taken */
	const struct metadata *policy;	   /* the branch's own, checked; NULL = none */
	const struct operation *operation; /* is done with it: recorded in the same transaction;
					      or NULL */
};

/* Are these names free?  Behind a lock of the name; FL_EXISTS, or FL_BUSY for what lies in the way.
 */
must_check int birth_volume_free(struct engine *engine, const char *name, struct fl_error *err);
must_check int birth_branch_free(struct engine *engine, const struct volume_row *volume,
				 const char *name, struct fl_error *err);
/* Of a volume that is to be made, all but its origin. */
must_check int check_create_options(const struct create_options *options, struct fl_error *err);
void fill_volume_row(struct engine *engine, const struct create_options *options,
		     struct volume_row *row);

/* Pool, link, catalogue; what a failure leaves half-made is taken back, `taken` included. */
must_check int birth_run(struct engine *engine, const struct birth *birth, struct fl_error *err);
/* A fresh branch row of this instance, mounted. */
struct branch_row birth_branch(struct engine *engine, const struct volume_row *volume,
			       const char *name);
/* Where a new branch or volume begins: `target` as it is, or the snapshot `taken` of its live head.
 */
void birth_from(struct birth *birth, const struct target *target, const struct snapshot_row *taken);
