/*
 * The life of a link.
 *
 * Three threads, so that none waits for what another is there to do:
 *
 *	reader	(link-read.c) reads, always.  It hands over what it read, or drops it, and never
 *		writes nor waits for one who does: a link is never stuck because both sides
 *		write with full buffers, as the reader of each empties them.  Memory is bounded by
 *		refusing (who sends more than its credit is cut off), not by waiting.
 *	speaker	(link-say.c) writes what the reader and the watch have no time to wait for: PONG,
 *		PING, refusals, BYE; and the last word on channels whose owners are in a hurry.
 *		However many PINGs come, there is one PONG to be said, for the last of them.
 *	watch	(here) looks at the time, and shuts the connection, which never blocks, when it
 *		is up; waits for the threads that serve; tells that the link is lost.
 *
 * Everyone else writes his own frames, CREDIT too: in receiving he may wait for his turn, which
 * comes, because the reader on the other side reads.  If that does not, a piece of
 * LINK_PIECE bytes takes longer than LINK_LOST, and the watch shuts the connection: that wakes the
 * writer.  (TCP_USER_TIMEOUT, which the transport sets, is about the same; pipes to ssh have none.)
 *
 * Life is when each side hears something.  A side that is silent says a PING after LINK_QUIET,
 * whatever comes from the other: so on a line so slow that one frame takes a minute, the
 * sender still hears the receiver, whose way is free, and the receiver the frame's bytes.
 *
 * The end.  link->state goes from UP to ENDING once, with the reason, and everyone who waits is
 * woken and fails with that.  Then the speaker takes the last turn, says BYE if the other side is
 * to know why, and finishes the stream; the reader goes on reading into nothing until the other
 * side has finished too, because a connection that is closed with bytes unread is reset, and the
 * BYE with it.  LINK_FAREWELL later the watch shuts it anyway.  For the same reason one whose
 * write fails does not tell that at once: it waits for the reader, who may find a BYE that says
 * why.
 */

#include <errno.h>

#include "repl/internal.h"

void link_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attributes);
	pthread_condattr_destroy(&attributes);
}

bool link_wait(struct link *link, pthread_cond_t *cond, int64_t until)
{
	struct timespec time = { .tv_sec = until / CLOCK_SECOND, .tv_nsec = until % CLOCK_SECOND };

	if (until == 0)
		return pthread_cond_wait(cond, &link->mutex) == 0;
	return pthread_cond_timedwait(cond, &link->mutex, &time) != ETIMEDOUT;
}

void link_end_locked(struct link *link, const struct fl_error *why, const struct fl_error *bye)
{
	if (link->state == LINK_ENDING)
		return;
	link->state = LINK_ENDING;
	link->why = *why;
	link->says_bye = bye != NULL;
	if (bye)
		link->bye = *bye;
	link->end_by = clock_monotonic() + LINK_FAREWELL;
	for (struct channel *c = link->channels; c; c = c->next)
		pthread_cond_signal(&c->changed);
	for (struct turn *turn = link->turns; turn; turn = turn->next)
		pthread_cond_signal(turn->changed);
	pthread_cond_signal(&link->speak);
	pthread_cond_signal(&link->look);
	pthread_cond_broadcast(&link->ponged);
	pthread_cond_broadcast(&link->ended);
}

void link_end(struct link *link, const struct fl_error *why, const struct fl_error *bye)
{
	link_hold(link);
	link_end_locked(link, why, bye);
}

/* --- the watch ------------------------------------------------------------------------ */

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Nobody is there any more who could hear a BYE. */
static void lose(struct link *link, const struct fl_error *why)
{
	link_end_locked(link, why, NULL);
	transport_shut(link->transport);
}

static void lose_for(struct link *link, const char *what, int64_t time)
{
	struct fl_error why;

	fl_fail_at(&why, __FILE__, __LINE__, FL_UNREACHABLE, 0, "%s %s for %lld ms", link->name,
		   what, (long long)(time / 1000000));
	fl_add_hint(&why, "check that the other host runs, and the network to it");
	lose(link, &why);
}

static int64_t watch_opening(struct link *link, int64_t now)
{
	if (now >= link->end_by)
		lose_for(link, "has not said who it is", link->options.greeting);
	return link->end_by;
}

/* When is there something to be looked at again? */
static int64_t watch_up(struct link *link, int64_t now)
{
	const struct link_options *options = &link->options;
	int64_t heard = atomic_load(&link->heard), said = atomic_load(&link->said);
	int64_t writing = atomic_load(&link->writing_since);
	int64_t due;

	if (now - heard >= options->lost_after) {
		lose_for(link, "has said nothing", options->lost_after);
		return now;
	}
	if (writing && now - writing >= options->lost_after) {
		lose_for(link, "has taken nothing", options->lost_after);
		return now;
	}
	if (link->broken && now >= link->end_by) {
		lose(link, &link->broken_why);
		return now;
	}
	/* Who writes will have said something: looked at again when that is done or stuck. */
	if (now - said >= options->quiet && !writing) {
		atomic_store(&link->said, now); /* soon */
		said = now;
		link->ping_wanted = true;
		pthread_cond_signal(&link->speak);
	}
	due = earlier(heard, writing ? writing : heard) + options->lost_after;
	due = earlier(due, (writing ? now : said) + options->quiet);
	return link->broken ? earlier(due, link->end_by) : due;
}

static int64_t watch_ending(struct link *link, int64_t now)
{
	if (now < link->end_by)
		return link->end_by;
	transport_shut(link->transport);
	return now + LINK_FAREWELL;
}

/* Waits for threads that have served; they are at their very end. */
static bool reap(struct link *link)
{
	struct server **at = &link->servers, *server;

	while (*at && !(*at)->finished)
		at = &(*at)->next;
	server = *at;
	if (!server)
		return false;
	*at = server->next;
	pthread_mutex_unlock(&link->mutex);
	pthread_join(server->thread, NULL);
	pthread_mutex_lock(&link->mutex);
	link->serving--;
	free(server->request);
	free(server);
	return true;
}

static bool tell(struct link *link)
{
	if (link->state != LINK_ENDING || link->told || link->closing)
		return false;
	link->told = true;
	if (!link->options.lost || !link->was_up)
		return false;
	pthread_mutex_unlock(&link->mutex);
	link->options.lost(link->options.arg, link);
	pthread_mutex_lock(&link->mutex);
	return true;
}

static bool has_ended(const struct link *link)
{
	return link->closing && link->reader_done && link->speaker_done && link->serving == 0;
}

void *link_watch(void *arg)
{
	static int64_t (*const looks[])(struct link *, int64_t) = {
		[LINK_OPENING] = watch_opening,
		[LINK_UP] = watch_up,
		[LINK_ENDING] = watch_ending,
	};
	struct link *link = arg;

	link_hold(link);
	while (!has_ended(link))
		if (!reap(link) && !tell(link))
			link_wait(link, &link->look, looks[link->state](link, clock_monotonic()));
	return NULL;
}

/* --- while it is there, and the end ------------------------------------------------------- */

void link_close(struct link *link, const struct fl_error *why)
{
	const struct fl_error nothing = { 0 };
	struct fl_error closed;

	if (!link)
		return;
	fl_fail_at(&closed, __FILE__, __LINE__, FL_UNREACHABLE, 0,
		   "the connection to %s was closed on this side%s%s", link->name, why ? ": " : "",
		   why ? why->text : "");
	pthread_mutex_lock(&link->mutex);
	link->closing = true;
	link_end_locked(link, &closed, why ? why : &nothing);
	pthread_cond_signal(&link->look);
	while (link->opened > 0)
		link_wait(link, &link->ended, 0);
	pthread_mutex_unlock(&link->mutex);
	pthread_join(link->reader, NULL);
	pthread_join(link->speaker, NULL);
	pthread_join(link->watch, NULL);
	link_free(link);
}

void link_cut(struct link *link)
{
	struct fl_error why;

	fl_fail_at(&why, __FILE__, __LINE__, FL_UNREACHABLE, 0,
		   "the connection to %s was cut on this side", link->name);
	link_hold(link);
	lose(link, &why);
}

bool link_is_up(struct link *link)
{
	link_hold(link);
	return link->state == LINK_UP;
}

bool link_why(struct link *link, struct fl_error *ret)
{
	link_hold(link);
	if (link->state != LINK_ENDING)
		return false;
	*ret = link->why;
	return true;
}

const struct wire_hello *link_peer(const struct link *link)
{
	return &link->theirs;
}

int link_round_trip(struct link *link, int64_t patience, int64_t *ret, struct fl_error *err)
{
	int64_t until = clock_monotonic() + patience;
	uint64_t number;

	link_hold(link);
	number = link->pings_sent + 1;
	link->ping_wanted = true;
	pthread_cond_signal(&link->speak);
	while (link->state == LINK_UP && link->pong_heard < number)
		if (!link_wait(link, &link->ponged, until))
			return fl_fail(err, FL_UNREACHABLE, "no answer from %s within %lld ms",
				       link->name, (long long)(patience / 1000000));
	if (link->pong_heard < number) {
		*err = link->why;
		return fl_failed(err);
	}
	*ret = link->round_trip;
	return 0;
}
