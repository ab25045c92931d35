#include <stdio.h>
#include <string.h>

#include "api/encode.h"
#include "api/routes.h"
#include "engine/data-container.h"

int get_branches(struct call *call, struct fl_error *err)
{
	own(branch_list_done) struct branch_list list = { 0 };
	int r = engine_branches(call->engine, call->input->ref, &list, err);

	if (r < 0)
		return r;
	encode_list_begin(call->json);
	for (size_t i = 0; i < list.count; i++)
		encode_branch(call->json, NULL, &list.items[i]);
	encode_list_end(call->json, NULL);
	return 0;
}

int post_branches(struct call *call, struct fl_error *err)
{
	own(branch_done) struct branch branch = { 0 };
	int r = engine_branch(call->engine, call->input->ref, call->input->from,
			      &call->input->policy, &branch, err);

	if (r < 0)
		return r;
	data_containers_settle(call->engine);
	encode_branch(call->json, NULL, &branch);
	return 0;
}

static int answer_branch(struct call *call, const struct ref *ref, struct fl_error *err)
{
	own(branch_done) struct branch branch = { 0 };
	int r = engine_branch_show(call->engine, ref, &branch, err);

	if (r < 0)
		return r;
	encode_branch(call->json, NULL, &branch);
	return 0;
}

int get_branch(struct call *call, struct fl_error *err)
{
	return answer_branch(call, call->input->ref, err);
}

int patch_branch(struct call *call, struct fl_error *err)
{
	struct ref renamed = *call->input->ref; /* shares the path, which is NULL for a branch */
	int r = engine_rename(call->engine, call->input->ref, call->input->name, err);

	if (r < 0)
		return r;
	data_containers_settle(call->engine);
	snprintf(renamed.branch, sizeof(renamed.branch), "%s", call->input->name);
	return answer_branch(call, &renamed, err);
}

int delete_branch(struct call *call, struct fl_error *err)
{
	struct trash_item item = { 0 };
	int r = engine_destroy(call->engine, call->input->ref, &item, err);

	if (r < 0)
		return r;
	data_containers_settle(call->engine);
	encode_trash_item(call->json, NULL, &item);
	return 0;
}
