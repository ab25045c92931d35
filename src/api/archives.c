/*
 * What takes long: contents as archives, and parts of a past put back.  Both
 * directions of an archive are streams: an import's handler runs while the body
 * arrives, and an export's answer is sent while it is made.
 */

#include <string.h>

#include "api/encode.h"
#include "api/routes.h"
#include "engine/archive.h"
#include "engine/data-container.h"
#include "base/log.h"

/*
 * The daemon reads as root.  Whoever may talk to it is not therefore one who
 * may read every directory of the host, so only root can have one copied.
 */
static int check_directory(const struct call *call, struct fl_error *err)
{
	const struct input *input = call->input;

	if (!input->directory)
		return 0;
	if (call->request->uid != 0) {
		fl_fail(err, FL_DENIED, "only root may import a directory of the host");
		return fl_hint(err, "pack it yourself: tar -C DIR -c . | flocker import NAME -");
	}
	if (input->directory[0] != '/')
		return fl_fail(err, FL_INVALID, "'directory' must be an absolute path");
	return 0;
}

static bool is_cut(void *request)
{
	return http_body_cut(request);
}

int post_imports(struct call *call, struct fl_error *err)
{
	struct http_request request = *call->request;
	const struct input *input = call->input;
	struct operation operation = { 0 };
	struct import_options options = {
		.ref = input->ref,
		.description = input->description,
		.mount_path = input->mount_path,
		.quota = input->quota,
		.devices = input->devices,
		.setuid = input->setuid,
		.fd = input->directory ? -1 : request.body_fd,
		.directory = input->directory,
		.cut = is_cut,
		.arg = &request,
		.total = request.announced,
	};
	struct uuid uuid;
	int r = decode_operation(input, &uuid, &options.operation, err);

	if (r == 0)
		r = check_directory(call, err);
	if (r == 0)
		r = take_stream(call, err);
	if (r == 0)
		r = engine_import(call->engine, &options, &operation, err);
	if (r < 0)
		return r;
	data_containers_settle(call->engine);
	encode_operation(call->json, NULL, &operation);
	return 0;
}

static int check_export(void *arg)
{
	struct fl_error err = { 0 };
	int r = export_finish(arg, &err);

	if (r < 0 && !fl_is_cancelled(&err))
		log_error("an export is not whole", "error=\"%s\"", err.text);
	return r;
}

static void end_export(void *arg, bool sent)
{
	export_end(arg, sent);
}

static void cut_export(void *exchange)
{
	http_cut(exchange);
}

int get_export(struct call *call, struct fl_error *err)
{
	const struct input *input = call->input;
	const char *compression = input->compression ? input->compression : "none";
	bool zstd = strcmp(compression, "zstd") == 0;
	const struct uuid *id = NULL;
	struct export *export;
	struct uuid uuid;
	int r = decode_operation(input, &uuid, &id, err);

	if (r < 0)
		return r;
	if (!zstd && strcmp(compression, "none") != 0)
		return fl_fail(err, FL_INVALID, "'compression' must be none or zstd, not '%.40s'",
			       compression);
	if (take_stream(call, err) < 0)
		return fl_failed(err);
	r = engine_export(call->engine, input->ref, zstd, id, &export, err);
	if (r < 0)
		return r;
	call->response->type = zstd ? "application/zstd" : "application/x-tar";
	call->response->stream_fd = export_fd(export);
	call->response->check = check_export;
	call->response->finish = end_export;
	call->response->arg = export;
	export_on_cancel(export, cut_export, call->request->exchange);
	return 0;
}

/* By the grammar of references: what is not allowed there is not here. */
static int take_path(const struct input *input, struct ref *ret, struct fl_error *err)
{
	own_text struct text text = { 0 };

	text_add_format(&text, "%s:%s", input->ref->volume, input->path);
	return ref_parse(text_get(&text), ret, err) < 0 ? fl_wrap(err, "'path'") : 0;
}

int post_restores(struct call *call, struct fl_error *err)
{
	own(restoration_done) struct restoration restoration = { 0 };
	struct restore_options options = { .ref = call->input->ref };
	own_ref struct ref path = { 0 };
	struct uuid uuid;

	if (decode_operation(call->input, &uuid, &options.operation, err) < 0 ||
	    ((call->input->given & IN_PATH) && take_path(call->input, &path, err) < 0) ||
	    take_stream(call, err) < 0)
		return fl_failed(err);
	options.to = path.path;
	if (engine_restore(call->engine, &options, &restoration, err) < 0)
		return fl_failed(err);
	encode_restoration(call->json, NULL, &restoration);
	return 0;
}
