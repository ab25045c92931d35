#include "engine/sending.h"

#include <string.h>

#include "delta/point.h"
#include "engine/internal.h"
#include "engine/outgoing.h"
#include "engine/sending-pins.h"
#include "repl/throttle.h"

struct sending {
	struct engine *engine;
	struct running *running;
	struct source source;
	struct throttle throttle;
	struct uuid peer; /* R's instance, from the first channel on */
	char peer_name[NAME_TEXT];
	uint32_t forms; /* that R takes */
	uint32_t grain; /* of its times */
	struct plan plan;
	bool held;    /* something may be pinned for it: by this plan, or one before a cut */
	bool planned; /* once at least */
	size_t next;  /* the step that is under way, or comes next */
	/* of that, while its stream is there */
	struct outgoing *stream;
	struct position base; /* that it is made from */
	enum stream_form form;
	struct position native; /* the last that R took in the driver's own form */
	bool compress;
	_Atomic bool cancelled;
	bool cut;
	struct sent sent;
	uint64_t before;   /* bytes of the steps that are through */
	uint64_t expected; /* in all, about; 0: not known */
};

static struct sending_pins pins_of(const struct sending *sending)
{
	return (struct sending_pins){ sending->engine, &sending->source.offer, sending->peer,
				      sending->peer_name };
}

/* --- its life ----------------------------------------------------------------------------- */

int sending_new(struct sending_options *options, struct sending **ret, struct fl_error *err)
{
	struct sending *sending = xcalloc(1, sizeof(*sending));

	*sending = (struct sending){ .engine = options->engine,
				     .running = options->running,
				     .source = options->source,
				     .compress = options->compress };
	throttle_init(&sending->throttle, options->limit);
	options->source = (struct source){ 0 };
	*ret = sending;
	return 0;
}

/* The stream of the step that is under way. */
static void drop_stream(struct sending *sending)
{
	outgoing_free(take_ptr(sending->stream));
}

void sending_free(struct sending *sending)
{
	struct sending_pins pins;

	if (!sending)
		return;
	pins = pins_of(sending);
	drop_stream(sending);
	if (sending->held)
		sending_pins_drop(&pins);
	plan_done(&sending->plan);
	source_done(&sending->source);
	throttle_done(&sending->throttle);
	free(sending);
}

void sending_cancel(struct sending *sending)
{
	atomic_store(&sending->cancelled, true);
	throttle_wake(&sending->throttle);
}

bool sending_was_cut(const struct sending *sending)
{
	return sending->cut;
}

void sending_tell(const struct sending *sending, struct sent *ret)
{
	*ret = sending->sent;
}

/* --- how much it will be -------------------------------------------------------------------- */

static struct tree tree_at(const struct position *position, const struct snapname *storage)
{
	return tree_snapshot(&position->branch, storage);
}

static int tree_of(struct sending *sending, const struct position *position, struct tree *ret,
		   struct fl_error *err)
{
	own_step struct step step = { 0 };

	if (source_step(sending->engine, position, &step, err) < 0)
		return fl_failed(err);
	*ret = tree_at(position, &step.storage);
	return 0;
}

/*
 * As if it were one step: what is written on the way and is gone again by then counts little.  What
 * goes aside is not known: nothing in it is newer than its base, by which a driver tells.
 */
static void expect(struct sending *sending)
{
	const struct plan *plan = &sending->plan;
	const struct position *base = &plan->steps[0].base;
	struct fl_error ignored;
	struct tree from, tree;
	size_t count = plan->count;

	while (count > 0 && plan->steps[count - 1].aside)
		count--;
	if (count == 0 ||
	    (!position_is_none(base) && tree_of(sending, base, &from, &ignored) < 0) ||
	    tree_of(sending, &plan->steps[count - 1].snapshot, &tree, &ignored) < 0)
		return;
	sending->expected = outgoing_weigh(sending->engine, position_is_none(base) ? NULL : &from,
					   &tree);
	if (sending->expected)
		sending->expected += sending->before;
	operation_expect(sending->running, sending->expected);
}

/* What R has of the first step already is not sent. */
static void expect_less(struct sending *sending, uint64_t bytes)
{
	if (bytes >= sending->expected)
		return;
	sending->expected -= bytes;
	operation_expect(sending->running, sending->expected);
}

/* From the next step on; 0: that is not known. */
static uint64_t still_expected(const struct sending *sending)
{
	return sending->expected > sending->before ? sending->expected - sending->before : 0;
}

/* --- offer, and plan ------------------------------------------------------------------------ */

static int ask(struct sending *sending, struct channel *channel, struct have *ret,
	       struct fl_error *err)
{
	const struct offer *offer = &sending->source.offer;
	own_text struct text text = { 0 };
	struct frame frame;

	if (offer_check(offer, err) < 0)
		return fl_failed(err);
	offer_encode(offer, &text);
	if (channel_send(channel, WIRE_OFFER, 0, text.bytes, text.length, err) < 0 ||
	    channel_expect(channel, WIRE_HAVE, 0, &frame, err) < 0 ||
	    have_decode(frame.payload, frame.length, ret, err) < 0)
		return fl_failed(err);
	return have_check(ret, offer->past, offer->past_count, err);
}

/* R has its part of the stream that we have ours of; then what it lacks of that is sent again. */
static bool goes_on(const struct sending *sending, const struct have *have)
{
	struct fl_error ignored;

	return have->live && sending->stream && sending->next < sending->plan.count &&
	       position_equal(&have->live_step, &sending->plan.steps[sending->next].snapshot) &&
	       outbox_rewind(outgoing_box(sending->stream), have->live_frames, have->live_chain,
			     &ignored) == 0;
}

/* What R has half of is sent, even where it would not be by itself: the tip has moved on since. */
static void want_half(struct sending *sending, const struct have *have)
{
	struct plan_source *source = &sending->source.plan;

	for (size_t i = 0; have->halfway && i < source->count; i++)
		if (position_equal(&source->snapshots[i].position, &have->half_target))
			source->snapshots[i].worth = true;
}

static int make_plan(struct sending *sending, const struct have *have, struct fl_error *err)
{
	const struct offer *offer = &sending->source.offer;
	const struct lineage lineage = { offer->lines, offer->line_count };
	const struct sending_pins pins = pins_of(sending);
	struct plan plan;

	drop_stream(sending);
	want_half(sending, have);
	plan_make(&sending->source.plan, have, offer->past, offer->past_count, &lineage, &plan);
	plan_done(&sending->plan);
	sending->plan = plan;
	sending->next = 0;
	/* What was planned anew after a cut is the rest of the first plan. */
	if (!sending->planned)
		sending->sent.outcome = plan.outcome;
	sending->planned = true;
	if (plan_check(&plan, sending->source.name, sending->peer_name, err) < 0)
		return fl_failed(err);
	if (plan.count > 0) {
		sending->held = true;
		expect(sending);
	}
	return sending_pins_set(&pins, &sending->plan, err);
}

/* --- a step --------------------------------------------------------------------------------- */

/* Is the base, for the storage there, the very one that it is here? */
static bool is_native(const struct sending *sending, const struct have *have,
		      const struct tree *base)
{
	const struct position newest = have_newest(have, sending->source.offer.past);
	struct pool *pool = sending->engine->pool;
	struct fl_error ignored;
	uint64_t number;

	if (position_equal(&sending->base, &sending->native))
		return true;
	return have->number != 0 && position_equal(&sending->base, &newest) &&
	       pool->driver->stream_number &&
	       pool->driver->stream_number(pool, base, &number, &ignored) == 0 &&
	       number == have->number;
}

/* The driver's own, if R takes it: it is made and applied by the file systems themselves. */
static enum stream_form choose_form(const struct sending *sending, const struct have *have,
				    const struct tree *base)
{
	const struct driver *driver = driver_of(sending->engine);

	if (!(driver->capabilities & DRIVER_CAN_SEND) || !(sending->forms & (1u << driver->form)))
		return FORM_DELTA;
	if ((sending->forms & (1u << FORM_DELTA)) && base && !is_native(sending, have, base))
		return FORM_DELTA;
	return driver->form;
}

/* Does the next step go on where R's half-made tree is?  Then `*ret` is how far that is. */
static bool has_half(const struct sending *sending, const struct have *have,
		     struct delta_point *ret)
{
	const struct plan_step *planned = &sending->plan.steps[sending->next];
	struct fl_error ignored;

	return have->halfway && sending->next == 0 && sending->engine->tree_program &&
	       sending->form == FORM_DELTA &&
	       position_equal(&have->half_target, &planned->snapshot) &&
	       position_equal(&have->half_base, &planned->base) &&
	       delta_point_decode(text_get(&have->point), have->point.length, ret, &ignored) == 0;
}

/* From the point, if that is on this stream; else all of it. */
static int make_stream(struct sending *sending, const struct have *have, const struct tree *base,
		       struct step *step, struct fl_error *err)
{
	const struct tree tree = tree_at(&step->snapshot, &step->storage);
	struct outgoing_options options = { .engine = sending->engine,
					    .running = sending->running,
					    .base = base,
					    .tree = &tree,
					    .form = sending->form,
					    .compress = sending->compress };
	struct delta_point point = { 0 };
	int r = -FL_DIVERGED;

	if (has_half(sending, have, &point)) {
		options.point = &point;
		r = outgoing_start(&options, &sending->stream, err);
	}
	step->how = r == 0 ? STEP_POINT : STEP_ANEW;
	if (r == 0 && sending->sent.resumed == 0)
		sending->sent.resumed = 1;
	if (r == 0)
		expect_less(sending, outgoing_saved(sending->stream));
	if (r != -FL_DIVERGED)
		return r;
	options.point = NULL;
	r = outgoing_start(&options, &sending->stream, err);
	if (r != -FL_UNSUPPORTED || options.form == FORM_DELTA ||
	    !(sending->forms & (1u << FORM_DELTA)))
		return r;
	options.form = sending->form = FORM_DELTA;
	return outgoing_start(&options, &sending->stream, err);
}

static int start_stream(struct sending *sending, const struct have *have, struct step *step,
			struct fl_error *err)
{
	const struct position *base = &sending->plan.steps[sending->next].base;
	const struct tree *made_from = NULL;
	struct tree from;

	if (!position_is_none(base)) {
		if (tree_of(sending, base, &from, err) < 0)
			return fl_failed(err);
		made_from = &from;
	}
	sending->base = *base;
	sending->form = choose_form(sending, have, made_from);
	return make_stream(sending, have, made_from, step, err);
}

static int send_step(struct sending *sending, struct channel *channel, const struct have *have,
		     bool live, struct fl_error *err)
{
	const struct plan_step *planned = &sending->plan.steps[sending->next];
	own_step struct step step = { 0 };
	own_text struct text text = { 0 };

	if (source_step(sending->engine, &planned->snapshot, &step, err) < 0)
		return fl_failed(err);
	if (live)
		step.how = STEP_LIVE;
	else if (start_stream(sending, have, &step, err) < 0)
		return fl_failed(err);
	step.base = sending->base;
	step.form = sending->form;
	step.bytes = still_expected(sending);
	step_encode(&step, &text);
	return channel_send(channel, WIRE_STEP, 0, text.bytes, text.length, err);
}

static int send_piece(struct sending *sending, struct channel *channel, const struct piece *piece,
		      struct fl_error *err)
{
	if (throttle_wait(&sending->throttle, piece->length, &sending->cancelled, err) < 0 ||
	    channel_send(channel, WIRE_DATA, piece->flags, piece->payload, piece->length, err) < 0)
		return fl_failed(err);
	sending->sent.wire += piece->length;
	return 0;
}

static int send_stream(struct sending *sending, struct channel *channel, struct fl_error *err)
{
	struct outbox *outbox = outgoing_box(sending->stream);
	struct piece piece;
	bool some;

	for (;;) {
		int64_t began = clock_monotonic(), made;

		if (operation_check(sending->running, err) < 0 ||
		    outgoing_next(sending->stream, &piece, &some, err) < 0)
			return fl_failed(err);
		if (!some)
			return 0;
		made = clock_monotonic();
		if (send_piece(sending, channel, &piece, err) < 0)
			return fl_failed(err);
		outbox_credit(outbox, channel_credited(channel));
		outbox_tune(outbox, made - began, clock_monotonic() - made);
		operation_progress(sending->running, sending->before + outbox_bytes(outbox));
	}
}

static int end_step(struct sending *sending, struct channel *channel, struct fl_error *err)
{
	const struct plan_step *step = &sending->plan.steps[sending->next];
	const struct sending_pins pins = pins_of(sending);
	own_text struct text text = { 0 };
	struct step_end end;
	struct frame frame;

	if (outgoing_end(sending->stream, sending->grain, &end, err) < 0)
		return fl_failed(err);
	step_end_encode(&end, &text);
	if (channel_send(channel, WIRE_STEP_END, 0, text.bytes, text.length, err) < 0 ||
	    channel_expect(channel, WIRE_TAKEN, 0, &frame, err) < 0 ||
	    (!step->aside && sending_pins_taken(&pins, &step->snapshot, &sending->base, err) < 0))
		return fl_failed(err);
	if (sending->form != FORM_DELTA)
		sending->native = step->snapshot;
	sending->before += end.bytes;
	sending->sent.bytes += end.bytes;
	sending->sent.snapshots++;
	sending->next++;
	drop_stream(sending);
	return 0;
}

/* `live`: R goes on with the stream of the first. */
static int send_steps(struct sending *sending, struct channel *channel, const struct have *have,
		      bool live, struct fl_error *err)
{
	for (; sending->next < sending->plan.count; live = false)
		if (send_step(sending, channel, have, live, err) < 0 ||
		    send_stream(sending, channel, err) < 0 || end_step(sending, channel, err) < 0)
			return fl_failed(err);
	return 0;
}

/* In as many frames as it takes. */
static int send_finish(const struct finish *finish, struct channel *channel, struct fl_error *err)
{
	own_text struct text text = { 0 };
	size_t at = 0;
	bool more;

	do {
		text_clear(&text);
		more = finish_encode(finish, &at, &text);
		if (channel_send(channel, WIRE_FINISH, 0, text.bytes, text.length, err) < 0)
			return fl_failed(err);
	} while (more);
	return 0;
}

static int finish(struct sending *sending, struct channel *channel, struct fl_error *err)
{
	const struct offer *offer = &sending->source.offer;
	const struct sending_pins pins = pins_of(sending);
	own_finish struct finish finish = { 0 };
	struct frame frame;

	if (source_finish(sending->engine, &offer->volume.uuid, &finish, err) < 0 ||
	    send_finish(&finish, channel, err) < 0 ||
	    channel_expect(channel, WIRE_DONE, 0, &frame, err) < 0)
		return fl_failed(err);
	sending_pins_through(&pins);
	return 0;
}

/* --- the dialogue ----------------------------------------------------------------------------- */

static void note_peer(struct sending *sending, const struct wire_hello *hello)
{
	sending->peer = hello->instance;
	snprintf(sending->peer_name, sizeof(sending->peer_name), "%s", hello->name);
}

static int converse(struct sending *sending, struct channel *channel, struct fl_error *err)
{
	own_have struct have have = { 0 };
	bool live;

	if (ask(sending, channel, &have, err) < 0)
		return fl_failed(err);
	sending->forms = have.forms;
	sending->grain = have.grain;
	live = goes_on(sending, &have);
	if (!live && make_plan(sending, &have, err) < 0)
		return fl_failed(err);
	if (send_steps(sending, channel, &have, live, err) < 0)
		return fl_failed(err);
	return finish(sending, channel, err);
}

int sending_run(struct sending *sending, struct channel *channel, struct fl_error *err)
{
	struct fl_error ignored;
	int r;

	if (sending->cut)
		sending->sent.resumed++;
	sending->cut = false;
	note_peer(sending, link_peer(channel_link(channel)));
	r = converse(sending, channel, err);
	if (r == 0)
		return 0;
	sending->cut = !link_is_up(channel_link(channel)) &&
		       operation_check(sending->running, &ignored) == 0;
	if (!sending->cut)
		drop_stream(sending);
	return r;
}
