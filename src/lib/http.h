#pragma once

/*
 * Requests and answers whose bodies are streams of the client library's users
 * (flocker.h), over the connections of base/http-client.h.
 */

#include <poll.h>

#include "base/http-client.h"

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
must_check int http_wait(const struct http_client *client, const struct fl_stream *stream,
			 uint64_t bytes, short events, int other, struct fl_error *err);

struct http_upload {
	const char *method, *target, *type;
	const struct fl_stream *stream; /* what is sent */
};

/*
 * Sends a request with its body; ends early, as a success, when the daemon
 * answers or goes before it took everything: http_receive() tells.  After an
 * error the connection is closed.
 */
must_check int http_upload(struct http_client *client, const struct http_upload *upload,
			   struct fl_error *err);

/*
 * As http_receive(), but the body of a 2xx answer goes to the stream.  FL_CORRUPT
 * when that body ends early; what came of it was written.
 */
must_check int http_download(struct http_client *client, const struct fl_stream *stream,
			     size_t limit, struct http_answer *ret, struct fl_error *err);
