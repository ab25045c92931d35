#include "tests/check.h"

#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "http/server.h"

static struct fl_error err;
static struct http_server *server;
static struct sockaddr_un address;
static socklen_t address_length;
static sem_t entered, released, ended;
static unsigned timeout_seconds = 10;

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
	taken.whole = http_body_whole(request);
	response->status = 200;
	text_add_format(&response->body, "<%zu %s>", (size_t)bytes, taken.whole ? "whole" : "cut");
	sem_post(&ended);
}

/* What is sent: `left` bytes, from a thread that writes them into a pipe. */
static struct {
	uint64_t left;
	int read_fd, write_fd;
	pthread_t thread;
	int result; /* of finish() */
	bool whole; /* as finish() was told */
	int finished;
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
	}
	close(given.write_fd);
	return NULL;
}

static int finish(void *arg, bool whole)
{
	given.finished++;
	given.whole = whole;
	close(given.read_fd);
	pthread_join(given.thread, NULL);
	sem_post(&ended);
	return given.result;
}

static void give_body(struct http_response *response)
{
	int ends[2];

	if (pipe(ends) != 0 || pthread_create(&given.thread, NULL, write_stream, NULL) != 0)
		abort();
	given.read_fd = ends[0];
	given.write_fd = ends[1];
	response->status = 200;
	response->type = "application/x-tar";
	response->stream_fd = given.read_fd;
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
		give_body(response);
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
		.connections = 8,
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
	check(given.finished == 1 && given.whole);
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
	check(!whole && given.finished == 1 && given.whole);
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
	check(given.finished == 1 && !given.whole);
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
	check(!taken.whole && given.finished == 1 && !given.whole);
	drain(out, &whole);
	check(!whole);
	check(!receive(in, "<"));
}

#define MORE (UINT64_C(4) << 20) /* than the pipe and the socket hold */

static void *send_more(void *arg)
{
	return send_many(*(int *)arg, MORE) ? arg : NULL;
}

/*
 * Two clients stop in the middle of a body.  One alone is to blame for it, and
 * is cut; the other's handler was not ready, and its body arrives after that.
 */
static void only_a_client_that_stops_is_cut(void)
{
	own_fd int patient = -1, idle = -1;
	pthread_t sender;
	void *sent;

	timeout_seconds = 1;
	open_streaming();
	timeout_seconds = 10;
	patient = dial();
	send_string(patient,
		    "POST /in/gate HTTP/1.1\r\nHost: x\r\nContent-Length: 4194304\r\n\r\n");
	check(pthread_create(&sender, NULL, send_more, &patient) == 0);
	idle = dial();
	send_string(idle, "POST /in HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhello");
	check(!receive(idle, "<"));
	sem_wait(&ended);
	check(taken.bytes == 5 && !taken.whole);
	sem_post(&released);
	pthread_join(sender, &sent);
	check(sent && receive(patient, "<4194304 whole>"));
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
				  CHECK(a_long_body_is_a_stream),
				  CHECK(a_cut_body_is_not_whole),
				  CHECK(a_handler_may_answer_before_the_end),
				  CHECK(an_answer_may_be_a_stream),
				  CHECK(a_stream_that_fails_is_cut),
				  CHECK(a_reader_that_goes_is_noticed),
				  CHECK(closing_ends_streams),
				  CHECK(only_a_client_that_stops_is_cut),
				  CHECK_END,
			  });
}
