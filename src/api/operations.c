#include "api/encode.h"
#include "api/routes.h"

int get_operations(struct call *call, struct fl_error *err)
{
	own(operation_list_done) struct operation_list list = { 0 };
	int r = engine_operations(call->engine, &list, err);

	if (r < 0)
		return r;
	encode_list_begin(call->json);
	for (size_t i = 0; i < list.count; i++)
		encode_operation(call->json, NULL, &list.items[i]);
	encode_list_end(call->json, NULL);
	return 0;
}

int get_operation(struct call *call, struct fl_error *err)
{
	struct operation operation;
	struct uuid id;

	if (uuid_parse(call->input->id, &id, err) < 0)
		return fl_wrap(err, "'id'");
	if (engine_operation(call->engine, &id, &operation, err) < 0)
		return fl_failed(err);
	encode_operation(call->json, NULL, &operation);
	return 0;
}

int post_operation_cancel(struct call *call, struct fl_error *err)
{
	struct uuid id;

	if (uuid_parse(call->input->id, &id, err) < 0)
		return fl_wrap(err, "'id'");
	return engine_operation_cancel(call->engine, &id, err);
}
