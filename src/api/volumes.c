#include <stdio.h>
#include <string.h>

#include "api/encode.h"
#include "api/routes.h"
#include "engine/data-container.h"

/* The cursor after a full page is its last name, unless nothing comes after it. */
static int find_next(struct call *call, const struct volume_list *page, const char **ret,
		     struct fl_error *err)
{
	own(volume_list_done) struct volume_list more = { 0 };
	const char *last;
	int r;

	if (page->count < call->input->limit)
		return 0;
	last = page->items[page->count - 1].name;
	r = engine_volumes(call->engine, last, 1, &more, err);
	if (r < 0)
		return r;
	if (more.count)
		*ret = last;
	return 0;
}

int get_volumes(struct call *call, struct fl_error *err)
{
	const char *after = call->input->after ? call->input->after : "";
	own(volume_list_done) struct volume_list page = { 0 };
	const char *next = NULL;
	int r = engine_volumes(call->engine, after, call->input->limit, &page, err);

	if (r == 0)
		r = find_next(call, &page, &next, err);
	if (r < 0)
		return r;
	encode_list_begin(call->json);
	for (size_t i = 0; i < page.count; i++)
		encode_volume(call->json, NULL, &page.items[i]);
	encode_list_end(call->json, next);
	return 0;
}

int post_volumes(struct call *call, struct fl_error *err)
{
	const struct input *input = call->input;
	struct create_options options = {
		.name = input->name,
		.description = input->description,
		.mount_path = input->mount_path,
		.metadata = &input->metadata,
		.from = input->from,
		.quota = input->quota,
		.policy = &input->policy,
	};
	own(volume_done) struct volume volume = { 0 };
	int r = engine_create(call->engine, &options, &volume, err);

	if (r < 0)
		return r;
	data_containers_settle(call->engine);
	encode_volume(call->json, NULL, &volume);
	return 0;
}

static int answer_volume(struct call *call, const struct ref *ref, struct fl_error *err)
{
	own(volume_done) struct volume volume = { 0 };
	int r = engine_volume(call->engine, ref, &volume, err);

	if (r < 0)
		return r;
	encode_volume(call->json, NULL, &volume);
	return 0;
}

int get_volume(struct call *call, struct fl_error *err)
{
	return answer_volume(call, call->input->ref, err);
}

static int rename_volume(struct call *call, struct fl_error *err)
{
	const char *name = call->input->name;
	struct ref renamed = *call->input->ref; /* shares the path, which is NULL for a volume */
	int r = engine_rename(call->engine, call->input->ref, name, err);

	if (r < 0)
		return r;
	data_containers_settle(call->engine);
	snprintf(renamed.volume, sizeof(renamed.volume), "%s", name);
	return answer_volume(call, &renamed, err);
}

static int set_volume(struct call *call, struct fl_error *err)
{
	const struct input *input = call->input;
	struct set_options options = {
		.description = input->description,
		.mount_path = input->mount_path,
		.quota = input->given & IN_QUOTA ? &input->quota : NULL,
		.metadata = &input->metadata,
		.unset = input->unset.items,
		.unset_count = input->unset.count,
	};
	own(volume_done) struct volume volume = { 0 };
	int r = engine_set_volume(call->engine, input->ref, &options, &volume, err);

	if (r < 0)
		return r;
	data_containers_settle(call->engine);
	encode_volume(call->json, NULL, &volume);
	return 0;
}

/* Renaming and setting are two verbs; done in one request, one could fail after the other. */
int patch_volume(struct call *call, struct fl_error *err)
{
	uint64_t set = call->input->given & ~(IN_REF | IN_NAME);

	if (!call->input->name && !set)
		return fl_fail(err, FL_INVALID, "the body says nothing to change");
	if (call->input->name && set)
		return fl_fail(
			err, FL_INVALID,
			"'name' can't be changed together with other members: use two requests");
	return call->input->name ? rename_volume(call, err) : set_volume(call, err);
}

int delete_volume(struct call *call, struct fl_error *err)
{
	struct trash_item item = { 0 };
	int r = engine_destroy(call->engine, call->input->ref, &item, err);

	if (r < 0)
		return r;
	data_containers_settle(call->engine);
	encode_trash_item(call->json, NULL, &item);
	return 0;
}
