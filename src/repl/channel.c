#include "repl/internal.h"

#include <inttypes.h>

/* What was received is given back in parts of this size, or at once when nothing more waits. */
#define CREDIT_STEP (WIRE_WINDOW / 8)

struct channel *channel_new(struct link *link)
{
	struct channel *channel = xcalloc(1, sizeof(*channel));

	channel->link = link;
	channel->last = &channel->first;
	link_cond_init(&channel->changed);
	return channel;
}

static void free_all(struct arrival *first)
{
	struct arrival *next;

	for (struct arrival *a = first; a; a = next) {
		next = a->next;
		free(a);
	}
}

void channel_free(struct channel *channel)
{
	free_all(channel->first);
	free_all(channel->spares);
	free(channel->shown);
	pthread_cond_destroy(&channel->changed);
	free(channel);
}

struct channel *channel_find(struct link *link, uint32_t number)
{
	struct channel *channel = link->channels;

	while (channel && channel->number != number)
		channel = channel->next;
	return channel;
}

void channel_list(struct channel *channel, uint32_t number)
{
	channel->number = number;
	channel->next = channel->link->channels;
	channel->link->channels = channel;
}

void channel_unlist(struct channel *channel)
{
	struct channel **at = &channel->link->channels;

	while (*at && *at != channel)
		at = &(*at)->next;
	if (*at)
		*at = channel->next;
}

bool channel_is_over(const struct channel *channel)
{
	return channel->cut || channel->over || channel->link->state != LINK_UP;
}

/* Why a call fails on a channel that is over; with the mutex. */
static int fail_over(const struct channel *channel, struct fl_error *err)
{
	const struct link *link = channel->link;

	if (channel->cut) {
		fl_fail(err, FL_UNREACHABLE, "the dialogue with %s was cancelled", link->name);
		err->sys = ECANCELED;
	} else if (channel->over && channel->error.code) {
		*err = channel->error;
	} else if (channel->over) {
		fl_fail(err, FL_CORRUPT, "%s has ended the dialogue before its time", link->name);
	} else {
		*err = link->why;
	}
	return fl_failed(err);
}

/*
 * The peer may open another one as soon as it knows that this has ended: so it is not counted any
 * more before that is said, or when it was heard.
 */
static void uncount(struct channel *channel)
{
	if (channel->counted)
		channel->link->active--;
	channel->counted = false;
}

/* --- what arrives ------------------------------------------------------------------ */

const char *channel_refuses(const struct channel *channel, const struct wire_head *head)
{
	if (head->type == WIRE_CREDIT)
		return NULL;
	if (head->type == WIRE_DATA)
		return channel->received + head->length > channel->given + WIRE_WINDOW
			       ? "more data than it has credit for"
			       : NULL;
	return channel->waiting >= LINK_WAITING ||
			       channel->waiting_bytes + head->length > WIRE_WINDOW
		       ? "more frames than may wait"
		       : NULL;
}

static void note_end(struct channel *channel, const struct arrival *arrival)
{
	struct wire_view view = wire_view(arrival->payload, arrival->length);

	channel->over = true;
	uncount(channel);
	if (arrival->type == WIRE_ERROR) {
		wire_error(&view, &channel->error);
		fl_turn_hint(&channel->error);
	}
}

void channel_arrive(struct channel *channel, struct arrival *arrival)
{
	if (arrival->type == WIRE_DATA) {
		channel->received += arrival->length;
	} else {
		channel->waiting++;
		channel->waiting_bytes += arrival->length;
	}
	if (arrival->type == WIRE_DONE || arrival->type == WIRE_ERROR)
		note_end(channel, arrival);
	arrival->next = NULL;
	*channel->last = arrival;
	channel->last = &arrival->next;
	pthread_cond_signal(&channel->changed);
}

const char *channel_credit(struct channel *channel, uint64_t value)
{
	if (value > channel->sent)
		return "credit for data that was never sent";
	if (value < channel->credited)
		return "credit that goes back";
	channel->credited = value;
	pthread_cond_signal(&channel->changed);
	return NULL;
}

/* --- sending ------------------------------------------------------------------------ */

/* With the mutex, which it lets go while it waits and writes. */
static int send_in_turn(struct channel *channel, const struct wire_head *head, const void *payload,
			struct fl_error *err)
{
	struct link *link = channel->link;
	int r;

	if (!link_take_turn(link, channel, &channel->changed))
		return fail_over(channel, err);
	if (head->type == WIRE_DATA)
		channel->sent += head->length;
	if (head->type == WIRE_DONE || head->type == WIRE_ERROR) {
		channel->said_end = true;
		uncount(channel);
	}
	pthread_mutex_unlock(&link->mutex);
	r = link_write(link, head, payload, err);
	pthread_mutex_lock(&link->mutex);
	link_give_turn(link);
	return r;
}

static bool has_credit(const struct channel *channel, size_t length)
{
	return channel->sent + length <= channel->credited + WIRE_WINDOW;
}

int channel_send(struct channel *channel, enum wire_type type, uint8_t flags, const void *payload,
		 size_t length, struct fl_error *err)
{
	struct wire_head head = { .type = type, .flags = flags, .channel = channel->number };

	if (length > WIRE_PAYLOAD)
		return fl_fail(err, FL_UNSUPPORTED,
			       "%zu bytes at once for %s, where %d are the most", length,
			       channel->link->name, WIRE_PAYLOAD);
	head.length = (uint32_t)length;
	link_hold(channel->link);
	while (type == WIRE_DATA && !channel_is_over(channel) && !has_credit(channel, length))
		link_wait(channel->link, &channel->changed, 0);
	if (channel_is_over(channel))
		return fail_over(channel, err);
	return send_in_turn(channel, &head, payload, err);
}

/* The CREDIT that is due, if any; with the mutex.  Who cannot say it learns why by the next call.
 */
static void give_credit(struct channel *channel)
{
	own_text struct text value = { 0 };
	struct wire_head head = { .length = sizeof(uint64_t),
				  .type = WIRE_CREDIT,
				  .channel = channel->number };
	struct fl_error err;

	if (channel->through == channel->given || channel_is_over(channel) ||
	    (channel->first && channel->through - channel->given < CREDIT_STEP))
		return;
	channel->given = channel->through;
	wire_put_u64(&value, channel->given);
	(void)!send_in_turn(channel, &head, text_get(&value), &err);
}

/* --- receiving ------------------------------------------------------------------------ */

/* The frame that was shown is done with. */
static void drop_shown(struct channel *channel)
{
	struct arrival *shown = take_ptr(channel->shown);

	if (!shown)
		return;
	if (shown->type == WIRE_DATA)
		channel->through += shown->length;
	if (shown->whole) {
		shown->next = channel->spares;
		channel->spares = shown;
	} else {
		free(shown);
	}
}

static void show_first(struct channel *channel, struct frame *ret)
{
	struct arrival *first = channel->first;

	channel->first = first->next;
	if (!channel->first)
		channel->last = &channel->first;
	if (first->type != WIRE_DATA) {
		channel->waiting--;
		channel->waiting_bytes -= first->length;
	}
	channel->shown = first;
	*ret = (struct frame){
		.type = first->type,
		.flags = first->flags,
		.payload = first->payload,
		.length = first->length,
	};
}

int channel_receive(struct channel *channel, int64_t patience, struct frame *ret,
		    struct fl_error *err)
{
	int64_t until = patience ? clock_monotonic() + patience : 0;
	struct link *link = channel->link;

	link_hold(link);
	drop_shown(channel);
	give_credit(channel);
	while (!channel->first && !channel_is_over(channel))
		if (!link_wait(link, &channel->changed, until))
			return fl_fail(err, FL_UNREACHABLE,
				       "no answer from %s within %" PRId64 " s", link->name,
				       patience / CLOCK_SECOND);
	/* The peer's last word counts, and what came before it, though the link has gone since. */
	if (!channel->first || channel->cut || (link->state != LINK_UP && !channel->over))
		return fail_over(channel, err);
	show_first(channel, ret);
	return ret->type == WIRE_ERROR ? fail_over(channel, err) : 0;
}

int channel_expect(struct channel *channel, enum wire_type type, int64_t patience,
		   struct frame *ret, struct fl_error *err)
{
	struct frame frame;

	if (channel_receive(channel, patience, &frame, err) < 0)
		return fl_failed(err);
	if (frame.type != type)
		return fl_fail(err, FL_CORRUPT, "%s sent a frame of type %d where %d is due",
			       channel->link->name, frame.type, type);
	*ret = frame;
	return 0;
}

uint64_t channel_credited(struct channel *channel)
{
	link_hold(channel->link);
	return channel->credited;
}

bool channel_is_ended(struct channel *channel)
{
	link_hold(channel->link);
	return channel_is_over(channel);
}

struct link *channel_link(struct channel *channel)
{
	return channel->link;
}

/* --- beginning and end ----------------------------------------------------------------- */

/* The next number of this side, when it has the turn: so they go out in their order. */
static int write_request(struct channel *channel, const struct text *payload, struct fl_error *err)
{
	struct wire_head head = { .length = (uint32_t)payload->length, .type = WIRE_REQUEST };
	struct link *link = channel->link;
	int r;

	link_hold(link);
	while (link->words && !channel_is_over(channel)) /* the peer counts channels */
		link_wait(link, &link->ended, 0);
	if (!link_take_turn(link, channel, &channel->changed))
		return fail_over(channel, err);
	if (link->last_ours > UINT32_MAX - 2) {
		link_give_turn(link);
		return fl_fail(err, FL_UNREACHABLE, "the connection to %s is used up", link->name);
	}
	link->last_ours += link->last_ours || !link->options.dialled ? 2 : 1;
	channel_list(channel, link->last_ours);
	head.channel = channel->number;
	pthread_mutex_unlock(&link->mutex);
	r = link_write(link, &head, payload->bytes, err);
	pthread_mutex_lock(&link->mutex);
	link_give_turn(link);
	return r;
}

int channel_open(struct link *link, enum wire_verb verb, const struct text *request,
		 struct channel **ret, struct fl_error *err)
{
	own_text struct text payload = { 0 };
	struct channel *channel;

	wire_put_u8(&payload, (uint8_t)verb);
	if (request)
		wire_put_bytes(&payload, text_get(request), request->length);
	if (payload.length > WIRE_PAYLOAD)
		return fl_fail(err, FL_UNSUPPORTED, "a request of %zu bytes for %s is too long",
			       payload.length, link->name);
	pthread_mutex_lock(&link->mutex);
	link->opened++;
	pthread_mutex_unlock(&link->mutex);
	channel = channel_new(link);
	if (write_request(channel, &payload, err) < 0) {
		channel_close(channel, err);
		return fl_failed(err);
	}
	*ret = channel;
	return 0;
}

static bool owes_an_end(const struct channel *channel)
{
	return channel->number && !channel->over && !channel->said_end &&
	       channel->link->state == LINK_UP;
}

void channel_close(struct channel *channel, const struct fl_error *why)
{
	struct link *link;

	if (!channel)
		return;
	link = channel->link;
	pthread_mutex_lock(&link->mutex);
	channel_unlist(channel);
	if (owes_an_end(channel))
		link_add_word(link, channel->number, why);
	if (--link->opened == 0)
		pthread_cond_broadcast(&link->ended);
	channel_free(channel);
	pthread_mutex_unlock(&link->mutex);
}

void channel_finish(struct channel *channel, const struct fl_error *why)
{
	own_text struct text payload = { 0 };
	struct wire_head head = { .type = why ? WIRE_ERROR : WIRE_DONE,
				  .channel = channel->number };
	struct link *link = channel->link;
	struct fl_error err;

	if (why)
		wire_put_error(&payload, why);
	head.length = (uint32_t)payload.length;
	link_hold(link);
	channel->cut = false; /* what is waited for is over; the peer is told so all the same */
	if (owes_an_end(channel))
		(void)!send_in_turn(channel, &head, payload.bytes, &err);
	uncount(channel);
	channel_unlist(channel);
	channel_free(channel);
}

void channel_cut(struct channel *channel)
{
	link_hold(channel->link);
	channel->cut = true;
	pthread_cond_signal(&channel->changed);
}
