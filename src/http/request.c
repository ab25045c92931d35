#include "http/request.h"

#include <microhttpd.h>
#include <string.h>
#include <sys/socket.h>

#include "http/upload.h"

void exchange_add_body(struct exchange *exchange, const char *bytes, size_t length)
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

void exchange_fill_request(struct exchange *exchange, struct http_request *request)
{
	request->exchange = exchange;
	request->body = text_get(&exchange->body);
	request->body_length = exchange->body.length;
	request->body_fd = -1;
	request->announced = read_announced(exchange->connection);
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
