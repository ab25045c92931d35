#include "base/http-client.h"

#include <ctype.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/http-internal.h"

/*
 * Answers.
 *
 * Bytes are read into one buffer of HTTP_HEADER_MAX, so a header that does not
 * fit is refused by itself.  A body goes from there into an allocation that
 * grows with what has arrived, never with what was announced; one that has a
 * sink goes there piece by piece.
 */

static int fail_foreign(const struct http_client *client, const char *why, struct fl_error *err)
{
	fl_fail(err, FL_UNREACHABLE, "what listens there does not speak %s: %s",
		client->peer->protocol, why);
	return fl_hint(err, "%s", client->peer->hint_foreign);
}

static int fail_cut(const struct http_client *client, struct fl_error *err)
{
	fl_fail(err, FL_UNREACHABLE, "%s ended the connection before its answer",
		client->peer->name);
	return fl_hint(err, "%s", client->peer->hint_cut);
}

/* How many of `room` bytes to read: all, or what is there of a line. */
static ssize_t exact_room(struct http_client *client, char *buffer, size_t room)
{
	ssize_t n = recv(client->fd, buffer, room, MSG_PEEK);
	const char *end = n > 0 ? memchr(buffer, '\n', (size_t)n) : NULL;

	return end ? end - buffer + 1 : n;
}

/* Reads once into [buffer, buffer + room): 0 at the end of the connection. */
static ssize_t read_some(struct http_client *client, char *buffer, size_t room,
			 struct fl_error *err)
{
	ssize_t n;

	do {
		if (http_await(client, POLLIN, err) < 0)
			return fl_failed(err);
		n = client->exact ? exact_room(client, buffer, room) : (ssize_t)room;
		if (n > 0)
			n = recv(client->fd, buffer, (size_t)n, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == ECONNRESET)
		return 0;
	if (n < 0)
		return fl_fail_errno(err, "reading the answer");
	return n;
}

/* At least one more byte in the buffer; the caller has seen that there is room. */
static int fill(struct http_client *client, struct fl_error *err)
{
	ssize_t n;

	if (client->start > 0) {
		memmove(client->buffer, client->buffer + client->start,
			client->end - client->start);
		client->end -= client->start;
		client->start = 0;
	}
	n = read_some(client, client->buffer + client->end, HTTP_HEADER_MAX - client->end, err);
	if (n < 0)
		return (int)n;
	if (n == 0)
		return fail_cut(client, err);
	client->unanswered = false;
	client->end += (size_t)n;
	return 0;
}

/*
 * The next line, without its end, NUL-terminated in the buffer; `*budget` is
 * what the header may still take.  Valid until the next read.
 */
static int read_line(struct http_client *client, size_t *budget, char **ret, struct fl_error *err)
{
	for (;;) {
		char *line = client->buffer + client->start;
		size_t there = client->end - client->start;
		char *end = memchr(line, '\n', there);
		size_t length = end ? (size_t)(end - line) + 1 : there;
		int r;

		if (length > *budget || (!end && there == HTTP_HEADER_MAX))
			return fail_foreign(client, "its header is longer than 16 KiB", err);
		if (end) {
			*budget -= length;
			client->start += length;
			if (end > line && end[-1] == '\r')
				end--;
			*end = '\0';
			*ret = line;
			return 0;
		}
		r = fill(client, err);
		if (r < 0)
			return r;
	}
}

struct framing {
	struct http_answer
		*answer; /* where fields are kept that tell more; the body is not there yet */
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

static int read_field(const struct http_client *client, char *line, struct framing *framing,
		      struct fl_error *err)
{
	char *value = strchr(line, ':');

	if (!value || value == line)
		return fail_foreign(client, "a header field without a name", err);
	*value++ = '\0';
	value += strspn(value, " \t");
	if (strcasecmp(line, "Content-Length") == 0) {
		framing->has_length = parse_size(value, 10, &framing->length);
		if (!framing->has_length)
			return fail_foreign(client, "a length that is no number", err);
	} else if (strcasecmp(line, "Transfer-Encoding") == 0) {
		framing->chunked = strcasecmp(value, "chunked") == 0;
		if (!framing->chunked)
			return fail_foreign(client, "an unknown transfer encoding", err);
	} else if (strcasecmp(line, "Server") == 0) {
		snprintf(framing->answer->server, sizeof(framing->answer->server), "%s", value);
	} else if (strcasecmp(line, "Api-Version") == 0) {
		snprintf(framing->answer->api, sizeof(framing->answer->api), "%s", value);
	} else if (strcasecmp(line, "Connection") == 0) {
		framing->close = strcasestr(value, "close") != NULL;
	}
	return 0;
}

static int read_header(struct http_client *client, struct framing *ret, struct fl_error *err)
{
	size_t budget = HTTP_HEADER_MAX;
	struct framing framing = { .answer = ret->answer };
	char *line;
	int r = read_line(client, &budget, &line, err);

	if (r < 0)
		return r;
	if (strncmp(line, "HTTP/1.", 7) != 0 || strlen(line) < 12 || line[8] != ' ')
		return fail_foreign(client, "no HTTP status line", err);
	framing.close = line[7] == '0';
	framing.status = atoi(line + 9);
	if (framing.status < 100 || framing.status > 599)
		return fail_foreign(client, "no HTTP status", err);
	for (;;) {
		r = read_line(client, &budget, &line, err);
		if (r < 0)
			return r;
		if (*line == '\0')
			break;
		r = read_field(client, line, &framing, err);
		if (r < 0)
			return r;
	}
	*ret = framing;
	return 0;
}

#define FIRST_ROOM 4096 /* bytes for a body, to begin with */

struct body {
	char *bytes; /* heap */
	size_t length;
	size_t capacity;
	size_t limit;
	const struct http_sink *sink; /* where it goes instead, piece by piece; or NULL */
	uint64_t written;	      /* to there */
};

static int reserve(struct body *body, size_t more, struct fl_error *err)
{
	size_t capacity = body->capacity;
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
		return http_fail_memory(capacity, err);
	body->bytes = bytes;
	body->capacity = capacity;
	return 0;
}

/* Empties a body that has a sink; it then takes the next piece. */
static int pour(struct body *body, struct fl_error *err)
{
	if (body->sink->take(body->sink->arg, body->bytes, body->length, err) < 0)
		return fl_failed(err);
	body->written += body->length;
	body->length = 0;
	return 0;
}

/* Up to `want` bytes: what the buffer holds, else one read.  How many; 0 at the end. */
static ssize_t read_part(struct http_client *client, struct body *body, size_t want,
			 struct fl_error *err)
{
	size_t there = client->end - client->start;
	size_t n = want < 65536 ? want : 65536;
	ssize_t got;
	int r;

	if (there > 0 && n > there)
		n = there;
	r = reserve(body, n, err);
	if (r < 0)
		return r;
	if (there > 0) {
		memcpy(body->bytes + body->length, client->buffer + client->start, n);
		client->start += n;
		got = (ssize_t)n;
	} else {
		if (body->sink && body->sink->wait(body->sink->arg, err) < 0)
			return fl_failed(err);
		got = read_some(client, body->bytes + body->length, n, err);
	}
	if (got > 0)
		body->length += (size_t)got;
	if (got > 0 && body->sink && pour(body, err) < 0)
		return fl_failed(err);
	return got;
}

static int read_exactly(struct http_client *client, struct body *body, size_t length,
			struct fl_error *err)
{
	if (length > body->limit - body->length)
		return reserve(body, length, err);
	while (length > 0) {
		ssize_t n = read_part(client, body, length, err);

		if (n < 0)
			return (int)n;
		if (n == 0)
			return fail_cut(client, err);
		length -= (size_t)n;
	}
	return 0;
}

static int read_to_end(struct http_client *client, struct body *body, struct fl_error *err)
{
	ssize_t n;

	do {
		n = read_part(client, body, 65536, err);
		if (n < 0)
			return (int)n;
	} while (n > 0);
	return 0;
}

static int read_chunks(struct http_client *client, struct body *body, struct fl_error *err)
{
	for (;;) {
		size_t budget = HTTP_HEADER_MAX, length;
		char *line;
		int r = read_line(client, &budget, &line, err);

		if (r < 0)
			return r;
		if (!parse_size(line, 16, &length))
			return fail_foreign(client, "a chunk without a size", err);
		if (length == 0)
			break;
		r = read_exactly(client, body, length, err);
		if (r < 0)
			return r;
		r = read_line(client, &budget, &line, err);
		if (r < 0)
			return r;
		if (*line != '\0')
			return fail_foreign(client, "a chunk longer than its size", err);
	}
	/* Trailer fields, up to an empty line. */
	for (size_t budget = HTTP_HEADER_MAX;;) {
		char *line;
		int r = read_line(client, &budget, &line, err);

		if (r < 0 || *line == '\0')
			return r;
	}
}

static int read_body(struct http_client *client, struct framing *framing, struct body *body,
		     struct fl_error *err)
{
	if (framing->status == 204 || framing->status == 304)
		return 0;
	if (framing->chunked)
		return read_chunks(client, body, err);
	if (framing->has_length)
		return read_exactly(client, body, framing->length, err);
	framing->close = true;
	if (body->sink) /* nothing tells such an end from a cut */
		return fail_foreign(client, "a stream without an end", err);
	return read_to_end(client, body, err);
}

/* A 2xx answer's body: it is not bounded, and one that is cut has damaged what it went to. */
static int read_into_sink(struct http_client *client, struct framing *framing, struct body *body,
			  struct fl_error *err)
{
	int r;

	body->limit = SIZE_MAX - 1;
	r = read_body(client, framing, body, err);
	if (r == -FL_UNREACHABLE)
		return fl_fail(err, FL_CORRUPT,
			       "%s ended the connection after %" PRIu64
			       " bytes: what came is not whole",
			       client->peer->name, body->written);
	return r;
}

static int read_rest(struct http_client *client, struct framing *framing, size_t limit,
		     const struct http_sink *sink, struct http_answer *ret, struct fl_error *err)
{
	struct body body = { .limit = limit, .sink = framing->status < 300 ? sink : NULL };
	int r;

	body.capacity = FIRST_ROOM;
	body.bytes = malloc(FIRST_ROOM);
	if (!body.bytes)
		return http_fail_memory(FIRST_ROOM, err);
	r = body.sink ? read_into_sink(client, framing, &body, err)
		      : read_body(client, framing, &body, err);
	if (r < 0) {
		free(body.bytes);
		return r;
	}
	body.bytes[body.length] = '\0';
	ret->status = framing->status;
	ret->body = body.bytes;
	ret->length = body.length;
	if (framing->close)
		http_close(client);
	return 0;
}

static int read_answer(struct http_client *client, size_t limit, const struct http_sink *sink,
		       struct http_answer *ret, struct fl_error *err)
{
	struct framing framing = { .answer = ret };

	/* 1xx answers announce the real one. */
	while (framing.status < 200)
		if (read_header(client, &framing, err) < 0)
			return fl_failed(err);
	return read_rest(client, &framing, limit, sink, ret, err);
}

int http_receive(struct http_client *client, size_t limit, const struct http_sink *sink,
		 struct http_answer *ret, struct fl_error *err)
{
	int r = client->fd < 0 ? fail_cut(client, err) : read_answer(client, limit, sink, ret, err);

	if (r < 0)
		http_close(client);
	return r;
}

static int read_until_taken(struct http_client *client, size_t limit, int *ret_fd,
			    struct http_answer *ret, struct fl_error *err)
{
	struct framing framing = { .answer = ret };

	client->exact = true;
	do
		if (read_header(client, &framing, err) < 0)
			return fl_failed(err);
	while (framing.status < 200 && framing.status != 101);
	*ret_fd = -1;
	if (framing.status != 101 && framing.status != 200) {
		client->exact = false;
		return read_rest(client, &framing, limit, NULL, ret, err);
	}
	*ret_fd = take_fd(client->fd);
	ret->status = framing.status;
	http_close(client);
	return 0;
}

int http_take_over(struct http_client *client, size_t limit, int *ret_fd, struct http_answer *ret,
		   struct fl_error *err)
{
	int r = client->fd < 0 ? fail_cut(client, err)
			       : read_until_taken(client, limit, ret_fd, ret, err);

	if (r < 0)
		http_close(client);
	return r;
}
