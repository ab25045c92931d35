#pragma once

/*
 * Keys, certificates, requests and deny lists as objects of GnuTLS, and as PEM.
 * Within this layer only.
 */

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/own.h"
#include "base/text.h"
#include "trust/identity.h"
#include "trust/token.h"

/* own(x509_key_done) gnutls_x509_privkey_t key = NULL; */
void x509_key_done(gnutls_x509_privkey_t *key);
void x509_crt_done(gnutls_x509_crt_t *crt);
void x509_crq_done(gnutls_x509_crq_t *crq);
void x509_crl_done(gnutls_x509_crl_t *crl);

/* What GnuTLS's `r` says ends the text; returns the negative code. */
#define x509_fail(err, code, r, fmt, ...) \
	fl_fail(err, code, fmt ": %s" __VA_OPT__(, ) __VA_ARGS__, gnutls_strerror(r))

must_check int x509_key_new(gnutls_x509_privkey_t *ret, struct fl_error *err);
/* FL_CORRUPT each; `what` is the file, for the message. */
must_check int x509_key_parse(const struct text *pem, const char *what, gnutls_x509_privkey_t *ret,
			      struct fl_error *err);
must_check int x509_crt_parse(const struct text *pem, const char *what, gnutls_x509_crt_t *ret,
			      struct fl_error *err);
must_check int x509_crl_parse(const struct text *pem, const char *what, gnutls_x509_crl_t *ret,
			      struct fl_error *err);
/* FL_INVALID: also one that is not signed by its key, or whose key is no ECDSA P-256. */
must_check int x509_crq_parse(const char *pem, gnutls_x509_crq_t *ret, struct fl_error *err);

/* PEM, heap. */
must_check int x509_key_format(gnutls_x509_privkey_t key, char **ret, struct fl_error *err);
must_check int x509_crt_format(gnutls_x509_crt_t crt, char **ret, struct fl_error *err);
must_check int x509_crl_format(gnutls_x509_crl_t crl, char **ret, struct fl_error *err);
/* A request for a certificate of `key`. */
must_check int x509_crq_make(gnutls_x509_privkey_t key, const char *name, char **ret,
			     struct fl_error *err);

/* What a certificate says; FL_DENIED when it is none of a cluster, and why. */
must_check int x509_identity(gnutls_x509_crt_t crt, struct trust_identity *ret,
			     struct fl_error *err);
/* SHA-256 of its public key. */
must_check int x509_fingerprint(gnutls_x509_crt_t crt, uint8_t ret[static TOKEN_FINGERPRINT],
				struct fl_error *err);
/* Is `crt` for the public half of `key`? */
bool x509_is_for(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key);

enum x509_purpose { X509_BOTH, X509_CLIENT, X509_SERVER };

struct x509_order {
	struct trust_identity identity; /* all but its serial number, which is made */
	enum x509_purpose purpose;
	bool without_uri; /* tests */
};
/*
 * The certificate for the key of `crq`, or for `key`; signed by `ca` with `ca_key`, or, without
 * `ca`, by itself: the CA's own.
 */
struct x509_issuer {
	gnutls_x509_crt_t ca;
	gnutls_x509_privkey_t key;
};
must_check int x509_make(const struct x509_order *order, gnutls_x509_crq_t crq,
			 gnutls_x509_privkey_t key, const struct x509_issuer *issuer,
			 gnutls_x509_crt_t *ret, struct fl_error *err);

/* The serial numbers of a deny list, sorted, heap; and its own number. */
struct x509_denied {
	uint64_t number;
	char (*serials)[TRUST_SERIAL];
	size_t count;
};
void x509_denied_done(struct x509_denied *denied);
must_check int x509_denied_read(gnutls_x509_crl_t crl, struct x509_denied *ret,
				struct fl_error *err);
bool x509_denied_has(const struct x509_denied *denied, const char *serial);
/* A deny list with these, signed. */
must_check int x509_denied_make(const struct x509_denied *denied, const struct x509_issuer *issuer,
				int64_t now, gnutls_x509_crl_t *ret, struct fl_error *err);
