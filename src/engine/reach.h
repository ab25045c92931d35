#pragma once

/*
 * The links to peers: one to each, kept for the next who needs it.
 *
 * Who wants a channel gets one on the link that is there, or waits while somebody dials.
 * A link that was lost is replaced when it is wanted again; what used it has failed by then.
 * Links that peers have dialled are kept here too, but only so that they can be cut: they are
 * theirs to use.
 */

#include <stdbool.h>

#include "base/transport.h"
#include "catalog/catalog.h"
#include "model/admission.h"
#include "repl/link.h"

struct engine;
struct reach;
struct held_link;

struct reach *reach_new(struct engine *engine);
/* Until all that was said on the links has arrived, or nobody answers for `patience` ns. */
void reach_settle(struct reach *reach, int64_t patience);
/* Cuts all links; those who use them fail soon.  None is made any more. */
void reach_stop(struct reach *reach);
/* The deny list is another, say: cuts those to peers whose certificates are good no more. */
void reach_check(struct reach *reach);
/* When nobody uses any. */
void reach_free(struct reach *reach);

/* A channel on a peer's link.  Zero: none. */
struct contact {
	struct reach *reach;
	struct held_link *held;
	struct channel *channel;
};

/*
 * `peer`: name, address, and the UUID if it is known: another instance that answers there is
 * FL_DENIED.  FL_UNREACHABLE with the reason; FL_INVALID: it is this very instance.
 */
must_check int reach_open(struct reach *reach, const struct peer_row *peer, enum wire_verb verb,
			  const struct text *request, struct contact *ret, struct fl_error *err);
/* Ends the channel with `why`, as channel_close(). */
void contact_close(struct contact *contact, const struct fl_error *why);
/* Who it is that answers. */
const struct wire_hello *contact_peer(const struct contact *contact);

struct reached {
	bool up;
	struct wire_hello hello;
	int64_t round_trip; /* ns */
	int64_t ahead; /* ns by which its clock was ahead of ours when the link was made; about */
};
/* Dials if need be, and measures. */
must_check int reach_ask(struct reach *reach, const struct peer_row *peer, struct reached *ret,
			 struct fl_error *err);
/* The same of an address that is no peer's yet; the link is not kept. */
must_check int reach_try(struct reach *reach, const char *address, struct reached *ret,
			 struct fl_error *err);
/* To one that we show no certificate: a link that only asks to join.  Takes the transport; the link
 * is the caller's. */
must_check int reach_open_stranger(struct reach *reach, struct transport *transport,
				   struct link **ret, struct fl_error *err);
/* Is there a link that is up? */
bool reach_is_up(struct reach *reach, const char *peer);
/* Tells all whom there is a link to of our deny list (denied.h). */
void reach_spread_denied(struct reach *reach);
/* Cuts the link to it, and forgets it. */
void reach_forget(struct reach *reach, const char *peer);

/*
 * A peer has dialled: serves its channels until the link ends, those that `admission` allows. Takes
 * the transport.  On a thread of the caller's, as long as it lasts.
 */
void reach_serve(struct reach *reach, struct transport *transport,
		 const struct admission *admission);
