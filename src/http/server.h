#pragma once

/*
 * An HTTP/1.1 server on a listening unix socket: one thread per connection,
 * requests one after the other on it, bodies and query parameters collected
 * before the handler is called on that thread.  It knows nothing of routes or
 * JSON; and nothing above it knows which library does the work.
 *
 * Bodies that are too large to be collected are streams, in either direction,
 * and take the same memory however long they are (http/upload.h,
 * http/exchange.h).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/own.h"
#include "base/text.h"

#define HTTP_BODY (1024 * 1024) /* bytes of a request's body, at most */
#define HTTP_PARAMETERS 8	/* query parameters of a request, at most */
#define HTTP_HEADERS 4		/* headers that a handler may add */

struct http_parameter {
	const char *name;  /* percent-decoded, as is `value` */
	const char *value; /* "" when there was no "=" */
};

struct upload;
struct exchange;

/* Everything in it is borrowed from the server and valid until the handler returns. */
struct http_request {
	const char *method;
	const char *path; /* percent-decoded, without the query */
	struct http_parameter parameters[HTTP_PARAMETERS];
	size_t parameter_count;
	const char *body; /* NUL-terminated; "" when there is none */
	size_t body_length;
	const char
		*refused; /* not NULL: why the request must not be carried out (too large, ...) */
	const struct upload *upload; /* not NULL: the body is a stream, to be read from... */
	int body_fd;		     /* ...here, to its end; see http_body_cut() */
	uint64_t announced;	     /* bytes of the body, from Content-Length; 0 unknown */
	struct exchange *exchange;   /* for http_cut() */
	uid_t uid; /* of the client, from SO_PEERCRED; (uid_t)-1 if the system does not say */
	pid_t pid; /* the same; 0 if the system does not say */
};

struct http_header {
	const char *name; /* static storage */
	char value[64];
};

/*
 * Did a body that is a stream end before all had come that the client announced,
 * because it, or the connection, went away or the server stops?  Whoever has
 * read to the end gets the last word; before it, it may still come true.
 */
bool http_body_cut(const struct http_request *request);

/*
 * Zero is an empty answer; the handler sets `status`.  With `finish` the body is
 * what comes from `stream_fd` up to its end, and `body` is not sent.
 */
struct http_response {
	unsigned status;
	const char *type; /* Content-Type, static storage; NULL when there is no body */
	struct text body;
	struct http_header headers[HTTP_HEADERS];
	size_t header_count;
	int stream_fd; /* borrowed until finish() */
	/*
	 * Asked once the stream was read to its end: was that the whole body?  0 says
	 * yes; anything else cuts the connection, so that the client can tell.
	 */
	int (*check)(void *arg);
	/*
	 * Called exactly once, at last, from any thread.  `sent`: all of a body that
	 * check() called whole was handed to the socket.
	 */
	void (*finish)(void *arg, bool sent);
	void *arg; /* of both */
};

/* A stream that nobody took over is finished, as not sent. */
void http_response_done(struct http_response *response);
/* Adds a header; a longer value than fits is cut. */
void http_response_header(struct http_response *response, const char *name, const char *value);

/*
 * Cuts the answer that is a stream, or will be one: at once, also where the
 * client does not read.  Any thread, until finish() returns.
 */
void http_cut(struct exchange *exchange);

/*
 * A stream may last for ever, and who wants to end one needs a connection too: of
 * those that there are one is kept from streams.  Takes one of the others for as
 * long as the exchange lasts; false when none is left.  For the handler of what
 * will be a stream, before it begins anything; once.
 */
bool http_take_stream(struct exchange *exchange);

struct http_server;

struct http_options {
	int listen_fd;	      /* taken over once the call succeeds */
	unsigned connections; /* at most that many at a time; further ones wait in the backlog */
	/*
	 * A connection on which nothing moves for so long is closed, and when others
	 * wait for one also that of who takes so long over a request; but while a body
	 * is a stream its other side may pause as long as it likes.
	 */
	unsigned timeout_seconds;
	void (*handle)(void *arg, const struct http_request *request,
		       struct http_response *response);
	/*
	 * Asked when a request's head is there: is its body to be a stream?  The
	 * handler is then called at once, on a thread of its own, and reads while
	 * the body arrives.  If it returns before the end of the body, its answer
	 * is sent at once, also to a client that pauses, and the connection closed
	 * soon, so that one which still sends comes to read it.
	 * NULL: never.
	 */
	bool (*streams)(void *arg, const struct http_request *head);
	void *arg; /* of both */
};

must_check int http_server_open(const struct http_options *options, struct http_server **ret,
				struct fl_error *err);

/*
 * Takes no further requests, waits until the answers to the running ones are
 * sent, closes all connections.  A request that was not begun is not answered
 * at all, so the client knows that nothing was done.  Streams are not waited
 * for, as they may be endless: a body that still arrives ends for its handler,
 * not whole, whose answer is sent, and a body that is being sent is cut.  NULL
 * is fine.
 */
void http_server_close(struct http_server *server);
