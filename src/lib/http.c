#include "lib/http.h"

#include <ctype.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "lib/flocker.h"

/*
 * A small HTTP/1.1 client.  libcurl would do all of this, but it brings some
 * thirty shared libraries and ten milliseconds before main(), and the command
 * has to start in a few times what `true` takes.  A Unix socket to our own
 * daemon needs none of what makes HTTP large: no names to resolve, no TLS, no
 * proxies, no redirects, no cookies.  What is left is RFC 9112: a status line,
 * fields, and a body that is framed by Content-Length, by chunks, or by the end
 * of the connection.
 *
 * Bytes are read into one buffer of HTTP_HEADER_MAX, so a header that does not
 * fit is refused by itself.  A body goes from there into an allocation that
 * grows with what has arrived, never with what was announced; one that is a
 * stream goes from there into a descriptor, piece by piece.  The daemon may
 * think as long as it needs to: there is no timeout on answers.
 */

static int fail_memory(size_t bytes, struct fl_error *err)
{
	return fl_fail(err, FL_SYSTEM, "no memory for %zu bytes", bytes);
}

static int fail_foreign(const char *why, struct fl_error *err)
{
	fl_fail(err, FL_UNREACHABLE, "what listens there does not speak Flocker's protocol: %s",
		why);
	return fl_hint(err, "is it the socket of a Flocker daemon?");
}

static int fail_cut(struct fl_error *err)
{
	fl_fail(err, FL_UNREACHABLE, "the daemon ended the connection before its answer");
	return fl_hint(err, "look at its log (journalctl -u flockerd), and at what the command "
			    "should have changed");
}

int http_connect(struct http *http, const char *socket_path, struct fl_error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
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
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return fl_fail_errno(err, "connecting to '%s'", socket_path);
	buffer = malloc(HTTP_HEADER_MAX);
	if (!buffer)
		return fail_memory(HTTP_HEADER_MAX, err);
	*http = (struct http){ .fd = take_fd(fd), .buffer = take_ptr(buffer) };
	return 0;
}

void http_close(struct http *http)
{
	if (http->fd >= 0)
		close(http->fd);
	free(http->buffer);
	*http = (struct http){ .fd = -1 };
}

bool http_is_stale(const struct http *http)
{
	struct pollfd poll_fd = { .fd = http->fd, .events = POLLIN };

	return http->fd < 0 || http->spent || poll(&poll_fd, 1, 0) != 0;
}

bool http_is_answered(const struct http *http, int milliseconds)
{
	struct pollfd poll_fd = { .fd = http->fd, .events = POLLIN };

	return http->fd < 0 || http->start < http->end || poll(&poll_fd, 1, milliseconds) != 0;
}

static int send_all(int fd, struct iovec *parts, size_t count, struct fl_error *err)
{
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = count };

	while (message.msg_iovlen > 0) {
		ssize_t n = sendmsg(fd, &message, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		/* The daemon may refuse a request before it has read all of it: its answer says
		 * why. */
		if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
			return 0;
		if (n < 0)
			return fl_fail_errno(err, "sending the request");
		while (message.msg_iovlen > 0 && (size_t)n >= message.msg_iov->iov_len) {
			n -= (ssize_t)message.msg_iov->iov_len;
			message.msg_iov++;
			message.msg_iovlen--;
		}
		if (message.msg_iovlen > 0) {
			message.msg_iov->iov_base = (char *)message.msg_iov->iov_base + n;
			message.msg_iov->iov_len -= (size_t)n;
		}
	}
	return 0;
}

static int send_request(struct http *http, const char *method, const char *target, const char *body,
			struct fl_error *err)
{
	own_free char *head = NULL;
	char *content = NULL;
	size_t length = body ? strlen(body) : 0;
	int n = asprintf(&head, "%s %s HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n",
			 method, target);

	if (n < 0)
		return fail_memory(strlen(target), err);
	if (body)
		n = asprintf(&content,
			     "%sContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
			     head, length);
	else
		n = asprintf(&content, "%s\r\n", head);
	if (n < 0)
		return fail_memory(strlen(target), err);
	free(head);
	head = content;
	return send_all(http->fd,
			(struct iovec[]){
				{ head, (size_t)n },
				{ (char *)(uintptr_t)body, length },
			},
			body ? 2 : 1, err);
}

/* Reads once into [buffer, buffer + room): 0 at the end of the connection. */
static ssize_t read_some(struct http *http, char *buffer, size_t room, struct fl_error *err)
{
	ssize_t n;

	do
		n = recv(http->fd, buffer, room, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == ECONNRESET)
		return 0;
	if (n < 0)
		return fl_fail_errno(err, "reading the answer");
	return n;
}

/* At least one more byte in the buffer; the caller has seen that there is room. */
static int fill(struct http *http, struct fl_error *err)
{
	ssize_t n;

	if (http->start > 0) {
		memmove(http->buffer, http->buffer + http->start, http->end - http->start);
		http->end -= http->start;
		http->start = 0;
	}
	n = read_some(http, http->buffer + http->end, HTTP_HEADER_MAX - http->end, err);
	if (n < 0)
		return (int)n;
	if (n == 0)
		return fail_cut(err);
	http->end += (size_t)n;
	return 0;
}

/*
 * The next line, without its end, NUL-terminated in the buffer; `*budget` is
 * what the header may still take.  Valid until the next read.
 */
static int read_line(struct http *http, size_t *budget, char **ret, struct fl_error *err)
{
	for (;;) {
		char *line = http->buffer + http->start;
		size_t there = http->end - http->start;
		char *end = memchr(line, '\n', there);
		size_t length = end ? (size_t)(end - line) + 1 : there;
		int r;

		if (length > *budget || (!end && there == HTTP_HEADER_MAX))
			return fail_foreign("its header is longer than 16 KiB", err);
		if (end) {
			*budget -= length;
			http->start += length;
			if (end > line && end[-1] == '\r')
				end--;
			*end = '\0';
			*ret = line;
			return 0;
		}
		r = fill(http, err);
		if (r < 0)
			return r;
	}
}

struct framing {
	int status;
	bool chunked;
	bool close;
	bool has_length;
	size_t length;
};

/* Digits alone, in base 10 or 16; false for anything else and for what does not fit. */
static bool parse_size(const char *text, int base, size_t *ret)
{
	char *end;

	if (!isxdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	*ret = strtoull(text, &end, base);
	while (*end == ' ' || *end == '\t')
		end++;
	/* After a chunk's size extensions may follow; we know none and need none. */
	return errno == 0 && (*end == '\0' || (base == 16 && *end == ';'));
}

static int read_field(char *line, struct framing *framing, struct fl_error *err)
{
	char *value = strchr(line, ':');

	if (!value || value == line)
		return fail_foreign("a header field without a name", err);
	*value++ = '\0';
	value += strspn(value, " \t");
	if (strcasecmp(line, "Content-Length") == 0) {
		framing->has_length = parse_size(value, 10, &framing->length);
		if (!framing->has_length)
			return fail_foreign("a length that is no number", err);
	} else if (strcasecmp(line, "Transfer-Encoding") == 0) {
		framing->chunked = strcasecmp(value, "chunked") == 0;
		if (!framing->chunked)
			return fail_foreign("an unknown transfer encoding", err);
	} else if (strcasecmp(line, "Connection") == 0) {
		framing->close = strcasestr(value, "close") != NULL;
	}
	return 0;
}

static int read_header(struct http *http, struct framing *ret, struct fl_error *err)
{
	size_t budget = HTTP_HEADER_MAX;
	struct framing framing = { 0 };
	char *line;
	int r = read_line(http, &budget, &line, err);

	if (r < 0)
		return r;
	if (strncmp(line, "HTTP/1.", 7) != 0 || strlen(line) < 12 || line[8] != ' ')
		return fail_foreign("no HTTP status line", err);
	framing.close = line[7] == '0';
	framing.status = atoi(line + 9);
	if (framing.status < 100 || framing.status > 599)
		return fail_foreign("no HTTP status", err);
	for (;;) {
		r = read_line(http, &budget, &line, err);
		if (r < 0)
			return r;
		if (*line == '\0')
			break;
		r = read_field(line, &framing, err);
		if (r < 0)
			return r;
	}
	*ret = framing;
	return 0;
}

struct body {
	char *bytes; /* heap */
	size_t length;
	size_t capacity;
	size_t limit;
	const struct fl_stream *stream; /* where it goes instead, piece by piece; or NULL */
	uint64_t written;		/* to there */
};

static int reserve(struct body *body, size_t more, struct fl_error *err)
{
	size_t capacity = body->capacity ? body->capacity : 4096;
	char *bytes;

	if (more > body->limit - body->length)
		return fl_fail(err, FL_UNSUPPORTED,
			       "the answer is longer than %zu bytes: ask for less", body->limit);
	while (capacity < body->length + more + 1)
		capacity *= 2;
	if (capacity == body->capacity)
		return 0;
	bytes = realloc(body->bytes, capacity);
	if (!bytes)
		return fail_memory(capacity, err);
	body->bytes = bytes;
	body->capacity = capacity;
	return 0;
}

/* What can be written without waiting, once poll says so: a pipe promises no more than a page. */
static size_t room_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? SIZE_MAX : PIPE_BUF;
}

/* Empties a body that is a stream; it then takes the next piece.  Who reads it may pause. */
static int write_out(struct body *body, struct fl_error *err)
{
	const struct fl_stream *stream = body->stream;
	size_t room = room_of(stream->fd);

	for (size_t done = 0; done < body->length;) {
		struct pollfd fd = { .fd = stream->fd, .events = POLLOUT };
		size_t left = body->length - done;
		ssize_t n;

		if (http_wait_any(stream, body->written + done, &fd, 1, err) < 0)
			return fl_failed(err);
		n = write(stream->fd, body->bytes + done, left < room ? left : room);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return fl_fail_errno(err, "writing what came");
		if (n > 0)
			done += (size_t)n;
	}
	body->written += body->length;
	body->length = 0;
	return 0;
}

/* Up to `want` bytes: what the buffer holds, else one read.  How many; 0 at the end. */
static ssize_t read_part(struct http *http, struct body *body, size_t want, struct fl_error *err)
{
	size_t there = http->end - http->start;
	size_t n = want < 65536 ? want : 65536;
	ssize_t got;
	int r;

	if (there > 0 && n > there)
		n = there;
	r = reserve(body, n, err);
	if (r < 0)
		return r;
	if (there > 0) {
		memcpy(body->bytes + body->length, http->buffer + http->start, n);
		http->start += n;
		got = (ssize_t)n;
	} else {
		if (body->stream) {
			r = http_wait(http, body->stream, body->written, POLLIN, -1, err);
			if (r < 0)
				return r;
		}
		got = read_some(http, body->bytes + body->length, n, err);
	}
	if (got > 0)
		body->length += (size_t)got;
	if (got > 0 && body->stream && write_out(body, err) < 0)
		return fl_failed(err);
	return got;
}

static int read_exactly(struct http *http, struct body *body, size_t length, struct fl_error *err)
{
	if (length > body->limit - body->length)
		return reserve(body, length, err);
	while (length > 0) {
		ssize_t n = read_part(http, body, length, err);

		if (n < 0)
			return (int)n;
		if (n == 0)
			return fail_cut(err);
		length -= (size_t)n;
	}
	return 0;
}

static int read_to_end(struct http *http, struct body *body, struct fl_error *err)
{
	ssize_t n;

	do {
		n = read_part(http, body, 65536, err);
		if (n < 0)
			return (int)n;
	} while (n > 0);
	return 0;
}

static int read_chunks(struct http *http, struct body *body, struct fl_error *err)
{
	for (;;) {
		size_t budget = HTTP_HEADER_MAX, length;
		char *line;
		int r = read_line(http, &budget, &line, err);

		if (r < 0)
			return r;
		if (!parse_size(line, 16, &length))
			return fail_foreign("a chunk without a size", err);
		if (length == 0)
			break;
		r = read_exactly(http, body, length, err);
		if (r < 0)
			return r;
		r = read_line(http, &budget, &line, err);
		if (r < 0)
			return r;
		if (*line != '\0')
			return fail_foreign("a chunk longer than its size", err);
	}
	/* Trailer fields, up to an empty line. */
	for (size_t budget = HTTP_HEADER_MAX;;) {
		char *line;
		int r = read_line(http, &budget, &line, err);

		if (r < 0 || *line == '\0')
			return r;
	}
}

static int read_body(struct http *http, struct framing *framing, struct body *body,
		     struct fl_error *err)
{
	if (framing->status == 204 || framing->status == 304)
		return 0;
	if (framing->chunked)
		return read_chunks(http, body, err);
	if (framing->has_length)
		return read_exactly(http, body, framing->length, err);
	framing->close = true;
	if (body->stream) /* nothing tells such an end from a cut */
		return fail_foreign("a stream without an end", err);
	return read_to_end(http, body, err);
}

/* A 2xx answer's body: it is not bounded, and one that is cut has damaged what it went to. */
static int read_stream(struct http *http, struct framing *framing, struct body *body,
		       struct fl_error *err)
{
	int r;

	body->limit = SIZE_MAX - 1;
	r = read_body(http, framing, body, err);
	if (r == -FL_UNREACHABLE)
		return fl_fail(err, FL_CORRUPT,
			       "the daemon ended the connection after %" PRIu64
			       " bytes: what came is not whole",
			       body->written);
	return r;
}

/* `stream`: see http_download(); NULL: the body is the answer's. */
static int read_answer(struct http *http, size_t limit, const struct fl_stream *stream,
		       struct http_answer *ret, struct fl_error *err)
{
	struct framing framing = { 0 };
	struct body body = { .limit = limit };
	int r;

	/* 1xx answers announce the real one. */
	while (framing.status < 200) {
		r = read_header(http, &framing, err);
		if (r < 0)
			return r;
	}
	body.stream = framing.status < 300 ? stream : NULL;
	r = reserve(&body, 0, err);
	if (r == 0)
		r = body.stream ? read_stream(http, &framing, &body, err)
				: read_body(http, &framing, &body, err);
	if (r < 0) {
		free(body.bytes);
		return r;
	}
	body.bytes[body.length] = '\0';
	*ret = (struct http_answer){ framing.status, body.bytes, body.length };
	if (framing.close)
		http_close(http);
	return 0;
}

int http_send(struct http *http, const char *method, const char *target, const char *body,
	      struct fl_error *err)
{
	int r = send_request(http, method, target, body, err);

	if (r < 0)
		http_close(http);
	return r;
}

int http_receive(struct http *http, size_t limit, struct http_answer *ret, struct fl_error *err)
{
	int r = http->fd < 0 ? fail_cut(err) : read_answer(http, limit, NULL, ret, err);

	if (r < 0)
		http_close(http);
	return r;
}

int http_download(struct http *http, const struct fl_stream *stream, size_t limit,
		  struct http_answer *ret, struct fl_error *err)
{
	int r = http->fd < 0 ? fail_cut(err) : 0;

	/* The daemon may think before it begins; to stop must be possible then too. */
	if (r == 0 && http->start == http->end)
		r = http_wait(http, stream, 0, POLLIN, -1, err);
	if (r >= 0)
		r = read_answer(http, limit, stream, ret, err);
	if (r < 0)
		http_close(http);
	return r;
}
