/* What is in a snapshot or a branch, by path. */

#include "api/encode.h"
#include "api/routes.h"

int get_files(struct call *call, struct fl_error *err)
{
	own(file_list_done) struct file_list list = { 0 };

	if (engine_files(call->engine, call->input->ref, &list, err) < 0)
		return fl_failed(err);
	encode_list_begin(call->json);
	for (size_t i = 0; i < list.count; i++)
		encode_file(call->json, NULL, &list.items[i]);
	encode_list_end(call->json, NULL);
	return 0;
}

static int check_file(void *arg)
{
	return 0; /* a file is whole where it ends */
}

static void end_file(void *arg, bool sent)
{
	open_file_close(arg);
}

int get_file(struct call *call, struct fl_error *err)
{
	struct open_file *file;

	if (take_stream(call, err) < 0 ||
	    engine_file_open(call->engine, call->input->ref, &file, err) < 0)
		return fl_failed(err);
	call->response->type = "application/octet-stream";
	call->response->stream_fd = open_file_fd(file);
	call->response->check = check_file;
	call->response->finish = end_file;
	call->response->arg = file;
	return 0;
}

int get_versions(struct call *call, struct fl_error *err)
{
	own(file_version_list_done) struct file_version_list list = { 0 };

	if (engine_file_versions(call->engine, call->input->ref, &list, err) < 0)
		return fl_failed(err);
	encode_list_begin(call->json);
	for (size_t i = 0; i < list.count; i++)
		encode_file_version(call->json, NULL, &list.items[i]);
	encode_list_end(call->json, NULL);
	return 0;
}
