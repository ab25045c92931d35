/*
 * Over descriptors: who waits does so in poll(2), together with an eventfd that
 * transport_shut() makes readable, for shutdown(2) wakes nobody at a pipe.
 *
 * Their flags are left alone, so what poll(2) has allowed must not block after
 * all.  Reading never does.  Writing to a socket is told not to; a pipe that
 * is ready takes PIPE_BUF bytes at once, and is given no more.
 */

#include "base/transport.h"

#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/text.h"

int transport_read(struct transport *transport, void *bytes, size_t length, size_t *ret,
		   struct fl_error *err)
{
	return transport->type->read(transport, bytes, length, ret, err);
}

int transport_fill(struct transport *transport, void *bytes, size_t length, size_t *ret,
		   struct fl_error *err)
{
	size_t done = 0, n = 1;

	while (done < length && n > 0) {
		if (transport_read(transport, (char *)bytes + done, length - done, &n, err) < 0)
			return fl_failed(err);
		done += n;
	}
	*ret = done;
	return 0;
}

int transport_write(struct transport *transport, const void *bytes, size_t length,
		    struct fl_error *err)
{
	return transport->type->write(transport, bytes, length, err);
}

int transport_finish(struct transport *transport, struct fl_error *err)
{
	return transport->type->finish(transport, err);
}

void transport_shut(struct transport *transport)
{
	transport->type->shut(transport);
}

void transport_free(struct transport *transport)
{
	if (transport)
		transport->type->free(transport);
}

struct descriptors {
	struct transport transport;
	int in, out; /* may be the same */
	int shut;    /* an eventfd */
	bool out_is_socket;
	bool finished; /* by the thread that writes */
	char *name;
};

static struct descriptors *descriptors(struct transport *transport)
{
	return (struct descriptors *)transport;
}

/* Until `fd` is ready, or has an error that the call which follows will tell. */
static int wait_for(const struct descriptors *d, int fd, short events, struct fl_error *err)
{
	struct pollfd polled[] = { { .fd = fd, .events = events },
				   { .fd = d->shut, .events = POLLIN } };

	if (TEMP_FAILURE_RETRY(poll(polled, array_size(polled), -1)) < 0)
		return fl_fail_errno(err, "waiting for %s", d->name);
	if (polled[1].revents)
		return fl_fail_cancelled(err, "the connection to %s was closed on this side",
					 d->name);
	return 0;
}

static int descriptors_read(struct transport *transport, void *bytes, size_t length, size_t *ret,
			    struct fl_error *err)
{
	struct descriptors *d = descriptors(transport);
	ssize_t n;

	do {
		if (wait_for(d, d->in, POLLIN, err) < 0)
			return fl_failed(err);
		n = read(d->in, bytes, length);
	} while (n < 0 && (errno == EAGAIN || errno == EINTR));
	if (n < 0)
		return fl_fail_unreachable(err, "reading from %s", d->name);
	*ret = (size_t)n;
	return 0;
}

static ssize_t write_some(const struct descriptors *d, const void *bytes, size_t length)
{
	if (d->out_is_socket)
		return send(d->out, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
	return write(d->out, bytes, length < PIPE_BUF ? length : PIPE_BUF);
}

static int descriptors_write(struct transport *transport, const void *bytes, size_t length,
			     struct fl_error *err)
{
	struct descriptors *d = descriptors(transport);
	const char *from = bytes;

	while (length > 0) {
		ssize_t n;

		if (wait_for(d, d->out, POLLOUT, err) < 0)
			return fl_failed(err);
		n = write_some(d, from, length);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return fl_fail_unreachable(err, "writing to %s", d->name);
		if (n > 0) {
			from += n;
			length -= (size_t)n;
		}
	}
	return 0;
}

/* A pipe says its end by being closed; a descriptor of its own, so that nobody reads from it. */
static int descriptors_finish(struct transport *transport, struct fl_error *err)
{
	struct descriptors *d = descriptors(transport);

	if (d->finished)
		return 0;
	d->finished = true;
	if (d->out_is_socket && shutdown(d->out, SHUT_WR) < 0)
		return fl_fail_unreachable(err, "ending what is said to %s", d->name);
	if (!d->out_is_socket && d->out != d->in)
		close(take_fd(d->out));
	return 0;
}

static void descriptors_shut(struct transport *transport)
{
	const uint64_t one = 1;

	/* Cannot fail: who would overflow it has made it readable long before. */
	(void)!write(descriptors(transport)->shut, &one, sizeof(one));
}

static void descriptors_free(struct transport *transport)
{
	struct descriptors *d = descriptors(transport);

	own_fdp(&d->shut);
	if (d->out != d->in)
		own_fdp(&d->out);
	own_fdp(&d->in);
	free(d->name);
	free(d);
}

static const struct transport_type descriptors_type = {
	.name = "descriptors",
	.read = descriptors_read,
	.write = descriptors_write,
	.finish = descriptors_finish,
	.shut = descriptors_shut,
	.free = descriptors_free,
};

static bool is_socket(int fd)
{
	socklen_t size = sizeof(int);
	int type;

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0;
}

int transport_descriptors(int in, int out, const char *name, struct transport **ret,
			  struct fl_error *err)
{
	own(transport_freep) struct transport *transport = NULL;
	struct descriptors *d = xcalloc(1, sizeof(*d));

	*d = (struct descriptors){
		.transport = { &descriptors_type },
		.in = in,
		.out = out,
		.shut = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
		.out_is_socket = is_socket(out),
		.name = xstrdup(name),
	};
	transport = &d->transport;
	if (d->shut < 0)
		return fl_fail_errno(err, "cannot make a connection to %s", name);
	*ret = take_ptr(transport);
	return 0;
}
