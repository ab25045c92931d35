#pragma once

/*
 * TLS 1.3 over TCP as a transport (base/transport.h), with certificates on both
 * sides.  A connection that was made has a peer of our cluster, whose
 * certificate is valid now and not on our deny list; a stranger only where that
 * was allowed.
 *
 * Refusals are FL_DENIED on both sides and say what and what to do.  The side
 * that dialled learns that the other refuses its certificate at its first read
 * or write, for TLS 1.3 tells it no sooner.
 *
 * A handshake takes at most TLS_PATIENCE and blocks its thread so long: who
 * listens gives each connection a thread of its own and bounds their number.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/own.h"
#include "base/tcp.h"
#include "base/transport.h"
#include "trust/identity.h"
#include "trust/store.h"
#include "trust/token.h"

/* Not given out by IANA (4503 to 4533 are not), and below the ports that systems lend. */
#define TLS_PORT 4524
#define TLS_PATIENCE (10 * CLOCK_SECOND)

struct tls_options {
	int cancel;	  /* a descriptor: readable, and the call ends; -1: none */
	int64_t patience; /* for connecting, and again for the handshake; 0: TLS_PATIENCE */
	/* dialling */
	struct uuid expect; /* the instance that must answer; none: any node of the cluster */
	const uint8_t *fingerprint; /* TOKEN_FINGERPRINT bytes: as a stranger, to this CA's node */
	/* serving */
	bool strangers; /* those without a certificate are let in, to join */
};

/* FL_UNREACHABLE, FL_DENIED; FL_NOT_FOUND: this host belongs to no cluster. */
must_check int tls_dial(struct trust *trust, const struct tcp_address *address,
			const struct tls_options *options, struct transport **ret,
			struct fl_error *err);
/* `fd`: of tcp_accept(), taken, also when this fails; `from` is for messages. */
must_check int tls_serve(struct trust *trust, int fd, const char *from,
			 const struct tls_options *options, struct transport **ret,
			 struct fl_error *err);

/* Who is at the other end.  NULL: this is no TLS transport.  Borrowed from it. */
const struct trust_identity *tls_peer(const struct transport *transport);
/* Is the peer's certificate still good: not expired, not on the deny list?  FL_DENIED. */
must_check int tls_check_peer(struct trust *trust, const struct trust_identity *peer,
			      struct fl_error *err);
