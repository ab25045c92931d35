/*
 * libmicrohttpd calls on_request() several times for each request: once when
 * the headers are there, once for each piece of the body, and a last time when
 * all of it has arrived.  What is known so far is kept in a struct exchange;
 * the last call runs the handler and queues its answer, and on_completed()
 * releases the exchange when the answer is sent or the connection is gone.
 *
 * Connections are accepted by http/door.h and given to the library, which tells
 * when they are gone.  The library's clock is for idle ones; who sends, but is
 * never done, is ended when others wait (http/clients.h).  How a server stops,
 * with all that is under way: http/exchange.c.
 *
 * Streams: a body that arrives is written to a pipe that the handler reads, on
 * a thread of its own (http/upload.h); how one is sent, and how an answer can
 * come before the end of a body: http/answer.c.
 */

#include "http/server.h"

#include <microhttpd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "http/answer.h"
#include "http/clients.h"
#include "http/door.h"
#include "http/request.h"
#include "http/upload.h"

/* The handlers' frames are small and bodies are on the heap; only touched pages count as resident.
 */
#define STACK (256 * 1024)
/* Request line and headers of one request: room for a reference with a path, percent-encoded. */
#define HEAD (32 * 1024)

struct http_server {
	struct MHD_Daemon *daemon;
	struct door *door;
	struct clients clients;
	struct exchanges exchanges;
	struct http_options options;
};

/* --- the library's calls ----------------------------------------------------------- */

static enum MHD_Result begin(struct http_server *server, struct exchange *exchange,
			     struct http_request *request)
{
	const struct http_options *options = &server->options;
	struct fl_error err = { 0 };

	if (!options->streams)
		return MHD_YES;
	exchange_fill_request(exchange, request);
	if (!options->streams(options->arg, request))
		return MHD_YES;
	clients_served(&server->clients, exchange->client);
	exchange_set_flow(exchange, FLOW_IN); /* before, as the handler may return at once */
	if (upload_start(options, request, answer_refused_body, &exchange->upload, &err) == 0)
		return MHD_YES;
	log_error("a body could not be received", "error=\"%s\"", err.text);
	return MHD_NO;
}

static enum MHD_Result take_piece(struct exchange *exchange, const char *bytes, size_t *size)
{
	if (!exchange->upload)
		exchange_add_body(exchange, bytes, *size);
	else if (!upload_write(exchange->upload, bytes, *size))
		return answer_early(exchange);
	*size = 0;
	return MHD_YES;
}

static enum MHD_Result answer(struct http_server *server, struct exchange *exchange,
			      struct http_request *request)
{
	const struct http_options *options = &server->options;
	own(http_response_done) struct http_response response = { 0 };
	struct http_response *streamed;

	if (exchange->upload) {
		exchange_set_flow(exchange, FLOW_NONE);
		upload_end(exchange->upload, true);
		streamed = upload_answer(exchange->upload);
		/* It had come all the same. */
		return exchange->answered ? MHD_NO : answer_send(exchange, streamed);
	}
	clients_served(&server->clients, exchange->client);
	exchange_fill_request(exchange, request);
	options->handle(options->arg, request, &response);
	return answer_send(exchange, &response);
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *data,
				  size_t *size, void **state)
{
	struct http_server *server = arg;
	struct http_request request = { .method = method, .path = url };
	struct exchange *exchange = *state;

	if (!exchange) {
		*state = exchange = exchange_new(&server->exchanges, connection);
		return exchange ? begin(server, exchange, &request) : MHD_NO;
	}
	if (*size > 0)
		return take_piece(exchange, data, size);
	return answer(server, exchange, &request);
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **state,
			 enum MHD_RequestTerminationCode code)
{
	struct http_server *server = arg;
	struct exchange *exchange = *state;

	if (!exchange)
		return;
	/* A body that ended before its end, for whatever reason. */
	if (exchange->upload && exchange->flow == FLOW_IN)
		(void)answer_early(exchange);
	exchange->sent = code == MHD_REQUEST_TERMINATED_COMPLETED_OK;
	exchange_set_flow(exchange, FLOW_NONE);
	clients_awaited(&server->clients, exchange->client);
	exchange_free(exchange);
	*state = NULL;
}

/* The library tells of connections that went wrong, in lines of its own. */
__attribute__((format(printf, 2, 0))) static void on_log(void *arg, const char *fmt, va_list ap)
{
	char line[240];

	vsnprintf(line, sizeof(line), fmt, ap);
	line[strcspn(line, "\n")] = '\0';
	log_debug("http", "reason=\"%s\"", line);
}

static void on_connection(void *arg, struct MHD_Connection *connection, void **state,
			  enum MHD_ConnectionNotificationCode code)
{
	struct http_server *server = arg;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		const union MHD_ConnectionInfo *info =
			MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

		*state = clients_enter(&server->clients, info->connect_fd);
		return;
	}
	/* The library closes the socket after this. */
	clients_leave(&server->clients, *state);
	door_leave(server->door);
}

/* Clients wait for a connection. */
static void hurry(void *arg)
{
	struct http_server *server = arg;

	clients_hurry(&server->clients, server->options.timeout_seconds * CLOCK_SECOND);
}

static bool take_connection(void *arg, int fd)
{
	struct sockaddr address = { .sa_family = AF_UNIX };
	const struct http_server *server = arg;

	return MHD_add_connection(server->daemon, fd, &address, sizeof(address)) == MHD_YES;
}

static int start(struct http_server *server, struct fl_error *err)
{
	const struct http_options *options = &server->options;
	unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
			 MHD_USE_POLL | MHD_USE_ITC | MHD_USE_ERROR_LOG | MHD_USE_NO_LISTEN_SOCKET;

	server->daemon = MHD_start_daemon(
		flags, 0, NULL, NULL, on_request, server, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, server, MHD_OPTION_NOTIFY_CONNECTION,
		on_connection, server,
		/* One that it says is gone is still counted for a moment. */
		MHD_OPTION_CONNECTION_LIMIT, options->connections + 1,
		MHD_OPTION_CONNECTION_TIMEOUT, options->timeout_seconds,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEAD, MHD_OPTION_THREAD_STACK_SIZE,
		(size_t)STACK, MHD_OPTION_END);
	if (!server->daemon)
		return fl_fail_errno(err, "starting the HTTP server");
	if (door_open(server->door, options->listen_fd, err) == 0)
		return 0;
	MHD_stop_daemon(server->daemon);
	return fl_failed(err);
}

static void server_free(struct http_server *server)
{
	door_free(server->door);
	clients_done(&server->clients);
	exchanges_done(&server->exchanges);
	free(server);
}

int http_server_open(const struct http_options *options, struct http_server **ret,
		     struct fl_error *err)
{
	struct http_server *server = xcalloc(1, sizeof(*server));
	int r;

	server->options = *options;
	exchanges_init(&server->exchanges, &server->options);
	clients_init(&server->clients);
	server->door = door_new(options->connections, take_connection, hurry, server);
	r = start(server, err);
	if (r < 0) {
		server_free(server);
		return r;
	}
	*ret = server;
	return 0;
}

void http_server_close(struct http_server *server)
{
	if (!server)
		return;
	/* The listening socket is open until no connection is left. */
	door_stop(server->door);
	exchanges_stop(&server->exchanges);
	MHD_stop_daemon(server->daemon);
	close(server->options.listen_fd);
	server_free(server);
}
