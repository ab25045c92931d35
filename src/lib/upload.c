#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/flocker.h"
#include "lib/http.h"

/*
 * Requests whose bodies are streams.  Each piece is read from its descriptor
 * behind a gap, in which its chunk's size is written when the whole length is
 * not known, so a piece is sent as one run of bytes.
 *
 * The socket is looked at before each piece, and while one waits for either
 * side: a daemon that answers before the end has made up its mind, and whatever
 * else it would be sent is lost on it.
 */

#define PIECE 65536
#define SIZE_LINE 10 /* "0000ffff\r\n" */
#define TICK 250     /* ms */

struct sending {
	struct http_client *client;
	const struct fl_stream *stream;
	uint64_t bytes; /* of the stream, sent */
	bool over;	/* the daemon has answered, or is gone */
	char buffer[SIZE_LINE + PIECE + 2];
};

static bool may_go_on(const struct fl_stream *stream, uint64_t bytes)
{
	return !stream->progress || stream->progress(stream->arg, bytes);
}

int http_wait_any(const struct fl_stream *stream, uint64_t bytes, struct pollfd *fds, nfds_t count,
		  struct fl_error *err)
{
	int n;

	for (;;) {
		if (!may_go_on(stream, bytes)) {
			errno = EINTR;
			return fl_fail_errno(err, "stopped after %" PRIu64 " bytes", bytes);
		}
		n = poll(fds, count, TICK);
		if (n < 0 && errno != EINTR)
			return fl_fail_errno(err, "waiting for the daemon");
		if (n > 0)
			return 0;
	}
}

int http_wait(const struct http_client *client, const struct fl_stream *stream, uint64_t bytes,
	      short events, int other, struct fl_error *err)
{
	struct pollfd fds[] = {
		{ .fd = client->fd, .events = events },
		{ .fd = other, .events = POLLIN },
	};
	int r = http_wait_any(stream, bytes, fds, 2, err);

	return r < 0 ? r : fds[0].revents;
}

/* All of `bytes`, unless the daemon has said or done something before. */
static int send_run(struct sending *sending, const char *bytes, size_t length, struct fl_error *err)
{
	while (length > 0 && !sending->over) {
		int events = http_wait(sending->client, sending->stream, sending->bytes,
				       POLLIN | POLLOUT, -1, err);
		ssize_t n;

		if (events < 0)
			return events;
		if (events & (POLLIN | POLLHUP | POLLERR)) {
			sending->over = true;
			break;
		}
		n = send(sending->client->fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
			sending->over = true;
		else if (n < 0 && errno != EAGAIN && errno != EINTR)
			return fl_fail_errno(err, "sending the request");
		if (n > 0) {
			bytes += n;
			length -= (size_t)n;
		}
	}
	return 0;
}

static int send_head(struct sending *sending, const struct http_upload *upload,
		     struct fl_error *err)
{
	own_free char *head = NULL;
	char framing[64] = "Transfer-Encoding: chunked";
	int n;

	if (upload->stream->length >= 0)
		snprintf(framing, sizeof(framing), "Content-Length: %" PRId64,
			 upload->stream->length);
	n = asprintf(&head,
		     "%s %s HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n"
		     "Content-Type: %s\r\n%s\r\n\r\n",
		     upload->method, upload->target, upload->type, framing);
	if (n < 0)
		return fl_fail(err, FL_SYSTEM, "no memory for a request");
	return send_run(sending, head, (size_t)n, err);
}

/* Up to `want` bytes of the stream; 0 at its end, or when the daemon speaks first. */
static ssize_t read_piece(struct sending *sending, size_t want, struct fl_error *err)
{
	int fd = sending->stream->fd;
	int events = http_wait(sending->client, sending->stream, sending->bytes, POLLIN, fd, err);
	ssize_t n;

	if (events < 0)
		return events;
	if (events) {
		sending->over = true;
		return 0;
	}
	do
		n = read(fd, sending->buffer + SIZE_LINE, want);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return fl_fail_errno(err, "reading what is to be sent");
	return n;
}

static int fail_short(const struct sending *sending, struct fl_error *err)
{
	return fl_fail(err, FL_SYSTEM,
		       "what is to be sent ended after %" PRIu64 " of %" PRId64
		       " bytes: it became shorter while it was read",
		       sending->bytes, sending->stream->length);
}

static int send_counted(struct sending *sending, struct fl_error *err)
{
	uint64_t length = (uint64_t)sending->stream->length;

	while (sending->bytes < length && !sending->over) {
		uint64_t left = length - sending->bytes;
		ssize_t n = read_piece(sending, left < PIECE ? (size_t)left : PIECE, err);

		if (n < 0)
			return (int)n;
		if (n == 0 && !sending->over)
			return fail_short(sending, err);
		if (send_run(sending, sending->buffer + SIZE_LINE, (size_t)n, err) < 0)
			return fl_failed(err);
		sending->bytes += (size_t)n;
	}
	return 0;
}

static int send_chunks(struct sending *sending, struct fl_error *err)
{
	char line[SIZE_LINE + 1];
	ssize_t n;

	while ((n = read_piece(sending, PIECE, err)) > 0) {
		snprintf(line, sizeof(line), "%08x\r\n", (unsigned)n);
		memcpy(sending->buffer, line, SIZE_LINE);
		memcpy(sending->buffer + SIZE_LINE + n, "\r\n", 2);
		if (send_run(sending, sending->buffer, SIZE_LINE + (size_t)n + 2, err) < 0)
			return fl_failed(err);
		sending->bytes += (size_t)n;
	}
	return n < 0 ? (int)n : send_run(sending, "0\r\n\r\n", 5, err);
}

static int send_stream(struct sending *sending, const struct http_upload *upload,
		       struct fl_error *err)
{
	int r = send_head(sending, upload, err);

	if (r == 0)
		r = upload->stream->length >= 0 ? send_counted(sending, err)
						: send_chunks(sending, err);
	if (r < 0)
		return r;
	/* The daemon may have much to do with the body before it answers. */
	r = http_wait(sending->client, upload->stream, sending->bytes, POLLIN, -1, err);
	return r < 0 ? r : 0;
}

int http_upload(struct http_client *client, const struct http_upload *upload, struct fl_error *err)
{
	struct sending sending;
	int r;

	sending.client = client;
	sending.stream = upload->stream;
	sending.bytes = 0;
	sending.over = false;
	r = send_stream(&sending, upload, err);
	client->spent = sending.over;
	if (r < 0)
		http_close(client);
	return r;
}
