#pragma once

/*
 * PIN_PEER: what a peer and this instance have in common of a branch; the same for who sends (S)
 * and who receives (R).  What each of them does when: sending-pins.h, arrive-pins.c.
 *
 * The invariant.  From the first transfer of a branch that succeeds on, there is at each instant
 * one snapshot that both sides have and both have pinned, and it was in the past of what was sent.
 * It follows from one rule: a side lets go of its pins only while it has one of a snapshot that, as
 * it knows, the other side has pinned, too.  It knows so from what it hears:
 *
 *	S, before the first STEP	pins the base; without one, before FINISH, the target
 *	R, at STEP_END, before TAKEN	pins what came and its base, and lets go of all others: that
 *					S sends upon the base says that S has pinned it
 *	S, at TAKEN			pins what was taken and lets go of all others: R has it.  Of
 *					what went aside (repl/plan.h) nothing: its base, the target,
 *					stays
 *	R, at FINISH			keeps the target alone: S has pinned it at TAKEN, or before
 *	S, at DONE			keeps the target alone: R does
 *
 * So a message that is lost and a crash, of either side and anywhere, leave more pinned than there
 * need be and never less; what is too much goes with the next transfer that succeeds.  What comes
 * whole has no base and says nothing of what the other side has pinned, so nothing is let go of
 * before the end; the same where the base has gone meanwhile, or another transfer has moved on.
 *
 * A snapshot that is sent for itself, a tag say, need not be in the branch's past.  Such pins are a
 * set of their own, by the same rule, and take nothing of the branch's away; the branch's next
 * transfer takes theirs.
 */

#include "catalog/catalog.h"

struct common_pins {
	struct uuid peer;   /* its instance */
	struct uuid served; /* the branch */
	struct uuid alone;  /* none: the branch's pointer moves; else the volume: a snapshot is sent
			       for itself */
};

must_check int common_is_pinned(struct tx *tx, const struct common_pins *pins,
				const struct position *at, bool *ret, struct fl_error *err);
/* FL_NOT_FOUND: it is not there (any more), and a pin would hold nothing. */
must_check int common_pin(struct tx *tx, const struct common_pins *pins, const struct position *at,
			  struct fl_error *err);
/* Lets go of all but these two, which may be the same. */
must_check int common_keep(struct tx *tx, const struct common_pins *pins, const struct position *at,
			   const struct position *also, struct fl_error *err);
