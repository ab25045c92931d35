/*
 * Bytes come when they come: the socket does not block, and every wait is for
 * what is left of the time, so nobody holds up a thread by sending slowly.
 *
 * Who refuses says why, ends its side, and reads on for a moment: a socket that
 * is closed over unread bytes sends a reset, which may destroy the alert that is
 * on its way.
 */

#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "trust/tls-internal.h"

#define LINGER CLOCK_SECOND
#define LINGER_BYTES ((size_t)256 * 1024)

static int wait_for_turn(struct tls *tls, int64_t deadline, int cancel, struct fl_error *err)
{
	const short events = gnutls_record_get_direction(tls->session) ? POLLOUT : POLLIN;

	return tls_wait(tls, events, deadline, cancel, err);
}

static void send_alert(const struct tls *tls, gnutls_alert_description_t alert, int64_t deadline)
{
	struct fl_error ignored; /* it is refused either way */
	int r;

	do {
		r = gnutls_alert_send(tls->session, GNUTLS_AL_FATAL, alert);
	} while ((r == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED) &&
		 tcp_wait(tls->fd, POLLOUT, deadline, -1, &ignored) == 0);
}

static void say_why(const struct tls *tls, gnutls_alert_description_t alert)
{
	const int64_t deadline = clock_monotonic() + LINGER;
	struct fl_error ignored;
	char bytes[4096];
	size_t left = LINGER_BYTES;

	send_alert(tls, alert, deadline);
	shutdown(tls->fd, SHUT_WR);
	while (left > 0 && tcp_wait(tls->fd, POLLIN, deadline, -1, &ignored) == 0) {
		ssize_t n = recv(tls->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			break;
		if (n > 0)
			left -= (size_t)n < left ? (size_t)n : left;
	}
}

static int shake(struct tls *tls, int64_t deadline, int cancel, struct fl_error *err)
{
	int r;

	while ((r = gnutls_handshake(tls->session)) < 0) {
		if (r == GNUTLS_E_AGAIN || r == GNUTLS_E_INTERRUPTED) {
			if (wait_for_turn(tls, deadline, cancel, err) < 0)
				return fl_wrap(err, "%s", tls->name);
		} else if (gnutls_error_is_fatal(r)) {
			return tls_broken(tls, r, err);
		}
	}
	return 0;
}

static bool is_broken_off(const struct fl_error *err)
{
	return fl_is_cancelled(err) || err->code == FL_UNREACHABLE;
}

int tls_handshake(struct tls *tls, const struct tls_options *options, bool server,
		  struct fl_error *err)
{
	const int64_t patience = options->patience ? options->patience : TLS_PATIENCE;
	struct fl_error why;
	struct verdict verdict = {
		.membership = tls->membership, .options = options, .server = server, .err = &why
	};
	int r;

	gnutls_session_set_ptr(tls->session, &verdict);
	gnutls_session_set_verify_function(tls->session, verify_peer);
	r = shake(tls, clock_monotonic() + patience, options->cancel, err);
	gnutls_session_set_ptr(tls->session, NULL);
	if (r == 0 && !verdict.asked) /* nobody comes in unseen, whatever the library thinks */
		r = fl_fail(err, FL_DENIED, "%s was not looked at", tls->name);
	if (verdict.refused) {
		say_why(tls, verdict.alert);
		*err = why;
		return fl_wrap(err, "%s is refused", tls->name);
	}
	if (r < 0) {
		if (!is_broken_off(err))
			say_why(tls, GNUTLS_A_HANDSHAKE_FAILURE);
		return r;
	}
	tls->peer = verdict.peer;
	return 0;
}
