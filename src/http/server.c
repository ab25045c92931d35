/*
 * libmicrohttpd calls on_request() several times for each request: once when
 * the headers are there, once for each piece of the body, and a last time when
 * all of it has arrived.  What is known so far is kept in a struct exchange;
 * the last call runs the handler and queues its answer, and on_completed()
 * releases the exchange when the answer is sent or the connection is gone.
 *
 * Stopping: the number of exchanges is counted under a mutex.  Once `stopping`
 * is set no exchange begins, so when the count falls to zero every answer is
 * out, and the connections that are left are idle ones.
 */

#include "http/server.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"

/* The handlers' frames are small and bodies are on the heap; only touched pages count as resident.
 */
#define STACK (256 * 1024)
/* Request line and headers of one request: room for a reference with a path, percent-encoded. */
#define HEAD (32 * 1024)

struct http_server {
	struct MHD_Daemon *daemon;
	struct http_options options;
	pthread_mutex_t mutex;
	pthread_cond_t idle;
	size_t running; /* exchanges; under mutex */
	bool stopping;	/* under mutex */
};

struct exchange {
	struct http_server *server;
	struct text body;
	bool too_large;
};

void http_response_done(struct http_response *response)
{
	text_done(&response->body);
	*response = (struct http_response){ 0 };
}

void http_response_header(struct http_response *response, const char *name, const char *value)
{
	struct http_header *header;

	if (response->header_count == HTTP_HEADERS)
		return;
	header = &response->headers[response->header_count++];
	header->name = name;
	snprintf(header->value, sizeof(header->value), "%s", value);
}

/* NULL when the server is stopping. */
static struct exchange *exchange_new(struct http_server *server)
{
	struct exchange *exchange;
	own_lock(guard, &server->mutex);

	if (server->stopping)
		return NULL;
	exchange = xcalloc(1, sizeof(*exchange));
	exchange->server = server;
	server->running++;
	return exchange;
}

static void exchange_free(struct exchange *exchange)
{
	struct http_server *server = exchange->server;
	own_lock(guard, &server->mutex);

	if (--server->running == 0)
		pthread_cond_broadcast(&server->idle);
	text_done(&exchange->body);
	free(exchange);
}

/*
 * A body that is too large is read to its end and dropped: a client reads its
 * answer only when it has written everything.
 */
static void add_body(struct exchange *exchange, const char *bytes, size_t length)
{
	if (exchange->too_large || length > HTTP_BODY - exchange->body.length) {
		exchange->too_large = true;
		text_done(&exchange->body);
		return;
	}
	text_add(&exchange->body, bytes, length);
}

static void read_credentials(struct MHD_Connection *connection, struct http_request *request)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct ucred credentials;
	socklen_t size = sizeof(credentials);

	request->uid = (uid_t)-1;
	if (!info || getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
		return;
	request->uid = credentials.uid;
	request->pid = credentials.pid;
}

static enum MHD_Result add_parameter(void *arg, enum MHD_ValueKind kind, const char *name,
				     size_t name_size, const char *value, size_t value_size)
{
	struct http_request *request = arg;

	if (request->parameter_count == HTTP_PARAMETERS) {
		request->refused = "the request has too many query parameters";
		return MHD_NO;
	}
	/* An encoded NUL would cut the value short, and so mean something else than was sent. */
	if (strlen(name) != name_size || (value && strlen(value) != value_size)) {
		request->refused = "a query parameter holds a NUL byte";
		return MHD_NO;
	}
	request->parameters[request->parameter_count++] =
		(struct http_parameter){ .name = name, .value = value ? value : "" };
	return MHD_YES;
}

static void request_fill(struct MHD_Connection *connection, const struct exchange *exchange,
			 struct http_request *request)
{
	request->body = text_get(&exchange->body);
	request->body_length = exchange->body.length;
	if (exchange->too_large)
		request->refused = "the body is larger than 1 MiB";
	MHD_get_connection_values_n(connection, MHD_GET_ARGUMENT_KIND, add_parameter, request);
	read_credentials(connection, request);
}

static enum MHD_Result send_response(struct MHD_Connection *connection,
				     struct http_response *response)
{
	size_t length = response->body.length;
	char *body = text_take(&response->body);
	struct MHD_Response *out = MHD_create_response_from_buffer(length, body,
								   MHD_RESPMEM_MUST_FREE);
	enum MHD_Result result;

	if (!out) {
		free(body);
		return MHD_NO;
	}
	if (response->type)
		MHD_add_response_header(out, MHD_HTTP_HEADER_CONTENT_TYPE, response->type);
	for (size_t i = 0; i < response->header_count; i++)
		MHD_add_response_header(out, response->headers[i].name, response->headers[i].value);
	result = MHD_queue_response(connection, response->status, out);
	MHD_destroy_response(out);
	return result;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *data,
				  size_t *size, void **state)
{
	struct http_server *server = arg;
	struct exchange *exchange = *state;
	struct http_request request = { .method = method, .path = url };
	own(http_response_done) struct http_response response = { 0 };

	if (!exchange) {
		*state = exchange_new(server);
		return *state ? MHD_YES : MHD_NO;
	}
	if (*size > 0) {
		add_body(exchange, data, *size);
		*size = 0;
		return MHD_YES;
	}
	request_fill(connection, exchange, &request);
	server->options.handle(server->options.arg, &request, &response);
	return send_response(connection, &response);
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **state,
			 enum MHD_RequestTerminationCode code)
{
	if (*state)
		exchange_free(*state);
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

static int start(struct http_server *server, struct fl_error *err)
{
	const struct http_options *options = &server->options;
	unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
			 MHD_USE_POLL | MHD_USE_ITC | MHD_USE_ERROR_LOG;

	server->daemon = MHD_start_daemon(
		flags, 0, NULL, NULL, on_request, server, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
		MHD_OPTION_LISTEN_SOCKET, options->listen_fd, MHD_OPTION_NOTIFY_COMPLETED,
		on_completed, NULL, MHD_OPTION_CONNECTION_LIMIT, options->connections,
		MHD_OPTION_CONNECTION_TIMEOUT, options->timeout_seconds,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEAD, MHD_OPTION_THREAD_STACK_SIZE,
		(size_t)STACK, MHD_OPTION_END);
	if (!server->daemon)
		return fl_fail_errno(err, "starting the HTTP server");
	return 0;
}

static void server_free(struct http_server *server)
{
	pthread_cond_destroy(&server->idle);
	pthread_mutex_destroy(&server->mutex);
	free(server);
}

int http_server_open(const struct http_options *options, struct http_server **ret,
		     struct fl_error *err)
{
	struct http_server *server = xcalloc(1, sizeof(*server));
	int r;

	server->options = *options;
	pthread_mutex_init(&server->mutex, NULL);
	pthread_cond_init(&server->idle, NULL);
	r = start(server, err);
	if (r < 0) {
		server_free(server);
		return r;
	}
	*ret = server;
	return 0;
}

static void wait_until_idle(struct http_server *server)
{
	own_lock(guard, &server->mutex);

	server->stopping = true;
	while (server->running > 0)
		pthread_cond_wait(&server->idle, &server->mutex);
}

void http_server_close(struct http_server *server)
{
	if (!server)
		return;
	/* The listening socket is ours again, and open until no connection is left. */
	MHD_quiesce_daemon(server->daemon);
	wait_until_idle(server);
	MHD_stop_daemon(server->daemon);
	close(server->options.listen_fd);
	server_free(server);
}
