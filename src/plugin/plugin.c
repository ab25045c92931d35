/*
 * A request's way, as container engines really send it: POST, an empty Host, no
 * Content-Type, a body of JSON with a newline.  When a connection breaks they ask
 * again, with an empty body; that must be an error and never stand for anything.
 *
 * What is refused is answered with status 500: to Podman a 200 is a success whatever it says,
 * a volume of which nothing was made, or mounted.  Docker takes either.
 *
 * Each answer closes its connection.  A kept one would be found dead by the first
 * request after a daemon that was killed, and what is sent again comes without its
 * body; a new one waits in the socket's backlog for the next daemon.
 */

#include "plugin/plugin.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "plugin/verbs.h"

#define TYPE "application/vnd.docker.plugins.v1+json"
#define REQUEST_ID 32

#define OK 200
#define REFUSED 500

static int activate(struct asking *asking, struct fl_error *err)
{
	json_put_array(asking->json, "Implements");
	json_put_string(asking->json, NULL, "VolumeDriver");
	json_end(asking->json);
	return 0;
}

static int capabilities(struct asking *asking, struct fl_error *err)
{
	json_put_object(asking->json, "Capabilities");
	json_put_string(asking->json, "Scope", "local");
	json_end(asking->json);
	return 0;
}

/*
 * Nothing has to be done, whoever asks for whatever: an engine that was refused would keep
 * the container.
 */
static int unmount(struct asking *asking, struct fl_error *err)
{
	return 0;
}

static const struct plugin_route {
	const char *path;
	plugin_verb *run;
	bool named; /* takes "Name" */
} routes[] = {
	{ "/Plugin.Activate", activate, false },
	{ "/VolumeDriver.Capabilities", capabilities, false },
	{ "/VolumeDriver.Create", volume_create, true },
	{ "/VolumeDriver.Get", volume_get, true },
	{ "/VolumeDriver.List", volume_list, false },
	{ "/VolumeDriver.Mount", volume_mount, true },
	{ "/VolumeDriver.Path", volume_path, true },
	{ "/VolumeDriver.Remove", volume_remove, true },
	{ "/VolumeDriver.Unmount", unmount, false },
};

static const struct plugin_route *find_route(const struct http_request *request)
{
	for (size_t i = 0; i < array_size(routes); i++)
		if (strcmp(request->path, routes[i].path) == 0)
			return &routes[i];
	return NULL;
}

/* --- what is asked ------------------------------------------------------------------ */

static int check_peer(const struct http_request *request, struct fl_error *err)
{
	if (request->uid == 0 || (request->uid == geteuid() && request->uid != (uid_t)-1))
		return 0;
	return fl_fail(err, FL_DENIED, "only root may ask for volumes here");
}

static int decode_body(const struct http_request *request, json_t **ret, struct fl_error *err)
{
	own(json_decrefp) json_t *body = NULL;
	json_error_t why;

	if (request->refused)
		return fl_fail(err, FL_INVALID, "%s", request->refused);
	if (request->body_length == 0) {
		fl_fail(err, FL_INVALID, "the request came without its body");
		return fl_hint(err, "container engines repeat requests so when a connection broke: "
				    "try again");
	}
	body = json_loadb(request->body, request->body_length, JSON_REJECT_DUPLICATES, &why);
	if (!json_is_object(body))
		return fl_fail(err, FL_INVALID, "the request's body is no JSON object%s%s",
			       body ? "" : ": ", body ? "" : why.text);
	*ret = take_ptr(body);
	return 0;
}

static int decode_name(struct asking *asking, struct fl_error *err)
{
	const json_t *name = json_object_get(asking->body, "Name");

	if (!json_is_string(name))
		return fl_fail(err, FL_INVALID, "the request names no volume");
	asking->name = json_string_value(name);
	return volume_name_parse(asking->name, &asking->ref, err);
}

static int run(const struct plugin_route *route, const struct http_request *request,
	       struct asking *asking, struct fl_error *err)
{
	own(json_decrefp) json_t *body = NULL;
	int r;

	if (check_peer(request, err) < 0)
		return fl_failed(err);
	if (!route->named)
		return route->run(asking, err);
	if (decode_body(request, &body, err) < 0)
		return fl_failed(err);
	asking->body = body;
	r = decode_name(asking, err);
	if (r == 0)
		r = route->run(asking, err);
	asking->body = NULL;
	return r;
}

/* --- what is answered ---------------------------------------------------------------- */

/* What changed something, or was refused to, is in the audit log before it is answered. */
static void audit(const struct asking *asking, const struct http_request *request,
		  const struct fl_error *why)
{
	own_text struct text object = { 0 }, message = { 0 };
	struct audit_entry entry = {
		.uid = request->uid == (uid_t)-1 ? -1 : (int64_t)request->uid,
		.pid = request->pid,
		.request = log_get_request(),
		.verb = asking->did,
	};

	if (!asking->did)
		return;
	ref_format(&asking->ref, &object);
	text_add_format(&message, "volume plugin%s%s", asking->facts.length ? ", " : "",
			text_get(&asking->facts));
	entry.object = text_get(&object);
	entry.outcome = why ? why->code : FL_OK;
	entry.message = why ? why->text : text_get(&message);
	engine_audit(asking->engine, &entry);
}

static void answer_error(const struct fl_error *err, struct http_response *response)
{
	own_text struct text says = { 0 };
	struct json json;

	text_add_string(&says, err->text);
	if (err->hint[0])
		text_add_format(&says, "\nhint: %s", err->hint);
	text_clear(&response->body);
	json_init(&json, &response->body);
	json_put_object(&json, NULL);
	json_put_string(&json, "Err", text_get(&says));
	json_end(&json);
	if (response->status == OK)
		response->status = REFUSED;
}

static int answer(struct plugin *plugin, const struct http_request *request,
		  struct http_response *response, struct fl_error *err)
{
	const struct plugin_route *route = find_route(request);
	struct json json;
	struct asking asking = { .engine = plugin->engine, .json = &json };
	int r;

	if (!route || strcmp(request->method, "POST") != 0) {
		response->status = route ? 405 : 404;
		return fl_fail(err, FL_NOT_FOUND, "a volume plugin does not know '%.20s %.100s'",
			       request->method, request->path);
	}
	json_init(&json, &response->body);
	json_put_object(&json, NULL);
	r = run(route, request, &asking, err);
	if (r == 0) {
		json_put_string(&json, "Err", "");
		json_end(&json);
	}
	audit(&asking, request, r < 0 ? err : NULL);
	text_done(&asking.facts);
	return r;
}

static void log_request(const struct http_request *request, const struct fl_error *err,
			int64_t began)
{
	if (err->code == FL_SYSTEM || err->code == FL_CORRUPT)
		log_error("request failed", "path=%.60s code=%s error=\"%s\" at=%s:%d",
			  request->path, fl_codes[err->code].name, err->text, err->file, err->line);
	log_debug("request", "method=%.20s path=%.60s refused=\"%s\" us=%" PRId64, request->method,
		  request->path, err->text, (clock_monotonic() - began) / 1000);
}

void plugin_handle(void *arg, const struct http_request *request, struct http_response *response)
{
	static _Atomic uint64_t count;
	int64_t began = clock_monotonic();
	struct fl_error err = { 0 };
	char id[REQUEST_ID];

	snprintf(id, sizeof(id), "plugin-%" PRIu64, ++count);
	log_set_request(id);
	http_response_header(response, "Connection", "close");
	response->status = OK;
	response->type = TYPE;
	if (answer(arg, request, response, &err) < 0)
		answer_error(&err, response);
	else
		err = (struct fl_error){ 0 };
	log_request(request, &err, began);
	log_set_request(NULL);
}
