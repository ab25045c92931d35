#include "api/encode.h"
#include "api/routes.h"
#include "base/clock.h"
#include "engine/hook.h"

/* In seconds, as it comes; far above what is allowed there is no difference. */
#define TIMEOUT_MOST UINT64_C(1000000)

int get_hooks(struct call *call, struct fl_error *err)
{
	own(hook_report_list_done) struct hook_report_list list = { 0 };

	if (engine_hooks(call->engine, call->input->ref, &list, err) < 0)
		return fl_failed(err);
	encode_list_begin(call->json);
	for (size_t i = 0; i < list.count; i++)
		encode_hook(call->json, NULL, &list.items[i]);
	encode_list_end(call->json, NULL);
	return 0;
}

int get_hooks_available(struct call *call, struct fl_error *err)
{
	own(hook_offer_list_done) struct hook_offer_list list = { 0 };

	if (engine_hooks_available(call->engine, &list, err) < 0)
		return fl_failed(err);
	encode_list_begin(call->json);
	for (size_t i = 0; i < list.count; i++)
		encode_hook_offer(call->json, NULL, &list.items[i]);
	encode_list_end(call->json, NULL);
	return 0;
}

int put_hook(struct call *call, struct fl_error *err)
{
	const struct input *input = call->input;
	uint64_t seconds = input->timeout < TIMEOUT_MOST ? input->timeout : TIMEOUT_MOST;
	const struct hook_options options = {
		.name = input->name,
		.settings = &input->settings,
		.container = input->container,
		.timeout = (int64_t)seconds * CLOCK_SECOND,
		.required = input->required,
	};
	own(hook_report_done) struct hook_report report = { 0 };

	if (input->given & IN_TIMEOUT && !seconds)
		return fl_fail(err, FL_INVALID, "a hook's timeout is from 1s to 10m");
	if (engine_hook_set(call->engine, input->ref, &options, &report, err) < 0)
		return fl_failed(err);
	encode_hook(call->json, NULL, &report);
	return 0;
}

int delete_hook(struct call *call, struct fl_error *err)
{
	return engine_hook_unset(call->engine, call->input->ref, call->input->name, err);
}
