#pragma once

/*
 * HTTP/1.1 requests over a Unix socket, for the client library alone.  One
 * connection, one request at a time; the caller owns both structs.
 */

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/own.h"

#define HTTP_HEADER_MAX 16384 /* bytes of a status line and its fields */

struct http {
	int fd;	      /* -1: not connected */
	char *buffer; /* heap: bytes read and not used yet, [start, end) */
	size_t start;
	size_t end;
	bool spent; /* the last request was not sent to its end: none can follow */
};

struct http_answer {
	int status;
	char *body; /* heap, NUL-terminated */
	size_t length;
};

/* FL_UNREACHABLE when nobody listens, FL_DENIED; a struct that is connected stays as it is. */
must_check int http_connect(struct http *http, const char *socket, struct fl_error *err);
/* Releases everything; may be connected again. */
void http_close(struct http *http);
/* Nothing can be sent: the peer has closed a connection that nothing is outstanding on. */
bool http_is_stale(const struct http *http);

/* Sends a request (`body` NULL: none).  After an error the connection is closed. */
must_check int http_send(struct http *http, const char *method, const char *target,
			 const char *body, struct fl_error *err);

/* Waits until its answer begins, or the connection ends; false: not within `milliseconds`. */
bool http_is_answered(const struct http *http, int milliseconds);

/* Reads its answer, up to `limit` bytes of body.  After an error the connection is closed. */
must_check int http_receive(struct http *http, size_t limit, struct http_answer *ret,
			    struct fl_error *err);

/* --- bodies as streams ------------------------------------ */

struct fl_stream;

/*
 * Waits for one of the descriptors, as poll does; asks the stream's progress()
 * four times a second.  FL_SYSTEM with EINTR: progress() says stop.
 */
must_check int http_wait_any(const struct fl_stream *stream, uint64_t bytes, struct pollfd *fds,
			     nfds_t count, struct fl_error *err);

/*
 * Waits for `events` (poll) on the connection, or at `other` (-1: none) to be
 * read.  The connection's events; 0 when only `other` is ready.  Errors as above.
 */
must_check int http_wait(const struct http *http, const struct fl_stream *stream, uint64_t bytes,
			 short events, int other, struct fl_error *err);

struct http_upload {
	const char *method, *target, *type;
	const struct fl_stream *stream; /* what is sent */
};

/*
 * Sends a request with its body; ends early, as a success, when the daemon
 * answers or goes before it took everything: http_receive() tells.  After an
 * error the connection is closed.
 */
must_check int http_upload(struct http *http, const struct http_upload *upload,
			   struct fl_error *err);

/*
 * As http_receive(), but the body of a 2xx answer goes to the stream.  FL_CORRUPT
 * when that body ends early; what came of it was written.
 */
must_check int http_download(struct http *http, const struct fl_stream *stream, size_t limit,
			     struct http_answer *ret, struct fl_error *err);
