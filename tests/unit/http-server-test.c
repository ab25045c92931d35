#include "tests/check.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "http/server.h"

static struct fl_error err;
static struct http_server *server;
static struct sockaddr_un address;
static socklen_t address_length;
static sem_t entered, released;

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

/* In the abstract name space, where the kernel picks a free name and nothing is left behind. */
static void open_server(void)
{
	struct http_options options = { .connections = 8, .timeout_seconds = 10, .handle = echo };

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

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(requests_follow_each_other_on_a_connection),
				  CHECK(a_large_body_is_dropped_and_answered),
				  CHECK(bad_queries_are_marked),
				  CHECK(closing_waits_for_the_running_request),
				  CHECK_END,
			  });
}
