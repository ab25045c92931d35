#pragma once

/*
 * The JSON API under /v1: finds the route of a request, decodes what came in,
 * calls the engine, encodes what goes out.  openapi.yaml is its contract; it
 * decides nothing itself.
 */

#include "engine/engine.h"
#include "http/server.h"

struct api {
	struct engine *engine;
	struct config *config;
	const char *host; /* name of the host */
};

/* For http_options; `api` is a struct api.  From any thread. */
void api_handle(void *api, const struct http_request *request, struct http_response *response);
/* Is the request's body a stream, by its route? */
bool api_streams(void *api, const struct http_request *head);
