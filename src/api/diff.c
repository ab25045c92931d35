#include "api/encode.h"
#include "api/routes.h"

/* What one answer holds at most: about 300 MB. */
#define CHANGES_MAX 1000000

struct answer {
	struct json *json;
	size_t count;
};

static int add(void *arg, const struct change *change, struct fl_error *err)
{
	struct answer *answer = arg;

	if (answer->count++ == CHANGES_MAX) {
		fl_fail(err, FL_UNSUPPORTED, "more than %d paths differ", CHANGES_MAX);
		return fl_hint(err, "compare moments that lie closer together");
	}
	encode_change(answer->json, NULL, change);
	return 0;
}

int get_diff(struct call *call, struct fl_error *err)
{
	struct answer answer = { .json = call->json };

	encode_list_begin(call->json);
	if (engine_diff(call->engine, call->input->ref, call->input->to, add, &answer, err) < 0)
		return fl_failed(err);
	encode_list_end(call->json, NULL);
	return 0;
}
