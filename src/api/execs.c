/*
 * Commands in user systems.  A request and its answer are not streams at the same time here, so
 * a command has up to three requests: one that starts it, one whose answer is what it writes, and
 * one whose body is what it reads.  It ends with the second.
 */

#include "api/routes.h"
#include "engine/system-exec.h"

static int take_size(const struct input *input, unsigned *ret_rows, unsigned *ret_columns,
		     struct fl_error *err)
{
	if (input->rows > UINT16_MAX || input->columns > UINT16_MAX)
		return fl_fail(err, FL_INVALID, "'rows' and 'columns' are up to %d", UINT16_MAX);
	*ret_rows = (unsigned)input->rows;
	*ret_columns = (unsigned)input->columns;
	return 0;
}

int post_system_exec(struct call *call, struct fl_error *err)
{
	const struct input *input = call->input;
	struct exec_options options = {
		.ref = input->ref,
		.command = input->command.items,
		.count = input->command.count,
		.user = input->user,
		.terminal = input->terminal,
		.input = input->input,
	};
	struct uuid id;

	if (input->command.count == 0)
		return fl_fail(err, FL_INVALID, "'command' is empty");
	if (take_size(input, &options.rows, &options.columns, err) < 0 ||
	    engine_exec_start(call->engine, &options, &id, err) < 0)
		return fl_failed(err);
	json_put_object(call->json, NULL);
	json_put_uuid(call->json, "id", &id);
	json_end(call->json);
	return 0;
}

static int take_id(const struct call *call, struct uuid *ret, struct fl_error *err)
{
	return uuid_parse(call->input->id, ret, err) < 0 ? fl_wrap(err, "'id'") : 0;
}

static int check_output(void *arg)
{
	return 0; /* its last frame says that it is whole */
}

static void end_output(void *arg, bool sent)
{
	exec_close(arg);
}

int get_exec_output(struct call *call, struct fl_error *err)
{
	struct exec *exec;
	struct uuid id;

	if (take_id(call, &id, err) < 0 || take_stream(call, err) < 0 ||
	    engine_exec_read(call->engine, &id, &exec, err) < 0)
		return fl_failed(err);
	call->response->type = "application/octet-stream";
	call->response->stream_fd = exec_fd(exec);
	call->response->check = check_output;
	call->response->finish = end_output;
	call->response->arg = exec;
	return 0;
}

int post_exec_input(struct call *call, struct fl_error *err)
{
	struct uuid id;

	if (take_id(call, &id, err) < 0 || take_stream(call, err) < 0)
		return fl_failed(err);
	return engine_exec_write(call->engine, &id, call->request->body_fd, err);
}

int post_exec_size(struct call *call, struct fl_error *err)
{
	unsigned rows, columns;
	struct uuid id;

	if (take_id(call, &id, err) < 0 || take_size(call->input, &rows, &columns, err) < 0)
		return fl_failed(err);
	return engine_exec_resize(call->engine, &id, rows, columns, err);
}
