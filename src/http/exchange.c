/*
 * Stopping: the exchanges are in a list under a mutex.  Once `stopping` is set
 * no exchange begins, so when the list is empty every answer is out, and the
 * connections that are left are idle ones.  Exchanges whose bodies are streams
 * are ended by shutting their sockets down, which wakes the threads that wait
 * on them; in the library there is no other way to wake one.
 *
 * Whoever makes or takes a stream may pause, for hours where a tape is changed;
 * so the library's clock for idle connections stands still while one flows.
 */

#include "http/exchange.h"

#include <microhttpd.h>
#include <sys/socket.h>
#include <time.h>

#include "http/early.h"
#include "http/upload.h"

void exchanges_init(struct exchanges *all, const struct http_options *options)
{
	pthread_condattr_t monotonic;

	*all = (struct exchanges){ .options = options };
	pthread_mutex_init(&all->mutex, NULL);
	pthread_cond_init(&all->idle, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&all->flowed, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

void exchanges_done(struct exchanges *all)
{
	pthread_cond_destroy(&all->flowed);
	pthread_cond_destroy(&all->idle);
	pthread_mutex_destroy(&all->mutex);
}

/* --- one begins, and ends ------------------------------------------------------- */

struct exchange *exchange_new(struct exchanges *all, struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	const union MHD_ConnectionInfo *context =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct exchange *exchange;
	own_lock(guard, &all->mutex);

	if (all->stopping || !info || !context)
		return NULL;
	exchange = xcalloc(1, sizeof(*exchange));
	exchange->all = all;
	exchange->connection = connection;
	exchange->fd = info->connect_fd;
	exchange->client = context->socket_context;
	exchange->next = all->first;
	if (all->first)
		all->first->previous = exchange;
	all->first = exchange;
	return exchange;
}

static void unlink_it(struct exchange *exchange)
{
	struct exchanges *all = exchange->all;
	own_lock(guard, &all->mutex);

	if (exchange->next)
		exchange->next->previous = exchange->previous;
	if (exchange->previous)
		exchange->previous->next = exchange->next;
	else
		all->first = exchange->next;
	all->streams -= exchange->streams;
	if (!all->first)
		pthread_cond_broadcast(&all->idle);
}

void exchange_free(struct exchange *exchange)
{
	struct http_response *response = &exchange->response;
	void (*finish)(void *arg, bool sent) = response->finish;

	upload_free(exchange->upload);
	response->finish = NULL;
	if (finish)
		finish(response->arg, exchange->sent);
	http_response_done(response);
	unlink_it(exchange);
	text_done(&exchange->body);
	free(exchange);
}

/* --- streams -------------------------------------------------------------------- */

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

void exchange_restart_clock(const struct exchange *exchange)
{
	set_timeout(exchange, exchange->all->options->timeout_seconds);
}

void exchange_set_flow(struct exchange *exchange, enum flow flow)
{
	struct exchanges *all = exchange->all;

	set_timeout(exchange, flow == FLOW_NONE ? all->options->timeout_seconds : 0);
	own_lock(guard, &all->mutex);
	exchange->flow = flow;
	pthread_cond_broadcast(&all->flowed);
	if (all->stopping || (exchange->cut && flow == FLOW_OUT))
		end_flow(exchange);
}

void http_cut(struct exchange *exchange)
{
	own_lock(guard, &exchange->all->mutex);

	exchange->cut = true;
	if (exchange->flow == FLOW_OUT)
		end_flow(exchange);
}

bool http_take_stream(struct exchange *exchange)
{
	struct exchanges *all = exchange->all;
	own_lock(guard, &all->mutex);

	if (all->streams + 1 >= all->options->connections)
		return false;
	all->streams++;
	exchange->streams = true;
	return true;
}

bool exchange_is_arriving(struct exchange *exchange)
{
	own_lock(guard, &exchange->all->mutex);

	return exchange->flow == FLOW_IN;
}

void exchange_end_body(struct exchange *exchange)
{
	struct exchanges *all = exchange->all;
	struct timespec until;
	own_lock(guard, &all->mutex);

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += EARLY_LINGER;
	while (exchange->flow == FLOW_IN)
		if (pthread_cond_timedwait(&all->flowed, &all->mutex, &until) == ETIMEDOUT) {
			end_flow(exchange);
			return;
		}
}

void exchanges_stop(struct exchanges *all)
{
	own_lock(guard, &all->mutex);

	all->stopping = true;
	for (const struct exchange *exchange = all->first; exchange; exchange = exchange->next)
		end_flow(exchange);
	while (all->first)
		pthread_cond_wait(&all->idle, &all->mutex);
}
