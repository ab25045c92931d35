/*
 * The thread that reads.  It never waits for anything but what the other side sends, and never
 * writes: so each side can always get rid of what it has to say (link.c).
 */

#include "repl/internal.h"

#include <inttypes.h>

#include "base/thread.h"

/* More last words than this that the peer makes us say are no misunderstanding. */
#define REFUSALS (2 * LINK_CHANNELS)
/* Threads: those whose channels have ended may be on their way out. */
#define SERVERS (2 * LINK_CHANNELS)

static int corrupt(const struct link *link, const char *what, struct fl_error *err)
{
	return fl_fail(err, FL_CORRUPT, "%s sent %s", link->name, what);
}

int link_fill(struct link *link, void *bytes, size_t length, struct fl_error *err)
{
	uint8_t *at = bytes;
	size_t n;

	for (; length > 0; length -= n, at += n) {
		int r = transport_read(link->transport, at, length, &n, err);

		/* Before the greeting there is none that could be lost. */
		if (r < 0 && !link->is_flocker)
			return r;
		if (r < 0)
			return fl_wrap(err, "the connection to %s is lost", link->name);
		if (n == 0)
			return fl_fail(err, FL_UNREACHABLE, "%s has closed the connection",
				       link->name);
		atomic_store(&link->heard, clock_monotonic());
	}
	return 0;
}

static int skip(struct link *link, size_t length, struct fl_error *err)
{
	uint8_t bytes[16 * 1024];

	while (length > 0) {
		size_t n = length < sizeof(bytes) ? length : sizeof(bytes);

		if (link_fill(link, bytes, n, err) < 0)
			return fl_failed(err);
		length -= n;
	}
	return 0;
}

void link_drain(struct link *link)
{
	uint8_t bytes[16 * 1024];
	struct fl_error err;
	size_t n = 1;

	while (n > 0)
		if (transport_read(link->transport, bytes, sizeof(bytes), &n, &err) < 0)
			return;
}

/* --- channel 0 --------------------------------------------------------------------- */

static void hear_bye(struct link *link, struct wire_view *view)
{
	struct fl_error theirs, why;

	if (view->left == 0) {
		fl_fail_at(&why, __FILE__, __LINE__, FL_UNREACHABLE, 0,
			   "%s has ended the connection", link->name);
	} else {
		wire_error(view, &theirs);
		fl_fail_at(&why, __FILE__, __LINE__, FL_UNREACHABLE, 0,
			   "%s has ended the connection: %s", link->name, theirs.text);
		fl_add_hint(&why, "%s", theirs.hint);
	}
	link_end(link, &why, NULL);
}

static int hear_pong(struct link *link, uint64_t number, struct fl_error *err)
{
	link_hold(link);
	if (number > link->pings_sent || number < link->pong_heard)
		return corrupt(link, "an answer to nothing", err);
	if (link->pings_sent - number < LINK_PINGS)
		link->round_trip = clock_monotonic() - link->ping_times[number % LINK_PINGS];
	link->pong_heard = number;
	pthread_cond_broadcast(&link->ponged);
	return 0;
}

static void hear_ping(struct link *link, uint64_t number)
{
	link_hold(link);
	link->pong = number;
	link->pong_wanted = true;
	pthread_cond_signal(&link->speak);
}

static int hear_control(struct link *link, const struct wire_head *head, struct fl_error *err)
{
	uint8_t payload[WIRE_CONTROL];
	struct wire_view view = wire_view(payload, head->length);
	uint64_t number;

	if (link_fill(link, payload, head->length, err) < 0)
		return fl_failed(err);
	if (head->type == WIRE_BYE) {
		hear_bye(link, &view);
		return 0;
	}
	if (head->type == WIRE_HELLO)
		return corrupt(link, "a second hello", err);
	number = wire_u64(&view);
	if (wire_end(&view, "a ping", err) < 0)
		return fl_failed(err);
	if (head->type == WIRE_PONG)
		return hear_pong(link, number, err);
	hear_ping(link, number);
	return 0;
}

/* --- requests ---------------------------------------------------------------------- */

static void *serve(void *arg)
{
	struct server *server = arg;
	struct link *link = server->channel->link;
	const struct arrival *request = server->request;
	struct fl_error err;
	int r;

	r = link->options.serve(link->options.arg, link, server->channel, server->verb,
				request->payload + 1, request->length - 1, &err);
	channel_finish(server->channel, r < 0 ? &err : NULL);
	link_hold(link);
	server->finished = true;
	pthread_cond_signal(&link->look);
	return NULL;
}

static int start_server(struct link *link, uint32_t number, struct arrival *request,
			struct fl_error *err)
{
	struct server *server = xcalloc(1, sizeof(*server));

	server->channel = channel_new(link);
	server->verb = (enum wire_verb)request->payload[0];
	server->request = request;
	channel_list(server->channel, number);
	if (thread_start(&server->thread, 0, serve, server, err) < 0) {
		channel_unlist(server->channel);
		channel_free(server->channel);
		free(server);
		return fl_failed(err);
	}
	server->next = link->servers;
	link->servers = server;
	link->serving++;
	link->active++;
	server->channel->counted = true;
	return 0;
}

static int may_serve(const struct link *link, const struct arrival *request, struct fl_error *err)
{
	uint8_t verb = request->payload[0];

	if (verb < VERB_PUSH || verb > VERB_DENIED)
		return fl_fail(err, FL_UNSUPPORTED, "a request of the unknown kind %u", verb);
	if (link->options.stranger && verb != VERB_JOIN) {
		fl_fail(err, FL_DENIED, "who has no certificate may ask for one, and for no more");
		return fl_hint(err, "join with a token");
	}
	if (!link->options.serve)
		return fl_fail(err, FL_UNSUPPORTED, "nothing is served on this connection");
	if (link->active >= LINK_CHANNELS || link->serving >= SERVERS) {
		fl_fail(err, FL_BUSY, "%zu requests at once are under way already", link->active);
		return fl_hint(err, "wait until one is done");
	}
	return 0;
}

/* Takes `request`, unless it fails: then the link ends. */
static int hear_request(struct link *link, uint32_t number, struct arrival *request,
			struct fl_error *err)
{
	struct fl_error refusal;

	if (link_is_ours(link, number) || number <= link->last_theirs)
		return corrupt(link, "a request on a channel that cannot be new", err);
	if (request->length < 1)
		return corrupt(link, "an empty request", err);
	link->last_theirs = number;
	if (may_serve(link, request, &refusal) == 0 &&
	    start_server(link, number, request, &refusal) == 0)
		return 0;
	if (link->word_count >= REFUSALS)
		return corrupt(link, "a flood of requests", err);
	link_add_word(link, number, &refusal);
	free(request);
	return 0;
}

/* --- the other channels -------------------------------------------------------------- */

/* An error when it was never opened; what comes for one that has ended is dropped. */
static int check_was_opened(const struct link *link, uint32_t number, struct fl_error *err)
{
	if (number <= (link_is_ours(link, number) ? link->last_ours : link->last_theirs))
		return 0;
	return corrupt(link, "a frame on a channel that was never opened", err);
}

/* `*ret_drop`: nobody wants it. */
static int may_come(struct link *link, const struct wire_head *head, bool *ret_drop,
		    struct fl_error *err)
{
	const struct channel *channel;
	const char *wrong;

	*ret_drop = false;
	if (head->type == WIRE_REQUEST)
		return 0;
	link_hold(link);
	channel = channel_find(link, head->channel);
	*ret_drop = !channel || channel->over;
	if (!channel)
		return check_was_opened(link, head->channel, err);
	wrong = *ret_drop ? NULL : channel_refuses(channel, head);
	return wrong ? corrupt(link, wrong, err) : 0;
}

/* Takes `*frame`, unless it is dropped. */
static int hand_over(struct link *link, const struct wire_head *head, struct arrival **frame,
		     struct fl_error *err)
{
	struct channel *channel;

	link_hold(link);
	if (link->state != LINK_UP)
		return 0;
	if (head->type == WIRE_REQUEST) {
		if (hear_request(link, head->channel, *frame, err) < 0)
			return fl_failed(err);
		*frame = NULL;
		return 0;
	}
	channel = channel_find(link, head->channel); /* it may have been closed meanwhile */
	if (!channel)
		return 0;
	if (head->type == WIRE_CREDIT) {
		struct wire_view view = wire_view((*frame)->payload, (*frame)->length);
		const char *wrong = channel_credit(channel, wire_u64(&view));

		if (wire_end(&view, "a credit", err) < 0)
			return fl_failed(err);
		return wrong ? corrupt(link, wrong, err) : 0;
	}
	channel_arrive(channel, take_ptr(*frame));
	return 0;
}

/*
 * One that has room for it; not zeroed, which would cost as much as reading.  Large ones of a
 * stream are used again: memory of this size that is new each time costs the kernel a fault for
 * each of its pages.  A channel has never more of them than its credit has room for at once.
 */
static struct arrival *arrival_for(struct link *link, const struct wire_head *head)
{
	const size_t most = WIRE_CHAIN + WIRE_PIECE;
	bool whole = head->type == WIRE_DATA && head->length > most / 2 && head->length <= most;
	struct arrival *arrival;

	if (whole) {
		struct channel *channel;

		link_hold(link);
		channel = channel_find(link, head->channel);
		if (channel && channel->spares) {
			arrival = channel->spares;
			channel->spares = arrival->next;
			return arrival;
		}
	}
	arrival = xrealloc(NULL, 1, sizeof(*arrival) + (whole ? most : head->length));
	arrival->whole = whole;
	return arrival;
}

static int hear_channel(struct link *link, const struct wire_head *head, struct fl_error *err)
{
	own_free struct arrival *frame = NULL;
	bool drop;

	if (may_come(link, head, &drop, err) < 0)
		return fl_failed(err);
	if (drop)
		return skip(link, head->length, err);
	frame = arrival_for(link, head);
	frame->type = head->type;
	frame->flags = head->flags;
	frame->length = head->length;
	if (link_fill(link, frame->payload, head->length, err) < 0)
		return fl_failed(err);
	return hand_over(link, head, &frame, err);
}

static int hear_frame(struct link *link, struct fl_error *err)
{
	uint8_t bytes[WIRE_HEAD];
	struct wire_head head;

	if (link_fill(link, bytes, sizeof(bytes), err) < 0)
		return fl_failed(err);
	if (wire_head_decode(bytes, &head, err) < 0)
		return fl_wrap(err, "%s sent what cannot be", link->name);
	return head.channel == 0 ? hear_control(link, &head, err) : hear_channel(link, &head, err);
}

static bool is_up(struct link *link)
{
	link_hold(link);
	return link->state == LINK_UP;
}

/* A peer that breaks the rules is told so, and is gone for those here who wait for it. */
static void end_for(struct link *link, const struct fl_error *err)
{
	struct fl_error why = *err;

	if (err->code != FL_CORRUPT)
		why.code = FL_UNREACHABLE;
	link_end(link, &why, err->code == FL_CORRUPT ? err : NULL);
}

void *link_read(void *arg)
{
	struct link *link = arg;
	struct fl_error err;

	while (is_up(link))
		if (hear_frame(link, &err) < 0)
			end_for(link, &err);
	link_drain(link);
	link_hold(link);
	link->reader_done = true;
	pthread_cond_signal(&link->speak);
	return NULL;
}
