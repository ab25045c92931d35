#include "api/encode.h"
#include "api/routes.h"

int get_policy(struct call *call, struct fl_error *err)
{
	own(policy_report_done) struct policy_report report = { 0 };

	if (engine_policy_show(call->engine, call->input->ref, &report, err) < 0)
		return fl_failed(err);
	encode_policy(call->json, NULL, &report);
	return 0;
}

int patch_policy(struct call *call, struct fl_error *err)
{
	own(policy_report_done) struct policy_report report = { 0 };

	if (call->input->policy.count == 0)
		return fl_fail(err, FL_INVALID, "the body says nothing to change");
	if (engine_policy_set(call->engine, call->input->ref, &call->input->policy, &report, err) <
	    0)
		return fl_failed(err);
	encode_policy(call->json, NULL, &report);
	return 0;
}

static int thin(struct call *call, bool dry, struct fl_error *err)
{
	own(thinned_list_done) struct thinned_list list = { 0 };

	if (engine_thin(call->engine, call->input->ref, dry, &list, err) < 0)
		return fl_failed(err);
	encode_list_begin(call->json);
	for (size_t i = 0; i < list.count; i++)
		encode_thinned(call->json, NULL, &list.items[i]);
	encode_list_end(call->json, NULL);
	return 0;
}

int get_thinning(struct call *call, struct fl_error *err)
{
	return thin(call, true, err);
}

int post_thinning(struct call *call, struct fl_error *err)
{
	return thin(call, false, err);
}
