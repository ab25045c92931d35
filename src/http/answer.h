#pragma once

/*
 * The answers of an exchange: of known length, as a stream, or early, while the
 * body of the request still arrives.  For http/server.c alone.
 */

#include <microhttpd.h>

#include "http/exchange.h"

/* Queues what the handler answered; its stream is the exchange's from here on. */
enum MHD_Result answer_send(struct exchange *exchange, struct http_response *response);

/*
 * On the handler's thread, when it has returned: nobody reads what may still come
 * of its body.  The exchange stays, as its end waits for this thread.
 */
void answer_refused_body(struct exchange *exchange, struct http_response *response);

/*
 * On the connection's thread, before the end of a body that is a stream.  MHD_NO,
 * which tells the library to end the connection.
 */
enum MHD_Result answer_early(struct exchange *exchange);
