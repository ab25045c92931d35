#include "http/early.h"

#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/clock.h"

/* As much as the client takes; it is cut off after this anyway. */
static void send_bytes(int peer, const char *bytes, size_t length, unsigned timeout_seconds)
{
	struct pollfd fd = { .fd = peer, .events = POLLOUT };
	int timeout = (int)timeout_seconds * 1000;

	while (length > 0) {
		ssize_t n = send(peer, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return;
		if (n < 0 && errno == EAGAIN && poll(&fd, 1, timeout) == 0)
			return;
		if (n > 0) {
			bytes += n;
			length -= (size_t)n;
		}
	}
}

void early_send(int peer, struct http_response *response, unsigned timeout_seconds)
{
	own_text struct text out = { 0 };

	text_add_format(&out, "HTTP/1.1 %u %s\r\nConnection: close\r\nContent-Length: %zu\r\n",
			response->status, MHD_get_reason_phrase_for(response->status),
			response->body.length);
	if (response->type)
		text_add_format(&out, "Content-Type: %s\r\n", response->type);
	for (size_t i = 0; i < response->header_count; i++)
		text_add_format(&out, "%s: %s\r\n", response->headers[i].name,
				response->headers[i].value);
	text_add_string(&out, "\r\n");
	text_add(&out, text_get(&response->body), response->body.length);
	send_bytes(peer, out.bytes, out.length, timeout_seconds);
	shutdown(peer, SHUT_WR);
}

void early_drain(int peer)
{
	struct pollfd fd = { .fd = peer, .events = POLLIN };
	int64_t until = clock_monotonic() + EARLY_LINGER * CLOCK_SECOND;
	char dropped[16384];

	for (;;) {
		int64_t left = until - clock_monotonic();
		ssize_t n;

		if (left <= 0 || poll(&fd, 1, (int)(left / (CLOCK_SECOND / 1000)) + 1) == 0)
			return;
		n = recv(peer, dropped, sizeof(dropped), MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			return;
	}
}
