/*
 * A body that is sent as a stream is read from the handler's descriptor as the
 * socket takes it (on_read).  That blocks the connection's thread, which is
 * nobody else's.
 *
 * A handler that has seen enough of a body, as of an archive that it refuses,
 * returns.  The library can't answer in the middle of a body, and to read the
 * rest, which may be gigabytes, only to say no would be no service.  So the
 * answer is written to the socket here, with "Connection: close" and the end of
 * what is sent, by the handler's thread (answer_refused_body).  The connection
 * ends when its thread notices: the next write to the pipe fails; or, where the
 * client pauses, the socket's reading side is shut down after a while and so the
 * library's wait for more ends.  Until then, and for a while after it, the
 * client can go on sending: many only look for an answer while their sends
 * succeed.  Whoever sends longer is cut off, and finds the answer readable even
 * then, as a unix socket keeps it.
 */

#include "http/answer.h"

#include <errno.h>
#include <poll.h>

#include "http/early.h"
#include "http/upload.h"

/* The most that is read of a stream at once. */
#define PIECE (32 * 1024)

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
		exchange_set_flow(exchange, FLOW_OUT);
		return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, PIECE, on_read, exchange,
							 NULL);
	}
	body = text_take(&response->body);
	made = MHD_create_response_from_buffer(length, body, MHD_RESPMEM_MUST_FREE);
	if (!made)
		free(body);
	return made;
}

enum MHD_Result answer_send(struct exchange *exchange, struct http_response *response)
{
	struct http_response head = *response; /* what stays when the body was handed over */
	struct MHD_Response *out;
	enum MHD_Result result;

	exchange_restart_clock(exchange);
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

/* --- before the body has come -------------------------------------------------- */

void answer_refused_body(struct exchange *exchange, struct http_response *response)
{
	if (!exchange_is_arriving(exchange))
		return;
	exchange->answered = true;
	early_send(exchange->fd, response, exchange->all->options->timeout_seconds);
	exchange_end_body(exchange);
}

enum MHD_Result answer_early(struct exchange *exchange)
{
	struct http_response *response;

	exchange_set_flow(exchange, FLOW_NONE);
	response = upload_answer(exchange->upload);
	if (!exchange->answered)
		early_send(exchange->fd, response, exchange->all->options->timeout_seconds);
	early_drain(exchange->fd);
	return MHD_NO;
}
