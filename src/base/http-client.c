#include "base/http-client.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/http-internal.h"

/*
 * A small HTTP/1.1 client.  libcurl would do most of this, but it brings some
 * thirty shared libraries, ten milliseconds before main() where the command has to start
 * in a few times what `true` takes, and a good part of what the daemon may hold when it is idle.
 * Nor does it give a connection away when its peer stops to speak HTTP, as container engines
 * do for programs that they run.  A Unix socket needs none of what makes HTTP
 * large: no names to resolve, no TLS, no proxies, no redirects, no cookies.  What
 * is left is RFC 9112: a status line, fields, and a body that is framed by
 * Content-Length, by chunks, or by the end of the connection.
 *
 * Without a deadline calls block in the kernel.  With one, each of them waits for
 * the descriptor first: a peer that sends a byte a second does not gain by it.
 */

int http_fail_memory(size_t bytes, struct fl_error *err)
{
	return fl_fail(err, FL_SYSTEM, "no memory for %zu bytes", bytes);
}

static int fail_late(const struct http_client *client, struct fl_error *err)
{
	return fl_fail(err, FL_UNREACHABLE, "%s did not answer within %g s", client->peer->name,
		       (double)client->patience / 1e9);
}

int http_await(const struct http_client *client, short events, struct fl_error *err)
{
	struct pollfd fds[] = {
		{ .fd = client->fd, .events = events },
		{ .fd = client->stop ? client->stop : -1, .events = POLLIN },
	};

	while (client->deadline) {
		int n = poll(fds, array_size(fds), clock_milliseconds_until(client->deadline));

		if (n > 0 && fds[1].revents)
			return fl_fail(err, FL_UNREACHABLE,
				       "%s did not answer before the daemon ended",
				       client->peer->name);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return fl_fail_errno(err, "waiting for %s", client->peer->name);
		if (clock_monotonic() >= client->deadline)
			return fail_late(client, err);
	}
	return 0;
}

/* connect() waits where the peer does not accept; as long as sending may take. */
static int limit_connect(int fd, int64_t patience, struct fl_error *err)
{
	struct timeval time = { .tv_sec = patience / CLOCK_SECOND,
				.tv_usec = patience % CLOCK_SECOND / 1000 };

	if (patience && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time)) < 0)
		return fl_fail_errno(err, "limiting the time of a connection");
	return 0;
}

int http_connect(struct http_client *client, const struct http_peer *peer, const char *socket_path,
		 int64_t patience, struct fl_error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct http_client made = { .peer = peer, .fd = -1, .patience = patience };
	own_free char *buffer = NULL;
	own_fd int fd = -1;

	if (strlen(socket_path) >= sizeof(address.sun_path))
		return fl_fail(err, FL_INVALID,
			       "the socket's path has more than %zu bytes: '%.60s...'",
			       sizeof(address.sun_path) - 1, socket_path);
	memcpy(address.sun_path, socket_path, strlen(socket_path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fl_fail_errno(err, "making a socket");
	if (limit_connect(fd, patience, err) < 0)
		return fl_failed(err);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return errno == EAGAIN && patience
			       ? fail_late(&made, err)
			       : fl_fail_errno(err, "connecting to '%s'", socket_path);
	buffer = malloc(HTTP_HEADER_MAX);
	if (!buffer)
		return http_fail_memory(HTTP_HEADER_MAX, err);
	made.fd = take_fd(fd);
	made.buffer = take_ptr(buffer);
	*client = made;
	return 0;
}

void http_close(struct http_client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	free(client->buffer);
	client->fd = -1;
	client->buffer = NULL;
	client->start = client->end = 0;
	client->spent = client->exact = false;
}

bool http_is_stale(const struct http_client *client)
{
	struct pollfd poll_fd = { .fd = client->fd, .events = POLLIN };

	return client->fd < 0 || client->spent || poll(&poll_fd, 1, 0) != 0;
}

bool http_is_answered(const struct http_client *client, int milliseconds)
{
	struct pollfd poll_fd = { .fd = client->fd, .events = POLLIN };
	int ready;

	if (client->fd < 0 || client->start < client->end)
		return true;
	ready = poll(&poll_fd, 1, milliseconds);
	return ready > 0 || (ready < 0 && errno != EINTR);
}

/* What was sent is taken off the front. */
static void advance(struct msghdr *message, size_t sent)
{
	while (message->msg_iovlen > 0 && sent >= message->msg_iov->iov_len) {
		sent -= message->msg_iov->iov_len;
		message->msg_iov++;
		message->msg_iovlen--;
	}
	if (message->msg_iovlen > 0) {
		message->msg_iov->iov_base = (char *)message->msg_iov->iov_base + sent;
		message->msg_iov->iov_len -= sent;
	}
}

static int send_all(struct http_client *client, struct iovec *parts, size_t count,
		    struct fl_error *err)
{
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = count };
	int flags = MSG_NOSIGNAL | (client->deadline ? MSG_DONTWAIT : 0);

	while (message.msg_iovlen > 0) {
		ssize_t n;

		if (http_await(client, POLLOUT, err) < 0)
			return fl_failed(err);
		n = sendmsg(client->fd, &message, flags);
		/* A request may be refused before all of it was read: the answer says why. */
		if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) {
			client->spent = true;
			return 0;
		}
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return fl_fail_errno(err, "sending the request");
		if (n > 0)
			advance(&message, (size_t)n);
	}
	return 0;
}

static char *format_head(const struct http_call *call)
{
	char *head = NULL, framing[200] = "";

	if (call->body)
		snprintf(framing, sizeof(framing), "Content-Type: %s\r\nContent-Length: %zu\r\n",
			 call->type ? call->type : "application/json", call->length);
	if (asprintf(&head,
		     "%s %s HTTP/1.%c\r\nHost: localhost\r\nAccept: application/json\r\n%s%s\r\n",
		     call->method, call->target, call->old ? '0' : '1',
		     call->fields ? call->fields : "", framing) < 0)
		return NULL;
	return head;
}

static int send_request(struct http_client *client, const struct http_call *call,
			struct fl_error *err)
{
	own_free char *head = format_head(call);

	if (!head)
		return http_fail_memory(strlen(call->target), err);
	return send_all(client,
			(struct iovec[]){
				{ head, strlen(head) },
				{ (char *)(uintptr_t)call->body, call->length },
			},
			call->body ? 2 : 1, err);
}

int http_send(struct http_client *client, const struct http_call *call, struct fl_error *err)
{
	int r;

	client->unanswered = true;
	client->deadline = client->patience ? clock_monotonic() + client->patience : 0;
	r = send_request(client, call, err);
	if (r < 0)
		http_close(client);
	return r;
}
