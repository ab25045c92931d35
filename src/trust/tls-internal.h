#pragma once

/* A TLS connection, and how it comes to be: tls-dial.c, tls-handshake.c, verify.c; then tls.c. */

#include "trust/internal.h"
#include "trust/tls.h"

#define TLS_AHEAD (128 * 1024) /* bytes that are received at once */

struct tls {
	struct transport transport;
	char *name; /* for messages: what is at the other end */
	int fd;
	gnutls_session_t session;
	struct membership *membership;		    /* NULL: we are a stranger there */
	gnutls_certificate_credentials_t anonymous; /* then */
	struct trust_identity peer;
	pthread_mutex_t mutex;		  /* of the session, once the handshake is done */
	bool more;			  /* with it: another record of the same write follows */
	char *ahead;			  /* TLS_AHEAD bytes; of them, what was received and */
	size_t ahead_from, ahead_to;	  /* not yet asked for */
	bool shut;			  /* atomic */
	bool heard;			  /* something has been read */
	bool alerted;			  /* the other side ended it, */
	gnutls_alert_description_t alert; /* with this */
};

extern const struct transport_type tls_type;

/* tls-carry.c: how the session's bytes get to the socket and from it. */
void tls_carry(struct tls *tls);
/* tcp_wait(); but what was received already need not be waited for. */
must_check int tls_wait(struct tls *tls, short events, int64_t deadline, int cancel,
			struct fl_error *err);

/* What is needed before the first byte.  `fd` is taken, also when this fails. */
must_check int tls_new(int fd, const char *name, struct membership *membership, bool server,
		       struct tls **ret, struct fl_error *err);
void tls_free(struct transport *transport);
static inline void tls_freep(struct tls **tls)
{
	if (*tls)
		tls_free(&(*tls)->transport);
}

/* Until the deadline of `options`.  Fills the peer. */
must_check int tls_handshake(struct tls *tls, const struct tls_options *options, bool server,
			     struct fl_error *err);
/* What GnuTLS's `r` means, after a read, a write or a step of the handshake. */
#define tls_broken(tls, r, err) (tls_explain(tls, r, err), fl_failed(err))
void tls_explain(struct tls *tls, ssize_t r, struct fl_error *err);

/* --- verify.c ---------------------------------------------------------------------- */

/* What a handshake checks the other side against, and what came of it. */
struct verdict {
	const struct membership *membership; /* NULL: a stranger */
	const struct tls_options *options;
	bool server;
	bool asked;
	bool refused;
	gnutls_alert_description_t alert; /* which is told so */
	struct trust_identity peer;
	struct fl_error *err;
};

/*
 * For gnutls_session_set_verify_function(); the verdict is the session's pointer.  A client without
 * a certificate comes here too.
 */
int verify_peer(gnutls_session_t session);
/* The other side has refused us with this: fills `err`. */
void verify_refusal(gnutls_alert_description_t alert, const char *name, struct fl_error *err);
