#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/fsat.h"
#include "base/stream.h"
#include "trust/tls-internal.h"

#include <fcntl.h>

/* Of TLS 1.3 alone; the first that both have is taken, as the server likes it. */
#define PRIORITIES "SECURE128:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:%SERVER_PRECEDENCE:"
#define WITH_AES PRIORITIES "+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305"
#define WITHOUT_AES PRIORITIES "+CHACHA20-POLY1305:+AES-128-GCM:+AES-256-GCM"

static gnutls_priority_t priorities;
static pthread_once_t priorities_once = PTHREAD_ONCE_INIT;

/* "flags" or "Features" of the first processor; where nobody tells, most have it. */
static bool cpu_has_aes(void)
{
	char bytes[8192];
	struct fl_error err;
	own_fd int fd = -1;
	size_t length;

	if (fsat_open(AT_FDCWD, "/proc/cpuinfo", O_RDONLY, 0, &fd, &err) < 0 ||
	    stream_fill(fd, "/proc/cpuinfo", bytes, sizeof(bytes) - 1, &length, &err) < 0)
		return true;
	bytes[length] = '\0';
	if (!strstr(bytes, "\nflags") && !strstr(bytes, "\nFeatures"))
		return true;
	return strstr(bytes, " aes ");
}

static void make_priorities(void)
{
	if (gnutls_priority_init2(&priorities, cpu_has_aes() ? WITH_AES : WITHOUT_AES, NULL, 0) < 0)
		abort(); /* our own words */
}

static int set_up(struct tls *tls, bool server)
{
	static const gnutls_datum_t protocol = { (unsigned char *)(uintptr_t) "flocker", 7 };
	int r;

	pthread_once(&priorities_once, make_priorities);
	r = gnutls_priority_set(tls->session, priorities);
	if (r == 0 && !tls->membership)
		r = gnutls_certificate_allocate_credentials(&tls->anonymous);
	if (r == 0)
		r = gnutls_credentials_set(tls->session, GNUTLS_CRD_CERTIFICATE,
					   tls->membership ? tls->membership->credentials
							   : tls->anonymous);
	/* Whoever answers without it is something else that speaks TLS. */
	if (r == 0)
		r = gnutls_alpn_set_protocols(tls->session, &protocol, 1, GNUTLS_ALPN_MANDATORY);
	tls_carry(tls);
	if (!server)
		return r;
	gnutls_certificate_server_set_request(tls->session, GNUTLS_CERT_REQUEST);
	/*
	 * The names of CAs that we know are not told: a client would show no certificate of
	 * another, and could not be told what is wrong with it.
	 */
	gnutls_certificate_send_x509_rdn_sequence(tls->session, 1);
	return r;
}

int tls_new(int fd, const char *name, struct membership *membership, bool server, struct tls **ret,
	    struct fl_error *err)
{
	const unsigned role = server ? GNUTLS_SERVER : GNUTLS_CLIENT | GNUTLS_FORCE_CLIENT_CERT;
	own(tls_freep) struct tls *tls = xcalloc(1, sizeof(*tls));
	int r;

	*tls = (struct tls){ .transport = { &tls_type }, .name = xstrdup(name), .fd = fd };
	pthread_mutex_init(&tls->mutex, NULL);
	if (membership)
		__atomic_add_fetch(&membership->holders, 1, __ATOMIC_RELAXED);
	tls->membership = membership;
	/* No tickets: nothing of one connection counts in the next. */
	r = gnutls_init(&tls->session,
			role | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_NO_TICKETS);
	if (r == 0)
		r = set_up(tls, server);
	if (r < 0)
		return x509_fail(err, FL_SYSTEM, r, "preparing TLS");
	*ret = take_ptr(tls);
	return 0;
}

/* A stranger has no certificate to show, not even one of another cluster. */
static int membership_for(struct trust *trust, const struct tls_options *options,
			  struct membership **ret, struct fl_error *err)
{
	*ret = NULL;
	return options->fingerprint ? 0 : trust_membership(trust, ret, err);
}

int tls_dial(struct trust *trust, const struct tcp_address *address,
	     const struct tls_options *options, struct transport **ret, struct fl_error *err)
{
	const int64_t patience = options->patience ? options->patience : TLS_PATIENCE;
	own(membership_freep) struct membership *membership = NULL;
	own(tls_freep) struct tls *tls = NULL;
	char name[TCP_ADDRESS];
	int fd;

	if (membership_for(trust, options, &membership, err) < 0 ||
	    tcp_dial(address, clock_monotonic() + patience, options->cancel, &fd, err) < 0)
		return fl_failed(err);
	if (tls_new(fd, tcp_format(address, name), membership, false, &tls, err) < 0 ||
	    tls_handshake(tls, options, false, err) < 0)
		return fl_failed(err);
	*ret = &take_ptr(tls)->transport;
	return 0;
}

int tls_serve(struct trust *trust, int fd, const char *from, const struct tls_options *options,
	      struct transport **ret, struct fl_error *err)
{
	own(membership_freep) struct membership *membership = NULL;
	own(tls_freep) struct tls *tls = NULL;
	own_fd int taken = fd;

	if (trust_membership(trust, &membership, err) < 0)
		return fl_failed(err);
	if (tls_new(take_fd(taken), from, membership, true, &tls, err) < 0 ||
	    tls_handshake(tls, options, true, err) < 0)
		return fl_failed(err);
	*ret = &take_ptr(tls)->transport;
	return 0;
}
