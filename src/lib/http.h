#pragma once

/*
 * HTTP/1.1 requests over a Unix socket, for the client library alone.  One
 * connection, one request at a time; the caller owns both structs.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/own.h"

#define HTTP_HEADER_MAX 16384 /* bytes of a status line and its fields */

struct http {
	int fd;	      /* -1: not connected */
	char *buffer; /* heap: bytes read and not used yet, [start, end) */
	size_t start;
	size_t end;
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
/* The peer has closed a connection that nothing is outstanding on. */
bool http_is_stale(const struct http *http);

/* Sends a request (`body` NULL: none).  After an error the connection is closed. */
must_check int http_send(struct http *http, const char *method, const char *target,
			 const char *body, struct fl_error *err);

/* Reads its answer, up to `limit` bytes of body.  After an error the connection is closed. */
must_check int http_receive(struct http *http, size_t limit, struct http_answer *ret,
			    struct fl_error *err);
