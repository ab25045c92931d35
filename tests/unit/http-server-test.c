#include "tests/check.h"

#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "http/early.h"
#include "http/server.h"

#define PATIENT 100 /* seconds: no client here is so slow, however busy the machine is */

static struct fl_error err;
static struct http_server *server;
static struct sockaddr_un address;
static socklen_t address_length;
static sem_t entered, released, ended;
static unsigned timeout_seconds = PATIENT, connections = 8;

/* Answers with what it was asked. */
static void echo(void *arg, const struct http_request *request, struct http_response *response)
{
	response->status = 200;
	response->type = "text/plain";
	http_response_header(response, "X-Test", "yes");
	if (strcmp(request->path, "/wait") == 0) {
		sem_post(&entered);
		sem_wait(&released);
	}
	text_add_format(&response->body, "%s %s", request->method, request->path);
	for (size_t i = 0; i < request->parameter_count; i++)
		text_add_format(&response->body, " %s=%s", request->parameters[i].name,
				request->parameters[i].value);
	text_add_format(&response->body, " %zu %s%s", request->body_length,
			request->refused ? request->refused : "fine",
			request->pid == getpid() && request->uid == getuid() ? " me" : "");
}

/* --- handlers of streams ------------------------------------------------------- */

static struct {
	uint64_t bytes;
	bool whole;
} taken; /* by the last body, once `ended` was posted */

/* Says how many bytes came and whether they were all; /gate waits before it reads. */
static void take_body(const struct http_request *request, struct http_response *response)
{
	char buffer[16384];
	uint64_t bytes = 0;
	ssize_t n;

	if (strcmp(request->path, "/in/gate") == 0)
		sem_wait(&released);
	while ((n = read(request->body_fd, buffer, sizeof(buffer))) > 0)
		if ((bytes += (uint64_t)n) == 5)
			sem_post(&entered);
	taken.bytes = bytes;
	taken.whole = !http_body_cut(request);
	response->status = 200;
	text_add_format(&response->body, "<%zu %s>", (size_t)bytes, taken.whole ? "whole" : "cut");
	sem_post(&ended);
}

/* What is sent: `left` bytes, from a thread that writes them into a pipe. */
static struct {
	uint64_t left;
	bool gate;  /* after the first bytes it waits for `released` */
	int result; /* of check() */
	int leaves; /* check() closes this client's descriptor; 0: none */
	int read_fd, write_fd;
	pthread_t thread;
	struct exchange *exchange;
	bool checked, sent; /* as finish() was told */
	int finished;	    /* calls, the last once `ended` was posted */
} given;

static void *write_stream(void *arg)
{
	static char buffer[4096];

	memset(buffer, 's', sizeof(buffer));
	while (given.left > 0) {
		size_t n = given.left < sizeof(buffer) ? given.left : sizeof(buffer);

		if (write(given.write_fd, buffer, n) != (ssize_t)n)
			break;
		given.left -= n;
		if (given.gate) {
			sem_post(&entered);
			sem_wait(&released);
		}
		given.gate = false;
	}
	close(given.write_fd);
	return NULL;
}

static int check_stream(void *arg)
{
	given.checked = true;
	if (given.leaves)
		close(given.leaves);
	return given.result;
}

static void finish(void *arg, bool sent)
{
	given.finished++;
	given.sent = sent;
	close(given.read_fd);
	pthread_join(given.thread, NULL);
	sem_post(&ended);
}

static void give_body(const struct http_request *request, struct http_response *response)
{
	int ends[2];

	/* The thread begins at once: what it uses is there before. */
	if (pipe(ends) != 0)
		abort();
	given.read_fd = ends[0];
	given.write_fd = ends[1];
	given.exchange = request->exchange;
	if (pthread_create(&given.thread, NULL, write_stream, NULL) != 0)
		abort();
	response->status = 200;
	response->type = "application/x-tar";
	response->stream_fd = given.read_fd;
	response->check = check_stream;
	response->finish = finish;
}

static void handle(void *arg, const struct http_request *request, struct http_response *response)
{
	if (strcmp(request->path, "/refuse") == 0) {
		response->status = 409;
		response->type = "text/plain";
		http_response_header(response, "X-Test", "yes");
		text_add_string(&response->body, "<no>");
	} else if (request->upload) {
		take_body(request, response);
	} else if (strcmp(request->path, "/out") == 0) {
		give_body(request, response);
	} else {
		echo(arg, request, response);
	}
}

static bool streams(void *arg, const struct http_request *head)
{
	return strncmp(head->path, "/in", 3) == 0 || strcmp(head->path, "/refuse") == 0;
}

/* In the abstract name space, where the kernel picks a free name and nothing is left behind. */
static void open_server(void)
{
	struct http_options options = {
		.connections = connections,
		.timeout_seconds = timeout_seconds,
		.handle = handle,
		.streams = streams,
	};

	address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	address_length = sizeof(address);
	options.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	check(bind(options.listen_fd, (struct sockaddr *)&address, sizeof(sa_family_t)) == 0);
	check(getsockname(options.listen_fd, (struct sockaddr *)&address, &address_length) == 0);
	check(listen(options.listen_fd, 8) == 0);
	check_ok(http_server_open(&options, &server, &err));
}

static int dial(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	check(connect(fd, (struct sockaddr *)&address, address_length) == 0);
	return fd;
}

static void send_all(int fd, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t n = send(fd, bytes, length, MSG_NOSIGNAL);

		check(n > 0);
		bytes += n;
		length -= (size_t)n;
	}
}

/* Reads until `wanted` has come; false when the connection ended before. */
static bool receive(int fd, const char *wanted)
{
	char answer[4096];
	size_t have = 0;

	while (have < sizeof(answer) - 1) {
		ssize_t n = read(fd, answer + have, sizeof(answer) - 1 - have);

		if (n <= 0)
			return false;
		have += (size_t)n;
		answer[have] = '\0';
		if (strstr(answer, wanted))
			return true;
	}
	return false;
}

static void send_string(int fd, const char *string)
{
	send_all(fd, string, strlen(string));
}

/*
 * A server that is as impatient as can be may cut a client that a busy machine holds up: what it
 * is told in vain is tried anew, where it is not the cutting that is looked at.
 */
static int dial_with(const char *string)
{
	int fd = dial();

	(void)!send(fd, string, strlen(string), MSG_NOSIGNAL);
	return fd;
}

/* Until it is answered; the connection. */
static int ask(const char *path)
{
	char request[80], answer[80];
	int fd = -1;

	snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
	snprintf(answer, sizeof(answer), "GET %s 0 fine me", path);
	do {
		own_fdp(&fd);
		fd = dial_with(request);
	} while (!receive(fd, answer));
	return fd;
}

/* Until its handler posts `entered`; the connection. */
static int begin_stream(const char *request)
{
	for (;;) {
		int fd = dial_with(request);
		struct pollfd end = { .fd = fd, .events = POLLRDHUP };

		do {
			if (sem_trywait(&entered) == 0)
				return fd;
		} while (poll(&end, 1, 1) == 0);
		close(fd);
	}
}

static void requests_follow_each_other_on_a_connection(void)
{
	own_fd int fd = -1;

	open_server();
	fd = dial();
	send_string(fd, "GET /a%2Fb?x=1%262&y HTTP/1.1\r\nHost: x\r\n\r\n");
	check(receive(fd, "GET /a/b x=1&2 y= 0 fine me"));
	send_string(fd, "POST /c HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
	check(receive(fd, "POST /c 5 fine me"));
	http_server_close(server);
}

static void a_large_body_is_dropped_and_answered(void)
{
	own_free char *body = xcalloc(2, HTTP_BODY);
	own_text struct text head = { 0 };
	own_fd int fd = -1;

	memset(body, 'x', 2 * HTTP_BODY);
	open_server();
	for (size_t extra = 0; extra < 2; extra++) {
		own_fd int each = dial();

		text_clear(&head);
		text_add_format(&head, "PATCH / HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n",
				HTTP_BODY + extra);
		send_all(each, head.bytes, head.length);
		send_all(each, body, HTTP_BODY + extra);
		check(receive(each, extra ? "PATCH / 0 the body is larger than 1 MiB"
					  : "PATCH / 1048576 fine"));
	}
	fd = dial();
	send_string(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	check(receive(fd, "GET / 0 fine"));
	http_server_close(server);
}

static void bad_queries_are_marked(void)
{
	own_fd int fd = -1;

	open_server();
	fd = dial();
	send_string(fd, "GET /?a=b%00c HTTP/1.1\r\nHost: x\r\n\r\n");
	check(receive(fd, "a query parameter holds a NUL byte"));
	send_string(fd, "GET /?a&b&c&d&e&f&g&h&i HTTP/1.1\r\nHost: x\r\n\r\n");
	check(receive(fd, "too many query parameters"));
	http_server_close(server);
}

static void *close_server(void *arg)
{
	http_server_close(server);
	return NULL;
}

static void closing_waits_for_the_running_request(void)
{
	own_fd int fd = -1;
	own_fd int idle = -1;
	pthread_t closer;

	sem_init(&entered, 0, 0);
	sem_init(&released, 0, 0);
	open_server();
	idle = dial();
	fd = dial();
	send_string(fd, "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
	sem_wait(&entered);
	check(pthread_create(&closer, NULL, close_server, NULL) == 0);
	sem_post(&released);
	check(receive(fd, "GET /wait 0 fine"));
	pthread_join(closer, NULL);
	check(!receive(idle, "anything"));
	check(connect(idle, (struct sockaddr *)&address, address_length) < 0);
}

static void a_client_too_many_waits(void)
{
	struct pollfd answer = { .events = POLLIN };
	own_fd int waiting = -1;
	int fd;

	sem_init(&entered, 0, 0);
	sem_init(&released, 0, 0);
	connections = 1;
	open_server();
	fd = dial();
	send_string(fd, "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
	sem_wait(&entered);
	waiting = dial();
	send_string(waiting, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
	sem_post(&released);
	check(receive(fd, "GET /wait 0 fine"));
	answer.fd = waiting;
	check(poll(&answer, 1, 100) == 0); /* a connection that is kept counts */
	close(fd);
	check(receive(waiting, "GET /later 0 fine"));
	http_server_close(server);
	connections = 8;
}

/* Sends a byte ten times a second, until its connection ends. */
static void *drip(void *arg)
{
	const char *begin = arg;
	own_fd int fd = dial_with(begin);
	struct pollfd end = { .fd = fd, .events = POLLIN };

	sem_post(&entered);
	while (poll(&end, 1, 100) == 0 && send(fd, "x", 1, MSG_NOSIGNAL) == 1)
		;
	return NULL;
}

/* Who sends now and then is never idle. */
static void a_client_that_is_never_done_makes_room_for_others(void)
{
	static char head[] = "GET /a HTTP/1.1\r\nHost: x\r\nX-Long: ",
		    body[] = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n";
	char *const begins[] = { head, body };

	connections = 1;
	timeout_seconds = 1;
	sem_init(&entered, 0, 0);
	open_server();
	for (size_t i = 0; i < array_size(begins); i++) {
		own_fd int other = -1;
		pthread_t thread;

		check(pthread_create(&thread, NULL, drip, begins[i]) == 0);
		sem_wait(&entered);
		other = ask("/other");
		pthread_join(thread, NULL);
	}
	http_server_close(server);
	connections = 8;
	timeout_seconds = PATIENT;
}

/* But not who makes an archive. */
static void a_stream_is_not_hurried(void)
{
	struct pollfd answer = { .events = POLLIN };
	own_fd int waiting = -1, other = -1;
	int fd;

	connections = 1;
	timeout_seconds = 1;
	sem_init(&entered, 0, 0);
	sem_init(&ended, 0, 0);
	open_server();
	fd = begin_stream("POST /in HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nfirst");
	waiting = dial();
	send_string(waiting, "GET /other HTTP/1.1\r\nHost: x\r\n\r\n");
	answer.fd = waiting;
	check(poll(&answer, 1, 2500) == 0);
	send_string(fd, "rest.");
	check(receive(fd, "<10 whole>"));
	close(fd);
	if (!receive(waiting, "GET /other 0 fine me"))
		other = ask("/other");
	http_server_close(server);
	connections = 8;
	timeout_seconds = PATIENT;
}

#define CLIENTS 16
#define REQUESTS 50

static void *ask_often(void *arg)
{
	for (int i = 0; i < REQUESTS; i++) {
		own_fd int fd = dial();

		send_string(fd, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
		*(int *)arg += receive(fd, "GET /a 0 fine me");
	}
	return NULL;
}

static void every_client_gets_its_turn(void)
{
	int answered[CLIENTS] = { 0 };
	pthread_t threads[CLIENTS];

	connections = 3;
	open_server();
	for (int i = 0; i < CLIENTS; i++)
		check(pthread_create(&threads[i], NULL, ask_often, &answered[i]) == 0);
	for (int i = 0; i < CLIENTS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < CLIENTS; i++)
		check(answered[i] == REQUESTS);
	http_server_close(server);
	connections = 8;
}

/* The system's limits are no reason to turn a client away either. */
static void a_client_waits_for_a_descriptor_too(void)
{
	own_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct pollfd answer = { .fd = fd, .events = POLLIN };
	struct rlimit limit, none;
	int free_fd;

	open_server();
	free_fd = dup(fd);
	close(free_fd);
	check(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	none = (struct rlimit){ .rlim_cur = (rlim_t)free_fd, .rlim_max = limit.rlim_max };
	check(setrlimit(RLIMIT_NOFILE, &none) == 0);
	check(connect(fd, (struct sockaddr *)&address, address_length) == 0);
	send_string(fd, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
	check(poll(&answer, 1, 200) == 0);
	check(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	check(receive(fd, "GET /a 0 fine"));
	http_server_close(server);
}

/* It has asked for nothing yet, so the end of the connection tells it all. */
static void closing_does_not_wait_for_clients_that_wait(void)
{
	own_fd int fd = -1, waiting = -1;

	connections = 1;
	open_server();
	fd = dial();
	send_string(fd, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
	check(receive(fd, "GET /a 0 fine me"));
	waiting = dial();
	send_string(waiting, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
	http_server_close(server);
	check(!receive(waiting, "GET"));
	connections = 8;
}

/* --- streams --------------------------------------------------------------------- */

static void open_streaming(void)
{
	sem_init(&entered, 0, 0);
	sem_init(&released, 0, 0);
	sem_init(&ended, 0, 0);
	memset(&given, 0, sizeof(given));
	memset(&taken, 0, sizeof(taken));
	open_server();
}

/* Bytes until the connection takes no more of them; true when all were taken. */
static bool send_many(int fd, uint64_t length)
{
	static char buffer[65536];

	while (length > 0) {
		ssize_t n = send(fd, buffer, length < sizeof(buffer) ? length : sizeof(buffer),
				 MSG_NOSIGNAL);

		if (n < 0)
			return false;
		length -= (size_t)n;
	}
	return true;
}

#define LONG (UINT64_C(20) << 20)

static void a_long_body_is_a_stream(void)
{
	own_fd int fd = -1;

	open_streaming();
	fd = dial();
	send_string(fd, "POST /in HTTP/1.1\r\nHost: x\r\nContent-Length: 20971520\r\n\r\n");
	check(send_many(fd, LONG));
	check(receive(fd, "<20971520 whole>"));
	send_string(fd, "POST /in HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
			"5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n");
	check(receive(fd, "<6 whole>"));
	send_string(fd, "POST /in HTTP/1.1\r\nHost: x\r\n\r\n");
	check(receive(fd, "<0 whole>"));
	send_string(fd, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
	check(receive(fd, "GET /a 0 fine me"));
	http_server_close(server);
}

static void a_cut_body_is_not_whole(void)
{
	static const char *const heads[] = {
		"Content-Length: 1000\r\n\r\nhello",
		"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
	};

	open_streaming();
	for (size_t i = 0; i < array_size(heads); i++) {
		int fd = dial();

		send_string(fd, "POST /in HTTP/1.1\r\nHost: x\r\n");
		send_string(fd, heads[i]);
		sem_wait(&entered); /* a client that is gone before has asked for nothing */
		close(fd);
		sem_wait(&ended);
		check(taken.bytes == 5 && !taken.whole);
	}
	http_server_close(server);
}

static void a_handler_may_answer_before_the_end(void)
{
	own_fd int fd = -1;

	open_streaming();
	fd = dial();
	send_string(fd, "POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n");
	check(!send_many(fd, UINT64_C(99999999999)));
	check(receive(fd, "HTTP/1.1 409 Conflict\r\nConnection: close\r\nContent-Length: 4\r\n"
			  "Content-Type: text/plain\r\nX-Test: yes\r\n\r\n<no>"));
	http_server_close(server);
}

/* Of which many are made so: they look for an answer only when they have sent what they have. */
static void a_client_may_send_on_after_it_was_answered(void)
{
	struct pollfd answered = { .events = POLLIN };
	own_fd int fd = -1;
	int64_t began;
	bool sent;

	open_streaming();
	fd = answered.fd = dial();
	began = clock_monotonic();
	send_string(fd, "POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n");
	check(poll(&answered, 1, -1) == 1);
	sent = send_many(fd, 1) && send_many(fd, 1 << 20);
	/* Who takes longer than that is cut off, and has the answer all the same. */
	check(sent || clock_monotonic() - began >= EARLY_LINGER * CLOCK_SECOND);
	check(receive(fd, "HTTP/1.1 409 Conflict\r\nConnection: close\r\nContent-Length: 4\r\n"
			  "Content-Type: text/plain\r\nX-Test: yes\r\n\r\n<no>"));
	http_server_close(server);
}

/*
 * A handler that does not care for its body may return when none, some or all
 * of it has come.  Its answer comes, and says so if no request can follow it.
 */
static void a_refused_body_is_answered_whenever_it_ends(void)
{
	static const char head[] =
		"POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";

	open_streaming();
	for (size_t i = 0; i < 200; i++) {
		own_fd int fd = dial();
		char answer[512] = "";

		send_all(fd, head, sizeof(head) - 1 - i % 6);
		for (size_t have = 0; !strstr(answer, "<no>");) {
			ssize_t n = read(fd, answer + have, sizeof(answer) - 1 - have);

			check(n > 0);
			have += (size_t)n;
		}
		check(strncmp(answer, "HTTP/1.1 409 ", 13) == 0);
		if (strstr(answer, "Connection: close"))
			continue;
		send_string(fd, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
		check(receive(fd, "GET /a 0 fine me"));
	}
	http_server_close(server);
}

/* Reads to the end of the connection or of the body; how many bytes, and whether it was whole. */
static uint64_t drain(int fd, bool *ret_whole)
{
	static const char end[] = "\r\n0\r\n\r\n";
	char buffer[65536 + sizeof(end)], *p;
	size_t kept = 0;
	uint64_t count = 0;
	ssize_t n;

	*ret_whole = false;
	while (!*ret_whole && (n = read(fd, buffer + kept, sizeof(buffer) - kept)) > 0) {
		for (p = buffer + kept; p < buffer + kept + n; p++)
			count += *p == 's';
		kept += (size_t)n;
		*ret_whole = kept >= sizeof(end) - 1 &&
			     memcmp(buffer + kept - (sizeof(end) - 1), end, sizeof(end) - 1) == 0;
		n = kept < sizeof(end) ? (ssize_t)kept : (ssize_t)sizeof(end);
		memmove(buffer, buffer + kept - n, (size_t)n);
		kept = (size_t)n;
	}
	return count;
}

static void an_answer_may_be_a_stream(void)
{
	own_fd int fd = -1;
	uint64_t count;
	bool whole;

	open_streaming();
	fd = dial();
	given.left = LONG;
	send_string(fd, "GET /out HTTP/1.1\r\nHost: y\r\n\r\n");
	check(receive(fd, "\r\n\r\n"));
	count = drain(fd, &whole);
	check(whole && count > LONG - 4096); /* less what came with the head */
	sem_wait(&ended);
	check(given.finished == 1 && given.sent);
	send_string(fd, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
	check(receive(fd, "GET /a 0 fine me"));
	http_server_close(server);
	check(given.finished == 1);
}

static void a_stream_that_fails_is_cut(void)
{
	own_fd int fd = -1;
	bool whole;

	open_streaming();
	fd = dial();
	given.left = LONG;
	given.result = -1;
	send_string(fd, "GET /out HTTP/1.1\r\nHost: y\r\n\r\n");
	drain(fd, &whole);
	sem_wait(&ended);
	check(!whole && given.finished == 1 && given.checked && !given.sent);
	http_server_close(server);
}

/* Between the end of the stream and the end of the answer. */
static void a_reader_that_goes_at_the_end_has_not_all(void)
{
	int fd;

	open_streaming();
	fd = dial();
	given.left = 5;
	given.leaves = fd;
	send_string(fd, "GET /out HTTP/1.1\r\nHost: y\r\n\r\n");
	sem_wait(&ended);
	check(given.finished == 1 && given.checked && !given.sent);
	http_server_close(server);
}

static void an_answer_can_be_cut_while_nobody_reads(void)
{
	own_fd int fd = -1;
	bool whole;

	open_streaming();
	fd = dial();
	given.left = UINT64_MAX;
	send_string(fd, "GET /out HTTP/1.1\r\nHost: y\r\n\r\n");
	check(receive(fd, "\r\n\r\n"));
	http_cut(given.exchange);
	sem_wait(&ended);
	check(given.finished == 1 && !given.checked && !given.sent);
	drain(fd, &whole);
	check(!whole);
	http_server_close(server);
}

static void a_reader_that_goes_is_noticed(void)
{
	int fd;

	open_streaming();
	fd = dial();
	given.left = UINT64_MAX;
	send_string(fd, "GET /out HTTP/1.1\r\nHost: y\r\n\r\n");
	check(receive(fd, "\r\n\r\n"));
	close(fd);
	sem_wait(&ended);
	check(given.finished == 1 && !given.sent);
	http_server_close(server);
}

static void closing_ends_streams(void)
{
	own_fd int in = -1, out = -1;
	bool whole;

	open_streaming();
	in = dial();
	out = dial();
	given.left = UINT64_MAX;
	send_string(in, "POST /in HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhello");
	send_string(out, "GET /out HTTP/1.1\r\nHost: y\r\n\r\n");
	check(receive(out, "\r\n\r\n"));
	sem_wait(&entered);
	http_server_close(server);
	check(!taken.whole && given.finished == 1 && !given.sent);
	drain(out, &whole);
	check(!whole);
	check(receive(in, "<5 cut>"));
}

/* --- time ------------------------------------------------------------------------ */

static void open_impatient(void)
{
	timeout_seconds = 1;
	open_streaming();
	timeout_seconds = PATIENT;
}

/* Clients that stop, between requests or within one, are cut; so this takes the timeout. */
static void check_idle_are_cut(void)
{
	own_fd int head = dial_with("GET /a HTT");
	own_fd int body = dial_with("POST /c HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe");
	own_fd int kept = ask("/a");

	check(!receive(head, "GET"));
	check(!receive(body, "POST"));
	check(!receive(kept, "GET"));
}

/* Neither who makes a stream nor who takes it is hurried: here a client does both, and pauses. */
static void a_stream_may_pause_longer_than_the_timeout(void)
{
	own_fd int in = -1, out = -1;
	uint64_t count;
	bool whole;

	open_impatient();
	given.left = LONG;
	in = begin_stream("POST /in HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhello");
	out = dial_with("GET /out HTTP/1.1\r\nHost: y\r\n\r\n");
	check(receive(out, "\r\n\r\n"));
	check_idle_are_cut();
	send_string(in, "again");
	check(receive(in, "<10 whole>"));
	count = drain(out, &whole);
	check(whole && count > LONG - 4096);
	http_server_close(server);
}

/* Here the handlers do; and after the streams the connections are as any others. */
static void a_handler_may_pause_longer_than_the_timeout(void)
{
	static const char request[] =
		"POST /in/gate HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
	own_fd int in = -1, out = -1;
	bool whole;

	open_impatient();
	given.left = 5000;
	given.gate = true;
	out = begin_stream("GET /out HTTP/1.1\r\nHost: y\r\n\r\n");
	in = dial_with(request);
	check_idle_are_cut();
	sem_post(&released);
	sem_post(&released);
	check(receive(in, "<5 whole>"));
	drain(out, &whole);
	check(whole);
	check(!receive(in, "<") && !receive(out, "s"));
	http_server_close(server);
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(requests_follow_each_other_on_a_connection),
				  CHECK(a_large_body_is_dropped_and_answered),
				  CHECK(bad_queries_are_marked),
				  CHECK(closing_waits_for_the_running_request),
				  CHECK(a_client_too_many_waits),
				  CHECK(a_client_that_is_never_done_makes_room_for_others),
				  CHECK(a_stream_is_not_hurried),
				  CHECK(every_client_gets_its_turn),
				  CHECK(a_client_waits_for_a_descriptor_too),
				  CHECK(closing_does_not_wait_for_clients_that_wait),
				  CHECK(a_long_body_is_a_stream),
				  CHECK(a_cut_body_is_not_whole),
				  CHECK(a_handler_may_answer_before_the_end),
				  CHECK(a_client_may_send_on_after_it_was_answered),
				  CHECK(a_refused_body_is_answered_whenever_it_ends),
				  CHECK(an_answer_may_be_a_stream),
				  CHECK(a_stream_that_fails_is_cut),
				  CHECK(a_reader_that_goes_is_noticed),
				  CHECK(a_reader_that_goes_at_the_end_has_not_all),
				  CHECK(an_answer_can_be_cut_while_nobody_reads),
				  CHECK(closing_ends_streams),
				  CHECK(a_stream_may_pause_longer_than_the_timeout),
				  CHECK(a_handler_may_pause_longer_than_the_timeout),
				  CHECK_END,
			  });
}
