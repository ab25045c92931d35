#include <string.h>

#include "base/fsat.h"
#include "trust/internal.h"

void membership_release(struct membership *membership)
{
	if (!membership || __atomic_sub_fetch(&membership->holders, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	if (membership->credentials)
		gnutls_certificate_free_credentials(membership->credentials);
	x509_key_done(&membership->key);
	x509_crt_done(&membership->certificate);
	x509_crt_done(&membership->ca);
	x509_denied_done(&membership->denied);
	free(membership->denied_pem);
	free(membership);
}

/* Which of them fails tells where the trouble is: without a certificate there is no membership. */
static int read_certificate(int etc, struct membership *m, struct fl_error *err)
{
	own_text struct text pem = { 0 };
	int r = file_read(etc, NODE_CRT, FILE_LIMIT, &pem, err);

	if (r == -FL_NOT_FOUND) {
		fl_fail(err, FL_NOT_FOUND, "this host belongs to no cluster");
		return fl_hint(err, "`flocker ca init` makes a cluster; to join one, take a token "
				    "from the host that has its CA");
	}
	if (r < 0 || x509_crt_parse(&pem, NODE_CRT, &m->certificate, err) < 0 ||
	    x509_identity(m->certificate, &m->self, err) < 0)
		return fl_wrap(err, "this host's certificate");
	return 0;
}

static int read_ca(int etc, struct membership *m, struct fl_error *err)
{
	own_text struct text pem = { 0 };

	if (file_read(etc, CA_CRT, FILE_LIMIT, &pem, err) < 0 ||
	    x509_crt_parse(&pem, CA_CRT, &m->ca, err) < 0 ||
	    x509_identity(m->ca, &m->ca_self, err) < 0)
		return fl_wrap(err, "the certificate of this host's CA");
	return 0;
}

static int read_key(int etc, struct membership *m, struct fl_error *err)
{
	own_secret struct text pem = { 0 };

	if (file_read_key(etc, NODE_KEY, &pem, err) < 0 ||
	    x509_key_parse(&pem, NODE_KEY, &m->key, err) < 0)
		return fl_wrap(err, "this host's private key");
	if (!x509_is_for(m->certificate, m->key)) {
		fl_fail(err, FL_CORRUPT, "'" NODE_CRT "' is not for the key in '" NODE_KEY "'");
		return fl_hint(err, "put back what belongs together, or remove '" NODE_CRT
				    "' and join the cluster anew");
	}
	return 0;
}

static int read_denied(int etc, struct membership *m, struct fl_error *err)
{
	own(x509_crl_done) gnutls_x509_crl_t crl = NULL;
	own_text struct text pem = { 0 };
	int r = file_read(etc, DENIED, DENIED_LIMIT, &pem, err);

	if (r == -FL_NOT_FOUND)
		return 0;
	if (r < 0 || x509_crl_parse(&pem, DENIED, &crl, err) < 0 ||
	    x509_denied_read(crl, &m->denied, err) < 0)
		return fl_wrap(err, "the deny list");
	m->denied_pem = text_take(&pem);
	return 0;
}

/* The chain goes out with the CA, whom a newcomer knows by its fingerprint alone. */
static int make_credentials(struct membership *m, struct fl_error *err)
{
	gnutls_x509_crt_t chain[] = { m->certificate, m->ca };
	int r = gnutls_certificate_allocate_credentials(&m->credentials);

	if (r == 0)
		r = gnutls_certificate_set_x509_key(m->credentials, chain, array_size(chain),
						    m->key);
	if (r >= 0)
		r = gnutls_certificate_set_x509_trust(m->credentials, &m->ca, 1);
	if (r < 0)
		return x509_fail(err, FL_CORRUPT, r, "this host's certificate and key");
	return 0;
}

int membership_read(int etc, struct membership **ret, struct fl_error *err)
{
	own(membership_freep) struct membership *m = xcalloc(1, sizeof(*m));

	m->holders = 1;
	if (read_certificate(etc, m, err) < 0 || read_ca(etc, m, err) < 0 ||
	    read_key(etc, m, err) < 0 || read_denied(etc, m, err) < 0 ||
	    make_credentials(m, err) < 0)
		return fl_failed(err);
	if (m->self.role != TRUST_NODE || m->ca_self.role != TRUST_CA ||
	    !uuid_equal(&m->self.cluster, &m->ca_self.cluster))
		return fl_fail(err, FL_CORRUPT,
			       "'" NODE_CRT "' and '" CA_CRT "' are not a node's and its CA's");
	*ret = take_ptr(m);
	return 0;
}
