/*
 * libmicrohttpd calls on_request() several times for each request: once when
 * the headers are there, once for each piece of the body, and a last time when
 * all of it has arrived.  What is known so far is kept in a struct exchange;
 * the last call runs the handler and queues its answer, and on_completed()
 * releases the exchange when the answer is sent or the connection is gone.
 *
 * Stopping: the exchanges are in a list under a mutex.  Once `stopping` is set
 * no exchange begins, so when the list is empty every answer is out, and the
 * connections that are left are idle ones.  Exchanges whose bodies are streams
 * are ended by shutting their sockets down, which wakes the threads that wait
 * on them; in the library there is no other way to wake one.
 *
 * Connections are accepted by http/door.h and given to the library, which tells
 * when they are gone.  The library's clock is for idle ones; who sends, but is
 * never done, is ended when others wait (http/clients.h).
 *
 * Streams: a body that arrives is written to a pipe that the handler reads, on
 * a thread of its own (http/upload.h); one that is sent is read from the
 * handler's descriptor as the socket takes it (on_read).  Both block the
 * connection's thread, which is nobody else's.  Whoever makes or takes a stream
 * may pause, for hours where a tape is changed; so the library's clock for idle
 * connections stands still meanwhile (set_flow).
 *
 * A handler that has seen enough of a body, as of an archive that it refuses,
 * returns.  The library can't answer in the middle of a body, and to read the
 * rest, which may be gigabytes, only to say no would be no service.  So the
 * answer is written to the socket here, with "Connection: close" and the end of
 * what is sent, by the handler's thread (body_refused).  The connection ends
 * when its thread notices: the next write to the pipe fails; or, where the
 * client pauses, the socket's reading side is shut down after a while and so the
 * library's wait for more ends.  Until then, and for a while after it, the
 * client can go on sending: many only look for an answer while their sends
 * succeed.  Whoever sends longer is cut off, and finds the answer readable even
 * then, as a unix socket keeps it.
 */

#include "http/server.h"

#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "http/clients.h"
#include "http/door.h"
#include "http/early.h"
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
	struct http_options options;
	pthread_mutex_t mutex;
	pthread_cond_t idle;
	pthread_cond_t flowed;	/* the flow of an exchange is another; by the monotonic clock */
	struct exchange *first; /* of the list; under mutex */
	unsigned streams;	/* of them, what http_take_stream() gave out; under mutex */
	bool stopping;		/* under mutex */
};

enum flow { FLOW_NONE, FLOW_IN, FLOW_OUT };

struct exchange {
	struct http_server *server;
	struct exchange *next, *previous; /* under the server's mutex */
	struct MHD_Connection *connection;
	struct client *client; /* whose connection it is */
	int fd;		       /* of the connection */
	enum flow flow; /* what a stop has to end; set by its thread, under the server's mutex */
	bool answered;	/* by the handler's thread, to which it belongs until that is joined */
	bool cut;	/* under the server's mutex: what flows out has to end */
	bool streams;	/* the same: counts among the server's streams */
	bool sent;	/* all of the answer was handed to the socket */
	struct text body;
	bool too_large;
	struct upload *upload;	       /* the body is a stream */
	struct http_response response; /* of which the stream is being sent */
};

void http_response_done(struct http_response *response)
{
	if (response->finish)
		response->finish(response->arg, false);
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
static struct exchange *exchange_new(struct http_server *server, struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	const union MHD_ConnectionInfo *context =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct exchange *exchange;
	own_lock(guard, &server->mutex);

	if (server->stopping || !info || !context)
		return NULL;
	exchange = xcalloc(1, sizeof(*exchange));
	exchange->server = server;
	exchange->connection = connection;
	exchange->fd = info->connect_fd;
	exchange->client = context->socket_context;
	exchange->next = server->first;
	if (server->first)
		server->first->previous = exchange;
	server->first = exchange;
	return exchange;
}

static void exchange_unlink(struct exchange *exchange)
{
	struct http_server *server = exchange->server;
	own_lock(guard, &server->mutex);

	if (exchange->next)
		exchange->next->previous = exchange->previous;
	if (exchange->previous)
		exchange->previous->next = exchange->next;
	else
		server->first = exchange->next;
	server->streams -= exchange->streams;
	if (!server->first)
		pthread_cond_broadcast(&server->idle);
}

/* The handler of a body that was cut is waited for: it still uses what the request borrows. */
static void exchange_free(struct exchange *exchange)
{
	struct http_response *response = &exchange->response;
	void (*finish)(void *arg, bool sent) = response->finish;

	upload_free(exchange->upload);
	response->finish = NULL;
	if (finish)
		finish(response->arg, exchange->sent);
	http_response_done(response);
	exchange_unlink(exchange);
	text_done(&exchange->body);
	free(exchange);
}

/* Under the mutex, while the exchange is in the list, so the socket is still its own. */
static void end_flow(const struct exchange *exchange)
{
	if (exchange->flow == FLOW_IN)
		shutdown(exchange->fd, SHUT_RD);
	else if (exchange->flow == FLOW_OUT)
		shutdown(exchange->fd, SHUT_RDWR);
}

/* Setting a timeout where there is none starts the clock from now; 0: none. */
static void set_timeout(const struct exchange *exchange, unsigned seconds)
{
	MHD_set_connection_option(exchange->connection, MHD_CONNECTION_OPTION_TIMEOUT, 0u);
	MHD_set_connection_option(exchange->connection, MHD_CONNECTION_OPTION_TIMEOUT, seconds);
}

/* The time that a handler took is not the client's. */
static void restart_clock(const struct exchange *exchange)
{
	set_timeout(exchange, exchange->server->options.timeout_seconds);
}

static void set_flow(struct exchange *exchange, enum flow flow)
{
	struct http_server *server = exchange->server;

	set_timeout(exchange, flow == FLOW_NONE ? server->options.timeout_seconds : 0);
	own_lock(guard, &server->mutex);
	exchange->flow = flow;
	pthread_cond_broadcast(&server->flowed);
	if (server->stopping || (exchange->cut && flow == FLOW_OUT))
		end_flow(exchange);
}

void http_cut(struct exchange *exchange)
{
	own_lock(guard, &exchange->server->mutex);

	exchange->cut = true;
	if (exchange->flow == FLOW_OUT)
		end_flow(exchange);
}

bool http_take_stream(struct exchange *exchange)
{
	struct http_server *server = exchange->server;
	own_lock(guard, &server->mutex);

	if (server->streams + 1 >= server->options.connections)
		return false;
	server->streams++;
	exchange->streams = true;
	return true;
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

static void read_credentials(int fd, struct http_request *request)
{
	struct ucred credentials;
	socklen_t size = sizeof(credentials);

	request->uid = (uid_t)-1;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
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

/* What a client says of its body: good for showing how far it is, for nothing else. */
static uint64_t read_announced(struct MHD_Connection *connection)
{
	const char *value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
							MHD_HTTP_HEADER_CONTENT_LENGTH);

	return value ? strtoull(value, NULL, 10) : 0;
}

static void request_fill(struct exchange *exchange, struct http_request *request)
{
	request->exchange = exchange;
	request->body = text_get(&exchange->body);
	request->body_length = exchange->body.length;
	request->body_fd = -1;
	request->announced = read_announced(exchange->connection);
	request->last_event = MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND,
							  "Last-Event-ID");
	if (exchange->too_large)
		request->refused = "the body is larger than 1 MiB";
	MHD_get_connection_values_n(exchange->connection, MHD_GET_ARGUMENT_KIND, add_parameter,
				    request);
	read_credentials(exchange->fd, request);
}

bool http_body_cut(const struct http_request *request)
{
	return request->upload && upload_is_cut(request->upload);
}

/* --- answers -------------------------------------------------------------------- */

/* Waits until the stream has more, or the client is gone: false. */
static bool wait_for_more(const struct exchange *exchange)
{
	struct pollfd fds[] = {
		{ .fd = exchange->response.stream_fd, .events = POLLIN },
		{ .fd = exchange->fd }, /* for its end alone */
	};

	while (poll(fds, array_size(fds), -1) < 0)
		if (errno != EINTR)
			return false;
	return fds[1].revents == 0;
}

/* The library asks for the next piece of a body whenever the socket takes more. */
static ssize_t on_read(void *arg, uint64_t position, char *buffer, size_t room)
{
	const struct exchange *exchange = arg;
	const struct http_response *response = &exchange->response;
	ssize_t n;

	do {
		if (!wait_for_more(exchange))
			return MHD_CONTENT_READER_END_WITH_ERROR;
		n = read(response->stream_fd, buffer, room);
	} while (n < 0 && (errno == EINTR || errno == EAGAIN));
	if (n > 0)
		return n;
	return n == 0 && response->check(response->arg) == 0 ? MHD_CONTENT_READER_END_OF_STREAM
							     : MHD_CONTENT_READER_END_WITH_ERROR;
}

/* Its stream is the exchange's from here on; NULL: no memory. */
static struct MHD_Response *make_response(struct exchange *exchange, struct http_response *response)
{
	size_t length = response->body.length;
	struct MHD_Response *made;
	char *body;

	if (response->finish) {
		exchange->response = *response;
		*response = (struct http_response){ 0 };
		set_flow(exchange, FLOW_OUT);
		return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, HEAD, on_read, exchange,
							 NULL);
	}
	body = text_take(&response->body);
	made = MHD_create_response_from_buffer(length, body, MHD_RESPMEM_MUST_FREE);
	if (!made)
		free(body);
	return made;
}

static enum MHD_Result send_response(struct exchange *exchange, struct http_response *response)
{
	struct http_response head = *response; /* what stays when the body was handed over */
	struct MHD_Response *out;
	enum MHD_Result result;

	restart_clock(exchange);
	out = make_response(exchange, response);
	if (!out)
		return MHD_NO;
	if (head.type)
		MHD_add_response_header(out, MHD_HTTP_HEADER_CONTENT_TYPE, head.type);
	for (size_t i = 0; i < head.header_count; i++)
		MHD_add_response_header(out, head.headers[i].name, head.headers[i].value);
	result = MHD_queue_response(exchange->connection, head.status, out);
	MHD_destroy_response(out);
	return result;
}

/* The connection's thread gets EARLY_LINGER to notice by itself; then its wait is ended. */
static void end_body(struct exchange *exchange)
{
	struct http_server *server = exchange->server;
	struct timespec until;
	own_lock(guard, &server->mutex);

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += EARLY_LINGER;
	while (exchange->flow == FLOW_IN)
		if (pthread_cond_timedwait(&server->flowed, &server->mutex, &until) == ETIMEDOUT) {
			end_flow(exchange);
			return;
		}
}

static bool is_arriving(struct exchange *exchange)
{
	own_lock(guard, &exchange->server->mutex);

	return exchange->flow == FLOW_IN;
}

/*
 * On the handler's thread, when it has returned: nobody reads what may still come
 * of its body.  The exchange stays, as its end waits for this thread.
 */
static void body_refused(struct exchange *exchange, struct http_response *response)
{
	if (!is_arriving(exchange))
		return;
	exchange->answered = true;
	early_send(exchange->fd, response, exchange->server->options.timeout_seconds);
	end_body(exchange);
}

/* See the top.  The library is told to end the connection. */
static enum MHD_Result answer_early(struct exchange *exchange)
{
	struct http_response *response;

	set_flow(exchange, FLOW_NONE);
	response = upload_answer(exchange->upload);
	if (!exchange->answered)
		early_send(exchange->fd, response, exchange->server->options.timeout_seconds);
	early_drain(exchange->fd);
	return MHD_NO;
}

/* --- the library's calls ----------------------------------------------------------- */

static enum MHD_Result begin(struct exchange *exchange, struct http_request *request)
{
	const struct http_options *options = &exchange->server->options;
	struct fl_error err = { 0 };

	if (!options->streams)
		return MHD_YES;
	request_fill(exchange, request);
	if (!options->streams(options->arg, request))
		return MHD_YES;
	clients_served(&exchange->server->clients, exchange->client);
	set_flow(exchange, FLOW_IN); /* before, as the handler may return at once */
	if (upload_start(options, request, body_refused, &exchange->upload, &err) == 0)
		return MHD_YES;
	log_error("a body could not be received", "error=\"%s\"", err.text);
	return MHD_NO;
}

static enum MHD_Result take_piece(struct exchange *exchange, const char *bytes, size_t *size)
{
	if (!exchange->upload)
		add_body(exchange, bytes, *size);
	else if (!upload_write(exchange->upload, bytes, *size))
		return answer_early(exchange);
	*size = 0;
	return MHD_YES;
}

static enum MHD_Result answer(struct exchange *exchange, struct http_request *request)
{
	const struct http_options *options = &exchange->server->options;
	own(http_response_done) struct http_response response = { 0 };
	struct http_response *streamed;

	if (exchange->upload) {
		set_flow(exchange, FLOW_NONE);
		upload_end(exchange->upload, true);
		streamed = upload_answer(exchange->upload);
		/* It had come all the same. */
		return exchange->answered ? MHD_NO : send_response(exchange, streamed);
	}
	clients_served(&exchange->server->clients, exchange->client);
	request_fill(exchange, request);
	options->handle(options->arg, request, &response);
	return send_response(exchange, &response);
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *data,
				  size_t *size, void **state)
{
	struct http_request request = { .method = method, .path = url };
	struct exchange *exchange = *state;

	if (!exchange) {
		*state = exchange = exchange_new(arg, connection);
		return exchange ? begin(exchange, &request) : MHD_NO;
	}
	if (*size > 0)
		return take_piece(exchange, data, size);
	return answer(exchange, &request);
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **state,
			 enum MHD_RequestTerminationCode code)
{
	struct exchange *exchange = *state;

	if (!exchange)
		return;
	/* A body that ended before its end, for which of the reasons at the top does not matter. */
	if (exchange->upload && exchange->flow == FLOW_IN)
		(void)answer_early(exchange);
	exchange->sent = code == MHD_REQUEST_TERMINATED_COMPLETED_OK;
	set_flow(exchange, FLOW_NONE);
	clients_awaited(&exchange->server->clients, exchange->client);
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
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_NOTIFY_CONNECTION,
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
	pthread_cond_destroy(&server->flowed);
	pthread_cond_destroy(&server->idle);
	pthread_mutex_destroy(&server->mutex);
	free(server);
}

int http_server_open(const struct http_options *options, struct http_server **ret,
		     struct fl_error *err)
{
	struct http_server *server = xcalloc(1, sizeof(*server));
	pthread_condattr_t monotonic;
	int r;

	server->options = *options;
	pthread_mutex_init(&server->mutex, NULL);
	clients_init(&server->clients);
	pthread_cond_init(&server->idle, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&server->flowed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	server->door = door_new(options->connections, take_connection, hurry, server);
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
	for (const struct exchange *exchange = server->first; exchange; exchange = exchange->next)
		end_flow(exchange);
	while (server->first)
		pthread_cond_wait(&server->idle, &server->mutex);
}

void http_server_close(struct http_server *server)
{
	if (!server)
		return;
	/* The listening socket is open until no connection is left. */
	door_stop(server->door);
	wait_until_idle(server);
	MHD_stop_daemon(server->daemon);
	close(server->options.listen_fd);
	server_free(server);
}
