#pragma once

/*
 * A client's request, carried to the daemon and its answer back, however often the
 * daemon dies in between.  A thread for each client, and so many at a time at most.
 */

#include <stdbool.h>

#include "base/error.h"
#include "base/own.h"

#define RELAYS 64

/* Takes `client` over.  `daemon`: the socket's path; stays as long as the process. */
void relay_start(int client, const char *daemon);

/* As many as there may be: further clients have to wait. */
bool relay_is_full(void);
