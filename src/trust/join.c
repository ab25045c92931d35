#include "trust/join.h"

#include <string.h>

#include "base/fsat.h"
#include "model/name.h"
#include "trust/ca.h"
#include "trust/internal.h"

struct join {
	gnutls_x509_privkey_t key;
	bool by_token; /* else a renewal, for the CA that we have */
	uint8_t fingerprint[TOKEN_FINGERPRINT];
	struct join_request request;
};

void join_request_done(struct join_request *request)
{
	gnutls_memset(request->secret, 0, sizeof(request->secret));
	free(request->csr);
	*request = (struct join_request){ 0 };
}

void join_answer_done(struct join_answer *answer)
{
	free(answer->certificate);
	free(answer->ca);
	free(answer->denied);
	*answer = (struct join_answer){ 0 };
}

void join_free(struct join *join)
{
	if (!join)
		return;
	x509_key_done(&join->key);
	join_request_done(&join->request);
	free(join);
}

const struct join_request *join_request(const struct join *join)
{
	return &join->request;
}

/* --- the host with the CA ---------------------------------------------------------- */

static int check_request(const struct join_request *request, gnutls_x509_crq_t *ret,
			 struct fl_error *err)
{
	if (!request->csr || strlen(request->csr) > JOIN_PEM_MAX)
		return fl_fail(err, FL_INVALID,
			       "a request to join without a fitting certificate "
			       "request");
	if (uuid_is_none(&request->instance) || strnlen(request->name, TRUST_NAME) == TRUST_NAME ||
	    name_check("name", request->name, err) < 0)
		return fl_fail(err, FL_INVALID,
			       "a request to join without a fitting instance or name");
	return x509_crq_parse(request->csr, ret, err);
}

static int grant(struct trust *trust, const struct ca *ca, const struct join_request *request,
		 gnutls_x509_crq_t crq, struct join_answer *answer, struct fl_error *err)
{
	own(x509_crt_done) gnutls_x509_crt_t crt = NULL;
	const struct membership *m = trust->membership;
	char id[UUID_TEXT];
	const struct ca_order order = { .role = TRUST_NODE,
					.id = uuid_format(&request->instance, id),
					.name = request->name };

	answer->cluster = ca->self.cluster;
	answer->issuer = m->self.instance;
	strcpy(answer->issuer_name, m->self.name);
	answer->denied = m->denied_pem ? xstrdup(m->denied_pem) : NULL;
	if (ca_make(trust, ca, &order, crq, NULL, &crt, err) < 0 ||
	    x509_crt_format(crt, &answer->certificate, err) < 0)
		return fl_failed(err);
	return x509_crt_format(ca->issuer.ca, &answer->ca, err);
}

/* Nobody may take over the certificate of this host, which is one request away from doing so. */
static int check_not_us(struct trust *trust, const struct join_request *request,
			struct fl_error *err)
{
	const struct trust_identity *self = &trust->membership->self;

	if (!uuid_equal(&request->instance, &self->instance))
		return 0;
	fl_fail(err, FL_DENIED, "the instance that wants to join has this host's own UUID");
	return fl_hint(err, "if the other was made as a copy of this one, remove its volume.json");
}

/*
 * Nor that of another member, whose branches and peers it would get with it.  After the token was
 * found good: nobody else need know who is a member.
 */
static int check_no_other(struct trust *trust, const struct join_request *request,
			  struct fl_error *err)
{
	size_t count;

	if (issued_count(trust, &request->instance, &count, err) < 0)
		return fl_failed(err);
	if (count == 0)
		return 0;
	fl_fail(err, FL_DENIED, "the instance that wants to join, '%s', is a member already",
		request->name);
	return fl_hint(err,
		       "if it has lost its certificate, on the host with the CA: `flocker ca "
		       "revoke %s`, then `flocker ca token` once more",
		       request->name);
}

/* A member may have many, but not fill the list. */
static int check_not_many(struct trust *trust, const struct join_request *request,
			  struct fl_error *err)
{
	size_t count;

	if (issued_count(trust, &request->instance, &count, err) < 0)
		return fl_failed(err);
	if (count < JOIN_RENEWALS)
		return 0;
	fl_fail(err, FL_BUSY, "'%s' has %d good certificates already", request->name,
		JOIN_RENEWALS);
	return fl_hint(err, "on the host with the CA, revoke older ones by their serial numbers");
}

int join_grant(struct trust *trust, const struct join_request *request, struct join_answer *ret,
	       struct fl_error *err)
{
	own(x509_crq_done) gnutls_x509_crq_t crq = NULL;
	own(join_answer_done) struct join_answer answer = { 0 };
	own(ca_done) struct ca ca = { 0 };
	own_lock(guard, &trust->mutex);

	if (trust_refresh(trust, err) < 0 || ca_load(trust, &ca, err) < 0 ||
	    check_request(request, &crq, err) < 0 || check_not_us(trust, request, err) < 0 ||
	    tokens_use(trust, request->secret, err) < 0 ||
	    check_no_other(trust, request, err) < 0 ||
	    grant(trust, &ca, request, crq, &answer, err) < 0)
		return fl_failed(err);
	*ret = take_struct(answer);
	return 0;
}

int join_grant_renewal(struct trust *trust, const struct trust_identity *peer,
		       const struct join_request *request, struct join_answer *ret,
		       struct fl_error *err)
{
	own(x509_crq_done) gnutls_x509_crq_t crq = NULL;
	own(join_answer_done) struct join_answer answer = { 0 };
	own(ca_done) struct ca ca = { 0 };
	own_lock(guard, &trust->mutex);

	if (trust_refresh(trust, err) < 0 || ca_load(trust, &ca, err) < 0 ||
	    check_request(request, &crq, err) < 0)
		return fl_failed(err);
	if (peer->stranger || peer->role != TRUST_NODE ||
	    !uuid_equal(&peer->cluster, &ca.self.cluster) ||
	    !uuid_equal(&peer->instance, &request->instance))
		return fl_fail(err, FL_DENIED, "a host renews its own certificate alone");
	if (x509_denied_has(&trust->membership->denied, peer->serial))
		return fl_fail(err, FL_DENIED, "the certificate of '%s' was revoked", peer->name);
	if (check_not_many(trust, request, err) < 0 ||
	    grant(trust, &ca, request, crq, &answer, err) < 0)
		return fl_failed(err);
	*ret = take_struct(answer);
	return 0;
}

/* --- the other host ---------------------------------------------------------------- */

int join_prepare(struct trust *trust, const struct join_token *token, const struct uuid *instance,
		 const char *name, struct join **ret, struct fl_error *err)
{
	own(join_freep) struct join *join = xcalloc(1, sizeof(*join));
	own_lock(guard, &trust->mutex);

	join->by_token = true;
	join->request.instance = *instance;
	memcpy(join->fingerprint, token->fingerprint, TOKEN_FINGERPRINT);
	memcpy(join->request.secret, token->secret, TOKEN_SECRET);
	if (name_check("name", name, err) < 0 || check_no_member(trust, err) < 0 ||
	    x509_key_new(&join->key, err) < 0 ||
	    x509_crq_make(join->key, name, &join->request.csr, err) < 0)
		return fl_failed(err);
	strcpy(join->request.name, name);
	*ret = take_ptr(join);
	return 0;
}

int join_prepare_renewal(struct trust *trust, struct join **ret, struct fl_error *err)
{
	own(membership_freep) struct membership *m = NULL;
	own(join_freep) struct join *join = xcalloc(1, sizeof(*join));
	int r;

	if (trust_membership(trust, &m, err) < 0)
		return fl_failed(err);
	r = gnutls_x509_privkey_init(&join->key);
	if (r == 0)
		r = gnutls_x509_privkey_cpy(join->key, m->key);
	if (r < 0)
		return x509_fail(err, FL_SYSTEM, r, "copying a private key");
	join->request.instance = m->self.instance;
	memcpy(join->request.name, m->self.name, TRUST_NAME);
	if (x509_fingerprint(m->ca, join->fingerprint, err) < 0 ||
	    x509_crq_make(join->key, join->request.name, &join->request.csr, err) < 0)
		return fl_failed(err);
	*ret = take_ptr(join);
	return 0;
}

/* What an answer holds, taken apart. */
struct taken {
	gnutls_x509_crt_t crt, ca;
	struct trust_identity self, ca_self;
	struct x509_denied denied;
};

static void taken_done(struct taken *taken)
{
	x509_crt_done(&taken->crt);
	x509_crt_done(&taken->ca);
	x509_denied_done(&taken->denied);
}

static int parse_crt(const char *pem, const char *what, gnutls_x509_crt_t *ret,
		     struct trust_identity *identity, struct fl_error *err)
{
	own_text struct text text = { 0 };

	if (!pem || strlen(pem) > JOIN_PEM_MAX)
		return fl_fail(err, FL_INVALID, "the answer is without %s", what);
	text_add_string(&text, pem);
	if (x509_crt_parse(&text, what, ret, err) < 0)
		return fl_fail(err, FL_INVALID, "%s in the answer cannot be read", what);
	return x509_identity(*ret, identity, err);
}

static int taken_parse(const struct join_answer *answer, struct taken *ret, struct fl_error *err)
{
	if (parse_crt(answer->certificate, "a certificate", &ret->crt, &ret->self, err) < 0 ||
	    parse_crt(answer->ca, "the CA's certificate", &ret->ca, &ret->ca_self, err) < 0)
		return fl_failed(err);
	return 0;
}

static int check_answer(const struct join *join, const struct taken *taken, struct fl_error *err)
{
	uint8_t fingerprint[TOKEN_FINGERPRINT];
	unsigned status = GNUTLS_CERT_INVALID;
	gnutls_x509_crt_t ca = taken->ca;

	if (x509_fingerprint(ca, fingerprint, err) < 0)
		return fl_failed(err);
	if (memcmp(fingerprint, join->fingerprint, sizeof(fingerprint)) != 0 ||
	    taken->ca_self.role != TRUST_CA)
		return fl_fail(err, FL_DENIED, "the answer is from another CA than was expected");
	if (gnutls_x509_crt_verify(taken->crt, &ca, 1, 0, &status) < 0 || status != 0)
		return fl_fail(err, FL_DENIED,
			       "the certificate in the answer is not the CA's, or "
			       "is not valid by this host's clock");
	if (taken->self.role != TRUST_NODE ||
	    !uuid_equal(&taken->self.instance, &join->request.instance) ||
	    !uuid_equal(&taken->self.cluster, &taken->ca_self.cluster) ||
	    !x509_is_for(taken->crt, join->key))
		return fl_fail(err, FL_DENIED, "the certificate in the answer is for another host");
	return 0;
}

/* What an earlier membership left says nothing in this one. */
static int write_denied(struct trust *trust, const struct join *join,
			const struct join_answer *answer, const struct taken *taken,
			struct fl_error *err)
{
	if (!answer->denied)
		return join->by_token ? fsat_unlink(trust->etc, DENIED, err) : 0;
	if (!join->by_token && taken->denied.number <= trust->membership->denied.number)
		return 0;
	return file_write(trust->etc, DENIED, answer->denied, err);
}

static int write_key(struct trust *trust, const struct join *join, struct fl_error *err)
{
	own(ca_issued_done) struct ca_issued pem = { 0 };

	if (x509_key_format(join->key, &pem.key, err) < 0)
		return fl_failed(err);
	return file_write(trust->etc, NODE_KEY, pem.key, err);
}

/* The certificate last: before it this host is what it was. */
static int write_answer(struct trust *trust, const struct join *join,
			const struct join_answer *answer, const struct taken *taken,
			struct fl_error *err)
{
	if (join->by_token && (write_key(trust, join, err) < 0 ||
			       file_write(trust->etc, CA_CRT, answer->ca, err) < 0))
		return fl_failed(err);
	if (write_denied(trust, join, answer, taken, err) < 0)
		return fl_failed(err);
	return file_write(trust->etc, NODE_CRT, answer->certificate, err);
}

int join_accept(struct trust *trust, const struct join *join, const struct join_answer *answer,
		struct fl_error *err)
{
	own(taken_done) struct taken taken = { 0 };
	own_lock(guard, &trust->mutex);

	if ((join->by_token ? check_no_member(trust, err) : trust_refresh(trust, err)) < 0)
		return fl_failed(err);
	if (taken_parse(answer, &taken, err) < 0 || check_answer(join, &taken, err) < 0)
		return fl_failed(err);
	if (answer->denied && denied_parse(answer->denied, taken.ca, &taken.denied, err) < 0)
		return fl_failed(err);
	return write_answer(trust, join, answer, &taken, err);
}
