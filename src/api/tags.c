#include <string.h>

#include "api/encode.h"
#include "api/routes.h"

int get_tags(struct call *call, struct fl_error *err)
{
	own(tag_list_done) struct tag_list list = { 0 };
	int r = engine_tags(call->engine, call->input->ref, &list, err);

	if (r < 0)
		return r;
	encode_list_begin(call->json);
	for (size_t i = 0; i < list.count; i++)
		encode_tag(call->json, NULL, &list.items[i]);
	encode_list_end(call->json, NULL);
	return 0;
}

int post_tags(struct call *call, struct fl_error *err)
{
	struct tag tag = { 0 };
	int r = engine_tag(call->engine, call->input->ref, call->input->target, &tag, err);

	if (r < 0)
		return r;
	encode_tag(call->json, NULL, &tag);
	return 0;
}

int patch_tag(struct call *call, struct fl_error *err)
{
	const char *name = call->input->name;
	struct ref volume = { .kind = REF_VOLUME };
	own(tag_list_done) struct tag_list list = { 0 };
	int r = engine_rename(call->engine, call->input->ref, name, err);

	memcpy(volume.volume, call->input->ref->volume, sizeof(volume.volume));
	if (r == 0)
		r = engine_tags(call->engine, &volume, &list, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < list.count; i++)
		if (strcmp(list.items[i].name, name) == 0) {
			encode_tag(call->json, NULL, &list.items[i]);
			return 0;
		}
	return fl_fail(err, FL_NOT_FOUND, "tag '%s@%s' was renamed and then removed", name,
		       volume.volume);
}

int delete_tag(struct call *call, struct fl_error *err)
{
	return engine_untag(call->engine, call->input->ref, err);
}
