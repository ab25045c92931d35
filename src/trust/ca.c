#include "trust/ca.h"

#include <stdio.h>
#include <string.h>

#include "base/fsat.h"
#include "model/name.h"
#include "trust/internal.h"

#define CA_YEARS 10

void ca_done(struct ca *ca)
{
	x509_key_done(&ca->issuer.key);
	x509_crt_done(&ca->issuer.ca);
	*ca = (struct ca){ 0 };
}

void ca_issued_done(struct ca_issued *issued)
{
	if (issued->key)
		gnutls_memset(issued->key, 0, strlen(issued->key));
	free(issued->certificate);
	free(issued->key);
	free(issued->ca);
	*issued = (struct ca_issued){ 0 };
}

static int fail_no_ca(struct trust *trust, struct fl_error *err)
{
	struct stat st;
	struct fl_error ignored;

	if (fsat_stat(trust->etc, NODE_CRT, &st, &ignored) == -FL_NOT_FOUND) {
		fl_fail(err, FL_NOT_FOUND, "this host belongs to no cluster, and has no CA");
		return fl_hint(err, "`flocker ca init` makes a cluster");
	}
	fl_fail(err, FL_NOT_FOUND, "the CA is not on this host");
	return fl_hint(err, "say this on the host that has the CA");
}

int ca_load(struct trust *trust, struct ca *ret, struct fl_error *err)
{
	own(ca_done) struct ca ca = { 0 };
	own_secret struct text key = { 0 };
	own_text struct text crt = { 0 };

	if (!trust_has_ca(trust))
		return fail_no_ca(trust, err);
	if (file_read_key(trust->etc, OUR_CA_KEY, &key, err) < 0 ||
	    file_read(trust->etc, OUR_CA_CRT, FILE_LIMIT, &crt, err) < 0 ||
	    x509_key_parse(&key, OUR_CA_KEY, &ca.issuer.key, err) < 0 ||
	    x509_crt_parse(&crt, OUR_CA_CRT, &ca.issuer.ca, err) < 0 ||
	    x509_identity(ca.issuer.ca, &ca.self, err) < 0)
		return fl_wrap(err, "the cluster's CA");
	if (ca.self.role != TRUST_CA || !x509_is_for(ca.issuer.ca, ca.issuer.key))
		return fl_fail(err, FL_CORRUPT,
			       "'" OUR_CA_CRT "' is not the CA's, or not for its key");
	if (ca.self.expires <= clock_now())
		return fl_fail(err, FL_DENIED, "the cluster's CA itself has expired");
	*ret = take_struct(ca);
	return 0;
}

/* --- issuing ----------------------------------------------------------------------- */

static int check_order(const struct ca_order *order, struct trust_identity *ret,
		       struct fl_error *err)
{
	const char *name = order->name ? order->name : order->id;
	const bool node = order->role == TRUST_NODE;

	if (order->role < 0 || order->role >= TRUST_CA)
		return fl_fail(err, FL_INVALID, "certificates are for nodes, plugins and users");
	if (node &&
	    (uuid_parse(order->id, &ret->instance, err) < 0 || uuid_is_none(&ret->instance)))
		return fl_fail(err, FL_INVALID, "a node's id is the UUID of its instance");
	if ((!node && name_check("id", order->id, err) < 0) || name_check("name", name, err) < 0)
		return fl_failed(err);
	if (order->valid < 0 || order->valid > CA_YEAR)
		return fl_fail(err, FL_INVALID, "a certificate is valid for a year at most");
	ret->role = order->role;
	strcpy(ret->id, order->id);
	if (node)
		uuid_format(&ret->instance, ret->id);
	strcpy(ret->name, name);
	return 0;
}

/* Nothing outlives the CA that it comes from. */
static void set_times(struct trust_identity *identity, int64_t valid, const struct ca *ca)
{
	const int64_t now = clock_now();

	identity->begins = now - CA_EARLIER;
	identity->expires = now + (valid ? valid : CA_YEAR);
	if (identity->expires > ca->self.expires)
		identity->expires = ca->self.expires;
}

int ca_make(struct trust *trust, const struct ca *ca, const struct ca_order *wanted,
	    gnutls_x509_crq_t crq, gnutls_x509_privkey_t key, gnutls_x509_crt_t *ret,
	    struct fl_error *err)
{
	own(x509_crt_done) gnutls_x509_crt_t crt = NULL;
	struct x509_order order = { .purpose = wanted->role == TRUST_NODE ? X509_BOTH
									  : X509_CLIENT };
	struct trust_identity identity;

	if (check_order(wanted, &order.identity, err) < 0)
		return fl_failed(err);
	order.identity.cluster = ca->self.cluster;
	set_times(&order.identity, wanted->valid, ca);
	if (x509_make(&order, crq, key, &ca->issuer, &crt, err) < 0 ||
	    x509_identity(crt, &identity, err) < 0 || issued_add(trust, &identity, err) < 0)
		return fl_failed(err);
	*ret = take_ptr(crt);
	return 0;
}

static int make_keyed(struct trust *trust, const struct ca *ca, const struct ca_order *order,
		      gnutls_x509_crt_t *ret, struct ca_issued *issued, struct fl_error *err)
{
	own(x509_crq_done) gnutls_x509_crq_t crq = NULL;
	own(x509_key_done) gnutls_x509_privkey_t key = NULL;

	if (order->csr) {
		if (x509_crq_parse(order->csr, &crq, err) < 0)
			return fl_failed(err);
	} else if (x509_key_new(&key, err) < 0 || x509_key_format(key, &issued->key, err) < 0) {
		return fl_failed(err);
	}
	return ca_make(trust, ca, order, crq, key, ret, err);
}

int ca_issue(struct trust *trust, const struct ca_order *order, struct ca_issued *ret,
	     struct fl_error *err)
{
	own(ca_issued_done) struct ca_issued issued = { 0 };
	own(x509_crt_done) gnutls_x509_crt_t crt = NULL;
	own(ca_done) struct ca ca = { 0 };
	own_lock(guard, &trust->mutex);

	if (ca_load(trust, &ca, err) < 0 || make_keyed(trust, &ca, order, &crt, &issued, err) < 0 ||
	    x509_identity(crt, &issued.identity, err) < 0 ||
	    x509_crt_format(crt, &issued.certificate, err) < 0 ||
	    x509_crt_format(ca.issuer.ca, &issued.ca, err) < 0)
		return fl_failed(err);
	*ret = take_struct(issued);
	return 0;
}

/* --- a cluster's beginning --------------------------------------------------------- */

/* The key last: with it the CA is there. */
static int make_ca(struct trust *trust, struct fl_error *err)
{
	own(x509_key_done) gnutls_x509_privkey_t key = NULL;
	own(x509_crt_done) gnutls_x509_crt_t crt = NULL;
	own(ca_issued_done) struct ca_issued pem = { 0 };
	const int64_t now = clock_now();
	struct x509_order order = { .identity = {
					    .cluster = uuid_new(),
					    .role = TRUST_CA,
					    .begins = now - CA_EARLIER,
					    .expires = now + CA_YEARS * CA_YEAR,
				    } };

	uuid_format(&order.identity.cluster, order.identity.id);
	snprintf(order.identity.name, TRUST_NAME, "Flocker cluster %.8s", order.identity.id);
	if (x509_key_new(&key, err) < 0 || x509_make(&order, NULL, key, NULL, &crt, err) < 0 ||
	    x509_key_format(key, &pem.key, err) < 0 ||
	    x509_crt_format(crt, &pem.certificate, err) < 0 ||
	    file_write(trust->etc, OUR_CA_CRT, pem.certificate, err) < 0 ||
	    file_write(trust->etc, OUR_CA_KEY, pem.key, err) < 0)
		return fl_failed(err);
	return 0;
}

static int write_member(struct trust *trust, const struct ca *ca, gnutls_x509_privkey_t key,
			gnutls_x509_crt_t crt, struct fl_error *err)
{
	own(ca_issued_done) struct ca_issued pem = { 0 };

	if (x509_key_format(key, &pem.key, err) < 0 ||
	    x509_crt_format(crt, &pem.certificate, err) < 0 ||
	    x509_crt_format(ca->issuer.ca, &pem.ca, err) < 0 ||
	    file_write(trust->etc, NODE_KEY, pem.key, err) < 0 ||
	    file_write(trust->etc, CA_CRT, pem.ca, err) < 0 ||
	    file_write(trust->etc, NODE_CRT, pem.certificate, err) < 0)
		return fl_failed(err);
	return 0;
}

static int make_member(struct trust *trust, const struct uuid *instance, const char *name,
		       struct fl_error *err)
{
	own(x509_key_done) gnutls_x509_privkey_t key = NULL;
	own(x509_crt_done) gnutls_x509_crt_t crt = NULL;
	own(ca_done) struct ca ca = { 0 };
	char id[UUID_TEXT];
	const struct ca_order order = { .role = TRUST_NODE,
					.id = uuid_format(instance, id),
					.name = name };

	if (ca_load(trust, &ca, err) < 0 || x509_key_new(&key, err) < 0 ||
	    ca_make(trust, &ca, &order, NULL, key, &crt, err) < 0)
		return fl_failed(err);
	return write_member(trust, &ca, key, crt, err);
}

int check_no_member(struct trust *trust, struct fl_error *err)
{
	struct stat st;
	int r = fsat_stat(trust->etc, NODE_CRT, &st, err);

	if (r == -FL_NOT_FOUND)
		return 0;
	if (r < 0)
		return r;
	fl_fail(err, FL_EXISTS, "this host belongs to a cluster already");
	return fl_hint(err, "`flocker ca show` says which");
}

int ca_init(struct trust *trust, const struct uuid *instance, const char *name,
	    struct fl_error *err)
{
	own_lock(guard, &trust->mutex);

	if (name_check("name", name, err) < 0 || check_no_member(trust, err) < 0)
		return fl_failed(err);
	if (!trust_has_ca(trust) && make_ca(trust, err) < 0)
		return fl_wrap(err, "making a CA");
	if (make_member(trust, instance, name, err) < 0)
		return fl_wrap(err, "making this host's certificate");
	return 0;
}

/* --- renewing, revoking, showing --------------------------------------------------------- */

static int renew(struct trust *trust, const struct membership *m, struct trust_identity *ret,
		 struct fl_error *err)
{
	own(x509_crt_done) gnutls_x509_crt_t crt = NULL;
	own(ca_done) struct ca ca = { 0 };
	own_free char *pem = NULL;
	const struct ca_order order = { .role = TRUST_NODE,
					.id = m->self.id,
					.name = m->self.name };

	if (ca_load(trust, &ca, err) < 0 ||
	    ca_make(trust, &ca, &order, NULL, m->key, &crt, err) < 0 ||
	    x509_crt_format(crt, &pem, err) < 0 || file_write(trust->etc, NODE_CRT, pem, err) < 0)
		return fl_failed(err);
	return x509_identity(crt, ret, err);
}

int ca_renew(struct trust *trust, struct trust_identity *ret, struct fl_error *err)
{
	own_lock(guard, &trust->mutex);

	if (trust_refresh(trust, err) < 0)
		return fl_failed(err);
	return renew(trust, trust->membership, ret, err);
}

static bool is_meant(const struct trust_identity *identity, const char *what, int64_t now)
{
	if (strcmp(identity->serial, what) == 0)
		return true;
	return identity->expires > now &&
	       (strcmp(identity->name, what) == 0 || strcmp(identity->id, what) == 0);
}

static int check_foreign(const struct trust_identity *identity, const char *what,
			 const struct trust_identity *self, struct fl_error *err)
{
	/* An older certificate of this host may go, by its serial number. */
	if (strcmp(identity->serial, what) == 0 ? strcmp(what, self->serial) != 0
						: strcmp(identity->id, self->id) != 0)
		return 0;
	fl_fail(err, FL_INVALID, "'%.80s' is this host itself, which has the CA", what);
	return fl_hint(err, "its older certificates can be revoked by their serial numbers");
}

static int add_meant(const struct ca_list *list, const char *what, const struct membership *m,
		     struct x509_denied *denied, struct fl_error *err)
{
	const int64_t now = clock_now();
	size_t meant = 0;

	for (size_t i = 0; i < list->count; i++) {
		const struct trust_identity *identity = &list->items[i].identity;

		if (!is_meant(identity, what, now))
			continue;
		if (check_foreign(identity, what, &m->self, err) < 0)
			return fl_failed(err);
		meant++;
		if (x509_denied_has(&m->denied, identity->serial))
			continue;
		strcpy(*array_add(denied->serials, denied->count), identity->serial);
	}
	if (meant > 0)
		return 0;
	fl_fail(err, FL_NOT_FOUND, "no valid certificate has the serial number or name '%.80s'",
		what);
	return fl_hint(err, "`flocker ca show` lists them");
}

static int write_denied(struct trust *trust, const struct ca *ca, const struct x509_denied *denied,
			struct fl_error *err)
{
	own(x509_crl_done) gnutls_x509_crl_t crl = NULL;
	own_free char *pem = NULL;

	if (x509_denied_make(denied, &ca->issuer, clock_now(), &crl, err) < 0 ||
	    x509_crl_format(crl, &pem, err) < 0)
		return fl_failed(err);
	return file_write(trust->etc, DENIED, pem, err);
}

static void copy_denied(const struct x509_denied *from, struct x509_denied *to)
{
	for (size_t i = 0; i < from->count; i++)
		strcpy(*array_add(to->serials, to->count), from->serials[i]);
	to->number = from->number + 1;
}

int ca_revoke(struct trust *trust, const char *what, size_t *ret_count, struct fl_error *err)
{
	own(x509_denied_done) struct x509_denied denied = { 0 };
	own(ca_list_done) struct ca_list list = { 0 };
	own(ca_done) struct ca ca = { 0 };
	own_lock(guard, &trust->mutex);
	const struct membership *m;

	if (trust_refresh(trust, err) < 0)
		return fl_failed(err);
	m = trust->membership;
	copy_denied(&m->denied, &denied);
	if (ca_load(trust, &ca, err) < 0 || issued_read(trust, &list, err) < 0 ||
	    add_meant(&list, what, m, &denied, err) < 0)
		return fl_failed(err);
	if (denied.count > m->denied.count && write_denied(trust, &ca, &denied, err) < 0)
		return fl_failed(err);
	*ret_count = denied.count - m->denied.count;
	return 0;
}

int ca_list(struct trust *trust, struct ca_list *ret, struct fl_error *err)
{
	own(ca_list_done) struct ca_list list = { 0 };
	own(ca_done) struct ca ca = { 0 };
	own_lock(guard, &trust->mutex);

	if (trust_refresh(trust, err) < 0 || ca_load(trust, &ca, err) < 0 ||
	    issued_read(trust, &list, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < list.count; i++) {
		struct ca_record *record = &list.items[i];

		record->identity.cluster = ca.self.cluster;
		record->revoked = x509_denied_has(&trust->membership->denied,
						  record->identity.serial);
	}
	*ret = take_struct(list);
	return 0;
}

int ca_self(struct trust *trust, struct trust_identity *ret, struct fl_error *err)
{
	own(membership_freep) struct membership *m = NULL;

	if (trust_membership(trust, &m, err) < 0)
		return fl_failed(err);
	*ret = m->ca_self;
	return 0;
}
