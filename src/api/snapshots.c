#include <stdio.h>

#include "api/encode.h"
#include "api/routes.h"
#include "base/clock.h"
#include "engine/together.h"

/* One more than the page holds is asked for: it tells whether there is a next page. */
int get_snapshots(struct call *call, struct fl_error *err)
{
	size_t limit = call->input->limit;
	own(snapshot_list_done) struct snapshot_list list = { 0 };
	char next[SNAPID_TEXT];
	uint64_t after = 0;
	int r = call->input->after ? decode_id(call->input->after, &after, err) : 0;

	if (r == 0)
		r = engine_log(call->engine, call->input->ref, after, limit + 1, &list, err);
	if (r == 0 && call->input->why)
		r = engine_explain(call->engine, &list, err);
	if (r < 0)
		return r;
	encode_list_begin(call->json);
	for (size_t i = 0; i < list.count && i < limit; i++)
		encode_snapshot(call->json, NULL, &list.items[i]);
	encode_list_end(call->json,
			list.count > limit ? snapid_format(list.items[limit - 1].id, next) : NULL);
	return 0;
}

static void put_seconds(struct json *json, const char *key, int64_t duration)
{
	char text[32];

	snprintf(text, sizeof(text), "%.6f", (double)duration / (double)CLOCK_SECOND);
	json_put_raw(json, key, text);
}

static void put_together(struct json *json, const struct together *together)
{
	json_put_object(json, "together");
	json_put_string(json, "id", together->id);
	put_seconds(json, "stilled", together->stilled);
	put_seconds(json, "held", together->held);
	json_put_array(json, "groups");
	for (size_t i = 0; i < together->group_count; i++) {
		const struct together_group *group = &together->groups[i];

		json_put_object(json, NULL);
		json_put_string(json, "cgroup", group->path);
		json_put_string(json, "name", group->name);
		json_put_bool(json, "container", group->id[0]);
		json_put_bool(json, "was_frozen", group->was_frozen);
		json_end(json);
	}
	json_end(json);
	json_put_array(json, "unheld");
	for (size_t i = 0; i < together->unheld_count; i++) {
		json_put_object(json, NULL);
		json_put_int(json, "pid", together->unheld[i].pid);
		json_put_string(json, "command", together->unheld[i].command);
		json_put_string(json, "why", together->unheld[i].why);
		json_end(json);
	}
	json_end(json);
	json_end(json);
}

static void put_taken(struct json *json, const struct snapshot_list *list,
		      const struct together *together)
{
	encode_list_begin(json);
	for (size_t i = 0; i < list->count; i++)
		encode_snapshot(json, NULL, &list->items[i]);
	json_end(json);
	json_put_null(json, "next");
	if (together)
		put_together(json, together);
	json_end(json);
}

int post_snapshots(struct call *call, struct fl_error *err)
{
	const struct input *input = call->input;
	struct snapshot_options options = {
		.name = input->name,
		.message = input->message,
		.metadata = &input->metadata,
		.reason = REASON_USER,
	};
	own(snapshot_list_done) struct snapshot_list list = { 0 };
	own_together struct together together = { 0 };
	int r;

	options.together = input->together ? &together : NULL;
	r = engine_snapshot(call->engine, input->refs.items, input->refs.count, &options, &list,
			    err);
	if (r < 0)
		return r;
	put_taken(call->json, &list, options.together);
	return 0;
}

int get_snapshot(struct call *call, struct fl_error *err)
{
	own(snapshot_done) struct snapshot snapshot = { 0 };
	int r = engine_snapshot_show(call->engine, call->input->ref, &snapshot, err);

	if (r < 0)
		return r;
	encode_snapshot(call->json, NULL, &snapshot);
	return 0;
}

int patch_snapshot(struct call *call, struct fl_error *err)
{
	const struct input *input = call->input;
	struct set_options options = {
		.name = input->name,
		.message = input->message,
		.metadata = &input->metadata,
		.unset = input->unset.items,
		.unset_count = input->unset.count,
	};
	own(snapshot_done) struct snapshot snapshot = { 0 };
	int r;

	if (input->given == IN_REF)
		return fl_fail(err, FL_INVALID, "the body says nothing to change");
	r = engine_set_snapshot(call->engine, input->ref, &options, &snapshot, err);
	if (r < 0)
		return r;
	encode_snapshot(call->json, NULL, &snapshot);
	return 0;
}

int delete_snapshot(struct call *call, struct fl_error *err)
{
	return engine_destroy(call->engine, call->input->ref, NULL, err);
}
