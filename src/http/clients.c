#include "http/clients.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/text.h"

struct client {
	struct client *next, *previous;
	int fd;
	int64_t since; /* monotonic; 0: nothing is awaited */
};

void clients_init(struct clients *clients)
{
	*clients = (struct clients){ .mutex = PTHREAD_MUTEX_INITIALIZER };
}

void clients_done(struct clients *clients)
{
	pthread_mutex_destroy(&clients->mutex);
}

struct client *clients_enter(struct clients *clients, int fd)
{
	struct client *client = xcalloc(1, sizeof(*client));
	own_lock(guard, &clients->mutex);

	client->fd = fd;
	client->since = clock_monotonic();
	client->next = clients->first;
	if (clients->first)
		clients->first->previous = client;
	clients->first = client;
	return client;
}

void clients_leave(struct clients *clients, struct client *client)
{
	own_lock(guard, &clients->mutex);

	if (client->next)
		client->next->previous = client->previous;
	if (client->previous)
		client->previous->next = client->next;
	else
		clients->first = client->next;
	free(client);
}

void clients_served(struct clients *clients, struct client *client)
{
	own_lock(guard, &clients->mutex);

	client->since = 0;
}

void clients_awaited(struct clients *clients, struct client *client)
{
	own_lock(guard, &clients->mutex);

	client->since = clock_monotonic();
}

void clients_hurry(struct clients *clients, int64_t nanoseconds)
{
	int64_t now = clock_monotonic();
	own_lock(guard, &clients->mutex);

	for (const struct client *client = clients->first; client; client = client->next)
		if (client->since && now - client->since >= nanoseconds)
			shutdown(client->fd, SHUT_RDWR);
}
