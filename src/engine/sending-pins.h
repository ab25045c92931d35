#pragma once

/*
 * Pins of who sends; of who receives: arrive-pins.c.
 *
 * PIN_TRANSFER keeps what is sent where thinning would take it, as long as it is sent; PIN_PEER
 * what the peer and we have in common (common-pins.h says when, and why).
 */

#include "engine/internal.h"
#include "repl/plan.h"

/* Whose pins: of this transfer of a branch to a peer.  Borrows. */
struct sending_pins {
	struct engine *engine;
	const struct offer *offer;
	struct uuid peer; /* its instance, and what that calls itself */
	const char *peer_name;
};

/*
 * All that the plan sends, for as long as that takes; and what it builds on, or the target where
 * nothing is to be sent, as in common: durably, before the peer hears of it.  FL_NOT_FOUND: a part
 * of it has gone meanwhile.
 */
must_check int sending_pins_set(const struct sending_pins *pins, const struct plan *plan,
				struct fl_error *err);
/* The peer has it, and has it pinned, as well as what it was made from (or none). */
must_check int sending_pins_taken(const struct sending_pins *pins, const struct position *taken,
				  const struct position *base, struct fl_error *err);
/* The peer has the target pinned.  What fails is logged: it stays until the next transfer. */
void sending_pins_through(const struct sending_pins *pins);
/* The transfer is over, however: what failed is logged, and stays until the next start. */
void sending_pins_drop(const struct sending_pins *pins);
