/*
 * How a link begins: greetings, who is there, and the threads.  Until it is up, one thread writes
 * and reads, the one that opens it; the watch shuts the connection if that takes too long.
 */

#include "repl/internal.h"

#include <stdio.h>
#include <string.h>

#include "base/thread.h"

static int write_control(struct link *link, enum wire_type type, const struct text *payload,
			 struct fl_error *err)
{
	struct wire_head head = { .length = (uint32_t)payload->length, .type = type };

	return link_write(link, &head, payload->bytes, err);
}

static int exchange_greetings(struct link *link, struct fl_error *err)
{
	uint8_t ours[WIRE_GREETING_SIZE], theirs[WIRE_GREETING_SIZE];
	uint16_t version; /* there is one so far */
	int r;

	wire_greeting_encode(WIRE_OLDEST, WIRE_NEWEST, ours);
	if (transport_write(link->transport, ours, sizeof(ours), err) < 0 ||
	    link_fill(link, theirs, sizeof(theirs), err) < 0)
		return fl_failed(err);
	r = wire_greeting_decode(theirs, WIRE_OLDEST, WIRE_NEWEST, &version, err);
	link->is_flocker = r != -FL_INVALID;
	return r;
}

static int say_hello(struct link *link, struct fl_error *err)
{
	own_text struct text payload = { 0 };

	wire_put_hello(&payload, &link->options.hello);
	return write_control(link, WIRE_HELLO, &payload, err);
}

/* `*ret_refused`: the other side has said why it wants no more. */
static int hear_hello(struct link *link, bool *ret_refused, struct fl_error *err)
{
	uint8_t bytes[WIRE_HEAD], payload[WIRE_CONTROL];
	struct wire_head head;

	if (link_fill(link, bytes, sizeof(bytes), err) < 0 ||
	    wire_head_decode(bytes, &head, err) < 0)
		return fl_failed(err);
	if (head.type != WIRE_HELLO && head.type != WIRE_BYE)
		return fl_fail(err, FL_CORRUPT, "%s did not say who it is", link->name);
	if (link_fill(link, payload, head.length, err) < 0)
		return fl_failed(err);
	if (head.type == WIRE_BYE) {
		struct wire_view view = wire_view(payload, head.length);

		*ret_refused = true;
		wire_error(&view, err);
		return fl_wrap(err, "%s refuses", link->name);
	}
	if (wire_hello(payload, head.length, &link->theirs, err) < 0)
		return fl_failed(err);
	if (link->options.welcome)
		return link->options.welcome(link->options.arg, &link->theirs, err);
	return 0;
}

/* Who was dialled is silent until it has accepted. */
static int greet(struct link *link, bool *ret_refused, struct fl_error *err)
{
	bool dialled = link->options.dialled;

	if (exchange_greetings(link, err) < 0 || (dialled && say_hello(link, err) < 0) ||
	    hear_hello(link, ret_refused, err) < 0 || (!dialled && say_hello(link, err) < 0))
		return fl_failed(err);
	snprintf(link->name, sizeof(link->name), "%s", link->theirs.name);
	return 0;
}

/* Tells the other side why it will not be, if there is one that understands. */
static void refuse(struct link *link, const struct fl_error *why)
{
	own_text struct text payload = { 0 };
	struct fl_error err;

	wire_put_error(&payload, why);
	pthread_mutex_lock(&link->mutex);
	link->end_by = clock_monotonic() + LINK_FAREWELL;
	pthread_cond_signal(&link->look);
	pthread_mutex_unlock(&link->mutex);
	if (write_control(link, WIRE_BYE, &payload, &err) == 0 &&
	    transport_finish(link->transport, &err) == 0)
		link_drain(link);
}

static struct link *link_new(struct transport *transport, const struct link_options *options)
{
	struct link *link = xcalloc(1, sizeof(*link));
	pthread_cond_t *conds[] = { &link->ended, &link->speak, &link->look, &link->ponged };

	link->transport = transport;
	link->options = *options;
	if (!options->quiet)
		link->options.quiet = LINK_QUIET;
	if (!options->lost_after)
		link->options.lost_after = LINK_LOST;
	if (!options->greeting)
		link->options.greeting = LINK_GREETING;
	snprintf(link->name, sizeof(link->name), "the other side");
	pthread_mutex_init(&link->mutex, NULL);
	for (size_t i = 0; i < array_size(conds); i++)
		link_cond_init(conds[i]);
	link->last_turn = &link->turns;
	link->last_word = &link->words;
	link->end_by = clock_monotonic() + link->options.greeting;
	return link;
}

void link_free(struct link *link)
{
	pthread_cond_t *conds[] = { &link->ended, &link->speak, &link->look, &link->ponged };
	struct word *next;

	for (struct word *word = link->words; word; word = next) {
		next = word->next;
		free(word);
	}
	for (size_t i = 0; i < array_size(conds); i++)
		pthread_cond_destroy(conds[i]);
	pthread_mutex_destroy(&link->mutex);
	transport_free(link->transport);
	free(link);
}

/* Its end, when there is no reader or speaker. */
static void give_up(struct link *link, bool watched)
{
	transport_shut(link->transport);
	if (watched) {
		pthread_mutex_lock(&link->mutex);
		link->closing = link->reader_done = link->speaker_done = true;
		pthread_cond_signal(&link->look);
		pthread_mutex_unlock(&link->mutex);
		pthread_join(link->watch, NULL);
	}
	link_free(link);
}

/* To what is no Flocker a frame is rubbish; and who cannot be reached hears nothing. */
static bool is_worth_telling(const struct link *link, const struct fl_error *err)
{
	return link->is_flocker && err->code != FL_UNREACHABLE;
}

static int begin(struct link *link, struct fl_error *err)
{
	bool refused = false;

	if (greet(link, &refused, err) == 0)
		return 0;
	pthread_mutex_lock(&link->mutex);
	if (link->state == LINK_ENDING) /* the watch's reason is the better one */
		*err = link->why;
	pthread_mutex_unlock(&link->mutex);
	if (!refused && is_worth_telling(link, err))
		refuse(link, err);
	return fl_failed(err);
}

/* The state is UP before there is a reader, so that none finds it otherwise but at its end. */
static int start_threads(struct link *link, struct fl_error *err)
{
	link_hold(link);
	if (link->state == LINK_ENDING) {
		*err = link->why;
		return fl_failed(err);
	}
	if (thread_start(&link->speaker, THREAD_STACK, link_say, link, err) < 0)
		return fl_failed(err);
	link->has_speaker = true;
	atomic_store(&link->heard, clock_monotonic());
	atomic_store(&link->said, clock_monotonic());
	if (thread_start(&link->reader, THREAD_STACK, link_read, link, err) < 0) {
		link->reader_done = true;
		link_end_locked(link, err, err);
		return fl_failed(err);
	}
	link->state = LINK_UP;
	link->was_up = true;
	link->end_by = 0;
	pthread_cond_signal(&link->look);
	return 0;
}

int link_open(struct transport *transport, const struct link_options *options, struct link **ret,
	      struct fl_error *err)
{
	struct link *link = link_new(transport, options);

	if (thread_start(&link->watch, THREAD_STACK, link_watch, link, err) < 0) {
		give_up(link, false);
		return fl_failed(err);
	}
	if (begin(link, err) < 0 || start_threads(link, err) < 0) {
		if (link->has_speaker)
			pthread_join(link->speaker, NULL);
		give_up(link, true);
		return fl_failed(err);
	}
	*ret = link;
	return 0;
}
