/*
 * push: an own branch, a snapshot or a tag, to a peer.  What the live contents have that the last
 * snapshot lacks is snapshotted first: who pushes means what is there now.
 */

#include <string.h>

#include "engine/internal.h"
#include "engine/peers.h"
#include "engine/transfer-run.h"

struct push {
	struct engine *engine;
	const struct transfer_options *options;
	struct peer_row peer;
	struct running *running;
	char name[REF_SHORT];
};

static void push_done(struct push *push)
{
	peer_row_done(&push->peer);
}

static int check_options(const struct transfer_options *options, struct fl_error *err)
{
	if (!options->peer)
		return fl_fail(err, FL_INVALID, "push needs the name of a peer");
	if (options->as && name_check("volume", options->as, err) < 0)
		return fl_failed(err);
	return check_form(options->ref, FORM_VOLUME | FORM_BRANCH | FORM_SNAPSHOT | FORM_TAG,
			  "push", err);
}

static int save_own(const struct push *push, struct fl_error *err)
{
	own_text struct text name = { 0 };
	bool own;

	if (save_before_sending(push->engine, push->options->ref, &own, err) < 0)
		return fl_failed(err);
	if (own)
		return 0;
	ref_format(push->options->ref, &name);
	fl_fail(err, FL_NOT_OWNER, "'%s' is another instance's: only that pushes it",
		text_get(&name));
	return fl_hint(err, FL_THERE "flocker fetch %s --from %s, on the host that wants it",
		       text_get(&name), push->engine->name);
}

static int begin(struct push *push, struct source *ret, struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	const struct source_options wanted = { .ref = push->options->ref,
					       .as = push->options->as,
					       .every = push->options->every,
					       .pushed = true,
					       .anew = push->options->anew };
	struct operation operation = { .verb = "push" };
	own_text struct text object = { 0 };

	if (gate_enter(push->engine, &inside, err) < 0 ||
	    source_open(push->engine, &wanted, ret, err) < 0)
		return fl_failed(err);
	if (push->options->operation)
		operation.id = *push->options->operation;
	memcpy(push->name, ret->name, REF_SHORT);
	text_add_format(&object, "%s to %s", ret->name, push->peer.name);
	snprintf(operation.object, sizeof(operation.object), "%s", text_get(&object));
	return operation_begin(push->engine, &operation, &push->running, err);
}

static int send(struct push *push, struct source *source, struct sent *ret, struct fl_error *err)
{
	own(sending_freep) struct sending *sending = NULL;
	struct sending_options options = { .engine = push->engine,
					   .running = push->running,
					   .source = *source,
					   .compress = true,
					   .limit = push->options->limit ? push->options->limit
									 : push->peer.limit };
	own_text struct text request = { 0 };
	struct dialogue dialogue = { 0 };
	int r;

	wire_put_uuid(&request, &source->offer.transfer);
	*source = (struct source){ 0 };
	if (sending_new(&options, &sending, err) < 0)
		return fl_failed(err);
	dialogue.sending = sending;
	r = dialogue_drive(push->engine, &dialogue, push->running, &push->peer, VERB_PUSH, &request,
			   err);
	sending_tell(sending, ret);
	return r;
}

static void tell(struct push *push, const struct sent *sent, int64_t began, struct transfer *ret)
{
	*ret = (struct transfer){ .outcome = sent->outcome,
				  .snapshots = sent->snapshots,
				  .bytes = sent->bytes,
				  .wire = sent->wire,
				  .resumed = sent->resumed,
				  .took = clock_monotonic() - began };
	memcpy(ret->ref, push->name, REF_SHORT);
	memcpy(ret->peer, push->peer.name, NAME_TEXT);
	events_add(&push->engine->events, "push", push->name, push->peer.name);
	operation_end(push->running, NULL, &ret->operation);
}

/* What the peer says of its own operation can be looked at there alone; is the other one ours? */
static void hint_twin(const struct push *push, struct fl_error *err)
{
	struct uuid twin;
	char id[UUID_TEXT];

	if (err->code != FL_BUSY || !operation_twin(push->running, &twin))
		return;
	err->hint[0] = '\0';
	uuid_format(&twin, id);
	fl_add_hint(err,
		    "flocker operation show %s says how far it is; flocker operation cancel %s "
		    "ends it",
		    id, id);
}

int engine_push(struct engine *engine, const struct transfer_options *options, struct transfer *ret,
		struct fl_error *err)
{
	own(push_done) struct push push = { .engine = engine, .options = options };
	own_source struct source source = { 0 };
	int64_t began = clock_monotonic();
	struct sent sent;

	/* The snapshot is not taken for a peer that there is not. */
	if (check_options(options, err) < 0 ||
	    peer_find(engine, options->peer, &push.peer, err) < 0 || save_own(&push, err) < 0 ||
	    begin(&push, &source, err) < 0)
		return fl_failed(err);
	if (send(&push, &source, &sent, err) == 0) {
		tell(&push, &sent, began, ret);
		return 0;
	}
	fl_add_wrap(err, "pushing '%s' to '%s'", push.name, push.peer.name);
	hint_twin(&push, err);
	operation_end(push.running, err, NULL);
	return fl_failed(err);
}
