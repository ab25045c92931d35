/*
 * A request's way: it gets an id, its route is found, its inputs are decoded,
 * the handler runs, and whatever went wrong on the way becomes one answer in
 * one place (answer_error) and, where it is the machine's fault and not the
 * client's, one line in the log.
 */

#include "api/api.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/encode.h"
#include "api/routes.h"
#include "base/clock.h"
#include "base/log.h"

#define REQUEST_ID 24
#define JSON_TYPE "application/json"

/* Six random digits that tell this run of the daemon from others, and a count. */
static void make_request_id(char id[static REQUEST_ID])
{
	static _Atomic uint64_t count;
	static _Atomic uint32_t run;

	if (!run) {
		struct uuid uuid = uuid_new();
		uint32_t none = 0, some;

		memcpy(&some, uuid.bytes, sizeof(some));
		atomic_compare_exchange_strong(&run, &none, some | 1);
	}
	snprintf(id, REQUEST_ID, "%06x-%" PRIu64, run & 0xffffff, ++count);
}

/* The methods that `path` has: "GET, POST"; "" when there is no such path. */
static void list_methods(const char *path, struct text *ret)
{
	for (const struct route *route = routes; route->path; route++)
		if (strcmp(route->path, path) == 0)
			text_add_format(ret, "%s%s", ret->length ? ", " : "", route->method);
}

static const struct route *find_route(const char *method, const char *path)
{
	for (const struct route *route = routes; route->path; route++)
		if (strcmp(route->path, path) == 0 && strcmp(route->method, method) == 0)
			return route;
	return NULL;
}

/* Sets the status where it is not that of the error's code. */
static int fail_route(const struct http_request *request, struct http_response *response,
		      struct fl_error *err)
{
	own_text struct text methods = { 0 };

	list_methods(request->path, &methods);
	if (!methods.length) {
		fl_fail(err, FL_NOT_FOUND, "there is no route '%.100s'", request->path);
		return fl_hint(err, "GET /v1/openapi.json lists the routes");
	}
	response->status = 405;
	http_response_header(response, "Allow", methods.bytes);
	return fl_fail(err, FL_INVALID, "'%s' does not take %.20s, but %s", request->path,
		       request->method, methods.bytes);
}

static int run_handler(const struct api *api, const struct route *route,
		       const struct http_request *request, const struct input *input,
		       struct http_response *response, struct fl_error *err)
{
	struct json json;
	struct call call = { .api = api,
			     .engine = api->engine,
			     .input = input,
			     .request = request,
			     .response = response,
			     .json = &json };
	int r;

	json_init(&json, &response->body);
	r = route->handle(&call, err);
	if (r < 0)
		return r;
	response->status = route->status;
	if (route->status != 204 && !response->finish)
		response->type = JSON_TYPE;
	return 0;
}

/* What changes something is in the audit log before it is answered, refused or not. */
static int run_route(const struct api *api, const struct route *route,
		     const struct http_request *request, struct http_response *response,
		     struct fl_error *err)
{
	own_input struct input input = { 0 };
	int r = input_decode(request, &route->accepts, &input, err);

	if (r == 0)
		r = run_handler(api, route, request, &input, response, err);
	if (route->verb)
		audit_request(api, route, request, &input, r < 0 ? err : NULL);
	return r;
}

static void answer_error(const struct fl_error *err, const char *id, struct http_response *response)
{
	struct json json;

	text_clear(&response->body);
	json_init(&json, &response->body);
	encode_error(&json, err, id);
	response->type = JSON_TYPE;
	if (!response->status)
		response->status = (unsigned)fl_codes[err->code].http;
}

static void log_request(const struct http_request *request, const struct http_response *response,
			const struct fl_error *err, int64_t began)
{
	if (fl_is_cancelled(err))
		log_info("request cancelled", "method=%s path=%.60s reason=\"%s\"", request->method,
			 request->path, err->text);
	else if (err->code == FL_SYSTEM || err->code == FL_CORRUPT)
		log_error("request failed", "method=%s path=%.60s code=%s error=\"%s\" at=%s:%d",
			  request->method, request->path, fl_codes[err->code].name, err->text,
			  err->file, err->line);
	log_debug("request", "method=%.20s path=%.60s status=%u uid=%d pid=%d us=%" PRId64,
		  request->method, request->path, response->status, (int)request->uid,
		  (int)request->pid, (clock_monotonic() - began) / 1000);
}

bool is_root(const struct call *call)
{
	return call->request->uid == 0 || call->request->uid == geteuid();
}

int take_stream(const struct call *call, struct fl_error *err)
{
	if (http_take_stream(call->request->exchange))
		return 0;
	fl_fail(err, FL_BUSY,
		"imports, exports, restores, transfers, files that are read and followers of "
		"events "
		"take all connections that they may");
	return fl_hint(err,
		       "wait until one has ended, or cancel one: flocker operations; the setting "
		       "http.connections says how many there are");
}

bool api_streams(void *api, const struct http_request *head)
{
	const struct route *route = find_route(head->method, head->path);

	return route && route->streams;
}

void api_handle(void *arg, const struct http_request *request, struct http_response *response)
{
	const struct api *api = arg;
	const struct route *route = find_route(request->method, request->path);
	int64_t began = clock_monotonic();
	struct fl_error err = { 0 };
	char id[REQUEST_ID];
	int r;

	make_request_id(id);
	log_set_request(id);
	http_response_header(response, "X-Request-Id", id);
	if (route)
		r = run_route(api, route, request, response, &err);
	else
		r = fail_route(request, response, &err);
	if (r < 0)
		answer_error(&err, id, response);
	else
		err = (struct fl_error){ 0 }; /* what was forgiven on the way is no failure */
	log_request(request, response, &err, began);
	log_set_request(NULL);
}
