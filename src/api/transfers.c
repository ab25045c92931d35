/*
 * What goes between instances.  Each answers when it has ended; how far it is tells its
 * operation, whose id the client chooses to be able to ask.
 */

#include "engine/transfer.h"

#include "api/encode.h"
#include "api/routes.h"
#include "engine/verify.h"

typedef int transfer_verb(struct engine *engine, const struct transfer_options *options,
			  struct transfer *ret, struct fl_error *err);

static int answer(struct call *call, transfer_verb *verb, struct fl_error *err)
{
	const struct input *input = call->input;
	struct transfer_options options = { .ref = input->ref,
					    .peer = input->peer,
					    .as = input->as,
					    .every = input->every,
					    .anew = input->anew,
					    .limit = input->limit };
	struct transfer transfer = { 0 };
	struct uuid uuid;

	if (decode_operation(input, &uuid, &options.operation, err) < 0 ||
	    take_stream(call, err) < 0 || verb(call->engine, &options, &transfer, err) < 0)
		return fl_failed(err);
	encode_transfer(call->json, NULL, &transfer);
	return 0;
}

int post_pushes(struct call *call, struct fl_error *err)
{
	return answer(call, engine_push, err);
}

int post_fetches(struct call *call, struct fl_error *err)
{
	return answer(call, engine_fetch, err);
}

int post_pulls(struct call *call, struct fl_error *err)
{
	return answer(call, engine_pull, err);
}

int post_verifications(struct call *call, struct fl_error *err)
{
	const struct input *input = call->input;
	struct verification verification = { 0 };
	const struct uuid *operation = NULL;
	struct uuid uuid;

	if (decode_operation(input, &uuid, &operation, err) < 0 || take_stream(call, err) < 0 ||
	    engine_verify(call->engine, input->ref, input->peer, operation, &verification, err) < 0)
		return fl_failed(err);
	encode_verification(call->json, NULL, &verification);
	return 0;
}
