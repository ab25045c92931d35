#include "engine/receiving.h"

#include <string.h>

#include "delta/point.h"
#include "engine/arrive.h"
#include "engine/internal.h"
#include "engine/serve.h"
#include "engine/sink.h"
#include "engine/under-way.h"
#include "engine/verify.h"
#include "repl/chain.h"

struct receiving {
	struct engine *engine;
	struct running *running;
	char as[NAME_TEXT];   /* "" = as the sender says */
	char only[NAME_TEXT]; /* the volume that may come; "" = any */
	struct wire_hello peer;
	bool offered; /* there is an offer */
	struct offer offer;
	struct arrival *arrival; /* of that; NULL before it was found good */
	bool claimed;		 /* the branch is ours alone to receive */
	bool answered;		 /* with HAVE, once at least; by the first: */
	struct position tip, newest;
	/* the step that is under way: all or nothing */
	bool stepping;
	struct step step;
	struct sink *sink;
	struct inbox *inbox;
	struct halfway half;  /* what was said in HAVE to be half-made; of no tree: nothing */
	struct finish finish; /* as far as it has come */
	bool cut;
	struct received received;
	uint64_t before; /* bytes of the steps that are through */
};

struct receiving *receiving_new(struct engine *engine, struct running *running, const char *as)
{
	struct receiving *receiving = xcalloc(1, sizeof(*receiving));

	receiving->engine = engine;
	receiving->running = running;
	snprintf(receiving->as, sizeof(receiving->as), "%s", as ? as : "");
	return receiving;
}

void receiving_limit(struct receiving *receiving, const char *volume)
{
	snprintf(receiving->only, sizeof(receiving->only), "%s", volume);
}

static void drop_step(struct receiving *receiving)
{
	sink_free(take_ptr(receiving->sink));
	inbox_free(take_ptr(receiving->inbox));
	step_done(&receiving->step);
	receiving->stepping = false;
}

void receiving_free(struct receiving *receiving)
{
	if (!receiving)
		return;
	drop_step(receiving);
	finish_done(&receiving->finish);
	if (receiving->claimed)
		under_way_end(receiving->engine, &receiving->offer.branches[0].uuid);
	arrival_free(receiving->arrival);
	offer_done(&receiving->offer);
	free(receiving);
}

bool receiving_was_cut(const struct receiving *receiving)
{
	return receiving->cut;
}

void receiving_tell(const struct receiving *receiving, struct received *ret)
{
	const struct offer *offer = &receiving->offer;

	*ret = receiving->received;
	if (!receiving->offered)
		return;
	ret->branch = offer->branches[0].uuid;
	ret->target = offer->target;
	ret->there = position_equal(&receiving->newest, &offer->target) &&
		     (!offer->pointer || position_equal(&receiving->tip, &offer->target));
}

/* --- the offer -------------------------------------------------------------------------- */

static int check_wanted(const struct receiving *receiving, const struct want *wanted,
			struct fl_error *err)
{
	const struct offer *offer = &receiving->offer;

	if (!wanted)
		return 0;
	if (!uuid_equal(&offer->transfer, &wanted->transfer))
		return fl_fail(err, FL_CORRUPT,
			       "'%s' answers with another transfer than was asked for",
			       receiving->peer.name);
	if (wanted->point[0] && offer->pointer)
		return fl_fail(err, FL_CORRUPT,
			       "'%s' answers with a branch where a snapshot was asked for",
			       receiving->peer.name);
	return 0;
}

/*
 * A volume that is here goes by the name that it has here, a new one by what it is to be called.
 * Before anything else is said about the offer: who may push one volume learns nothing of others.
 */
static int check_limit(const struct receiving *receiving, struct fl_error *err)
{
	const struct offer_volume *offered = &receiving->offer.volume;
	const char *name = offered->as[0] ? offered->as : offered->name;
	own_volume_row struct volume_row row = { 0 };
	own_tx struct tx *tx = NULL;
	int r;

	if (!receiving->only[0])
		return 0;
	if (tx_begin(receiving->engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	r = tx_volume_get(tx, &offered->uuid, &row, err);
	if (r < 0 && r != -FL_NOT_FOUND)
		return r;
	if (admission_means(receiving->only, r == 0 ? row.name : name, &offered->uuid))
		return 0;
	return fl_fail(err, FL_DENIED,
		       "the key that was used here is for pushes of the volume '%s', not of '%s'",
		       receiving->only, name);
}

static void name_it(struct receiving *receiving)
{
	const struct offer *offer = &receiving->offer;
	const struct offer_branch *branch = &offer->branches[0];

	snprintf(receiving->received.name, sizeof(receiving->received.name), "%s/%s/%s",
		 branch->instance_name, offer->volume.as[0] ? offer->volume.as : offer->volume.name,
		 branch->name);
}

/* Of what a peer pushes nothing is known before its offer; what is fetched has its name. */
static void name_operation(const struct receiving *receiving)
{
	own_text struct text object = { 0 };

	text_add_format(&object, "%s from %s", receiving->received.name, receiving->peer.name);
	operation_name(receiving->running, text_get(&object));
}

static int claim_branch(struct receiving *receiving, struct fl_error *err)
{
	const struct claim_of claim = { .branch = receiving->offer.branches[0].uuid,
					.peer = receiving->peer.instance,
					.name = receiving->received.name };

	return under_way_begin(receiving->engine, &claim, receiving->running, err);
}

/* After a cut the same transfer is offered again, with what S has by then. */
static int take_offer(struct receiving *receiving, const struct frame *frame,
		      const struct want *wanted, struct fl_error *err)
{
	own_offer struct offer offer = { 0 };

	if (offer_decode(frame->payload, frame->length, &offer, err) < 0)
		return fl_failed(err);
	if (receiving->offered &&
	    (!uuid_equal(&offer.transfer, &receiving->offer.transfer) ||
	     !uuid_equal(&offer.branches[0].uuid, &receiving->offer.branches[0].uuid)))
		return fl_fail(err, FL_CORRUPT, "'%s' goes on with another transfer",
			       receiving->peer.name);
	offer_done(&receiving->offer);
	receiving->offer = offer;
	receiving->offered = true;
	offer = (struct offer){ 0 };
	if (receiving->as[0])
		memcpy(receiving->offer.volume.as, receiving->as, NAME_TEXT);
	name_it(receiving);
	if (!wanted)
		name_operation(receiving);
	if (check_wanted(receiving, wanted, err) < 0 || check_limit(receiving, err) < 0)
		return fl_failed(err);
	if (receiving->claimed)
		return 0;
	if (claim_branch(receiving, err) < 0)
		return fl_failed(err);
	receiving->claimed = true;
	return 0;
}

/* May it come in?  Each time anew: much may have happened while the link was cut. */
static int prepare(struct receiving *receiving, bool fetched, struct fl_error *err)
{
	const struct arrive_from from = { .peer = receiving->peer.instance,
					  .name = receiving->peer.name,
					  .fetched = fetched };

	arrival_free(take_ptr(receiving->arrival));
	finish_done(&receiving->finish);
	return arrive_prepare(receiving->engine, &from, &receiving->offer, &receiving->arrival,
			      err);
}

static void tell_stream(const struct receiving *receiving, struct have *have)
{
	have->live = true;
	have->live_step = receiving->step.snapshot;
	have->live_frames = inbox_frames(receiving->inbox);
	memcpy(have->live_chain, inbox_chain(receiving->inbox), sizeof(have->live_chain));
}

static void tell_half(struct receiving *receiving, struct have *have)
{
	struct halfway *half = &receiving->half;
	struct delta_point point = { 0 };

	*half = (struct halfway){ 0 };
	if (!halfway_find(receiving->engine, &receiving->offer.branches[0].uuid,
			  &receiving->peer.instance, half, &point)) {
		*half = (struct halfway){ 0 };
		return;
	}
	have->halfway = true;
	have->half_target = half->target;
	have->half_base = half->base;
	delta_point_encode(&point, &have->point);
}

/* The snapshot as it is here. */
static int find_tree(const struct receiving *receiving, const struct position *position,
		     struct tree *ret, struct fl_error *err)
{
	own_snapshot_row struct snapshot_row row = { 0 };
	own_tx struct tx *tx = NULL;

	if (tx_begin(receiving->engine->catalog, &tx, err) < 0 ||
	    tx_snapshot_get(tx, position, &row, err) < 0)
		return fl_failed(err);
	*ret = snapshot_tree(&row);
	return 0;
}

/* What is not known is not relied on: what comes upon it then comes as a delta. */
static uint64_t number_of_newest(const struct receiving *receiving, const struct have *have)
{
	const struct position newest = have_newest(have, receiving->offer.past);
	struct pool *pool = receiving->engine->pool;
	struct fl_error ignored;
	uint64_t number = 0;
	struct tree tree;

	if (position_is_none(&newest) || !pool->driver->stream_number ||
	    find_tree(receiving, &newest, &tree, &ignored) < 0 ||
	    pool->driver->stream_number(pool, &tree, &number, &ignored) < 0)
		return 0;
	return number;
}

/* As it was before anything came, also of this transfer before a cut. */
static void note_first(struct receiving *receiving, const struct have *have)
{
	if (receiving->answered)
		return;
	receiving->answered = true;
	receiving->tip = have->tip;
	receiving->newest = have_newest(have, receiving->offer.past);
}

static int answer(struct receiving *receiving, struct channel *channel, bool fetched,
		  struct fl_error *err)
{
	own_have struct have have = { 0 };
	own_text struct text text = { 0 };

	if (prepare(receiving, fetched, err) < 0 ||
	    arrive_have(receiving->engine, &receiving->offer, &have, err) < 0)
		return fl_failed(err);
	have.forms = serve_forms(receiving->engine);
	have.grain = verify_grain(receiving->engine, 1);
	have.number = number_of_newest(receiving, &have);
	note_first(receiving, &have);
	if (receiving->stepping)
		tell_stream(receiving, &have);
	else
		tell_half(receiving, &have);
	have_encode(&have, &text);
	return channel_send(channel, WIRE_HAVE, 0, text.bytes, text.length, err);
}

/* --- a step ------------------------------------------------------------------------------- */

/* The snapshot that the stream is made from. */
static int find_base(const struct receiving *receiving, struct tree *ret, struct fl_error *err)
{
	if (find_tree(receiving, &receiving->step.base, ret, err) < 0)
		return fl_wrap(err, "finding what this is to be made from");
	return 0;
}

/* The step goes on with the tree that was spoken of. */
static bool is_half(const struct receiving *receiving)
{
	const struct halfway *half = &receiving->half;
	const struct step *step = &receiving->step;

	return !uuid_is_none(&half->tree) && position_equal(&half->target, &step->snapshot) &&
	       position_equal(&half->base, &step->base) && step->form == FORM_DELTA;
}

static int start_sink(struct receiving *receiving, const struct tree *base, struct fl_error *err)
{
	const struct step *step = &receiving->step;
	struct sink_options options = {
		.engine = receiving->engine,
		.running = receiving->running,
		.base = base,
		.form = step->form,
		.resume = step->how == STEP_POINT,
		.halfway = { .peer = receiving->peer.instance,
			     .branch = receiving->offer.branches[0].uuid,
			     .target = step->snapshot,
			     .base = step->base },
	};

	snprintf(options.halfway.name, sizeof(options.halfway.name), "%s",
		 receiving->received.name);
	if (options.resume && !is_half(receiving))
		return fl_fail(err, FL_CORRUPT, "'%s' goes on with a tree that is not here",
			       receiving->peer.name);
	if (options.resume)
		options.halfway = receiving->half;
	receiving->half = (struct halfway){ 0 };
	if (sink_start(&options, &receiving->sink, err) < 0)
		return fl_failed(err);
	if (options.resume && receiving->received.resumed == 0)
		receiving->received.resumed = 1;
	return 0;
}

static int begin_step(struct receiving *receiving, struct fl_error *err)
{
	const bool has_base = !position_is_none(&receiving->step.base);
	struct tree base;

	if (receiving->received.snapshots == 0)
		receiving->received.full = !has_base;
	if ((has_base && find_base(receiving, &base, err) < 0) ||
	    start_sink(receiving, has_base ? &base : NULL, err) < 0)
		return fl_failed(err);
	receiving->inbox = inbox_new();
	return 0;
}

/* Both must lie in the past that was offered: e.g. nothing is made of another volume's contents. */
static int check_step(const struct receiving *receiving, const struct step *step,
		      struct fl_error *err)
{
	const struct offer *offer = &receiving->offer;
	const struct lineage lineage = { offer->lines, offer->line_count };

	if (!lineage_is_ancestor(&lineage, &step->snapshot, &offer->target))
		return fl_fail(err, FL_CORRUPT, "'%s' sends a snapshot that it did not offer",
			       receiving->peer.name);
	if (!position_is_none(&step->base) &&
	    !lineage_is_ancestor(&lineage, &step->base, &offer->target))
		return fl_fail(err, FL_CORRUPT,
			       "'%s' sends a snapshot made from one that it did not offer",
			       receiving->peer.name);
	return 0;
}

/* As the sender thinks, if any tree is so large: it is only shown. */
static void expect(struct receiving *receiving, uint64_t bytes)
{
	uint64_t all;

	if (bytes > 0 && !__builtin_add_overflow(receiving->before, bytes, &all) &&
	    all <= INT64_MAX)
		operation_expect(receiving->running, all);
}

static int take_step(struct receiving *receiving, const struct frame *frame, struct fl_error *err)
{
	own_step struct step step = { 0 };

	if (step_decode(frame->payload, frame->length, &step, err) < 0 ||
	    check_step(receiving, &step, err) < 0)
		return fl_failed(err);
	if (step.how == STEP_LIVE) {
		if (receiving->stepping &&
		    position_equal(&step.snapshot, &receiving->step.snapshot) &&
		    position_equal(&step.base, &receiving->step.base))
			return 0;
		return fl_fail(err, FL_CORRUPT, "'%s' goes on with a stream that is not here",
			       receiving->peer.name);
	}
	drop_step(receiving);
	receiving->step = step;
	receiving->stepping = true;
	step = (struct step){ 0 };
	expect(receiving, receiving->step.bytes);
	return begin_step(receiving, err);
}

static int take_data(struct receiving *receiving, const struct frame *frame, struct fl_error *err)
{
	const uint8_t *bytes;
	size_t length;

	if (!receiving->stepping)
		return fl_fail(err, FL_CORRUPT, "'%s' sends data of no snapshot",
			       receiving->peer.name);
	if (inbox_take(receiving->inbox, frame->flags, frame->payload, frame->length, &bytes,
		       &length, err) < 0 ||
	    sink_write(receiving->sink, bytes, length, err) < 0)
		return fl_failed(err);
	receiving->received.wire += frame->length;
	operation_progress(receiving->running, receiving->before + inbox_bytes(receiving->inbox));
	return operation_check(receiving->running, err);
}

static int end_step(struct receiving *receiving, struct channel *channel, const struct frame *frame,
		    struct fl_error *err)
{
	struct step_end end;

	if (step_end_decode(frame->payload, frame->length, &end, err) < 0)
		return fl_failed(err);
	if (!receiving->stepping)
		return fl_fail(err, FL_CORRUPT, "'%s' ends a snapshot that did not begin",
			       receiving->peer.name);
	if (inbox_check(receiving->inbox, end.frames, end.bytes, end.chain, err) < 0 ||
	    sink_finish(receiving->sink, err) < 0 || sink_compare(receiving->sink, &end, err) < 0 ||
	    arrive_snapshot(receiving->arrival, sink_tree(receiving->sink), &receiving->step, err) <
		    0)
		return fl_failed(err);
	sink_keep(receiving->sink);
	receiving->before += end.bytes;
	receiving->received.bytes += end.bytes;
	receiving->received.snapshots++;
	drop_step(receiving);
	return channel_send(channel, WIRE_TAKEN, 0, NULL, 0, err);
}

static int take_finish(struct receiving *receiving, const struct frame *frame, bool *ret_end,
		       struct fl_error *err)
{
	uint32_t stash;
	bool more;

	if (finish_decode(frame->payload, frame->length, &receiving->finish, &more, err) < 0)
		return fl_failed(err);
	if (receiving->stepping)
		return fl_fail(err, FL_CORRUPT, "'%s' is through before the snapshot is",
			       receiving->peer.name);
	if (more)
		return 0;
	if (arrive_finish(receiving->arrival, &receiving->finish, &stash, err) < 0)
		return fl_failed(err);
	receiving->received.stash = stash;
	*ret_end = true;
	return 0;
}

/* --- the dialogue --------------------------------------------------------------------------- */

static int take_frame(struct receiving *receiving, struct channel *channel,
		      const struct frame *frame, bool *ret_end, struct fl_error *err)
{
	switch (frame->type) {
	case WIRE_STEP:
		return take_step(receiving, frame, err);
	case WIRE_DATA:
		return take_data(receiving, frame, err);
	case WIRE_STEP_END:
		return end_step(receiving, channel, frame, err);
	case WIRE_FINISH:
		return take_finish(receiving, frame, ret_end, err);
	default:
		return fl_fail(err, FL_CORRUPT, "'%s' sends what has no place in a transfer",
			       receiving->peer.name);
	}
}

static int converse(struct receiving *receiving, struct channel *channel, const struct want *wanted,
		    struct fl_error *err)
{
	struct frame frame;
	bool end = false;

	if (channel_expect(channel, WIRE_OFFER, 0, &frame, err) < 0 ||
	    take_offer(receiving, &frame, wanted, err) < 0 ||
	    answer(receiving, channel, wanted != NULL, err) < 0)
		return fl_failed(err);
	while (!end)
		if (channel_receive(channel, 0, &frame, err) < 0 ||
		    take_frame(receiving, channel, &frame, &end, err) < 0)
			return fl_failed(err);
	return 0;
}

/*
 * Was that why it failed, and not the peer's mistake, after which it went?  Before there is an
 * offer there is nothing to go on with.
 */
static bool lost_link(const struct receiving *receiving, struct channel *channel, int r)
{
	struct fl_error why;

	return receiving->offered && link_why(channel_link(channel), &why) && r == -(int)why.code;
}

int receiving_run(struct receiving *receiving, struct channel *channel, const struct want *wanted,
		  struct fl_error *err)
{
	struct fl_error ignored;
	int r;

	if (receiving->cut)
		receiving->received.resumed++;
	receiving->cut = false;
	receiving->peer = *link_peer(channel_link(channel));
	r = converse(receiving, channel, wanted, err);
	if (r == 0)
		return 0;
	receiving->cut = lost_link(receiving, channel, r) &&
			 operation_check(receiving->running, &ignored) == 0;
	if (receiving->cut)
		return r;
	if (receiving->sink && (r == -FL_CORRUPT || r == -FL_INVALID))
		sink_spoil(receiving->sink);
	drop_step(receiving);
	return r;
}
