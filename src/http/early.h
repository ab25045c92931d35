#pragma once

/*
 * An answer that goes out before all of the request's body has come, past the
 * library, which has no such thing.  Why and when: http/answer.c.  For the
 * server's files alone.
 */

#include "http/server.h"

#define EARLY_LINGER 1 /* seconds that a client which was answered so may go on sending */

/*
 * The whole answer, and the end of what is sent.  Blocks while the client does
 * not read, up to the timeout; without effect where it is gone.
 */
void early_send(int peer, struct http_response *response, unsigned timeout_seconds);

/* Takes what the client goes on sending, until it stops or its time is over. */
void early_drain(int peer);
