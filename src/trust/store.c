#include "trust/store.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fsat.h"
#include "base/log.h"
#include "trust/internal.h"

static const char *const membership_files[] = { NODE_KEY, NODE_CRT, CA_CRT, DENIED };
#define FILES array_size(membership_files)

struct trust *trust_open(int etc)
{
	struct trust *trust = xcalloc(1, sizeof(*trust));

	trust->etc = etc;
	trust->seen = xcalloc(FILES, sizeof(*trust->seen));
	pthread_mutex_init(&trust->mutex, NULL);
	return trust;
}

void trust_close(struct trust *trust)
{
	if (!trust)
		return;
	membership_release(trust->membership);
	pthread_mutex_destroy(&trust->mutex);
	free(trust->seen);
	free(trust);
}

/* --- files ------------------------------------------------------------------------- */

void secret_done(struct text *text)
{
	if (text->bytes)
		gnutls_memset(text->bytes, 0, text->capacity);
	text_done(text);
}

int file_read(int etc, const char *path, size_t limit, struct text *ret, struct fl_error *err)
{
	return fsat_read(etc, path, limit, ret, err);
}

static int make_private(int fd, const char *path, struct fl_error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fl_fail_errno(err, "'%s'", path);
	if ((st.st_uid != geteuid() && st.st_uid != 0) || (st.st_mode & (S_IWGRP | S_IWOTH))) {
		fl_fail(err, FL_DENIED,
			"'%s' is no private key any more: others could have replaced it", path);
		return fl_hint(err,
			       "its owner is user %u and its mode %04o; if it can be trusted, "
			       "chown and chmod 0600 it",
			       (unsigned)st.st_uid, (unsigned)st.st_mode & 07777);
	}
	if (!(st.st_mode & (S_IRWXG | S_IRWXO)))
		return 0;
	if (fchmod(fd, 0600) < 0)
		return fl_fail_errno(err, "cannot make '%s' private", path);
	log_warning("private key made private again: others could read it", "file=%s mode=%04o",
		    path, (unsigned)st.st_mode & 07777);
	return 0;
}

int file_read_key(int etc, const char *path, struct text *ret, struct fl_error *err)
{
	own_fd int fd = -1;

	if (fsat_open(etc, path, O_RDONLY, 0, &fd, err) < 0 || make_private(fd, path, err) < 0 ||
	    fsat_read_fd(fd, path, FILE_LIMIT, ret, err) < 0)
		return fl_failed(err);
	return 0;
}

int file_write(int etc, const char *path, const char *contents, struct fl_error *err)
{
	own_free char *parent = xstrdup(path);

	*strchr(parent, '/') = '\0';
	if (fsat_mkdir(etc, parent, 0700, err) < 0)
		return fl_failed(err);
	return fsat_write(etc, path, contents, strlen(contents), 0600, true, err);
}

/* --- membership, read again when a file was changed -------------------------------------- */

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static int look(int etc, struct stat seen[static FILES], struct fl_error *err)
{
	for (size_t i = 0; i < FILES; i++) {
		int r = fsat_stat(etc, membership_files[i], &seen[i], err);

		if (r == -FL_NOT_FOUND)
			seen[i] = (struct stat){ 0 };
		else if (r < 0)
			return r;
	}
	return 0;
}

static bool all_same(const struct stat *a, const struct stat *b)
{
	for (size_t i = 0; i < FILES; i++)
		if (!same_file(&a[i], &b[i]))
			return false;
	return true;
}

/*
 * What was seen is from before they were read: a change in between is found the next time.  Making
 * a key private changes it, too: that costs one more reading.
 */
int trust_refresh(struct trust *trust, struct fl_error *err)
{
	struct membership *membership;
	struct stat seen[FILES];

	if (look(trust->etc, seen, err) < 0)
		return fl_failed(err);
	if (trust->membership && all_same(seen, trust->seen))
		return 0;
	if (membership_read(trust->etc, &membership, err) < 0)
		return fl_failed(err);
	membership_release(trust->membership);
	trust->membership = membership;
	memcpy(trust->seen, seen, sizeof(seen));
	return 0;
}

int trust_membership(struct trust *trust, struct membership **ret, struct fl_error *err)
{
	own_lock(guard, &trust->mutex);

	if (trust_refresh(trust, err) < 0)
		return fl_failed(err);
	__atomic_add_fetch(&trust->membership->holders, 1, __ATOMIC_RELAXED);
	*ret = trust->membership;
	return 0;
}

int trust_self(struct trust *trust, struct trust_identity *ret, struct fl_error *err)
{
	own(membership_freep) struct membership *membership = NULL;

	if (trust_membership(trust, &membership, err) < 0)
		return fl_failed(err);
	*ret = membership->self;
	return 0;
}

bool trust_has_ca(struct trust *trust)
{
	struct fl_error err;
	struct stat st;

	return fsat_stat(trust->etc, OUR_CA_KEY, &st, &err) == 0;
}

/* --- the deny list ----------------------------------------------------------------- */

int trust_denied(struct trust *trust, uint64_t *ret_number, char **ret_pem, struct fl_error *err)
{
	own(membership_freep) struct membership *membership = NULL;

	if (trust_membership(trust, &membership, err) < 0)
		return fl_failed(err);
	*ret_number = membership->denied.number;
	*ret_pem = membership->denied_pem ? xstrdup(membership->denied_pem) : NULL;
	return 0;
}

/* Whoever brings it: the CA's signature is what counts. */
int denied_parse(const char *pem, gnutls_x509_crt_t ca, struct x509_denied *ret,
		 struct fl_error *err)
{
	own(x509_crl_done) gnutls_x509_crl_t crl = NULL;
	own_text struct text text = { 0 };
	unsigned status = 0;

	if (strlen(pem) > DENIED_LIMIT)
		return fl_fail(err, FL_INVALID, "a deny list of more than %zu bytes", DENIED_LIMIT);
	text_add_string(&text, pem);
	if (x509_crl_parse(&text, "the deny list", &crl, err) < 0)
		return fl_fail(err, FL_INVALID, "this is no deny list");
	if (gnutls_x509_crl_verify(crl, &ca, 1, GNUTLS_VERIFY_DISABLE_TIME_CHECKS, &status) < 0 ||
	    (status & GNUTLS_CERT_INVALID))
		return fl_fail(err, FL_DENIED, "a deny list that the cluster's CA did not sign");
	return x509_denied_read(crl, ret, err);
}

int trust_deny(struct trust *trust, const char *pem, bool *ret_new, struct fl_error *err)
{
	own(x509_denied_done) struct x509_denied denied = { 0 };
	own_lock(guard, &trust->mutex);
	bool newer;

	if (trust_refresh(trust, err) < 0 ||
	    denied_parse(pem, trust->membership->ca, &denied, err) < 0)
		return fl_failed(err);
	newer = denied.number > trust->membership->denied.number;
	if (newer && file_write(trust->etc, DENIED, pem, err) < 0)
		return fl_failed(err);
	*ret_new = newer;
	return 0;
}

int trust_leave(struct trust *trust, struct fl_error *err)
{
	own_lock(guard, &trust->mutex);

	if (trust_has_ca(trust)) {
		fl_fail(err, FL_BUSY,
			"this host has the cluster's CA: without it nobody could "
			"join or renew");
		return fl_hint(err,
			       "move the directory /etc/flocker/ca, as it is, to another member "
			       "first: it has the CA then");
	}
	/* The certificate first: without it the rest says nothing. */
	if (fsat_unlink(trust->etc, NODE_CRT, err) < 0 ||
	    fsat_remove_tree(trust->etc, TLS_DIR, err) < 0)
		return fl_failed(err);
	membership_release(take_ptr(trust->membership));
	return 0;
}
