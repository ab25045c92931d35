#pragma once

/*
 * What a host keeps to be trusted and to trust: files below the configuration
 * directory.  Directories have mode 0700, files 0600.
 *
 *	tls/node.key    this instance's private key (ECDSA P-256, PKCS #8, PEM)
 *	tls/node.crt    its certificate (PEM)
 *	tls/ca.crt      the CA's certificate
 *	tls/denied      the deny list: the CA's revocation list (PEM); missing: none
 *
 * and on the one host that has the CA:
 *
 *	ca/ca.key, ca/ca.crt
 *	ca/issued       a line for each certificate (ca.c)
 *	ca/tokens       a line for each join token (tokens.c)
 *
 * Each file is replaced in one step.  node.crt is written last: a host without
 * it belongs to no cluster, whatever else is there.
 *
 * A private key that others may read is made private again, with a warning in
 * the log; one that others could write, or that belongs to somebody else, is
 * refused (FL_DENIED).
 *
 * Nothing needs to be restarted: every handshake uses what the files say then.
 * They are read again only when one of them was changed.
 *
 * One `struct trust` serves the whole daemon; any thread may call anything.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/own.h"
#include "trust/identity.h"

/* What to do about a certificate that has expired: it lets nobody in, not even to renew it. */
#define TRUST_RENEW                                                                           \
	"`flocker ca renew` on the host that has the CA; elsewhere `flocker ca leave`, then " \
	"`flocker join` with a new token"

struct trust;

/* `etc`: the configuration directory, borrowed; must stay open.  Reads nothing yet. */
struct trust *trust_open(int etc);
/* No transport that was made with it may be left. */
void trust_close(struct trust *trust);

/*
 * This host's own certificate.  FL_NOT_FOUND: it belongs to no cluster.  One that has expired is
 * told all the same.  FL_CORRUPT, FL_DENIED: a file that is not as it should be.
 */
must_check int trust_self(struct trust *trust, struct trust_identity *ret, struct fl_error *err);
/* Does the CA live here? */
bool trust_has_ca(struct trust *trust);

/*
 * The deny list as it is here, signed by the CA, to be shown to peers; NULL: there is none.  Its
 * number grows with each change: a peer whose number is lower wants it.
 */
must_check int trust_denied(struct trust *trust, uint64_t *ret_number, char **ret_pem,
			    struct fl_error *err);
/*
 * A deny list from anybody: it counts if our CA signed it and its number is higher than ours.
 * `*ret_new`: it does.  After it, tls_check_peer() of each open connection.  FL_DENIED: another's.
 */
must_check int trust_deny(struct trust *trust, const char *pem, bool *ret_new,
			  struct fl_error *err);

/*
 * Leaves the cluster: removes tls/.  FL_BUSY on the host that has the CA.  Not being in one is
 * success.
 */
must_check int trust_leave(struct trust *trust, struct fl_error *err);
