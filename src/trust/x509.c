#include "trust/x509.h"

#include <string.h>

#include "base/clock.h"
#include "model/name.h"

#define PEM_KIND GNUTLS_X509_FMT_PEM

void x509_key_done(gnutls_x509_privkey_t *key)
{
	if (*key)
		gnutls_x509_privkey_deinit(*key);
}

void x509_crt_done(gnutls_x509_crt_t *crt)
{
	if (*crt)
		gnutls_x509_crt_deinit(*crt);
}

void x509_crq_done(gnutls_x509_crq_t *crq)
{
	if (*crq)
		gnutls_x509_crq_deinit(*crq);
}

void x509_crl_done(gnutls_x509_crl_t *crl)
{
	if (*crl)
		gnutls_x509_crl_deinit(*crl);
}

static gnutls_datum_t datum_of(const struct text *text)
{
	return (gnutls_datum_t){ .data = (unsigned char *)text->bytes,
				 .size = (unsigned)text->length };
}

static void datum_done(gnutls_datum_t *datum)
{
	if (datum->data)
		gnutls_memset(datum->data, 0, datum->size);
	gnutls_free(datum->data);
}

/* --- PEM --------------------------------------------------------------------------- */

static int corrupt(struct fl_error *err, const char *what, int r)
{
	x509_fail(err, FL_CORRUPT, r, "'%s' cannot be read", what);
	return fl_hint(err, "put back a copy of it, or have this host join its cluster anew");
}

int x509_key_new(gnutls_x509_privkey_t *ret, struct fl_error *err)
{
	own(x509_key_done) gnutls_x509_privkey_t key = NULL;
	const unsigned curve = GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1);
	int r = gnutls_x509_privkey_init(&key);

	if (r == 0)
		r = gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, curve, 0);
	if (r < 0)
		return x509_fail(err, FL_SYSTEM, r, "making a private key");
	*ret = take_ptr(key);
	return 0;
}

int x509_key_parse(const struct text *pem, const char *what, gnutls_x509_privkey_t *ret,
		   struct fl_error *err)
{
	own(x509_key_done) gnutls_x509_privkey_t key = NULL;
	const gnutls_datum_t datum = datum_of(pem);
	int r = gnutls_x509_privkey_init(&key);

	if (r == 0)
		r = gnutls_x509_privkey_import(key, &datum, PEM_KIND);
	if (r < 0)
		return corrupt(err, what, r);
	*ret = take_ptr(key);
	return 0;
}

int x509_crt_parse(const struct text *pem, const char *what, gnutls_x509_crt_t *ret,
		   struct fl_error *err)
{
	own(x509_crt_done) gnutls_x509_crt_t crt = NULL;
	const gnutls_datum_t datum = datum_of(pem);
	int r = gnutls_x509_crt_init(&crt);

	if (r == 0)
		r = gnutls_x509_crt_import(crt, &datum, PEM_KIND);
	if (r < 0)
		return corrupt(err, what, r);
	*ret = take_ptr(crt);
	return 0;
}

int x509_crl_parse(const struct text *pem, const char *what, gnutls_x509_crl_t *ret,
		   struct fl_error *err)
{
	own(x509_crl_done) gnutls_x509_crl_t crl = NULL;
	const gnutls_datum_t datum = datum_of(pem);
	int r = gnutls_x509_crl_init(&crl);

	if (r == 0)
		r = gnutls_x509_crl_import(crl, &datum, PEM_KIND);
	if (r < 0)
		return corrupt(err, what, r);
	*ret = take_ptr(crl);
	return 0;
}

static bool is_p256(gnutls_x509_crq_t crq)
{
	gnutls_ecc_curve_t curve = GNUTLS_ECC_CURVE_INVALID;
	gnutls_pubkey_t key = NULL;
	bool is = gnutls_pubkey_init(&key) == 0 &&
		  gnutls_pubkey_import_x509_crq(key, crq, 0) == 0 &&
		  gnutls_pubkey_export_ecc_raw2(key, &curve, NULL, NULL, 0) == 0 &&
		  curve == GNUTLS_ECC_CURVE_SECP256R1;

	if (key)
		gnutls_pubkey_deinit(key);
	return is;
}

int x509_crq_parse(const char *pem, gnutls_x509_crq_t *ret, struct fl_error *err)
{
	own(x509_crq_done) gnutls_x509_crq_t crq = NULL;
	own_text struct text text = { 0 };
	gnutls_datum_t datum;
	int r = gnutls_x509_crq_init(&crq);

	text_add_string(&text, pem);
	datum = datum_of(&text);
	if (r == 0)
		r = gnutls_x509_crq_import(crq, &datum, PEM_KIND);
	if (r == 0)
		r = gnutls_x509_crq_verify(crq, 0);
	if (r < 0)
		return x509_fail(err, FL_INVALID, r, "the request for a certificate");
	if (!is_p256(crq))
		return fl_fail(err, FL_INVALID,
			       "the request for a certificate is for a key that is no ECDSA P-256");
	*ret = take_ptr(crq);
	return 0;
}

/* Takes what GnuTLS exported. */
static int take_pem(int r, gnutls_datum_t *datum, char **ret, struct fl_error *err)
{
	if (r < 0 || !datum->data)
		return x509_fail(err, FL_SYSTEM, r, "writing PEM");
	*ret = xcalloc(1, (size_t)datum->size + 1);
	memcpy(*ret, datum->data, datum->size);
	return 0;
}

int x509_key_format(gnutls_x509_privkey_t key, char **ret, struct fl_error *err)
{
	own(datum_done) gnutls_datum_t pem = { NULL, 0 };
	int r = gnutls_x509_privkey_export2_pkcs8(key, PEM_KIND, NULL, GNUTLS_PKCS_PLAIN, &pem);

	return take_pem(r, &pem, ret, err);
}

int x509_crt_format(gnutls_x509_crt_t crt, char **ret, struct fl_error *err)
{
	own(datum_done) gnutls_datum_t pem = { NULL, 0 };

	return take_pem(gnutls_x509_crt_export2(crt, PEM_KIND, &pem), &pem, ret, err);
}

int x509_crl_format(gnutls_x509_crl_t crl, char **ret, struct fl_error *err)
{
	own(datum_done) gnutls_datum_t pem = { NULL, 0 };

	return take_pem(gnutls_x509_crl_export2(crl, PEM_KIND, &pem), &pem, ret, err);
}

int x509_crq_make(gnutls_x509_privkey_t key, const char *name, char **ret, struct fl_error *err)
{
	own(x509_crq_done) gnutls_x509_crq_t crq = NULL;
	own(datum_done) gnutls_datum_t pem = { NULL, 0 };
	int r = gnutls_x509_crq_init(&crq);

	if (r == 0)
		r = gnutls_x509_crq_set_version(crq, 1);
	if (r == 0)
		r = gnutls_x509_crq_set_dn_by_oid(crq, GNUTLS_OID_X520_COMMON_NAME, 0, name,
						  (unsigned)strlen(name));
	if (r == 0)
		r = gnutls_x509_crq_set_key(crq, key);
	if (r == 0)
		r = gnutls_x509_crq_sign2(crq, key, GNUTLS_DIG_SHA256, 0);
	if (r == 0)
		r = gnutls_x509_crq_export2(crq, PEM_KIND, &pem);
	return take_pem(r, &pem, ret, err);
}

/* --- what a certificate says ------------------------------------------------------- */

static void to_hex(const uint8_t *bytes, size_t length, char *text)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < length; i++) {
		*text++ = digits[bytes[i] >> 4];
		*text++ = digits[bytes[i] & 15];
	}
	*text = '\0';
}

static bool read_serial(gnutls_x509_crt_t crt, char serial[static TRUST_SERIAL])
{
	uint8_t bytes[(TRUST_SERIAL - 1) / 2];
	size_t size = sizeof(bytes);

	if (gnutls_x509_crt_get_serial(crt, bytes, &size) < 0)
		return false;
	to_hex(bytes, size, serial);
	return true;
}

/* The first of its alternative names that is a URI of ours. */
static bool find_uri(gnutls_x509_crt_t crt, struct trust_identity *ret)
{
	struct fl_error err;

	for (unsigned i = 0;; i++) {
		char uri[TRUST_URI + 1] = "";
		size_t size = TRUST_URI;
		int kind = gnutls_x509_crt_get_subject_alt_name(crt, i, uri, &size, NULL);

		if (kind == GNUTLS_E_SHORT_MEMORY_BUFFER)
			continue;
		if (kind < 0)
			return false;
		if (kind == GNUTLS_SAN_URI && trust_uri_parse(uri, ret, &err) == 0)
			return true;
	}
}

int x509_identity(gnutls_x509_crt_t crt, struct trust_identity *ret, struct fl_error *err)
{
	struct trust_identity identity = { 0 };
	char name[256] = "", shown[NAME_SHOWN];
	size_t size = sizeof(name) - 1;
	int r = gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name, &size);

	if (!find_uri(crt, &identity)) {
		fl_fail(err, FL_DENIED, "the certificate names no member of a Flocker cluster");
		return fl_hint(err, "certificates come from `flocker ca`");
	}
	if (r < 0 || !read_serial(crt, identity.serial))
		return fl_fail(err, FL_DENIED, "the certificate has no name or no serial number");
	/* What is shown to people is kept harmless, whoever wrote it. */
	name_show(name, shown);
	memcpy(identity.name, shown, strnlen(shown, TRUST_NAME - 1));
	identity.begins = gnutls_x509_crt_get_activation_time(crt) * CLOCK_SECOND;
	identity.expires = gnutls_x509_crt_get_expiration_time(crt) * CLOCK_SECOND;
	*ret = identity;
	return 0;
}

int x509_fingerprint(gnutls_x509_crt_t crt, uint8_t ret[static TOKEN_FINGERPRINT],
		     struct fl_error *err)
{
	size_t size = TOKEN_FINGERPRINT;
	int r = gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA256, ret, &size);

	if (r < 0)
		return x509_fail(err, FL_SYSTEM, r, "the fingerprint of a certificate");
	return 0;
}

bool x509_is_for(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key)
{
	uint8_t a[TOKEN_FINGERPRINT], b[TOKEN_FINGERPRINT];
	size_t a_size = sizeof(a), b_size = sizeof(b);

	return gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA256, a, &a_size) == 0 &&
	       gnutls_x509_privkey_get_key_id(key, GNUTLS_KEYID_USE_SHA256, b, &b_size) == 0 &&
	       a_size == b_size && memcmp(a, b, a_size) == 0;
}
