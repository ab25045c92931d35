/*
 * Container engines repeat a request whose connection broke, but without its body: what is lost
 * with a daemon is lost.  So a request is taken from its client by this process, which
 * does nothing that could kill it, and given to the daemon on a connection of its own;
 * to the next daemon if that one dies before it has answered.  All verbs of a volume
 * plugin may be repeated.
 *
 * Of HTTP it takes to know where a message ends, in both directions: behind its
 * head and as many bytes as Content-Length says.  The daemon closes the connection after
 * each answer, and says so in it, so that clients do the same.
 */

#include "keeper/relay.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

#include "base/socket.h"
#include "base/text.h"
#include "base/thread.h"

#define MESSAGE (4 * 1024 * 1024) /* bytes, with the head; the daemon refuses less */
#define PATIENCE 30		  /* seconds for a client that sends or takes */
#define REST 10			  /* ms between two looks for a daemon */
#define ATTEMPTS 10		  /* a request that kills so many daemons goes to no further one */

struct relay {
	int client;
	const char *daemon;
};

static _Atomic unsigned running;

bool relay_is_full(void)
{
	return running >= RELAYS;
}

/* --- messages ------------------------------------------------------------------------ */

#define LENGTH "\r\ncontent-length:"

/* Bytes behind the head, which ends at `end`. */
static size_t announced(const char *head, const char *end)
{
	const char *line = strcasestr(head, LENGTH);
	char digits[20];
	int64_t length;
	size_t i = 0;

	if (!line || line >= end)
		return 0;
	line += strlen(LENGTH);
	line += strspn(line, " \t");
	for (; i < sizeof(digits) - 1 && line[i] >= '0' && line[i] <= '9'; i++)
		digits[i] = line[i];
	digits[i] = '\0';
	return number_parse(digits, &length) && length < MESSAGE ? (size_t)length : MESSAGE;
}

static bool is_whole(const struct text *message)
{
	const char *head = text_get(message);
	const char *end = strstr(head, "\r\n\r\n");

	return end && message->length >= (size_t)(end - head) + 4 + announced(head, end);
}

/* Adds what has come; false at the end, or when there is too much. */
static bool read_more(int fd, struct text *message)
{
	char bytes[16 * 1024];
	ssize_t n = TEMP_FAILURE_RETRY(read(fd, bytes, sizeof(bytes)));

	if (n <= 0 || message->length + (size_t)n > MESSAGE)
		return false;
	text_add(message, bytes, (size_t)n);
	return true;
}

static bool read_request(int client, struct text *request)
{
	while (!is_whole(request))
		if (!read_more(client, request))
			return false;
	return true;
}

static bool write_all(int fd, const struct text *message)
{
	size_t done = 0;

	while (done < message->length) {
		ssize_t n = TEMP_FAILURE_RETRY(
			send(fd, message->bytes + done, message->length - done, MSG_NOSIGNAL));

		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

/* --- the daemon ------------------------------------------------------------------------ */

enum outcome { ANSWERED, NOT_THERE, BROKEN, CLIENT_GONE };

/* Until the daemon says something or is gone; false when the client is gone. */
static bool wait_for_daemon(int daemon, int client)
{
	struct pollfd fds[] = {
		{ .fd = daemon, .events = POLLIN },
		{ .fd = client, .events = POLLRDHUP },
	};

	while (poll(fds, array_size(fds), -1) < 0)
		if (errno != EINTR)
			return false;
	return fds[0].revents != 0;
}

/* A daemon that refuses a request need not have taken all of it. */
static enum outcome try_daemon(const struct relay *relay, const struct text *request,
			       struct text *answer)
{
	own_fd int daemon = -1;
	struct fl_error err;

	text_clear(answer);
	if (socket_connect(relay->daemon, &daemon, &err) < 0)
		return NOT_THERE;
	(void)write_all(daemon, request);
	while (!is_whole(answer)) {
		if (!wait_for_daemon(daemon, relay->client))
			return CLIENT_GONE;
		if (!read_more(daemon, answer))
			return BROKEN;
	}
	return ANSWERED;
}

/* Rests a moment; false when the client has gone meanwhile. */
static bool client_stays(int client)
{
	struct pollfd fd = { .fd = client, .events = POLLRDHUP };

	return poll(&fd, 1, REST) <= 0;
}

static bool carry(const struct relay *relay, const struct text *request, struct text *answer)
{
	unsigned attempts = 0;

	for (;;) {
		enum outcome outcome = try_daemon(relay, request, answer);

		if (outcome == ANSWERED || outcome == CLIENT_GONE)
			return outcome == ANSWERED;
		attempts += outcome == BROKEN;
		if (attempts == ATTEMPTS || !client_stays(relay->client))
			return false;
	}
}

static bool may_ask(int client)
{
	uid_t peer = socket_peer(client);

	return peer == 0 || peer == geteuid();
}

static void *run(void *arg)
{
	own_free struct relay *relay = arg;
	own_text struct text request = { 0 }, answer = { 0 };

	socket_set_patience(relay->client, PATIENCE);
	if (may_ask(relay->client) && read_request(relay->client, &request) &&
	    carry(relay, &request, &answer))
		(void)write_all(relay->client, &answer);
	close(relay->client);
	running--;
	return NULL;
}

void relay_start(int client, const char *daemon)
{
	struct relay *relay = xcalloc(1, sizeof(*relay));
	struct fl_error err;
	pthread_t thread;

	*relay = (struct relay){ client, daemon };
	running++;
	if (thread_start(&thread, THREAD_STACK, run, relay, &err) < 0) {
		close(client);
		free(relay);
		running--;
		return;
	}
	pthread_detach(thread);
}
