#pragma once

/*
 * What a client sent: the body as it comes in pieces, and all that the handler is
 * told of a request.  For http/server.c alone; on the connection's thread.
 */

#include "http/exchange.h"

/*
 * A body that is too large is read to its end and dropped: a client reads its
 * answer only when it has written everything.
 */
void exchange_add_body(struct exchange *exchange, const char *bytes, size_t length);

/* Everything but the method and the path, which are there.  Borrows from the exchange. */
void exchange_fill_request(struct exchange *exchange, struct http_request *request);
