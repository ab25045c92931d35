/*
 * Who writes, and the thread that says what nobody else can wait to say.
 *
 * The turn to write is given in the order of asking: a queue of waiters, each woken through the
 * condition of its own, so that sixty channels are not woken for one frame.
 */

#include "repl/internal.h"

#include <string.h>

/* --- turns ------------------------------------------------------------------------ */

static void leave_queue(struct link *link, struct turn *turn)
{
	struct turn **at = &link->turns;

	while (*at != turn)
		at = &(*at)->next;
	*at = turn->next;
	if (!*at)
		link->last_turn = at;
}

static bool is_in_vain(const struct channel *channel)
{
	return channel && channel_is_over(channel);
}

bool link_take_turn(struct link *link, struct channel *channel, pthread_cond_t *changed)
{
	struct turn turn = { .changed = changed };

	if (is_in_vain(channel))
		return false;
	if (!link->speaking) {
		link->speaking = true;
		return true;
	}
	*link->last_turn = &turn;
	link->last_turn = &turn.next;
	while (!turn.granted && !is_in_vain(channel))
		link_wait(link, changed, 0);
	if (!turn.granted) {
		leave_queue(link, &turn);
		return false;
	}
	if (is_in_vain(channel)) {
		link_give_turn(link);
		return false;
	}
	return true;
}

void link_give_turn(struct link *link)
{
	struct turn *turn = link->turns;

	link->speaking = turn != NULL;
	if (!turn)
		return;
	leave_queue(link, turn);
	turn->granted = true;
	pthread_cond_signal(turn->changed);
}

/* --- writing ---------------------------------------------------------------------- */

static int write_piece(struct link *link, const void *bytes, size_t length, struct fl_error *err)
{
	int64_t now = clock_monotonic();
	int r;

	atomic_store(&link->writing_since, now);
	r = transport_write(link->transport, bytes, length, err);
	atomic_store(&link->writing_since, 0);
	if (r == 0)
		atomic_store(&link->said, now);
	return r;
}

/* The first bytes go out with the head, in one piece: no frame of a few bytes is two packets. */
static int write_pieces(struct link *link, const struct wire_head *head, const uint8_t *payload,
			struct fl_error *err)
{
	size_t done = head->length, piece;

	if (done > LINK_FIRST - WIRE_HEAD)
		done = LINK_FIRST - WIRE_HEAD;
	wire_head_encode(head, link->first);
	if (done > 0)
		memcpy(link->first + WIRE_HEAD, payload, done);
	if (write_piece(link, link->first, WIRE_HEAD + done, err) < 0)
		return fl_failed(err);
	for (; done < head->length; done += piece) {
		piece = head->length - done;
		if (piece > LINK_PIECE)
			piece = LINK_PIECE;
		if (write_piece(link, payload + done, piece, err) < 0)
			return fl_failed(err);
	}
	return 0;
}

int link_write(struct link *link, const struct wire_head *head, const void *payload,
	       struct fl_error *err)
{
	if (write_pieces(link, head, payload, err) == 0)
		return 0;
	link_hold(link);
	link->broken = true;
	link->broken_why = *err;
	if (link->state == LINK_UP) {
		link->end_by = clock_monotonic() + LINK_FAREWELL;
		pthread_cond_signal(&link->look);
	}
	while (link->state == LINK_UP)
		link_wait(link, &link->ended, 0);
	if (link->state == LINK_ENDING)
		*err = link->why;
	return fl_failed(err);
}

/* --- the speaker ------------------------------------------------------------------- */

void link_add_word(struct link *link, uint32_t channel, const struct fl_error *why)
{
	struct word *word = xcalloc(1, sizeof(*word));

	word->channel = channel;
	if (why)
		word->why = *why;
	*link->last_word = word;
	link->last_word = &word->next;
	link->word_count++;
	pthread_cond_signal(&link->speak);
}

static struct word *take_word(struct link *link)
{
	struct word *word = link->words;

	link->words = word->next;
	if (!link->words) {
		link->last_word = &link->words;
		pthread_cond_broadcast(&link->ended); /* who opens a channel waits for that */
	}
	link->word_count--;
	return word;
}

/* A frame of the speaker's, with the mutex; what fails ends the link, so nobody else need know. */
static void say(struct link *link, enum wire_type type, uint32_t channel,
		const struct text *payload)
{
	struct wire_head head = { .length = (uint32_t)payload->length,
				  .type = type,
				  .channel = channel };
	struct fl_error err;

	(void)link_take_turn(link, NULL, &link->speak);
	pthread_mutex_unlock(&link->mutex);
	(void)!link_write(link, &head, payload->bytes, &err);
	pthread_mutex_lock(&link->mutex);
	link_give_turn(link);
}

static void say_word(struct link *link)
{
	own_free struct word *word = take_word(link);
	own_text struct text payload = { 0 };

	if (word->why.code)
		wire_put_error(&payload, &word->why);
	say(link, word->why.code ? WIRE_ERROR : WIRE_DONE, word->channel, &payload);
}

static void say_pong(struct link *link)
{
	own_text struct text payload = { 0 };

	link->pong_wanted = false;
	wire_put_u64(&payload, link->pong);
	say(link, WIRE_PONG, 0, &payload);
}

static void say_ping(struct link *link)
{
	own_text struct text payload = { 0 };

	link->ping_wanted = false;
	wire_put_u64(&payload, ++link->pings_sent);
	link->ping_times[link->pings_sent % LINK_PINGS] = clock_monotonic();
	say(link, WIRE_PING, 0, &payload);
}

static void say_bye(struct link *link)
{
	own_text struct text payload = { 0 };

	if (link->bye.code)
		wire_put_error(&payload, &link->bye);
	say(link, WIRE_BYE, 0, &payload);
}

/* One thing that is to be said; false: there is none. */
static bool say_something(struct link *link)
{
	if (link->pong_wanted)
		say_pong(link);
	else if (link->words)
		say_word(link);
	else if (link->ping_wanted)
		say_ping(link);
	else
		return false;
	return true;
}

/* With the mutex: the turn is not given back, for nothing may follow. */
static void say_farewell(struct link *link)
{
	struct fl_error err;

	while (link->says_bye && !link->broken && link->words)
		say_word(link);
	if (link->says_bye && !link->broken)
		say_bye(link);
	(void)link_take_turn(link, NULL, &link->speak);
	pthread_mutex_unlock(&link->mutex);
	/* A connection that is broken cannot be finished: nothing is lost by that. */
	(void)!transport_finish(link->transport, &err);
	pthread_mutex_lock(&link->mutex);
	while (!link->reader_done)
		link_wait(link, &link->speak, 0);
	transport_shut(link->transport);
}

void *link_say(void *arg)
{
	struct link *link = arg;

	link_hold(link);
	while (link->state == LINK_UP)
		if (!say_something(link) && link->state == LINK_UP)
			link_wait(link, &link->speak, 0);
	say_farewell(link);
	link->speaker_done = true;
	pthread_cond_signal(&link->look);
	return NULL;
}
