#include "api/encode.h"
#include "api/routes.h"

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
	int r = engine_snapshot(call->engine, input->refs.items, input->refs.count, &options, &list,
				err);

	if (r < 0)
		return r;
	encode_list_begin(call->json);
	for (size_t i = 0; i < list.count; i++)
		encode_snapshot(call->json, NULL, &list.items[i]);
	encode_list_end(call->json, NULL);
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
