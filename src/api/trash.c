#include "api/encode.h"
#include "api/routes.h"
#include "engine/data-container.h"

int get_trash(struct call *call, struct fl_error *err)
{
	own(trash_list_done) struct trash_list list = { 0 };
	int r = engine_trash(call->engine, &list, err);

	if (r < 0)
		return r;
	encode_list_begin(call->json);
	for (size_t i = 0; i < list.count; i++)
		encode_trash_item(call->json, NULL, &list.items[i]);
	encode_list_end(call->json, NULL);
	return 0;
}

int post_trash_restore(struct call *call, struct fl_error *err)
{
	struct trash_item item = { 0 };
	int r = engine_trash_restore(call->engine, call->input->item, call->input->as, &item, err);

	if (r < 0)
		return r;
	data_containers_settle(call->engine);
	encode_trash_item(call->json, NULL, &item);
	return 0;
}

int post_trash_empty(struct call *call, struct fl_error *err)
{
	uint64_t count = 0;
	int r = engine_trash_empty(call->engine, call->input->item, &count, err);

	if (r < 0)
		return r;
	json_put_object(call->json, NULL);
	json_put_int(call->json, "emptied", (int64_t)count);
	json_end(call->json);
	return 0;
}
