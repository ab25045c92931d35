#pragma once

/*
 * How a host gets its certificate from another: by a join token, or, as a
 * member, anew before its own expires.
 *
 *	newcomer                                   host with the CA
 *	                                           join_token_create()
 *	token_parse(), join_prepare()
 *	tls_dial() with the token's fingerprint    tls_serve(): a stranger
 *	join_request(join)       ---------------->
 *	                                           join_grant()
 *	                         <----------------  struct join_answer
 *	join_accept()
 *	tls_dial() as a member                     tls_serve(): a node
 *
 * Renewal is the same over a connection of a member, without a secret:
 * join_prepare_renewal(), join_grant_renewal(), join_accept().  The private key
 * never leaves its host.  How requests and answers travel is the link's.
 */

#include <stdint.h>

#include "base/error.h"
#include "base/own.h"
#include "base/uuid.h"
#include "trust/identity.h"
#include "trust/store.h"
#include "trust/token.h"

#define JOIN_PEM_MAX 16384 /* bytes of each certificate or request; of a deny list 1 MiB */

struct join_request {
	uint8_t secret[TOKEN_SECRET]; /* zero for a renewal */
	struct uuid instance;
	char name[TRUST_NAME];
	char *csr; /* PEM, heap */
};
void join_request_done(struct join_request *request);

struct join_answer {
	struct uuid cluster;
	struct uuid issuer; /* the instance that has the CA */
	char issuer_name[TRUST_NAME];
	char *certificate; /* PEM, heap, as the others */
	char *ca;
	char *denied; /* NULL: nobody was ever revoked */
};
void join_answer_done(struct join_answer *answer);

/* --- the host with the CA ---------------------------------------------------------- */

#define JOIN_TOKENS 64	  /* that may be open at once */
#define JOIN_RENEWALS 256 /* certificates of one member that are good */

/*
 * A new token, for `valid` nanoseconds (1 s to 7 d), with up to TOKEN_ADDRESSES addresses under
 * which this host is reached ("HOST:PORT").  Only a hash of its secret is kept.  FL_BUSY: too many
 * are open.
 */
must_check int join_token_create(struct trust *trust, const char *const *addresses, size_t count,
				 int64_t valid, char token[static TOKEN_TEXT],
				 struct fl_error *err);
/* How many can be used still. */
must_check int join_token_count(struct trust *trust, size_t *ret, struct fl_error *err);

/*
 * The token is used up before the certificate is made: a crash in between costs a token, never
 * two certificates.  FL_DENIED: unknown, used or expired, or the instance is a member, with a
 * certificate that is good; FL_INVALID: the request is malformed, and the token stays good.
 */
must_check int join_grant(struct trust *trust, const struct join_request *request,
			  struct join_answer *ret, struct fl_error *err);
/* `peer` as its connection told (tls_peer()): a node, whose instance must be the request's. */
must_check int join_grant_renewal(struct trust *trust, const struct trust_identity *peer,
				  const struct join_request *request, struct join_answer *ret,
				  struct fl_error *err);

/* --- the other host ---------------------------------------------------------------- */

struct join; /* under way: the new key, in memory alone */
void join_free(struct join *join);
OWN_FREEP(join, join_free)

/* FL_EXISTS: this host belongs to a cluster already. */
must_check int join_prepare(struct trust *trust, const struct join_token *token,
			    const struct uuid *instance, const char *name, struct join **ret,
			    struct fl_error *err);
/* For the key that this host has. */
must_check int join_prepare_renewal(struct trust *trust, struct join **ret, struct fl_error *err);
/* Borrowed. */
const struct join_request *join_request(const struct join *join);
/*
 * Checks that the answer's CA is the token's, or the one we have, and that the certificate is for
 * our key and instance, then keeps it: this host is a member.  FL_DENIED: it is not so.
 */
must_check int join_accept(struct trust *trust, const struct join *join,
			   const struct join_answer *answer, struct fl_error *err);
