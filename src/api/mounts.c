#include "api/routes.h"
#include "engine/data-container.h"

int post_mounts(struct call *call, struct fl_error *err)
{
	own_text struct text ref = { 0 };
	own_free char *path = NULL;
	int r = engine_mount(call->engine, call->input->ref, &path, err);

	if (r < 0)
		return r;
	data_containers_settle(call->engine);
	ref_format(call->input->ref, &ref);
	json_put_object(call->json, NULL);
	json_put_string(call->json, "ref", text_get(&ref));
	json_put_string(call->json, "path", path);
	json_end(call->json);
	return 0;
}

int delete_mount(struct call *call, struct fl_error *err)
{
	int r = engine_unmount(call->engine, call->input->ref, err);

	if (r < 0)
		return r;
	data_containers_settle(call->engine);
	return 0;
}
