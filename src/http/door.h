#pragma once

/*
 * Takes the connections of a listening socket, only so many at a time: further
 * clients wait in the socket's backlog, as if the server were slow.  For
 * http/server.c alone.
 */

#include <stdbool.h>

#include "base/error.h"
#include "base/own.h"

struct door;

/*
 * `take` gets each connection's descriptor, which it takes over, also when it
 * returns false: there is no connection then.  `full` is called every second
 * while all connections are taken.
 */
struct door *door_new(unsigned limit, bool (*take)(void *arg, int fd), void (*full)(void *arg),
		      void *arg);
/* Starts the thread that calls it.  `listen_fd` is borrowed until door_stop(). */
must_check int door_open(struct door *door, int listen_fd, struct fl_error *err);
/* A connection that was taken is gone.  Any thread. */
void door_leave(struct door *door);
/* Takes no further connections.  Once, of a door that is open. */
void door_stop(struct door *door);
/* After that, or if it was never open, and when nobody calls door_leave() any more. */
void door_free(struct door *door);
