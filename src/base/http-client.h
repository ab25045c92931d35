#pragma once

/*
 * HTTP/1.1 requests over a Unix socket: what the client library and the client
 * of container engines have in common.  One connection, one request at a time;
 * the caller owns the structs, and a connection belongs to one thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/own.h"

#define HTTP_HEADER_MAX 16384 /* bytes of a status line and its fields */

struct http_peer {		  /* who is asked, for messages */
	const char *name;	  /* "the daemon" */
	const char *protocol;	  /* "Flocker's protocol" */
	const char *hint_foreign; /* when something else answers */
	const char *hint_cut;	  /* when the connection ends before the answer */
};

struct http_client {
	const struct http_peer *peer; /* borrowed */
	int fd;			      /* -1: not connected */
	char *buffer;		      /* heap: bytes read and not used yet, [start, end) */
	size_t start;
	size_t end;
	bool spent;	  /* the last request was not sent to its end: none can follow */
	bool exact;	  /* nothing is read beyond the end of a line */
	bool unanswered;  /* the last request failed before a byte of its answer came */
	int64_t patience; /* ns for a request and its answer, from http_send() on; 0: for ever */
	int64_t deadline; /* clock_monotonic() when it ends; 0: never */
	int stop;	  /* borrowed: can be read when nothing is waited for any more; 0: none */
};

struct http_answer {
	int status;
	char *body; /* heap, NUL-terminated */
	size_t length;
	char server[64]; /* who says that it answers (the field Server); or "" */
	char api[16];	 /* and in which version of its API (Api-Version); or "" */
};

struct http_call {
	const char *method, *target;
	const char *type;   /* of the body; NULL: JSON */
	const char *body;   /* NULL: none */
	size_t length;	    /* of the body */
	const char *fields; /* further header fields, each with its CRLF; or NULL */
	bool old; /* HTTP/1.0: the answer's body comes as it is, and ends the connection */
};

/*
 * Errors as connect(2) has them: ENOENT and ECONNREFUSED when nobody listens.
 * `patience`: see above; FL_UNREACHABLE when it takes longer than that.
 */
must_check int http_connect(struct http_client *client, const struct http_peer *peer,
			    const char *socket, int64_t patience, struct fl_error *err);
/* Releases everything; may be connected again. */
void http_close(struct http_client *client);
/* Nothing can be sent: the peer has closed a connection that nothing is outstanding on. */
bool http_is_stale(const struct http_client *client);

/* After an error, of this and of all below, the connection is closed. */
must_check int http_send(struct http_client *client, const struct http_call *call,
			 struct fl_error *err);

/* Waits until its answer begins, or the connection ends; false: not within `milliseconds`, or a
 * signal came before. */
bool http_is_answered(const struct http_client *client, int milliseconds);

/* Where the body of a 2xx answer goes instead of memory. */
struct http_sink {
	int (*wait)(void *arg, struct fl_error *err); /* before more of it is read */
	int (*take)(void *arg, const char *bytes, size_t length, struct fl_error *err);
	void *arg;
};

/*
 * Reads the answer, up to `limit` bytes of body.  FL_UNSUPPORTED: there is more.  With a
 * sink (else NULL) the body of a 2xx answer goes there, however long it is; FL_CORRUPT
 * when it ends early, and what came of it has gone there.
 */
must_check int http_receive(struct http_client *client, size_t limit, const struct http_sink *sink,
			    struct http_answer *ret, struct fl_error *err);

/*
 * As http_receive(), but of an answer 101 or 200 nothing but the header is read: `*ret_fd`,
 * which is the caller's then, has all that follows, and `*ret` has the status alone.
 * Else `*ret_fd` is -1.
 */
must_check int http_take_over(struct http_client *client, size_t limit, int *ret_fd,
			      struct http_answer *ret, struct fl_error *err);
