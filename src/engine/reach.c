#include "engine/reach.h"

#include <errno.h>
#include <string.h>

#include "base/thread.h"
#include "engine/denied.h"
#include "engine/dial.h"
#include "engine/greeting.h"
#include "engine/internal.h"
#include "engine/serve.h"
#include "trust/tls.h"

/* A link and who uses it. */
struct held_link {
	struct reach *reach;
	struct greeted who;
	int64_t ahead; /* by its HELLO */
	/* under the mutex of the reach */
	struct link *link; /* NULL while it is dialled; constant from then on */
	unsigned users;	   /* and the list is one, as long as it is there */
	struct held_link *next;
};

struct reach {
	struct engine *engine;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	struct held_link *links;
	bool stopping;
};

struct reach *reach_new(struct engine *engine)
{
	struct reach *reach = xcalloc(1, sizeof(*reach));

	reach->engine = engine;
	pthread_mutex_init(&reach->mutex, NULL);
	pthread_cond_init(&reach->changed, NULL);
	return reach;
}

/* --- who is there ------------------------------------------------------------------- */

static int welcome(void *arg, const struct wire_hello *theirs, struct fl_error *err)
{
	struct held_link *held = arg;

	held->ahead = theirs->time - clock_now();
	return greeting_check(&held->who, theirs, err);
}

static int serve(void *arg, struct link *link, struct channel *channel, enum wire_verb verb,
		 const void *request, size_t length, struct fl_error *err)
{
	const struct held_link *held = arg;
	const struct serving serving = { .engine = held->reach->engine,
					 .peer = link_peer(link),
					 .identity = held->who.identity,
					 .admission = &held->who.admission,
					 .channel = channel };

	if (greeting_still_valid(&held->who, err) < 0)
		return fl_failed(err);
	return serve_channel(&serving, verb, request, length, err);
}

static void lost(void *arg, struct link *link)
{
	struct held_link *held = arg;
	own_lock(guard, &held->reach->mutex);

	pthread_cond_broadcast(&held->reach->changed);
}

/* Takes the transport. */
static int open_link(struct held_link *held, struct transport *transport, bool dialled,
		     struct link **ret, struct fl_error *err)
{
	struct link_options options = {
		.dialled = dialled, .serve = serve, .welcome = welcome, .lost = lost, .arg = held
	};

	options.hello = greeting_of(held->reach->engine);
	held->who.identity = tls_peer(transport);
	options.stranger = held->who.identity && held->who.identity->stranger;
	return link_open(transport, &options, ret, err);
}

/* --- the list ------------------------------------------------------------------------- */

static struct held_link *held_new(struct reach *reach, const char *peer)
{
	struct held_link *held = xcalloc(1, sizeof(*held));

	held->reach = reach;
	held->who.engine = reach->engine;
	held->users = 1;
	snprintf(held->who.peer, sizeof(held->who.peer), "%s", peer);
	return held;
}

/* With the mutex; false when the reach is stopping. */
static bool list_add(struct reach *reach, struct held_link *held)
{
	if (reach->stopping)
		return false;
	held->next = reach->links;
	reach->links = held;
	held->users++;
	return true;
}

/* With the mutex: the list has it no more.  `*held` is the caller's to leave, once. */
static bool list_remove(struct reach *reach, struct held_link *held)
{
	struct held_link **at = &reach->links;

	while (*at && *at != held)
		at = &(*at)->next;
	if (!*at)
		return false;
	*at = held->next;
	return true;
}

/* The last one who leaves closes the link, on his own thread. */
static void held_leave(struct held_link *held)
{
	struct reach *reach = held->reach;
	unsigned left;

	pthread_mutex_lock(&reach->mutex);
	left = --held->users;
	pthread_mutex_unlock(&reach->mutex);
	if (left > 0)
		return;
	if (held->link)
		link_close(held->link, NULL);
	free(held);
}

/* With the mutex. */
static struct held_link *list_find(const struct reach *reach, const char *peer)
{
	struct held_link *held = reach->links;

	while (held && strcmp(held->who.peer, peer) != 0)
		held = held->next;
	return held;
}

void reach_stop(struct reach *reach)
{
	own_lock(guard, &reach->mutex);

	reach->stopping = true;
	for (struct held_link *held = reach->links; held; held = held->next)
		if (held->link)
			link_cut(held->link);
	pthread_cond_broadcast(&reach->changed);
}

void reach_free(struct reach *reach)
{
	if (!reach)
		return;
	while (reach->links) {
		struct held_link *held = reach->links;

		reach->links = held->next;
		held_leave(held);
	}
	pthread_mutex_destroy(&reach->mutex);
	pthread_cond_destroy(&reach->changed);
	free(reach);
}

void reach_check(struct reach *reach)
{
	own_lock(guard, &reach->mutex);

	for (struct held_link *held = reach->links; held; held = held->next) {
		struct fl_error err;

		if (!held->link || greeting_still_valid(&held->who, &err) == 0)
			continue;
		log_warning("a link is cut", "instance=%s error=\"%s\"",
			    link_peer(held->link)->name, err.text);
		link_cut(held->link);
	}
}

/* --- dialling --------------------------------------------------------------------------- */

static int dial_link(struct held_link *held, const char *text, struct link **ret,
		     struct fl_error *err)
{
	const struct uuid *expect = uuid_is_none(&held->who.expect) ? NULL : &held->who.expect;
	struct transport *transport;
	struct address address;

	if (address_parse(text, &address, err) < 0 ||
	    dial(held->reach->engine, &address, expect, &transport, err) < 0)
		return fl_failed(err);
	return open_link(held, transport, true, ret, err);
}

static int fail_stopping(struct fl_error *err)
{
	fl_fail(err, FL_UNREACHABLE, "this daemon is stopping");
	err->sys = ECANCELED;
	return fl_failed(err);
}

/* With the mutex: the one to the peer that is up, or one that the caller is to dial. */
static struct held_link *find_or_add(struct reach *reach, const struct peer_row *peer,
				     bool *ret_dial)
{
	struct held_link *held;

	*ret_dial = false;
	while ((held = list_find(reach, peer->name)) && !reach->stopping) {
		if (!held->link) {
			pthread_cond_wait(&reach->changed, &reach->mutex);
			continue;
		}
		if (link_is_up(held->link)) {
			held->users++;
			return held;
		}
		/* Whoever uses it has failed, or will. */
		list_remove(reach, held);
		pthread_mutex_unlock(&reach->mutex);
		held_leave(held);
		pthread_mutex_lock(&reach->mutex);
	}
	held = held_new(reach, peer->name);
	held->who.expect = peer->instance;
	*ret_dial = true;
	if (list_add(reach, held))
		return held;
	free(held);
	return NULL;
}

static void dialled(struct held_link *held, struct link *link)
{
	struct reach *reach = held->reach;
	own_lock(guard, &reach->mutex);

	held->link = link;
	if (!link && list_remove(reach, held))
		held->users--; /* the caller is one still */
	else if (link && reach->stopping)
		link_cut(link);
	pthread_cond_broadcast(&reach->changed);
}

/* That this daemon stops says nothing of a peer. */
static void note_peer(struct engine *engine, const char *peer, int outcome,
		      const struct fl_error *why)
{
	if (outcome < 0 && why->sys == ECANCELED)
		return;
	(void)!failing_note(engine, FAILING_PEER, peer, outcome, why);
}

/* The caller uses it until held_leave(). */
static int take_link(struct reach *reach, const struct peer_row *peer, struct held_link **ret,
		     struct fl_error *err)
{
	struct held_link *held;
	struct link *link = NULL;
	bool dial;
	int r = 0;

	pthread_mutex_lock(&reach->mutex);
	held = find_or_add(reach, peer, &dial);
	pthread_mutex_unlock(&reach->mutex);
	if (!held)
		return fail_stopping(err);
	if (dial) {
		r = dial_link(held, peer->address, &link, err);
		dialled(held, r < 0 ? NULL : link);
		note_peer(reach->engine, peer->name, r, err);
		if (r == 0)
			denied_exchange(reach->engine, link);
	}
	if (r == 0) {
		*ret = held;
		return 0;
	}
	held_leave(held);
	return fl_wrap(err, "reaching '%s'", peer->name);
}

int reach_open(struct reach *reach, const struct peer_row *peer, enum wire_verb verb,
	       const struct text *request, struct contact *ret, struct fl_error *err)
{
	struct held_link *held;
	struct channel *channel;

	if (take_link(reach, peer, &held, err) < 0)
		return fl_failed(err);
	if (channel_open(held->link, verb, request, &channel, err) < 0) {
		held_leave(held);
		return fl_failed(err);
	}
	*ret = (struct contact){ reach, held, channel };
	return 0;
}

void contact_close(struct contact *contact, const struct fl_error *why)
{
	if (!contact->held)
		return;
	channel_close(contact->channel, why);
	held_leave(contact->held);
	*contact = (struct contact){ 0 };
}

const struct wire_hello *contact_peer(const struct contact *contact)
{
	return link_peer(contact->held->link);
}

/* --- who it is ---------------------------------------------------------------------------- */

static int ask(struct held_link *held, struct link *link, struct reached *ret, struct fl_error *err)
{
	int64_t round_trip;

	if (link_round_trip(link, 5 * CLOCK_SECOND, &round_trip, err) < 0)
		return fl_failed(err);
	*ret = (struct reached){ .up = true,
				 .hello = *link_peer(link),
				 .round_trip = round_trip,
				 .ahead = held->ahead };
	return 0;
}

int reach_ask(struct reach *reach, const struct peer_row *peer, struct reached *ret,
	      struct fl_error *err)
{
	struct held_link *held;
	int r;

	if (take_link(reach, peer, &held, err) < 0)
		return fl_failed(err);
	r = ask(held, held->link, ret, err);
	held_leave(held);
	return r;
}

int reach_try(struct reach *reach, const char *address, struct reached *ret, struct fl_error *err)
{
	struct held_link *held = held_new(reach, "");
	int r = dial_link(held, address, &held->link, err);

	if (r == 0)
		r = ask(held, held->link, ret, err);
	held_leave(held);
	return r;
}

static int refuse_all(void *arg, struct link *link, struct channel *channel, enum wire_verb verb,
		      const void *request, size_t length, struct fl_error *err)
{
	return fl_fail(err, FL_DENIED, "this instance belongs to no cluster yet");
}

static int welcome_any(void *arg, const struct wire_hello *theirs, struct fl_error *err)
{
	return 0;
}

int reach_open_stranger(struct reach *reach, struct transport *transport, struct link **ret,
			struct fl_error *err)
{
	struct link_options options = { .dialled = true,
					.serve = refuse_all,
					.welcome = welcome_any };

	options.hello = greeting_of(reach->engine);
	return link_open(transport, &options, ret, err);
}

/* Those that are up now, each used by the caller; heap. */
static struct held_link **take_all(struct reach *reach, size_t *ret_count)
{
	own_lock(guard, &reach->mutex);
	struct held_link **all = NULL;

	*ret_count = 0;
	for (struct held_link *held = reach->links; held; held = held->next)
		if (held->link && link_is_up(held->link)) {
			held->users++;
			*array_add(all, *ret_count) = held;
		}
	return all;
}

/* What is answered to a PING was sent after all that came before it. */
void reach_settle(struct reach *reach, int64_t patience)
{
	size_t count;
	own_free struct held_link **all = take_all(reach, &count);

	for (size_t i = 0; i < count; i++) {
		struct fl_error ignored;
		int64_t round_trip;

		(void)!link_round_trip(all[i]->link, patience, &round_trip, &ignored);
		held_leave(all[i]);
	}
}

void reach_spread_denied(struct reach *reach)
{
	size_t count;
	own_free struct held_link **all = take_all(reach, &count);

	for (size_t i = 0; i < count; i++) {
		denied_exchange(reach->engine, all[i]->link);
		held_leave(all[i]);
	}
}

bool reach_is_up(struct reach *reach, const char *peer)
{
	own_lock(guard, &reach->mutex);
	const struct held_link *held = list_find(reach, peer);

	return held && held->link && link_is_up(held->link);
}

void reach_forget(struct reach *reach, const char *peer)
{
	struct held_link *held;

	pthread_mutex_lock(&reach->mutex);
	held = list_find(reach, peer);
	if (held && held->link) {
		link_cut(held->link);
		list_remove(reach, held);
	} else {
		held = NULL;
	}
	pthread_mutex_unlock(&reach->mutex);
	if (held)
		held_leave(held);
}

/* --- who has dialled ------------------------------------------------------------------------ */

static void wait_for_end(struct held_link *held)
{
	struct reach *reach = held->reach;
	own_lock(guard, &reach->mutex);

	while (link_is_up(held->link) && !reach->stopping)
		pthread_cond_wait(&reach->changed, &reach->mutex);
	if (list_remove(reach, held))
		held->users--;
}

static int serve_link(struct held_link *held, struct transport *transport, struct fl_error *err)
{
	struct reach *reach = held->reach;
	struct link *link;
	bool listed;

	if (open_link(held, transport, false, &link, err) < 0)
		return fl_failed(err);
	pthread_mutex_lock(&reach->mutex);
	held->link = link;
	listed = list_add(reach, held);
	pthread_mutex_unlock(&reach->mutex);
	if (!listed)
		return fail_stopping(err);
	log_info("a peer is connected", "instance=%s", link_peer(link)->name);
	wait_for_end(held);
	return 0;
}

void reach_serve(struct reach *reach, struct transport *transport,
		 const struct admission *admission)
{
	struct held_link *held = held_new(reach, "");
	struct fl_error err;

	held->who.admission = *admission;
	if (serve_link(held, transport, &err) < 0)
		log_warning("a peer was not let in", "error=\"%s\"", err.text);
	held_leave(held);
}
