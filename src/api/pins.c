#include "engine/pins.h"

#include "api/encode.h"
#include "api/routes.h"

int get_pins(struct call *call, struct fl_error *err)
{
	own(pin_report_list_done) struct pin_report_list list = { 0 };

	if (engine_pins(call->engine, call->input->ref, call->input->peer, &list, err) < 0)
		return fl_failed(err);
	encode_list_begin(call->json);
	for (size_t i = 0; i < list.count; i++)
		encode_pin(call->json, NULL, &list.items[i]);
	encode_list_end(call->json, NULL);
	return 0;
}

int delete_pin(struct call *call, struct fl_error *err)
{
	const struct input *input = call->input;

	return engine_unpin(call->engine, input->ref, input->peer, input->force, err);
}
