#pragma once

/*
 * An exchange is a request and its answer, from the first header until the answer
 * is sent or the connection is gone.  Here is who may begin one, who may stream,
 * and how the streams are ended; what is read and said: http/request.h and
 * http/answer.h.  For http/server.c and those two alone.
 *
 * An exchange belongs to the thread of its connection, except for what the
 * struct says of other threads.  Every function here takes the mutex by itself.
 */

#include <pthread.h>

#include "http/server.h"

struct MHD_Connection;
struct client;

enum flow { FLOW_NONE, FLOW_IN, FLOW_OUT };

/* All that a server has; everything in it but the first member is under the mutex. */
struct exchanges {
	const struct http_options *options; /* borrowed from the server */
	pthread_mutex_t mutex;
	pthread_cond_t idle;	/* the list is empty */
	pthread_cond_t flowed;	/* the flow of an exchange is another; by the monotonic clock */
	struct exchange *first; /* of the list */
	unsigned streams;	/* of them, what http_take_stream() gave out */
	bool stopping;
};

struct exchange {
	struct exchanges *all;
	struct exchange *next, *previous; /* under the mutex */
	struct MHD_Connection *connection;
	struct client *client; /* whose connection it is */
	int fd;		       /* of the connection */
	enum flow flow;	       /* what a stop has to end; set by its thread, under the mutex */
	bool answered; /* by the handler's thread, to which it belongs until that is joined */
	bool cut;      /* under the mutex: what flows out has to end */
	bool streams;  /* the same: counts among the server's streams */
	bool sent;     /* all of the answer was handed to the socket */
	struct text body;
	bool too_large;
	struct upload *upload;	       /* the body is a stream */
	struct http_response response; /* of which the stream is being sent */
};

void exchanges_init(struct exchanges *all, const struct http_options *options);
void exchanges_done(struct exchanges *all); /* when none is left */

/* Lets none begin any more, ends the streams, waits until none is left. */
void exchanges_stop(struct exchanges *all);

/* NULL when the server is stopping. */
struct exchange *exchange_new(struct exchanges *all, struct MHD_Connection *connection);
/* The handler of a body that was cut is waited for: it still uses what the request borrows. */
void exchange_free(struct exchange *exchange);

/* What flows from now on; while something does, the connection is never idle. */
void exchange_set_flow(struct exchange *exchange, enum flow flow);
/* The time that a handler took is not the client's. */
void exchange_restart_clock(const struct exchange *exchange);

/* For the handler's thread: does the body still arrive? */
bool exchange_is_arriving(struct exchange *exchange);
/* The same: the connection's thread gets EARLY_LINGER to notice by itself; then its wait is ended.
 */
void exchange_end_body(struct exchange *exchange);
