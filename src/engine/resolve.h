#pragma once

/*
 * What a reference stands for: rows of the catalogue, as a transaction sees them.  What is to stay
 * true after it is claimed (claim_take()).  Any thread; nothing is changed.
 */

#include "catalog/catalog.h"
#include "engine/engine.h"
#include "model/form.h"

struct target {
	struct volume_row volume;
	struct branch_row branch; /* REF_VOLUME: the owner's trunk as it is known here, without UUID
				     where it is not; REF_TAG, REF_STASH: of the snapshot or the
				     stash */
	char instance[NAME_TEXT]; /* whose branch it is; "" = this instance's */
	bool is_snapshot;	  /* else the live head of the branch; a remote branch has none */
	struct snapshot_row snapshot; /* if is_snapshot */
};

void target_done(struct target *target);
#define own_target own(target_done)

must_check int resolve(struct engine *engine, struct tx *tx, const struct ref *ref,
		       struct target *ret, struct fl_error *err);
/* The same for who only reads: a remote branch, which has no head, stands for its tip. */
must_check int resolve_reading(struct engine *engine, struct tx *tx, const struct ref *ref,
			       struct target *ret, struct fl_error *err);
/* Is it what another instance's branch was when it last reached us? */
bool is_remote(const struct engine *engine, const struct branch_row *branch);
/* The one wording for each: FL_NOT_OWNER, who is, and what to do instead. */
must_check int refuse_remote(struct engine *engine, const struct target *target,
			     struct fl_error *err);
/* `what` belongs to the volume: "name", "tags". */
must_check int refuse_not_owner(struct engine *engine, const struct volume_row *volume,
				const char *what, struct fl_error *err);
/* The one wording for each: FL_NOT_FOUND and where to look. */
must_check int fail_no_tag(const char *volume, const char *tag, struct fl_error *err);
must_check int fail_no_stash(const char *volume, uint32_t number, struct fl_error *err);
/* The volume that a reference lies in. */
struct ref ref_of_volume(const struct ref *ref);
/* In a read transaction of its own. */
must_check int resolve_now(struct engine *engine, const struct ref *ref, struct target *ret,
			   struct fl_error *err);

/* The other way round: what a branch is called now; FL_NOT_FOUND when it is gone or in the trash.
 */
must_check int ref_of_branch(struct engine *engine, const struct uuid *branch, struct ref *ret,
			     struct fl_error *err);

/* FL_INVALID, naming what `verb` takes, unless the reference is of one of the `forms` (enum
 * ref_form). */
must_check int check_form(const struct ref *ref, unsigned forms, const char *verb,
			  struct fl_error *err);

/* "mydata/trunk", "mydata/trunk@{9f3c...}": for messages and answers. */
void target_format(const struct target *target, char text[static REF_SHORT]);
