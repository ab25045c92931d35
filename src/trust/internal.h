#pragma once

/* What the files of this layer share; the headers beside it are for the others. */

#include <pthread.h>

#include "base/text.h"
#include "trust/store.h"
#include "trust/x509.h"

#define FILE_LIMIT ((size_t)64 * 1024)
#define LIST_LIMIT ((size_t)16 * 1024 * 1024) /* of what was issued */
#define DENIED_LIMIT ((size_t)1024 * 1024)

#define NODE_KEY "tls/node.key"
#define NODE_CRT "tls/node.crt"
#define CA_CRT "tls/ca.crt"
#define DENIED "tls/denied"
#define CA_DIR "ca"
#define TLS_DIR "tls"
#define OUR_CA_KEY "ca/ca.key"
#define OUR_CA_CRT "ca/ca.crt"
#define ISSUED "ca/issued"
#define TOKENS "ca/tokens"

/*
 * What tls/ says, as read at one moment: never changes, and stays as long as
 * somebody holds it.
 */
struct membership {
	unsigned holders; /* atomic */
	struct trust_identity self;
	struct trust_identity ca_self;
	gnutls_x509_crt_t ca;
	gnutls_x509_crt_t certificate;
	gnutls_x509_privkey_t key;
	gnutls_certificate_credentials_t credentials;
	char *denied_pem; /* NULL: there is none */
	struct x509_denied denied;
};
void membership_release(struct membership *membership);
OWN_FREEP(membership, membership_release)

/* As of now; the caller releases it.  FL_NOT_FOUND: there is none. */
must_check int trust_membership(struct trust *trust, struct membership **ret, struct fl_error *err);

/* With the mutex held: afterwards `trust->membership` is as of now, until the mutex is given up. */
must_check int trust_refresh(struct trust *trust, struct fl_error *err);

/* From the files of `etc`; `self`'s expiry is not looked at. */
must_check int membership_read(int etc, struct membership **ret, struct fl_error *err);

/* A deny list that `ca` signed.  FL_INVALID: it is none; FL_DENIED: another signed it. */
must_check int denied_parse(const char *pem, gnutls_x509_crt_t ca, struct x509_denied *ret,
			    struct fl_error *err);

struct trust {
	int etc;	       /* borrowed */
	pthread_mutex_t mutex; /* of all below, and of every change of a file */
	struct membership *membership;
	struct stat *seen; /* of its files, when they were read */
};

/* A small file below `etc`.  A missing one is FL_NOT_FOUND. */
must_check int file_read(int etc, const char *path, size_t limit, struct text *ret,
			 struct fl_error *err);
/* A private one: who may read and write it is as store.h says. */
must_check int file_read_key(int etc, const char *path, struct text *ret, struct fl_error *err);
/* Durable, 0600; its directory is made if it is missing. */
must_check int file_write(int etc, const char *path, const char *contents, struct fl_error *err);
/* Forgets a secret, then the text. */
void secret_done(struct text *text);
#define own_secret own(secret_done)

/* --- the CA on this host (ca.c), with the mutex held ------------------------------------- */

struct ca {
	struct x509_issuer issuer;
	struct trust_identity self;
};
void ca_done(struct ca *ca);
/* FL_NOT_FOUND: it lives elsewhere. */
must_check int ca_load(struct trust *trust, struct ca *ret, struct fl_error *err);

struct ca_order;
/* Makes it, and notes it before anybody can have it. */
must_check int ca_make(struct trust *trust, const struct ca *ca, const struct ca_order *order,
		       gnutls_x509_crq_t crq, gnutls_x509_privkey_t key, gnutls_x509_crt_t *ret,
		       struct fl_error *err);
/* FL_EXISTS: this host is in a cluster. */
must_check int check_no_member(struct trust *trust, struct fl_error *err);
/* ca/issued (issued.c). */
struct ca_list;
must_check int issued_read(struct trust *trust, struct ca_list *ret, struct fl_error *err);
must_check int issued_add(struct trust *trust, const struct trust_identity *identity,
			  struct fl_error *err);
/* Of how many certificates of this node's, good and not revoked, does the CA know? */
must_check int issued_count(struct trust *trust, const struct uuid *instance, size_t *ret,
			    struct fl_error *err);
/* ca/tokens (tokens.c). */
must_check int tokens_use(struct trust *trust, const uint8_t *secret, struct fl_error *err);
