#pragma once

/*
 * Pins of who sends; of who receives: arrive-pins.c.
 *
 * PIN_TRANSFER keeps what is sent where thinning would take it; PIN_PEER the last that the peer
 * took, as the base of the next transfer.  The new one is set before the old one goes, in one
 * transaction.
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

/* All that the plan sends, and what it builds on.  FL_NOT_FOUND: a part of it has gone meanwhile.
 */
must_check int sending_pins_set(const struct sending_pins *pins, const struct plan *plan,
				struct fl_error *err);
/* The peer has it, and has it pinned. */
must_check int sending_pins_move(const struct sending_pins *pins, const struct position *taken,
				 struct fl_error *err);
/* The transfer is over, however: what failed is logged, and stays until the next start. */
void sending_pins_drop(const struct sending_pins *pins);
