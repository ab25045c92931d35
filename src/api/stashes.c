#include "api/encode.h"
#include "api/routes.h"
#include "base/text.h"
#include "engine/rollback.h"
#include "engine/users.h"

static int take_mode(const struct input *input, enum around_mode *ret, struct fl_error *err)
{
	const char *word = input->containers ? input->containers
					     : around_mode_names[AROUND_RESTART];
	size_t mode = word_find(around_mode_names, AROUND_MODES, word);

	if (mode == AROUND_MODES)
		return fl_fail(err, FL_INVALID,
			       "'containers' must be restart, live or leave, not '%.40s'", word);
	*ret = (enum around_mode)mode;
	return 0;
}

/* Who wants containers left alone waits for no engine: their ids will do. */
static void name_holders(struct call *call, enum around_mode mode, struct rollback *rollback)
{
	if (mode != AROUND_LEAVE)
		engine_name_holders(call->engine, &rollback->holders);
}

int post_rollbacks(struct call *call, struct fl_error *err)
{
	own(rollback_done) struct rollback rollback = { 0 };
	enum around_mode mode;

	if (take_mode(call->input, &mode, err) < 0 ||
	    engine_rollback(call->engine, call->input->ref, call->input->to, mode, &rollback, err) <
		    0)
		return fl_failed(err);
	name_holders(call, mode, &rollback);
	encode_rollback(call->json, NULL, &rollback);
	return 0;
}

int get_stashes(struct call *call, struct fl_error *err)
{
	own(stash_list_done) struct stash_list list = { 0 };
	int r = engine_stashes(call->engine, call->input->ref, &list, err);

	if (r < 0)
		return r;
	encode_list_begin(call->json);
	for (size_t i = 0; i < list.count; i++)
		encode_stash(call->json, NULL, &list.items[i]);
	encode_list_end(call->json, NULL);
	return 0;
}

int get_stash(struct call *call, struct fl_error *err)
{
	struct stash stash = { 0 };
	int r = engine_stash_show(call->engine, call->input->ref, &stash, err);

	if (r < 0)
		return r;
	encode_stash(call->json, NULL, &stash);
	return 0;
}

int post_stash_restore(struct call *call, struct fl_error *err)
{
	own(rollback_done) struct rollback rollback = { 0 };
	enum around_mode mode;

	if (take_mode(call->input, &mode, err) < 0 ||
	    engine_stash_restore(call->engine, call->input->ref, mode, &rollback, err) < 0)
		return fl_failed(err);
	name_holders(call, mode, &rollback);
	encode_rollback(call->json, NULL, &rollback);
	return 0;
}

int delete_stash(struct call *call, struct fl_error *err)
{
	return engine_stash_drop(call->engine, call->input->ref, err);
}
