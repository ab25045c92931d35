#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "trust/x509.h"

/* 127 bits, never zero, always of one length, and positive as X.509 wants it. */
static int set_serial(gnutls_x509_crt_t crt)
{
	struct uuid random = uuid_new();

	random.bytes[0] = (uint8_t)((random.bytes[0] & 0x3f) | 0x40);
	return gnutls_x509_crt_set_serial(crt, random.bytes, sizeof(random.bytes));
}

static int set_subject(gnutls_x509_crt_t crt, const struct x509_order *order)
{
	const struct trust_identity *identity = &order->identity;
	char uri[TRUST_URI];
	int r = gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, identity->name,
					      (unsigned)strlen(identity->name));

	if (r < 0 || order->without_uri)
		return r;
	trust_uri_format(identity, uri);
	return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_URI, uri, (unsigned)strlen(uri),
						    GNUTLS_FSAN_SET);
}

static int set_times(gnutls_x509_crt_t crt, const struct trust_identity *identity)
{
	int r = gnutls_x509_crt_set_activation_time(crt, identity->begins / CLOCK_SECOND);

	return r < 0 ? r
		     : gnutls_x509_crt_set_expiration_time(crt, identity->expires / CLOCK_SECOND);
}

static int set_purpose(gnutls_x509_crt_t crt, enum x509_purpose purpose)
{
	int r = 0;

	if (purpose != X509_SERVER)
		r = gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_CLIENT, 0);
	if (r == 0 && purpose != X509_CLIENT)
		r = gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0);
	return r;
}

/* What the key may be used for; a CA signs certificates of members alone, and no other CA. */
static int set_use(gnutls_x509_crt_t crt, bool is_ca, enum x509_purpose purpose)
{
	int r = gnutls_x509_crt_set_basic_constraints(crt, is_ca, is_ca ? 0 : -1);

	if (r == 0)
		r = gnutls_x509_crt_set_key_usage(crt, is_ca ? GNUTLS_KEY_KEY_CERT_SIGN |
								       GNUTLS_KEY_CRL_SIGN
							     : GNUTLS_KEY_DIGITAL_SIGNATURE);
	if (r == 0 && !is_ca)
		r = set_purpose(crt, purpose);
	return r;
}

static int set_key_ids(gnutls_x509_crt_t crt, gnutls_x509_crt_t ca)
{
	uint8_t id[64];
	size_t size = sizeof(id);
	int r = gnutls_x509_crt_get_key_id(crt, 0, id, &size);

	if (r == 0)
		r = gnutls_x509_crt_set_subject_key_id(crt, id, size);
	size = sizeof(id);
	if (r == 0 && ca) {
		r = gnutls_x509_crt_get_subject_key_id(ca, id, &size, NULL);
		if (r == 0)
			r = gnutls_x509_crt_set_authority_key_id(crt, id, size);
	}
	return r;
}

/* As everybody else will read it: GnuTLS looks for alternative names only when it imports. */
static int read_again(gnutls_x509_crt_t made, gnutls_x509_crt_t *ret)
{
	own(x509_crt_done) gnutls_x509_crt_t crt = NULL;
	gnutls_datum_t der = { NULL, 0 };
	int r = gnutls_x509_crt_export2(made, GNUTLS_X509_FMT_DER, &der);

	if (r == 0)
		r = gnutls_x509_crt_init(&crt);
	if (r == 0)
		r = gnutls_x509_crt_import(crt, &der, GNUTLS_X509_FMT_DER);
	gnutls_free(der.data);
	if (r == 0)
		*ret = take_ptr(crt);
	return r;
}

int x509_make(const struct x509_order *order, gnutls_x509_crq_t crq, gnutls_x509_privkey_t key,
	      const struct x509_issuer *issuer, gnutls_x509_crt_t *ret, struct fl_error *err)
{
	own(x509_crt_done) gnutls_x509_crt_t crt = NULL;
	const bool is_ca = !issuer && order->identity.role == TRUST_CA;
	int r = gnutls_x509_crt_init(&crt);

	if (r == 0)
		r = gnutls_x509_crt_set_version(crt, 3);
	/* Of a request the key alone counts; nothing else that it asks for is looked at. */
	if (r == 0)
		r = crq ? gnutls_x509_crt_set_crq(crt, crq) : gnutls_x509_crt_set_key(crt, key);
	if (r == 0)
		r = set_serial(crt);
	if (r == 0)
		r = set_subject(crt, order);
	if (r == 0)
		r = set_times(crt, &order->identity);
	if (r == 0)
		r = set_use(crt, is_ca, order->purpose);
	if (r == 0)
		r = set_key_ids(crt, issuer ? issuer->ca : NULL);
	if (r == 0)
		r = gnutls_x509_crt_sign2(crt, issuer ? issuer->ca : crt,
					  issuer ? issuer->key : key, GNUTLS_DIG_SHA256, 0);
	if (r == 0)
		r = read_again(crt, ret);
	return r < 0 ? x509_fail(err, FL_SYSTEM, r, "making a certificate") : 0;
}

/* --- deny lists -------------------------------------------------------------------- */

void x509_denied_done(struct x509_denied *denied)
{
	free(denied->serials);
	*denied = (struct x509_denied){ 0 };
}

static int compare_serials(const void *a, const void *b)
{
	return strcmp(a, b);
}

bool x509_denied_has(const struct x509_denied *denied, const char *serial)
{
	return denied->count > 0 &&
	       bsearch(serial, denied->serials, denied->count, TRUST_SERIAL, compare_serials);
}

static uint64_t read_number(gnutls_x509_crl_t crl)
{
	uint8_t bytes[20];
	size_t size = sizeof(bytes);
	uint64_t number = 0;

	if (gnutls_x509_crl_get_number(crl, bytes, &size, NULL) < 0)
		return 0;
	for (size_t i = 0; i < size; i++)
		number = number << 8 | bytes[i];
	return number;
}

int x509_denied_read(gnutls_x509_crl_t crl, struct x509_denied *ret, struct fl_error *err)
{
	own(x509_denied_done) struct x509_denied denied = { .number = read_number(crl) };
	gnutls_x509_crl_iter_t iter = NULL;
	int r;

	for (;;) {
		uint8_t bytes[(TRUST_SERIAL - 1) / 2];
		size_t size = sizeof(bytes);
		time_t when;

		r = gnutls_x509_crl_iter_crt_serial(crl, &iter, bytes, &size, &when);
		if (r < 0)
			break;
		char *serial = *array_add(denied.serials, denied.count);

		for (size_t i = 0; i < size; i++)
			snprintf(serial + 2 * i, 3, "%02x", bytes[i]);
	}
	gnutls_x509_crl_iter_deinit(iter);
	if (r != GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
		return x509_fail(err, FL_CORRUPT, r, "reading a deny list");
	array_sort(denied.serials, denied.count, compare_serials);
	*ret = take_struct(denied);
	return 0;
}

static size_t from_hex(const char *text, uint8_t bytes[static TRUST_SERIAL / 2])
{
	size_t length = strlen(text) / 2;

	for (size_t i = 0; i < length; i++) {
		const char pair[] = { text[2 * i], text[2 * i + 1], '\0' };

		bytes[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
	return length;
}

static int set_list(gnutls_x509_crl_t crl, const struct x509_denied *denied, time_t now)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < denied->count; i++) {
		uint8_t bytes[TRUST_SERIAL / 2];
		size_t length = from_hex(denied->serials[i], bytes);

		r = gnutls_x509_crl_set_crt_serial(crl, bytes, length, now);
	}
	return r;
}

static int set_number(gnutls_x509_crl_t crl, uint64_t number)
{
	uint8_t bytes[8];

	for (int i = 7; i >= 0; i--, number >>= 8)
		bytes[i] = (uint8_t)number;
	return gnutls_x509_crl_set_number(crl, bytes, sizeof(bytes));
}

static int set_authority(gnutls_x509_crl_t crl, gnutls_x509_crt_t ca)
{
	uint8_t id[64];
	size_t size = sizeof(id);
	int r = gnutls_x509_crt_get_subject_key_id(ca, id, &size, NULL);

	return r < 0 ? r : gnutls_x509_crl_set_authority_key_id(crl, id, size);
}

/* No deny list is ever too old or too new to count: its number says which is the newest. */
int x509_denied_make(const struct x509_denied *denied, const struct x509_issuer *issuer,
		     int64_t now, gnutls_x509_crl_t *ret, struct fl_error *err)
{
	own(x509_crl_done) gnutls_x509_crl_t crl = NULL;
	const time_t seconds = now / CLOCK_SECOND;
	int r = gnutls_x509_crl_init(&crl);

	if (r == 0)
		r = gnutls_x509_crl_set_version(crl, 2);
	if (r == 0)
		r = gnutls_x509_crl_set_this_update(crl, seconds);
	if (r == 0)
		r = gnutls_x509_crl_set_next_update(
			crl, gnutls_x509_crt_get_expiration_time(issuer->ca));
	if (r == 0)
		r = set_list(crl, denied, seconds);
	if (r == 0)
		r = set_number(crl, denied->number);
	if (r == 0)
		r = set_authority(crl, issuer->ca);
	if (r == 0)
		r = gnutls_x509_crl_sign2(crl, issuer->ca, issuer->key, GNUTLS_DIG_SHA256, 0);
	if (r < 0)
		return x509_fail(err, FL_SYSTEM, r, "making a deny list");
	*ret = take_ptr(crl);
	return 0;
}
