#pragma once

/*
 * The CA of a cluster: one host has its key and says who belongs to it.
 *
 * Certificates are ECDSA P-256, X.509 v3.  The CA's lasts ten years, all others
 * one, unless less is asked for.  Each begins two days before it is made, so
 * that a host whose clock is a day behind takes a fresh one.
 *
 * FL_NOT_FOUND where there is no CA on this host.  Any thread may call anything.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/own.h"
#include "trust/identity.h"
#include "trust/store.h"

#define CA_YEAR (365 * CLOCK_DAY)
#define CA_EARLIER (2 * CLOCK_DAY) /* what a certificate begins before it is made */

/*
 * Makes a cluster with its CA here, and this instance's certificate.  What an earlier try left
 * unfinished is finished.  FL_EXISTS: this host belongs to a cluster.
 */
must_check int ca_init(struct trust *trust, const struct uuid *instance, const char *name,
		       struct fl_error *err);

struct ca_order {
	enum trust_role role;
	const char *id;	  /* of a node: its instance's UUID; else a name */
	const char *name; /* NULL: as `id` */
	int64_t valid;	  /* 0: a year; at most that */
	const char *csr;  /* PEM; NULL: the private key is made here */
};

struct ca_issued {
	struct trust_identity identity;
	char *certificate; /* PEM, heap, as the others */
	char *key; /* PKCS #8; NULL with a CSR.  Kept nowhere: whoever asked has the only one */
	char *ca;
};
/* Wipes the key. */
void ca_issued_done(struct ca_issued *issued);

must_check int ca_issue(struct trust *trust, const struct ca_order *order, struct ca_issued *ret,
			struct fl_error *err);

/*
 * This instance's own certificate anew, for its old key.  Here only where the CA is; elsewhere it
 * is asked for (join.h, renewal).
 */
must_check int ca_renew(struct trust *trust, struct trust_identity *ret, struct fl_error *err);

/*
 * Puts certificates on the deny list for ever: the one with this serial number, or all that are
 * valid of this name or id.  `*ret_count`: how many were not on it before.  FL_NOT_FOUND;
 * FL_INVALID for this host's own.
 */
must_check int ca_revoke(struct trust *trust, const char *what, size_t *ret_count,
			 struct fl_error *err);

struct ca_record {
	struct trust_identity identity;
	bool revoked;
};

struct ca_list {
	struct ca_record *items; /* oldest first */
	size_t count;
};
void ca_list_done(struct ca_list *list);
/* What was issued here.  Certificates that expired more than a year ago are forgotten. */
must_check int ca_list(struct trust *trust, struct ca_list *ret, struct fl_error *err);
/* The CA's own certificate, on any host of the cluster. */
must_check int ca_self(struct trust *trust, struct trust_identity *ret, struct fl_error *err);
