#pragma once

/*
 * A request's body on its way to its handler, as a stream: a pipe, and a
 * thread on which the handler runs and reads it.  For the server's files alone.
 *
 * The connection's thread writes what arrives, and waits when the handler is
 * slower than the client; the pipe is all the memory that a body takes.
 */

#include "http/server.h"

/*
 * Starts the handler.  What `request` borrows must stay valid until
 * upload_answer() or upload_free().  When the handler has returned its thread
 * calls `returned` with the request's exchange and the answer.
 */
must_check int upload_start(const struct http_options *options, const struct http_request *request,
			    void (*returned)(struct exchange *exchange,
					     struct http_response *response),
			    struct upload **ret, struct fl_error *err);

/* False: the handler has returned and takes no more. */
must_check bool upload_write(struct upload *upload, const char *bytes, size_t length);

/* Nothing more comes; `whole` when that was all.  The first call counts. */
void upload_end(struct upload *upload, bool whole);
bool upload_is_cut(const struct upload *upload);

/* Waits for the handler.  Its answer, which stays the upload's. */
struct http_response *upload_answer(struct upload *upload);

/* Ends it as not whole, waits for the handler, releases its answer.  NULL is fine. */
void upload_free(struct upload *upload);
