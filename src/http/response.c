#include <stdio.h>

#include "http/server.h"

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
