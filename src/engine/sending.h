#pragma once

/*
 * The sending side of one transfer: the dialogue of repl/wire.h as S has it, over whatever
 * channel there is at the moment.
 *
 * It outlives its channel.  When that is cut, the stream that was being sent waits (feed.h)
 * and with it what was sent and not yet acknowledged (repl/chain.h); sending_run() on another
 * channel goes on with both if R still has its part, and plans anew if not.
 *
 * Until it is freed the snapshots that it sends are pinned, as is the base that they are sent on.
 */

#include "engine/operation.h"
#include "engine/source.h"
#include "repl/link.h"

struct sending;

struct sending_options {
	struct engine *engine;
	struct running *running; /* ended by the caller, after sending_free() */
	struct source source;	 /* taken over */
	uint64_t limit;		 /* bytes of DATA a second; 0 = none */
	bool compress;		 /* where it is worth it */
};

/* Takes over what `options` says, on failure too. */
must_check int sending_new(struct sending_options *options, struct sending **ret,
			   struct fl_error *err);
void sending_free(struct sending *sending);
OWN_FREEP(sending, sending_free)

/*
 * From OFFER to DONE.  A failure after which sending_was_cut() is true may be tried again with
 * another channel.  The channel stays the caller's.
 */
must_check int sending_run(struct sending *sending, struct channel *channel, struct fl_error *err);
/* Any thread, as long as it is there: what waits for its turn to send fails.  For good. */
void sending_cancel(struct sending *sending);
bool sending_was_cut(const struct sending *sending);

struct sent {
	enum plan_outcome outcome;
	uint64_t snapshots; /* that were taken there */
	uint64_t bytes;	    /* of their streams */
	uint64_t wire;	    /* of DATA payload, also what was sent twice */
	uint64_t resumed;
};
void sending_tell(const struct sending *sending, struct sent *ret);
