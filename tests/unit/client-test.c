#include "lib/flocker.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "lib/http.h"
#include "tests/check.h"

/*
 * A server that reads one request after another and answers each with the
 * bytes that the test gave, whatever they are.  It closes the connection after
 * an answer that says X-Hang-Up or has no end of a header; the next connection
 * goes on from there.
 */
struct server {
	char directory[32];
	char path[64];
	int fd;
	pthread_t thread;
	const char *const *answers;
	int connections;
	sem_t closed;	    /* posted for each connection that ended */
	char request[4096]; /* the last one, as far as its header */
};

static struct fl_error err;

/* The test may look at the last request until it sends the next one. */
static bool read_request(struct server *server, int fd)
{
	char request[sizeof(server->request)] = "";
	size_t n = 0;

	while (!strstr(request, "\r\n\r\n")) {
		ssize_t got = read(fd, request + n, sizeof(request) - 1 - n);

		if (got <= 0)
			return false;
		n += (size_t)got;
		request[n] = '\0';
	}
	memcpy(server->request, request, n + 1);
	return true;
}

static void *serve(void *arg)
{
	struct server *server = arg;

	while (*server->answers) {
		int fd = accept(server->fd, NULL, NULL);

		if (fd < 0)
			return NULL;
		server->connections++;
		while (*server->answers && read_request(server, fd)) {
			const char *answer = *server->answers++;

			if (send(fd, answer, strlen(answer), MSG_NOSIGNAL) < 0)
				break;
			if (!strstr(answer, "\r\n\r\n") || strstr(answer, "X-Hang-Up"))
				break;
		}
		close(fd);
		sem_post(&server->closed);
	}
	return NULL;
}

static void start(struct server *server, const char *const *answers)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	*server = (struct server){ .directory = "/tmp/flocker-test-XXXXXX", .answers = answers };
	sem_init(&server->closed, 0, 0);
	check(mkdtemp(server->directory));
	snprintf(server->path, sizeof(server->path), "%s/s", server->directory);
	memcpy(address.sun_path, server->path, strlen(server->path) + 1);
	server->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	check(bind(server->fd, (const struct sockaddr *)&address, sizeof(address)) == 0);
	check(listen(server->fd, 5) == 0);
	check(pthread_create(&server->thread, NULL, serve, server) == 0);
}

static void stop(struct server *server)
{
	shutdown(server->fd, SHUT_RDWR);
	pthread_join(server->thread, NULL);
	close(server->fd);
	unlink(server->path);
	rmdir(server->directory);
}

#define ANSWERS(...) ((const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

/* One call against one answer; what it returned, its body in `body` (heap). */
static int call(const char *answer, char **body)
{
	struct fl_answer got = { 0 };
	struct fl_client *client;
	struct server server;
	int r;

	start(&server, ANSWERS(answer));
	r = fl_client_open(server.path, &client, &err);
	if (r == 0) {
		r = fl_client_call(client, "GET", "/v1/version", NULL, &got, &err);
		fl_client_close(client);
	}
	stop(&server);
	if (r == 0 && body)
		*body = strdup(got.bytes);
	fl_answer_done(&got);
	return r;
}

static void bodies_are_read(void)
{
	static const char *const cases[][2] = {
		{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "{}" },
		{ "HTTP/1.1 200 OK\r\ncontent-length:2 \r\nX: y\r\n\r\n{}", "{}" },
		{ "HTTP/1.1 204 No Content\r\n\r\n", "" },
		{ "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n"
		  "3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nT: x\r\n\r\n",
		  "abc0123456789" },
		{ "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
		  "x" },
		{ "HTTP/1.0 200 OK\r\nX-Hang-Up: 1\r\n\r\nto the end", "to the end" },
	};

	for (size_t i = 0; i < array_size(cases); i++) {
		own_free char *body = NULL;

		check_ok(call(cases[i][0], &body));
		check_string(cases[i][1], body);
	}
}

static void what_is_no_answer_is_unreachable(void)
{
	static const char *const bad[] = {
		"HTTP/1.1 200 OK\r\nX-Hang-Up: 1\r\nContent-Length: 5\r\n\r\n{}",
		"HTTP/1.1 200 OK\r\nX-Hang-Up: 1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
		"HTTP/1.1 999 No\r\n\r\n",
		"SSH-2.0-OpenSSH\r\n\r\n",
		"cut",
	};

	for (size_t i = 0; i < array_size(bad); i++) {
		if (call(bad[i], NULL) != -FL_UNREACHABLE)
			check_failed(__FILE__, __LINE__, bad[i], err.text);
		check(err.hint[0]);
	}
}

static void sizes_are_bounded(void)
{
	own_free char *header = malloc(HTTP_HEADER_MAX + 100);

	sprintf(header, "HTTP/1.1 200 OK\r\nX: ");
	memset(header + strlen(header), 'x', HTTP_HEADER_MAX);
	header[HTTP_HEADER_MAX + 20] = '\0';
	strcat(header, "\r\n\r\n");
	check_code(FL_UNREACHABLE, call(header, NULL));
	check_code(FL_UNSUPPORTED,
		   call("HTTP/1.1 200 OK\r\nContent-Length: 268435457\r\n\r\n", NULL));
}

static void errors_are_the_daemons(void)
{
	check_code(
		FL_BUSY,
		call("HTTP/1.0 409 Conflict\r\nX-Hang-Up: 1\r\n\r\n"
		     "{\"error\":{\"code\":\"busy\",\"message\":\"in use\",\"object\":\"mydata\","
		     "\"hint\":\"stop it\",\"operation\":\"op-1\"}}",
		     NULL));
	check_string("in use", err.text);
	check_string("stop it", err.hint);
	check_string("mydata", err.object);
	check_code(FL_SYSTEM, call("HTTP/1.1 500 No\r\nContent-Length: 4\r\n\r\nhtml", NULL));
	check_code(FL_SYSTEM, call("HTTP/1.1 302 No\r\nContent-Length: 0\r\n\r\n", NULL));
}

static void expect(struct fl_client *client, const struct server *server, char body)
{
	struct fl_answer got = { 0 };

	check_ok(fl_client_call(client, "POST", "/v1/x", "{\"n\":1}", &got, &err));
	check(got.bytes[0] == body && got.length == 1);
	check(strstr(server->request, "POST /v1/x HTTP/1.1\r\n"));
	check(strstr(server->request, "Content-Length: 7\r\n"));
	fl_answer_done(&got);
}

static void a_connection_is_kept_and_renewed(void)
{
	struct fl_client *client;
	struct server server;

	start(&server, ANSWERS("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1",
			       "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\n2",
			       "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nX-Hang-Up: 1\r\n\r\n3",
			       "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n4"));
	check_ok(fl_client_open(server.path, &client, &err));
	expect(client, &server, '1');
	expect(client, &server, '2');
	expect(client, &server, '3');
	check(server.connections == 2); /* the daemon's "close" was heeded */
	sem_wait(&server.closed);
	sem_wait(&server.closed);
	expect(client, &server, '4');
	fl_client_close(client);
	stop(&server);
	check(server.connections == 3);
}

static void no_daemon_says_how_to_start_one(void)
{
	struct fl_client *client = NULL;

	check_code(FL_UNREACHABLE, fl_client_open("/nonexistent/run/flocker.sock", &client, &err));
	check(strstr(err.hint, "flockerd --root /nonexistent"));
	check_code(FL_UNREACHABLE, fl_client_open("/nonexistent/flocker.sock", &client, &err));
	check(err.hint[0] && !client);
}

static void sockets_are_found(void)
{
	char path[FL_SOCKET_TEXT];
	char deep[200];

	unsetenv("FLOCKER_SOCKET");
	check_ok(fl_socket_path(NULL, NULL, path, &err));
	check_string(FL_SOCKET_DEFAULT, path);
	check_ok(fl_socket_path("/x", NULL, path, &err));
	check_string("/x/run/flocker.sock", path);
	check_ok(fl_socket_path("/x/", NULL, path, &err));
	check_string("/x/run/flocker.sock", path);
	setenv("FLOCKER_SOCKET", "/e", 1);
	check_ok(fl_socket_path(NULL, NULL, path, &err));
	check_string("/e", path);
	check_ok(fl_socket_path(NULL, "/s", path, &err));
	check_string("/s", path);
	check_code(FL_INVALID, fl_socket_path("/x", "/s", path, &err));
	check_code(FL_INVALID, fl_socket_path("", NULL, path, &err));
	memset(deep, 'd', sizeof(deep));
	deep[sizeof(deep) - 1] = '\0';
	check_code(FL_INVALID, fl_socket_path(deep, NULL, path, &err));
	unsetenv("FLOCKER_SOCKET");
}

static void targets_are_encoded(void)
{
	own_free char *target = fl_target("/v1/x", "ref", "a/b@{2h ago}", "no", NULL, "q",
					  "é&=+#%?", NULL);
	own_free char *bare = fl_target("/v1/x", "no", NULL, NULL);

	check_string("/v1/x?ref=a/b@%7B2h%20ago%7D&q=%C3%A9%26%3D%2B%23%25%3F", target);
	check_string("/v1/x", bare);
}

/* --- streams --------------------------------------------------------------------- */

#define LONG (8 << 20)

/* A peer that takes one connection, reads up to `wanted`, sends `answer`, hangs up. */
struct peer {
	struct server server; /* its place; its thread is this one's */
	const char *wanted;   /* what the request ends in; NULL: it is not read beyond its head */
	const char *answer;
	char head[4096];
	size_t bytes; /* of body that came, with its frames */
};

static void *take_stream(void *arg)
{
	struct peer *peer = arg;
	int fd = accept(peer->server.fd, NULL, NULL);
	static char buffer[65536 + 16];
	size_t kept = 0, wanted = peer->wanted ? strlen(peer->wanted) : 0;
	ssize_t n;

	for (size_t i = 0; i < sizeof(peer->head) - 1 && !strstr(peer->head, "\r\n\r\n"); i++)
		if (read(fd, peer->head + i, 1) != 1)
			break;
	while (wanted && (n = read(fd, buffer + kept, 65536)) > 0) {
		peer->bytes += (size_t)n;
		kept += (size_t)n;
		if (kept >= wanted && memcmp(buffer + kept - wanted, peer->wanted, wanted) == 0)
			break;
		n = kept < wanted ? (ssize_t)kept : (ssize_t)wanted;
		memmove(buffer, buffer + kept - n, (size_t)n);
		kept = (size_t)n;
	}
	if (*peer->answer && send(fd, peer->answer, strlen(peer->answer), MSG_NOSIGNAL) < 0)
		perror("sending");
	close(fd);
	return NULL;
}

static struct fl_client *peer_start(struct peer *peer)
{
	struct fl_client *client;

	start(&peer->server, ANSWERS()); /* no answers: its own thread ends at once */
	pthread_join(peer->server.thread, NULL);
	check(pthread_create(&peer->server.thread, NULL, take_stream, peer) == 0);
	check_ok(fl_client_open(peer->server.path, &client, &err));
	return client;
}

/* `length` bytes of which the last is 'Z'. */
static int make_file(size_t length)
{
	int fd = memfd_create("stream", MFD_CLOEXEC);

	check(fd >= 0 && ftruncate(fd, (off_t)length) == 0);
	check(pwrite(fd, "Z", 1, (off_t)length - 1) == 1);
	return fd;
}

static int upload(struct peer *peer, const struct fl_stream *stream, struct fl_answer *ret)
{
	struct fl_client *client = peer_start(peer);
	int r = fl_client_upload(client, "POST", "/v1/imports", "application/x-tar", stream, ret,
				 &err);

	fl_client_close(client);
	stop(&peer->server);
	return r;
}

#define CREATED "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}"

static void a_file_is_sent_with_its_length(void)
{
	struct peer peer = { .wanted = "Z", .answer = CREATED };
	struct fl_stream stream = { .fd = make_file(LONG), .length = LONG };
	struct fl_answer answer = { 0 };

	check_ok(upload(&peer, &stream, &answer));
	check(answer.status == 201 && peer.bytes == LONG);
	check(strstr(peer.head, "POST /v1/imports HTTP/1.1\r\n"));
	check(strstr(peer.head, "Content-Length: 8388608\r\n"));
	check(strstr(peer.head, "Content-Type: application/x-tar\r\n"));
	fl_answer_done(&answer);
	close(stream.fd);
}

static void what_has_no_length_is_sent_in_chunks(void)
{
	struct peer peer = { .wanted = "\r\n0\r\n\r\n", .answer = CREATED };
	struct fl_stream stream = { .fd = make_file(LONG), .length = -1 };
	struct fl_answer answer = { 0 };

	check_ok(upload(&peer, &stream, &answer));
	check(strstr(peer.head, "Transfer-Encoding: chunked\r\n"));
	check(peer.bytes == LONG + LONG / 65536 * 12 + 5);
	fl_answer_done(&answer);
	close(stream.fd);
}

static void a_refusal_ends_the_sending(void)
{
	struct peer peer = { .answer = "HTTP/1.1 409 Conflict\r\nConnection: close\r\n"
				       "Content-Length: 45\r\n\r\n"
				       "{\"error\":{\"code\":\"exists\",\"message\":\"there\"}}" };
	struct fl_stream stream = { .fd = make_file(LONG), .length = LONG };
	struct fl_answer answer = { 0 };

	check_code(FL_EXISTS, upload(&peer, &stream, &answer));
	check_string("there", err.text);
	peer = (struct peer){ .answer = "" };
	check(lseek(stream.fd, 0, SEEK_SET) == 0);
	check_code(FL_UNREACHABLE, upload(&peer, &stream, &answer));
	close(stream.fd);
}

static void a_file_that_shrinks_is_not_sent_as_whole(void)
{
	struct peer peer = { .wanted = "never", .answer = "" };
	struct fl_stream stream = { .fd = make_file(1000), .length = 1001 };
	struct fl_answer answer = { 0 };

	check_code(FL_SYSTEM, upload(&peer, &stream, &answer));
	check(strstr(err.text, "1000 of 1001"));
	close(stream.fd);
}

static bool stop_at(void *arg, uint64_t bytes)
{
	return bytes < *(uint64_t *)arg;
}

static void progress_may_stop(void)
{
	uint64_t limit = LONG / 2;
	struct peer peer = { .wanted = "never", .answer = "" };
	struct fl_stream stream = { make_file(LONG), LONG, stop_at, &limit };
	struct fl_answer answer = { 0 };

	check_code(FL_SYSTEM, upload(&peer, &stream, &answer));
	check(err.sys == EINTR && peer.bytes >= limit && peer.bytes < LONG);
	close(stream.fd);
}

/* What came of one download, NUL-terminated in `text`. */
static int download(const char *answer, char text[static 100], const struct fl_stream *like)
{
	struct fl_stream stream = { .fd = make_file(1) };
	struct fl_client *client;
	struct server server;
	ssize_t n;
	int r;

	check(ftruncate(stream.fd, 0) == 0);
	if (like) {
		stream.progress = like->progress;
		stream.arg = like->arg;
	}
	start(&server, ANSWERS(answer));
	check_ok(fl_client_open(server.path, &client, &err));
	r = fl_client_download(client, "/v1/export", &stream, &err);
	fl_client_close(client);
	stop(&server);
	n = pread(stream.fd, text, 99, 0);
	text[n > 0 ? n : 0] = '\0';
	close(stream.fd);
	return r;
}

static void an_answer_is_written_as_it_comes(void)
{
	char text[100];

	check_ok(download("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
			  "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
			  text, NULL));
	check_string("abcde", text);
	check_ok(download("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nxyz", text, NULL));
	check_string("xyz", text);
	check_code(FL_NOT_FOUND,
		   download("HTTP/1.1 404 No\r\nContent-Length: 50\r\n\r\n"
			    "{\"error\":{\"code\":\"not-found\",\"message\":\"no such\"}}",
			    text, NULL));
	check_string("no such", err.text);
	check_string("", text);
}

static void an_answer_that_is_cut_is_not_whole(void)
{
	static const char *const cut[] = {
		"HTTP/1.1 200 OK\r\nX-Hang-Up: 1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
		"HTTP/1.1 200 OK\r\nX-Hang-Up: 1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabc",
		"HTTP/1.1 200 OK\r\nX-Hang-Up: 1\r\nContent-Length: 5\r\n\r\nabc",
		"HTTP/1.0 200 OK\r\nX-Hang-Up: 1\r\n\r\nabc",
	};
	char text[100];

	for (size_t i = 0; i < array_size(cut); i++)
		check_code(FL_CORRUPT, download(cut[i], text, NULL));
}

static void a_download_may_be_stopped(void)
{
	uint64_t limit = 3;
	struct fl_stream like = { .progress = stop_at, .arg = &limit };
	char text[100];

	/* The fourth byte never comes. */
	check_code(FL_SYSTEM,
		   download("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", text, &like));
	check(err.sys == EINTR);
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(bodies_are_read),
				  CHECK(what_is_no_answer_is_unreachable),
				  CHECK(sizes_are_bounded),
				  CHECK(errors_are_the_daemons),
				  CHECK(a_connection_is_kept_and_renewed),
				  CHECK(no_daemon_says_how_to_start_one),
				  CHECK(sockets_are_found),
				  CHECK(targets_are_encoded),
				  CHECK(a_file_is_sent_with_its_length),
				  CHECK(what_has_no_length_is_sent_in_chunks),
				  CHECK(a_refusal_ends_the_sending),
				  CHECK(a_file_that_shrinks_is_not_sent_as_whole),
				  CHECK(progress_may_stop),
				  CHECK(an_answer_is_written_as_it_comes),
				  CHECK(an_answer_that_is_cut_is_not_whole),
				  CHECK(a_download_may_be_stopped),
				  CHECK_END,
			  });
}
