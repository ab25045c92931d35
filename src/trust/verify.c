/*
 * Is the one at the other end who may be there?  Its certificate must come
 * straight from our CA (of a stranger: from the CA that the token names), be
 * valid now, not on the deny list, made for this side of a connection, and a
 * node's of our cluster.  The first that is wrong is told: to us in words, to
 * the other side by an alert, which is all that TLS has; verify_refusal() makes
 * words of it there.
 */

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "trust/tls-internal.h"

#define RENEW_THERE "there: " TRUST_RENEW

#define CHAIN 4 /* certificates that are looked at */

static int refuse(struct verdict *v, gnutls_alert_description_t alert)
{
	v->refused = true;
	v->alert = alert;
	return fl_failed(v->err);
}

static const struct status_row {
	unsigned status;
	gnutls_alert_description_t alert;
	const char *text, *hint;
} status_rows[] = {
	{ GNUTLS_CERT_SIGNER_NOT_FOUND | GNUTLS_CERT_SIGNATURE_FAILURE | GNUTLS_CERT_SIGNER_NOT_CA |
		  GNUTLS_CERT_SIGNER_CONSTRAINTS_FAILURE,
	  GNUTLS_A_UNKNOWN_CA, "its certificate is not from this cluster's CA",
	  "it belongs to another cluster, or to one that was made anew: let it leave that, and "
	  "join with a token" },
	{ GNUTLS_CERT_EXPIRED, GNUTLS_A_CERTIFICATE_EXPIRED, "its certificate has expired",
	  RENEW_THERE "; if it is new, the clocks of the two hosts differ" },
	{ GNUTLS_CERT_NOT_ACTIVATED, GNUTLS_A_CERTIFICATE_EXPIRED,
	  "its certificate is not valid yet", "the clocks of the two hosts differ by days" },
	{ ~0U, GNUTLS_A_BAD_CERTIFICATE, "its certificate is not acceptable",
	  "have it issued anew by `flocker ca`" },
};

static int check_status(struct verdict *v, unsigned status)
{
	const struct status_row *row = status_rows;

	if (status == 0)
		return 0;
	while (!(status & row->status))
		row++;
	fl_fail(v->err, FL_DENIED, "%s", row->text);
	fl_add_hint(v->err, "%s", row->hint);
	return refuse(v, row->alert);
}

static int check_signed(struct verdict *v, gnutls_x509_crt_t crt, gnutls_x509_crt_t ca)
{
	const char *purpose = v->server ? GNUTLS_KP_TLS_WWW_CLIENT : GNUTLS_KP_TLS_WWW_SERVER;
	unsigned status = ~0U;
	int r = gnutls_x509_crt_verify(crt, &ca, 1, 0, &status);

	/* GNUTLS_CERT_INVALID comes with every other, and alone says nothing more. */
	if (check_status(v, r < 0 ? ~0U : status) < 0)
		return fl_failed(v->err);
	if (gnutls_x509_crt_check_key_purpose(crt, purpose, 0) == 1)
		return 0;
	fl_fail(v->err, FL_DENIED, "its certificate is not for this side of a connection");
	fl_add_hint(v->err, "have it issued anew by `flocker ca`");
	return refuse(v, GNUTLS_A_UNSUPPORTED_CERTIFICATE);
}

static int check_role(struct verdict *v, const struct trust_identity *peer)
{
	if (peer->role == TRUST_NODE)
		return 0;
	fl_fail(v->err, FL_DENIED, "'%s' has the role %s, and only nodes talk to each other here",
		peer->name, trust_role_name(peer->role));
	fl_add_hint(v->err, "users and plugins come in by the API");
	return refuse(v, GNUTLS_A_UNSUPPORTED_CERTIFICATE);
}

static int check_member(struct verdict *v, const struct trust_identity *peer,
			const struct uuid *cluster)
{
	const struct uuid *expect = &v->options->expect;
	char text[UUID_TEXT];

	if (!uuid_equal(&peer->cluster, cluster)) {
		fl_fail(v->err, FL_DENIED, "'%s' belongs to another cluster, %s", peer->name,
			uuid_format(&peer->cluster, text));
		fl_add_hint(v->err, "let it leave that one, and join with a token");
		return refuse(v, GNUTLS_A_ACCESS_DENIED);
	}
	if (check_role(v, peer) < 0)
		return fl_failed(v->err);
	if (v->membership && x509_denied_has(&v->membership->denied, peer->serial)) {
		fl_fail(v->err, FL_DENIED, "the certificate of '%s' was revoked", peer->name);
		fl_add_hint(v->err, "if it may come back: there `flocker ca leave`, then `flocker "
				    "join` with a new token");
		return refuse(v, GNUTLS_A_CERTIFICATE_REVOKED);
	}
	if (!v->server && !uuid_is_none(expect) && !uuid_equal(expect, &peer->instance)) {
		fl_fail(v->err, FL_DENIED, "another instance answers there: '%s', %s", peer->name,
			peer->id);
		fl_add_hint(v->err, "if it took the old one's place, remove the peer and add it "
				    "anew");
		return refuse(v, GNUTLS_A_ACCESS_DENIED);
	}
	return 0;
}

/* --- the chain that was shown ------------------------------------------------------ */

struct chain {
	gnutls_x509_crt_t items[CHAIN];
	unsigned count;
};

static void chain_done(struct chain *chain)
{
	for (unsigned i = 0; i < chain->count; i++)
		gnutls_x509_crt_deinit(chain->items[i]);
}

static int read_chain(struct verdict *v, gnutls_session_t session, struct chain *ret)
{
	unsigned count = 0;
	const gnutls_datum_t *shown = gnutls_certificate_get_peers(session, &count);

	for (unsigned i = 0; shown && i < count && i < CHAIN; i++) {
		if (gnutls_x509_crt_init(&ret->items[i]) < 0)
			break;
		ret->count++;
		if (gnutls_x509_crt_import(ret->items[i], &shown[i], GNUTLS_X509_FMT_DER) < 0) {
			fl_fail(v->err, FL_DENIED, "its certificate cannot be read");
			return refuse(v, GNUTLS_A_BAD_CERTIFICATE);
		}
	}
	if (ret->count > 0)
		return 0;
	fl_fail(v->err, FL_DENIED, "it has shown no certificate");
	return refuse(v, GNUTLS_A_CERTIFICATE_REQUIRED);
}

/* The CA that we know by its certificate, or the one among those shown that the token means. */
static int find_ca(struct verdict *v, const struct chain *chain, gnutls_x509_crt_t *ret)
{
	uint8_t fingerprint[TOKEN_FINGERPRINT];

	if (!v->options->fingerprint) {
		*ret = v->membership->ca;
		return 0;
	}
	for (unsigned i = 0; i < chain->count; i++)
		if (x509_fingerprint(chain->items[i], fingerprint, v->err) == 0 &&
		    memcmp(fingerprint, v->options->fingerprint, sizeof(fingerprint)) == 0) {
			*ret = chain->items[i];
			return 0;
		}
	fl_fail(v->err, FL_DENIED, "another CA than the join token's answers there");
	fl_add_hint(v->err, "make a new token on the host with the CA; if that is no better, "
			    "somebody stands in between");
	return refuse(v, GNUTLS_A_UNKNOWN_CA);
}

static int identify(struct verdict *v, gnutls_x509_crt_t crt, struct trust_identity *ret)
{
	if (x509_identity(crt, ret, v->err) < 0)
		return refuse(v, GNUTLS_A_UNSUPPORTED_CERTIFICATE);
	return 0;
}

static int check_stranger(struct verdict *v)
{
	v->peer = (struct trust_identity){ .stranger = true };
	if (v->options->strangers)
		return 0;
	fl_fail(v->err, FL_DENIED, "it has shown no certificate");
	fl_add_hint(v->err, "a host joins with a token from the host that has the CA");
	return refuse(v, GNUTLS_A_CERTIFICATE_REQUIRED);
}

int verify_peer(gnutls_session_t session)
{
	struct verdict *v = gnutls_session_get_ptr(session);
	own(chain_done) struct chain chain = { .count = 0 };
	struct trust_identity ca_self;
	gnutls_x509_crt_t ca;

	v->asked = true;
	if (v->server && !gnutls_certificate_get_peers(session, NULL))
		return check_stranger(v) < 0 ? GNUTLS_E_CERTIFICATE_REQUIRED : 0;
	if (read_chain(v, session, &chain) < 0 || find_ca(v, &chain, &ca) < 0 ||
	    check_signed(v, chain.items[0], ca) < 0 || identify(v, ca, &ca_self) < 0 ||
	    identify(v, chain.items[0], &v->peer) < 0 ||
	    check_member(v, &v->peer, &ca_self.cluster) < 0)
		return GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR;
	return 0;
}

int tls_check_peer(struct trust *trust, const struct trust_identity *peer, struct fl_error *err)
{
	own(membership_freep) struct membership *m = NULL;

	if (peer->stranger)
		return 0;
	if (trust_membership(trust, &m, err) < 0)
		return fl_failed(err);
	if (!uuid_equal(&peer->cluster, &m->self.cluster))
		return fl_fail(err, FL_DENIED, "'%s' belongs to another cluster", peer->name);
	if (x509_denied_has(&m->denied, peer->serial))
		return fl_fail(err, FL_DENIED, "the certificate of '%s' was revoked", peer->name);
	if (peer->expires <= clock_now()) {
		fl_fail(err, FL_DENIED, "the certificate of '%s' has expired", peer->name);
		return fl_hint(err, RENEW_THERE);
	}
	return 0;
}

/* --- what the other side says ------------------------------------------------------ */

static const struct refusal_row {
	gnutls_alert_description_t alert;
	enum fl_code code;
	const char *text, *hint;
} refusal_rows[] = {
	{ GNUTLS_A_CERTIFICATE_REVOKED, FL_DENIED, "this host's certificate was revoked",
	  "if it may come back: `flocker ca leave` here, then `flocker join` with a new token" },
	{ GNUTLS_A_CERTIFICATE_EXPIRED, FL_DENIED,
	  "this host's certificate has expired, or is not valid yet",
	  TRUST_RENEW "; compare the clocks of the two hosts, too" },
	{ GNUTLS_A_UNKNOWN_CA, FL_DENIED, "this host's certificate is from another CA than its own",
	  "both must belong to one cluster: join it with a token" },
	{ GNUTLS_A_CERTIFICATE_REQUIRED, FL_DENIED, "nobody is let in without a certificate",
	  "join the cluster with a token; joining may be turned off there" },
	{ GNUTLS_A_UNSUPPORTED_CERTIFICATE, FL_DENIED,
	  "this host's certificate is not one of a node", "have it issued anew by `flocker ca`" },
	{ GNUTLS_A_BAD_CERTIFICATE, FL_DENIED, "this host's certificate is not acceptable",
	  "have it issued anew by `flocker ca`" },
	{ GNUTLS_A_ACCESS_DENIED, FL_DENIED, "this host is not the one that may talk to it",
	  "the other host's log says more" },
	{ GNUTLS_A_PROTOCOL_VERSION, FL_UNSUPPORTED, "it does not speak TLS 1.3", NULL },
	{ GNUTLS_A_NO_APPLICATION_PROTOCOL, FL_UNSUPPORTED, "it is no Flocker daemon", NULL },
};

void verify_refusal(gnutls_alert_description_t alert, const char *name, struct fl_error *err)
{
	const char *known;

	for (size_t i = 0; i < array_size(refusal_rows); i++) {
		const struct refusal_row *row = &refusal_rows[i];

		if (row->alert != alert)
			continue;
		fl_fail(err, row->code, "%s refuses the connection: %s", name, row->text);
		if (row->hint)
			fl_add_hint(err, "%s", row->hint);
		return;
	}
	known = gnutls_alert_get_name(alert);
	fl_fail(err, FL_UNREACHABLE, "%s ended the connection: %s", name,
		known ? known : "for a reason that is not known here");
}
