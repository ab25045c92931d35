#pragma once

/*
 * Peers: other instances that this one replicates with, by their names.
 *
 * An instance has one name everywhere (DESIGN section 2), so a peer is called what it calls
 * itself: adding it asks it.  It is known by its UUID from then on; another instance
 * that answers at its address is refused.
 */

#include "base/transport.h"
#include "engine/engine.h"
#include "model/admission.h"
#include "repl/offer.h"

#define PEER_ADDRESS 400 /* bytes of an address, with the final NUL */

struct peer_row;

struct peer {
	char name[NAME_TEXT];
	char address[PEER_ADDRESS];
	struct uuid uuid;
	struct uuid cluster; /* none: it belongs to none */
	uint64_t limit;	     /* bytes a second of each transfer that begins here; 0 = no limit */
	int64_t added;
	bool connected; /* there is a link that this side has dialled */
};

struct peer_list {
	struct peer *items; /* heap */
	size_t count;
};
void peer_list_done(struct peer_list *list);

/* What it says itself. */
struct peer_state {
	struct peer peer;
	struct fl_error trouble; /* FL_OK: it answers; else what follows is empty */
	char program[NAME_TEXT]; /* its version */
	int64_t round_trip;	 /* ns */
	int64_t ahead;		 /* ns by which its clock is ahead of ours; about */
	struct listed listed;	 /* its volumes */
};
void peer_state_done(struct peer_state *state);

struct peer_options {
	const char *name;
	const char *address; /* dial.h */
	uint64_t limit;
	bool limited; /* `limit` is given; else that of a peer stays, and a new one has none */
};

/*
 * Asks who is there: FL_INVALID when it is called otherwise, or is this instance; FL_EXISTS
 * when another instance is the peer of that name; FL_UNREACHABLE, FL_DENIED.  Of the same instance
 * the address and the limit become these: what is under way to another address is cut, and goes
 * on by this one; its pins stay.
 */
must_check int engine_peer_add(struct engine *engine, const struct peer_options *options,
			       struct peer *ret, struct fl_error *err);
/* By name. */
must_check int engine_peers(struct engine *engine, struct peer_list *ret, struct fl_error *err);
/* Asks it.  One that does not answer is no failure: see peer_state.trouble. */
must_check int engine_peer_show(struct engine *engine, const char *name, struct peer_state *ret,
				struct fl_error *err);
/*
 * What is here of its volumes stays; what was kept so that the next transfer is small is not any
 * more: its pins go.  What is under way is cut.
 */
must_check int engine_peer_remove(struct engine *engine, const char *name, struct fl_error *err);

/*
 * Looks for those that there is no link to, if it is time (the setting peer.check): who does not
 * answer is in engine_status() as FAILING_PEER.  Answers the nanoseconds until the next time; 0:
 * never.  By one thread; it may take seconds for each.
 */
int64_t engine_peers_care(struct engine *engine);

/*
 * A peer has dialled: serves it until its link ends, as far as `admission` allows.  Takes the
 * transport.  On a thread of the caller's, of which engine_peers_stop() makes all return.
 */
void engine_peer_serve(struct engine *engine, struct transport *transport,
		       const struct admission *admission);
/* Before engine_close(): cuts all links, and lets none come or be made any more. */
void engine_peers_stop(struct engine *engine);

/* How long this host's certificate is good: FAILING_CERTIFICATE. */
void certificate_look(struct engine *engine);

/* --- for src/engine alone --------------------------------------------------------- */

/* Outside the gate.  FL_NOT_FOUND with how one is made. */
must_check int peer_find(struct engine *engine, const char *name, struct peer_row *ret,
			 struct fl_error *err);
/* Whoever answers there, under the name that it has. */
must_check int peer_add_unnamed(struct engine *engine, const char *address, struct peer *ret,
				struct fl_error *err);
/* One of our cluster that cannot be asked yet. */
must_check int peer_note(struct engine *engine, const struct peer_options *options,
			 const struct uuid *instance, struct peer *ret, struct fl_error *err);
