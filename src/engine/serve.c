#include "engine/serve.h"

#include <string.h>

#include "engine/denied.h"
#include "engine/internal.h"
#include "engine/listing.h"
#include "engine/member.h"
#include "engine/transfer-run.h"
#include "engine/under-way.h"
#include "engine/verify.h"
#include "trust/join.h"

uint32_t serve_forms(struct engine *engine)
{
	own_gate struct engine *inside = NULL;
	const struct pool *pool;
	struct fl_error ignored;
	uint32_t forms = 0;

	if (gate_enter(engine, &inside, &ignored) < 0)
		return 0;
	pool = engine->pool;
	if (engine->tree_program && (pool->driver->capabilities & DRIVER_CAN_EXPOSE))
		forms |= 1u << FORM_DELTA;
	if (pool->driver->capabilities & DRIVER_CAN_RECEIVE)
		forms |= 1u << pool->driver->form;
	return forms;
}

/* --- transfers ------------------------------------------------------------------------- */

static void parked_end(struct parked *parked, const struct fl_error *failure)
{
	sending_free(take_ptr(parked->sending));
	receiving_free(take_ptr(parked->receiving));
	operation_end(parked->running, failure, NULL);
}

/* Until it ends; or is cut, and waits for the peer to dial again. */
static int converse(const struct serving *serving, struct parked *parked, struct fl_error *err)
{
	const struct dialogue dialogue = { .sending = parked->sending,
					   .receiving = parked->receiving };
	struct talking talking = { .transfer = parked->transfer,
				   .peer = parked->peer,
				   .link = channel_link(serving->channel) };
	int r;

	under_way_enter(serving->engine, &talking);
	r = dialogue_run(&dialogue, parked->running, serving->channel, err);
	if (r < 0 && dialogue_was_cut(&dialogue))
		under_way_park(serving->engine, parked);
	else
		parked_end(parked, r < 0 ? err : NULL);
	under_way_leave(serving->engine, &talking);
	return r;
}

static int begin(const struct serving *serving, const char *verb, const char *object,
		 struct running **ret, struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	struct operation operation = { 0 };

	snprintf(operation.verb, sizeof(operation.verb), "%s", verb);
	snprintf(operation.object, sizeof(operation.object), "%s", object);
	if (gate_enter(serving->engine, &inside, err) < 0)
		return fl_failed(err);
	return operation_begin(serving->engine, &operation, ret, err);
}

/* REQUEST push: the transfer's UUID, so that what waits for it is found. */
static int serve_push(const struct serving *serving, const void *request, size_t length,
		      struct fl_error *err)
{
	struct wire_view view = wire_view(request, length);
	struct parked parked = { .transfer = wire_uuid(&view), .peer = serving->peer->instance };

	if (wire_end(&view, "a request to push", err) < 0)
		return fl_failed(err);
	if (!under_way_take(serving->engine, &parked.transfer, &parked.peer, serving->channel,
			    &parked)) {
		if (begin(serving, "receive", serving->peer->name, &parked.running, err) < 0)
			return fl_failed(err);
		parked.receiving = receiving_new(serving->engine, parked.running, NULL);
	}
	if (!parked.receiving) {
		fl_fail(err, FL_CORRUPT, "'%s' goes on the other way", serving->peer->name);
		parked_end(&parked, err);
		return fl_failed(err);
	}
	receiving_limit(parked.receiving, serving->admission->volume);
	return converse(serving, &parked, err);
}

/* Where the peer knows the volume, what that is called here. */
static int name_volume(const struct serving *serving, const struct want *want,
		       char ret[static NAME_TEXT], struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_volume_row struct volume_row row = { 0 };
	own_tx struct tx *tx = NULL;
	char uuid[UUID_TEXT];
	int r;

	memcpy(ret, want->volume, NAME_TEXT);
	if (uuid_is_none(&want->volume_uuid))
		return 0;
	if (gate_enter(serving->engine, &inside, err) < 0 ||
	    tx_begin(serving->engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	r = tx_volume_get(tx, &want->volume_uuid, &row, err);
	if (r < 0 && r != -FL_NOT_FOUND)
		return r;
	if (r < 0 || row.destroyed) {
		fl_fail(err, FL_NOT_FOUND, "'%s' does not have the volume '%s' (%s)",
			serving->engine->name, want->volume, uuid_format(&want->volume_uuid, uuid));
		return fl_hint(err,
			       FL_THERE "flocker peer show %s lists what it has; another volume of "
					"that name comes with --as",
			       serving->engine->name);
	}
	memcpy(ret, row.name, NAME_TEXT);
	return 0;
}

/* The reference that a peer's wish stands for. */
static int ref_of_want(const struct serving *serving, const struct want *want, struct ref *ret,
		       struct fl_error *err)
{
	*ret = (struct ref){ .kind = want->tag[0] ? REF_TAG : REF_BRANCH };
	if (name_volume(serving, want, ret->volume, err) < 0)
		return fl_failed(err);
	if (want->tag[0]) {
		memcpy(ret->tag, want->tag, NAME_TEXT);
		return 0;
	}
	memcpy(ret->instance, want->instance, NAME_TEXT);
	memcpy(ret->branch, want->branch, NAME_TEXT);
	if (want->point[0])
		return ref_parse_point(want->point, ret, err);
	if (want->snapshot) {
		ret->point = POINT_ID_OR_NAME;
		snapid_format(want->snapshot, ret->name);
	}
	return 0;
}

/* Who asks sees the branches by himself; the snapshots of one are listed here alone. */
static int fail_source(const struct serving *serving, const struct want *want, struct fl_error *err)
{
	if (err->code == FL_NOT_FOUND && want->snapshot == 0 && !want->point[0]) {
		err->hint[0] = '\0';
		fl_add_hint(err, FL_THERE "flocker peer show %s lists what it has",
			    serving->engine->name);
	}
	return fl_failed(err);
}

static int open_source(const struct serving *serving, const struct want *want, struct source *ret,
		       struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	struct ref ref;
	const struct source_options options = { .ref = &ref, .every = want->every };
	bool own;

	if (ref_of_want(serving, want, &ref, err) < 0)
		return fl_failed(err);
	if (save_before_sending(serving->engine, &ref, &own, err) < 0 ||
	    gate_enter(serving->engine, &inside, err) < 0 ||
	    source_open(serving->engine, &options, ret, err) < 0)
		return fail_source(serving, want, err);
	ret->offer.transfer = want->transfer;
	return 0;
}

static int start_sending(const struct serving *serving, const struct want *want,
			 struct parked *parked, struct fl_error *err)
{
	own_source struct source source = { 0 };
	struct sending_options options = { .engine = serving->engine,
					   .limit = want->limit,
					   .compress = true };

	own_text struct text object = { 0 };

	if (open_source(serving, want, &source, err) < 0)
		return fl_failed(err);
	text_add_format(&object, "%s to %s", source.name, serving->peer->name);
	if (begin(serving, "send", text_get(&object), &parked->running, err) < 0)
		return fl_failed(err);
	options.running = parked->running;
	options.source = source;
	source = (struct source){ 0 };
	if (sending_new(&options, &parked->sending, err) == 0)
		return 0;
	operation_end(parked->running, err, NULL);
	return fl_failed(err);
}

static int serve_fetch(const struct serving *serving, const void *request, size_t length,
		       struct fl_error *err)
{
	struct parked parked = { .peer = serving->peer->instance };
	struct want want;

	if (want_decode(request, length, &want, err) < 0)
		return fl_failed(err);
	parked.transfer = want.transfer;
	if (!under_way_take(serving->engine, &parked.transfer, &parked.peer, serving->channel,
			    &parked) &&
	    start_sending(serving, &want, &parked, err) < 0)
		return fl_failed(err);
	return converse(serving, &parked, err);
}

/* --- questions --------------------------------------------------------------------------- */

static int serve_list(const struct serving *serving, const void *request, size_t length,
		      struct fl_error *err)
{
	struct wire_view view = wire_view(request, length);
	own_listed struct listed listed = { 0 };
	char volume[NAME_TEXT];

	wire_text(&view, volume, sizeof(volume));
	if (wire_end(&view, "a request for a list", err) < 0 ||
	    listing_make(serving->engine, volume, &listed, err) < 0)
		return fl_failed(err);
	return listing_send(&listed, serving->channel, err);
}

static bool waits(void *arg)
{
	return !channel_is_ended(arg);
}

static int serve_digest(const struct serving *serving, const void *request, size_t length,
			struct fl_error *err)
{
	const struct asker asker = { .peer = serving->peer->instance,
				     .name = serving->peer->name,
				     .waits = waits,
				     .arg = serving->channel };
	own_text struct text text = { 0 };
	struct digest_question question;
	struct digest_answer answer;

	if (digest_question_decode(request, length, &question, err) < 0 ||
	    verify_here(serving->engine, &question, &asker, &answer, err) < 0)
		return fl_failed(err);
	digest_answer_encode(&answer, &text);
	return channel_send(serving->channel, WIRE_DIGEST_IS, 0, text.bytes, text.length, err);
}

static const struct {
	enum wire_verb verb;
	int (*serve)(const struct serving *serving, const void *request, size_t length,
		     struct fl_error *err);
} verbs[] = {
	{ VERB_PUSH, serve_push },     { VERB_FETCH, serve_fetch }, { VERB_LIST, serve_list },
	{ VERB_DIGEST, serve_digest }, { VERB_JOIN, serve_join },   { VERB_DENIED, serve_denied },
};

static int fail_not_admitted(const struct serving *serving, struct fl_error *err)
{
	fl_fail(err, FL_DENIED,
		"the key that was used here is for pushes of the volume '%s', and for nothing "
		"else",
		serving->admission->volume);
	return fl_hint(err, "its line in authorized_keys on '%s' says so: flocker-volume receive",
		       serving->engine->name);
}

int serve_channel(const struct serving *serving, enum wire_verb verb, const void *request,
		  size_t length, struct fl_error *err)
{
	if (admission_is_limited(serving->admission) && verb != VERB_PUSH)
		return fail_not_admitted(serving, err);
	for (size_t i = 0; i < array_size(verbs); i++)
		if (verbs[i].verb == verb)
			return verbs[i].serve(serving, request, length, err);
	return fl_fail(err, FL_UNSUPPORTED, "'%s' does not know what is asked of it (%d)",
		       serving->engine->name, (int)verb);
}
