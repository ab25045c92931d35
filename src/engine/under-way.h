#pragma once

/*
 * Transfers under way: which branches are being received, each by one at a time; and those whose
 * link was cut and whose peer dialled them, which wait for it to come back.
 */

#include "engine/operation.h"
#include "engine/receiving.h"
#include "engine/sending.h"

struct engine;
struct under_way;

struct under_way *under_way_new(struct engine *engine);
/* None may run any more; those that wait end. */
void under_way_free(struct under_way *under_way);

struct claim_of {
	struct uuid branch;
	struct uuid peer; /* who sends */
	const char *name; /* for messages */
};
/*
 * FL_BUSY, naming the operation, while it is being received already; but what only waits for this
 * very peer to come back ends, since it has come with something else; what it has stays half-made
 * (halfway.h).
 */
must_check int under_way_begin(struct engine *engine, const struct claim_of *claim,
			       struct running *running, struct fl_error *err);
void under_way_end(struct engine *engine, const struct uuid *branch);

#define PARKED_FOR (2 * CLOCK_MINUTE)
#define PARKED 16 /* at once; the one that has waited longest ends for another */

/* One of the two; taken over with its operation. */
struct parked {
	struct uuid transfer;
	struct uuid peer; /* the instance that may come back for it */
	struct running *running;
	struct sending *sending;
	struct receiving *receiving;
};
/* Ends when it is cancelled, or nobody came back for it in time. */
void under_way_park(struct engine *engine, const struct parked *parked);
/*
 * One that talks on a link that the peer has dialled.  The caller's, from _enter to _leave; what is
 * parked then is parked before _leave.
 */
struct talking {
	struct uuid transfer, peer;
	struct link *link;
	bool cut;
	struct talking *next;
};
void under_way_enter(struct engine *engine, struct talking *talking);
void under_way_leave(struct engine *engine, struct talking *talking);

/*
 * It is the caller's again; false: there is none (any more).  A peer knows sooner than we that its
 * link was cut: one that still talks on the old one is cut off here too, and waited for, as long as
 * the peer waits on `asker`, which it has opened for it.
 */
bool under_way_take(struct engine *engine, const struct uuid *transfer, const struct uuid *peer,
		    struct channel *asker, struct parked *ret);
