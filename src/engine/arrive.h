#pragma once

/*
 * What came from a peer becomes known here: the one place for it, whoever dialled.
 *
 * A remote branch (is_remote()) is a row whose instance is another's.  It has no head, is not
 * mounted, and never written but from here; its lines are its writer's.  Its tip is
 * the newest snapshot of its last line that exists here, or that line's parent.
 *
 *	arrive_prepare()	the OFFER: may it come in?  Nothing is changed
 *	arrive_have()		the HAVE, but for what was cut off
 *	  for each step, when staging/<operation> is complete and proved:
 *	arrive_snapshot()	it is durable, known and pinned: TAKEN may be said
 *	arrive_finish()		the FINISH: the pointer, the pins, the owner's tags
 *
 * Who says what.  A push brings a branch of the sender's own; a fetch one of whoever wrote it, as
 * it was asked for.  A branch's name and lines are taken from its writer; from another only what
 * is not known here yet.  What governs a volume is taken from its owner; from another when the
 * volume is new here.  Its name here stays what it was when it came.  What this instance wrote is
 * never changed.
 *
 * Belongs to one thread at a time.  None of these holds anything between two calls: what
 * was prepared may have gone meanwhile, and then the next call fails.
 */

#include "engine/engine.h"
#include "repl/offer.h"

struct arrival;

struct arrive_from {
	struct uuid peer; /* who sends: proved by the link */
	const char *name; /* what it calls itself */
	bool fetched;	  /* it was asked for, so it may be of another writer */
};

/*
 * `offer` is copied.  FL_EXISTS: another volume has the name here (the hint says --as), or this one
 * is in the trash; FL_DIVERGED: the volume has a later epoch here, or another owner (a new one
 * counts when it was fetched), or a line of a branch that the sender has lost;
 * FL_NOT_OWNER: the sender did not write the branch, or this instance did; FL_INVALID, FL_CORRUPT:
 * the offer contradicts itself or what is known of its branches.
 */
must_check int arrive_prepare(struct engine *engine, const struct arrive_from *from,
			      const struct offer *offer, struct arrival **ret,
			      struct fl_error *err);
void arrival_free(struct arrival *arrival);
static inline void arrival_freep(struct arrival **arrival)
{
	arrival_free(*arrival);
}
#define own_arrival own(arrival_freep)

/* What there is of the offer: all but `forms`, `live` and `halfway`. */
must_check int arrive_have(struct engine *engine, const struct offer *offer, struct have *ret,
			   struct fl_error *err);

/*
 * The tree staging/<operation> becomes the snapshot of the step, in the pool and here, with all
 * that the offer said of its branch.  Atomic: after a crash it is so, or the tree is gone.
 * `operation` is used for one step only.  A snapshot that is here already is a success, and the
 * tree goes.  On failure it goes, too.  FL_BUSY: it was destroyed here, and is still read.
 */
must_check int arrive_snapshot(struct arrival *arrival, const struct uuid *operation,
			       const struct step *step, struct fl_error *err);

/*
 * All that was to come has come.  `*ret_stash` (may be NULL): the number of the stash that what was
 * the tip here was put aside as, since the writer went back; 0: there was no need.
 */
must_check int arrive_finish(struct arrival *arrival, const struct finish *finish,
			     uint32_t *ret_stash, struct fl_error *err);
