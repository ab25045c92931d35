#pragma once

/*
 * What push, fetch and serving have in common: a dialogue that is cancelled by cutting its channel,
 * and, for who dials, tried again when its link was cut.  For src/engine alone.
 */

#include "engine/reach.h"
#include "engine/receiving.h"
#include "engine/sending.h"
#include "engine/transfer.h"

/* One of the two dialogues. */
struct dialogue {
	struct sending *sending;
	struct receiving *receiving;
	const struct want *want; /* receiving: what was asked for; NULL: it was pushed */
};

/* On this channel; whoever cancels `running` cuts it. */
must_check int dialogue_run(const struct dialogue *dialogue, struct running *running,
			    struct channel *channel, struct fl_error *err);
bool dialogue_was_cut(const struct dialogue *dialogue);

/*
 * Dials `peer` and runs it, again and again while it is cut and gets on.  `request`: what the
 * REQUEST holds.
 */
must_check int dialogue_drive(struct engine *engine, const struct dialogue *dialogue,
			      struct running *running, const struct peer_row *peer,
			      enum wire_verb verb, const struct text *request,
			      struct fl_error *err);

/*
 * What the live contents of an own branch have that its last snapshot lacks is snapshotted.  Of
 * another's, or of a snapshot: nothing is done.  Outside the gate.  `*ret_own`: it is this
 * instance's.
 */
must_check int save_before_sending(struct engine *engine, const struct ref *ref, bool *ret_own,
				   struct fl_error *err);

/* The peer of that name.  FL_NOT_FOUND with how one is made. */
must_check int find_peer(struct engine *engine, const char *name, struct peer_row *ret,
			 struct fl_error *err);
