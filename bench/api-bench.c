/*
 * How many simple requests a running daemon answers, and how long each takes.
 *
 *	api-bench SOCKET [CONNECTIONS [SECONDS [PATH]]]
 *
 * Each connection has a thread that sends `GET PATH` (default /v1/version),
 * reads the whole answer, and sends the next.  Prints one line of JSON; ends
 * with 1 if an answer is not 200.
 */

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

#define MAX_CONNECTIONS 256
#define ANSWER (1024 * 1024)
/* Times are counted in buckets of a microsecond, up to 100 ms. */
#define BUCKETS 100000

struct client {
	pthread_t thread;
	const char *socket;
	const char *path;
	int64_t end;
	uint64_t requests;
	bool failed;
	uint32_t *buckets;
};

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		perror(path);
		exit(1);
	}
	return fd;
}

/* Does `answer` (NUL-terminated) hold all of a response with status 200? */
static bool is_complete(const char *answer, size_t length)
{
	const char *body = strstr(answer, "\r\n\r\n");
	const char *field = strstr(answer, "Content-Length: ");

	if (!body || !field)
		return false;
	return (size_t)(body - answer) + 4 + strtoul(field + 16, NULL, 10) <= length;
}

static bool exchange(int fd, const char *request, size_t length, char answer[static ANSWER])
{
	size_t have = 0;

	if (write(fd, request, length) != (ssize_t)length)
		return false;
	do {
		ssize_t n = read(fd, answer + have, ANSWER - 1 - have);

		if (n <= 0)
			return false;
		have += (size_t)n;
		answer[have] = '\0';
	} while (!is_complete(answer, have));
	return strncmp(answer, "HTTP/1.1 200 ", 13) == 0;
}

static void *run_client(void *arg)
{
	struct client *client = arg;
	own_fd int fd = connect_to(client->socket);
	own_free char *answer = xcalloc(1, ANSWER);
	own_text struct text request = { 0 };
	int64_t before = clock_monotonic(), after;

	text_add_format(&request, "GET %s HTTP/1.1\r\nHost: flocker\r\n\r\n", client->path);
	for (; before < client->end; before = after) {
		int64_t bucket;

		if (!exchange(fd, request.bytes, request.length, answer)) {
			client->failed = true;
			break;
		}
		after = clock_monotonic();
		bucket = (after - before) / 1000;
		client->buckets[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
		client->requests++;
	}
	return NULL;
}

/* The time, in microseconds, within which `share` of all requests were answered. */
static int percentile(const struct client *clients, size_t count, uint64_t requests, double share)
{
	uint64_t sum = 0;

	for (int i = 0; i < BUCKETS; i++) {
		for (size_t k = 0; k < count; k++)
			sum += clients[k].buckets[i];
		if ((double)sum >= share * (double)requests)
			return i;
	}
	return BUCKETS;
}

static int report(const struct client *clients, size_t count, int64_t took)
{
	uint64_t requests = 0;
	bool failed = false;

	for (size_t i = 0; i < count; i++) {
		requests += clients[i].requests;
		failed |= clients[i].failed;
	}
	printf("{\"connections\":%zu,\"requests\":%" PRIu64
	       ",\"per_second\":%.0f,\"p50_us\":%d,\"p99_us\":%d,\"failed\":%s}\n",
	       count, requests, (double)requests * 1e9 / (double)took,
	       percentile(clients, count, requests, 0.5),
	       percentile(clients, count, requests, 0.99), failed ? "true" : "false");
	return failed ? 1 : 0;
}

static int run(const char *socket, size_t count, int seconds, const char *path)
{
	static struct client clients[MAX_CONNECTIONS];
	int64_t began = clock_monotonic();
	int status;

	for (size_t i = 0; i < count; i++) {
		clients[i] = (struct client){ .socket = socket,
					      .path = path,
					      .end = began + seconds * CLOCK_SECOND,
					      .buckets = xcalloc(BUCKETS, sizeof(uint32_t)) };
		if (pthread_create(&clients[i].thread, NULL, run_client, &clients[i]) != 0)
			abort();
	}
	for (size_t i = 0; i < count; i++)
		pthread_join(clients[i].thread, NULL);
	status = report(clients, count, clock_monotonic() - began);
	for (size_t i = 0; i < count; i++)
		free(clients[i].buckets);
	return status;
}

int main(int argc, char **argv)
{
	int count = argc > 2 ? atoi(argv[2]) : 4;
	int seconds = argc > 3 ? atoi(argv[3]) : 3;

	if (argc < 2 || count < 1 || count > MAX_CONNECTIONS || seconds < 1) {
		fprintf(stderr, "usage: api-bench SOCKET [CONNECTIONS [SECONDS [PATH]]]\n");
		return 2;
	}
	return run(argv[1], (size_t)count, seconds, argc > 4 ? argv[4] : "/v1/version");
}
