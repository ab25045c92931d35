/*
 * By itself GnuTLS makes a packet of each record, of 16 KiB at most, and reads a record in two
 * steps: five bytes, then what those announce.  So the kernel is told when more follows at once,
 * and makes one packet of all that; and what has arrived is taken in one step, as much as there is
 * room for.  (In turns with a build without this, a push of 1 GiB took some percent less.)
 */

#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "trust/tls-internal.h"

static ssize_t push(gnutls_transport_ptr_t arg, const giovec_t *pieces, int count)
{
	struct tls *tls = arg;
	const struct msghdr message = {
		.msg_iov = (struct iovec *)(uintptr_t)pieces,
		.msg_iovlen = (size_t)count,
	};

	return sendmsg(tls->fd, &message, MSG_NOSIGNAL | (tls->more ? MSG_MORE : 0));
}

static ssize_t pull(gnutls_transport_ptr_t arg, void *bytes, size_t length)
{
	struct tls *tls = arg;

	if (tls->ahead_from == tls->ahead_to) {
		ssize_t n = recv(tls->fd, tls->ahead, TLS_AHEAD, 0);

		if (n <= 0)
			return n;
		tls->ahead_from = 0;
		tls->ahead_to = (size_t)n;
	}
	if (length > tls->ahead_to - tls->ahead_from)
		length = tls->ahead_to - tls->ahead_from;
	memcpy(bytes, tls->ahead + tls->ahead_from, length);
	tls->ahead_from += length;
	return (ssize_t)length;
}

static bool is_ahead(struct tls *tls)
{
	own_lock(guard, &tls->mutex);

	return tls->ahead_from < tls->ahead_to;
}

/* GnuTLS asks to wait after records that are its own, too, such as new keys: more may be here. */
int tls_wait(struct tls *tls, short events, int64_t deadline, int cancel, struct fl_error *err)
{
	return events == POLLIN && is_ahead(tls) ? 0
						 : tcp_wait(tls->fd, events, deadline, cancel, err);
}

void tls_carry(struct tls *tls)
{
	tls->ahead = xrealloc(NULL, 1, TLS_AHEAD);
	gnutls_transport_set_ptr(tls->session, tls);
	gnutls_transport_set_vec_push_function(tls->session, push);
	gnutls_transport_set_pull_function(tls->session, pull);
}
