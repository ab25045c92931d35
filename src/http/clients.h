#pragma once

/*
 * Who is connected, and who has been awaited for how long.  A client that sends
 * a byte now and then is never idle, and would keep its connection for ever; so
 * while others wait for one, those that take too long over a request are ended.
 * For http/server.c alone.  Any thread.
 */

#include <pthread.h>
#include <stdint.h>

#include "base/own.h"

struct client;

struct clients {
	pthread_mutex_t mutex;
	struct client *first; /* under mutex, as is all of a client */
};

void clients_init(struct clients *clients);
void clients_done(struct clients *clients); /* when all have left */

/* `fd` is the client's until clients_leave().  Its first request is awaited from now on. */
struct client *clients_enter(struct clients *clients, int fd);
void clients_leave(struct clients *clients, struct client *client);
/* The request is there, or is a stream, which may take as long as it likes. */
void clients_served(struct clients *clients, struct client *client);
/* It was answered, and the next one is awaited. */
void clients_awaited(struct clients *clients, struct client *client);

/* Ends the connections of those that have been awaited for `nanoseconds` or more. */
void clients_hurry(struct clients *clients, int64_t nanoseconds);
