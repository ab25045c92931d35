#include "api/encode.h"
#include "api/routes.h"

/* User systems: branches that hold the tree of an operating system, and their life. */

int get_systems(struct call *call, struct fl_error *err)
{
	own_system_reports struct system_reports reports = { 0 };

	if (engine_systems(call->engine, &reports, err) < 0)
		return fl_failed(err);
	encode_list_begin(call->json);
	for (size_t i = 0; i < reports.count; i++)
		encode_system(call->json, NULL, &reports.items[i]);
	encode_list_end(call->json, NULL);
	return 0;
}

/* What the verbs have in common, but for settings. */
typedef int system_verb(struct engine *engine, const struct ref *ref, struct system_report *ret,
			struct fl_error *err);

static int answer(struct call *call, system_verb *verb, struct fl_error *err)
{
	own_system_report struct system_report report = { 0 };

	if (verb(call->engine, call->input->ref, &report, err) < 0)
		return fl_failed(err);
	encode_system(call->json, NULL, &report);
	return 0;
}

typedef int settings_verb(struct engine *engine, const struct ref *ref,
			  const struct metadata *settings, struct system_report *ret,
			  struct fl_error *err);

static int answer_settings(struct call *call, settings_verb *verb, struct fl_error *err)
{
	own_system_report struct system_report report = { 0 };

	if (verb(call->engine, call->input->ref, &call->input->settings, &report, err) < 0)
		return fl_failed(err);
	encode_system(call->json, NULL, &report);
	return 0;
}

int post_systems(struct call *call, struct fl_error *err)
{
	return answer_settings(call, engine_system_create, err);
}

int patch_system(struct call *call, struct fl_error *err)
{
	if (call->input->settings.count == 0)
		return fl_fail(err, FL_INVALID, "the body says nothing to change");
	return answer_settings(call, engine_system_set, err);
}

int get_system(struct call *call, struct fl_error *err)
{
	return answer(call, engine_system_show, err);
}

int delete_system(struct call *call, struct fl_error *err)
{
	return engine_system_destroy(call->engine, call->input->ref, err);
}

int post_system_start(struct call *call, struct fl_error *err)
{
	return answer(call, engine_system_start, err);
}

int post_system_stop(struct call *call, struct fl_error *err)
{
	return answer(call, engine_system_stop, err);
}

int post_system_restart(struct call *call, struct fl_error *err)
{
	return answer(call, engine_system_restart, err);
}

/* --- the console ------------------------------------------------------------------------ */

struct console {
	int fd;
};

static int check_console(void *arg)
{
	return 0; /* what there was is all */
}

static void end_console(void *arg, bool sent)
{
	struct console *console = arg;

	close(console->fd);
	free(console);
}

int get_system_console(struct call *call, struct fl_error *err)
{
	const struct input *input = call->input;
	struct console *console;
	int fd;

	if (take_stream(call, err) < 0 ||
	    engine_system_console(call->engine, input->ref, input->tail, input->follow, &fd, err) <
		    0)
		return fl_failed(err);
	console = xcalloc(1, sizeof(*console));
	console->fd = fd;
	call->response->type = "application/octet-stream";
	call->response->stream_fd = fd;
	call->response->check = check_console;
	call->response->finish = end_console;
	call->response->arg = console;
	return 0;
}
