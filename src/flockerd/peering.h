#pragma once

/*
 * Where peers come in: over TLS at the address of the setting `peer.listen`, as soon as this
 * instance belongs to a cluster, and from ssh by a socket in the run directory, which
 * `flocker-volume serve` connects to.  Who may open that socket may talk to the daemon anyway; but
 * a key of ssh may be for less than that, which the first line says (model/admission.h).
 *
 * Each connection has a thread of its own; how many there may be is said in guests.h.
 */

#include "config/config.h"
#include "engine/peers.h"
#include "trust/store.h"

struct peering;

struct peering_options {
	struct engine *engine;
	const struct config *config; /* borrowed */
	struct trust *trust;	     /* the same */
	const char *socket;	     /* path of the one for ssh */
	const char *group;	     /* whose members may open it */
};

/* An address that cannot be listened on is FAILING_LISTENING: the rest of the daemon works. */
must_check int peering_open(const struct peering_options *options, struct peering **ret,
			    struct fl_error *err);
/* The address may be another, or this instance may have become a member.  Any thread. */
void peering_look(struct peering *peering);
/* Cuts all connections and waits for their ends. */
void peering_close(struct peering *peering);
