/*
 * A session of GnuTLS may be read by one thread and written by another, until
 * it changes its keys: it does so by itself after 2^24 records (256 GiB), in
 * the thread that writes, and touches what the other reads from.  So one mutex
 * is around every call, and nobody waits while holding it: the socket does not
 * block, and poll(2) is outside.  To GnuTLS this is one thread that reads and
 * writes by turns.  What it costs: no connection encrypts and decrypts at the
 * same time, and transfers mostly go one way.
 *
 * Nobody here asks the other side for new keys: of a record that waits to be
 * sent again when such a wish arrives, GnuTLS 3.7 sends the bytes twice.
 */

#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "trust/tls-internal.h"

#define RECORD 16384 /* bytes, the most that one holds */

static struct tls *tls_of(struct transport *transport)
{
	return (struct tls *)transport;
}

static bool is_shut(const struct tls *tls)
{
	return __atomic_load_n(&tls->shut, __ATOMIC_ACQUIRE);
}

void tls_explain(struct tls *tls, ssize_t r, struct fl_error *err)
{
	const int sys = r == GNUTLS_E_PULL_ERROR || r == GNUTLS_E_PUSH_ERROR ? errno : 0;

	if (is_shut(tls)) {
		fl_fail_cancelled(err, "the connection to %s was closed on this side", tls->name);
	} else if (tls->alerted || r == GNUTLS_E_FATAL_ALERT_RECEIVED) {
		verify_refusal(tls->alerted ? tls->alert : gnutls_alert_get(tls->session),
			       tls->name, err);
	} else if (r == GNUTLS_E_PREMATURE_TERMINATION) {
		fl_fail(err, FL_UNREACHABLE, "the connection to %s was cut", tls->name);
	} else if (sys != 0) {
		errno = sys;
		fl_fail_unreachable(err, "the connection to %s", tls->name);
	} else {
		x509_fail(err, FL_UNREACHABLE, (int)r, "%s does not speak as a Flocker daemon does",
			  tls->name);
	}
}

/* With the mutex held. */
static void note_alert(struct tls *tls, ssize_t r)
{
	if (r != GNUTLS_E_FATAL_ALERT_RECEIVED || tls->alerted)
		return;
	tls->alerted = true;
	tls->alert = gnutls_alert_get(tls->session);
}

static bool is_to_wait(ssize_t r)
{
	return r == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED;
}

static ssize_t receive(struct tls *tls, void *bytes, size_t length)
{
	own_lock(guard, &tls->mutex);
	ssize_t r = gnutls_record_recv(tls->session, bytes, length);

	tls->heard |= r > 0;
	note_alert(tls, r);
	return r;
}

/*
 * Whoever refused us has said so and gone: our writing fails before anybody has read the reason.
 * As long as nothing was ever read, there is nothing to be lost by looking.
 */
static void look_for_reason(struct tls *tls)
{
	char byte;

	if (!tls->heard)
		note_alert(tls, gnutls_record_recv(tls->session, &byte, 1));
}

static ssize_t send_record(struct tls *tls, const void *bytes, size_t length, bool more)
{
	own_lock(guard, &tls->mutex);
	ssize_t r;
	int sys;

	tls->more = more;
	r = gnutls_record_send(tls->session, bytes, length);
	sys = errno;
	tls->more = false;
	if (r < 0 && gnutls_error_is_fatal((int)r))
		look_for_reason(tls);
	errno = sys;
	return r;
}

static int read_tls(struct transport *transport, void *bytes, size_t length, size_t *ret,
		    struct fl_error *err)
{
	struct tls *tls = tls_of(transport);

	for (;;) {
		ssize_t r = receive(tls, bytes, length);

		if (r >= 0 && !is_shut(tls)) {
			*ret = (size_t)r;
			return 0;
		}
		if (r >= 0 || (gnutls_error_is_fatal((int)r) && !is_to_wait(r)))
			return tls_broken(tls, r, err);
		if (is_to_wait(r) && tls_wait(tls, POLLIN, 0, -1, err) < 0)
			return fl_failed(err);
		if (is_shut(tls))
			return tls_broken(tls, r, err);
	}
}

/* A record that did not go out whole is sent again with the same bytes, as GnuTLS wants it. */
static int write_record(struct tls *tls, const char *bytes, size_t length, bool more, size_t *ret,
			struct fl_error *err)
{
	for (;;) {
		ssize_t r = send_record(tls, bytes, length, more);

		if (r >= 0) {
			*ret = (size_t)r;
			return 0;
		}
		if (is_shut(tls) || (gnutls_error_is_fatal((int)r) && !is_to_wait(r)))
			return tls_broken(tls, r, err);
		if (is_to_wait(r) && tls_wait(tls, POLLOUT, 0, -1, err) < 0)
			return fl_failed(err);
	}
}

static int write_tls(struct transport *transport, const void *bytes, size_t length,
		     struct fl_error *err)
{
	struct tls *tls = tls_of(transport);
	const char *from = bytes;

	while (length > 0) {
		const bool more = length > RECORD;
		size_t done;

		if (write_record(tls, from, more ? RECORD : length, more, &done, err) < 0)
			return fl_failed(err);
		from += done;
		length -= done;
	}
	return 0;
}

static int send_bye(struct tls *tls)
{
	own_lock(guard, &tls->mutex);

	return gnutls_bye(tls->session, GNUTLS_SHUT_WR);
}

static int finish_tls(struct transport *transport, struct fl_error *err)
{
	struct tls *tls = tls_of(transport);

	for (;;) {
		int r = send_bye(tls);

		if (r >= 0)
			return 0;
		if (is_shut(tls) || !is_to_wait(r))
			return tls_broken(tls, r, err);
		if (tls_wait(tls, POLLOUT, 0, -1, err) < 0)
			return fl_failed(err);
	}
}

/* Wakes poll(2) in both directions. */
static void shut_tls(struct transport *transport)
{
	struct tls *tls = tls_of(transport);

	__atomic_store_n(&tls->shut, true, __ATOMIC_RELEASE);
	shutdown(tls->fd, SHUT_RDWR);
}

void tls_free(struct transport *transport)
{
	struct tls *tls = tls_of(transport);

	if (tls->session)
		gnutls_deinit(tls->session);
	if (tls->anonymous)
		gnutls_certificate_free_credentials(tls->anonymous);
	membership_release(tls->membership);
	pthread_mutex_destroy(&tls->mutex);
	own_fdp(&tls->fd);
	free(tls->ahead);
	free(tls->name);
	free(tls);
}

const struct transport_type tls_type = {
	.name = "tls",
	.read = read_tls,
	.write = write_tls,
	.finish = finish_tls,
	.shut = shut_tls,
	.free = tls_free,
};

const struct trust_identity *tls_peer(const struct transport *transport)
{
	return transport->type == &tls_type ? &((const struct tls *)transport)->peer : NULL;
}
