#include "repl/link.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "base/thread.h"
#include "repl/internal.h"
#include "tests/check.h"

/*
 * Two links over a pair of sockets, or TCP on the loopback, each opened by a thread of its
 * own; or one link, and a peer made of bytes.
 */

#define MILLISECOND (CLOCK_SECOND / 1000)
#define SOON CLOCK_MINUTE /* a test that waits so long fails */

struct end {
	struct link_options options;
	int fd;
	struct link *link;
	struct fl_error err;
	int r;
	pthread_t thread;
};

struct served { /* what the far end's serve() does and saw */
	struct link *link;
	_Atomic int now, most, done;
	_Atomic uint64_t bytes;
	_Atomic bool lost;
	pthread_mutex_t mutex;
	struct fl_error err; /* what the last dialogue ended with */
};

static int64_t deadline;

/* Looks again in a moment, until the deadline. */
static void wait_a_moment(void)
{
	check(clock_monotonic() < deadline);
	poll(NULL, 0, 1);
}
#define wait_for(condition)                                                      \
	for (deadline = clock_monotonic() + SOON; !(condition); wait_a_moment()) \
		;

static struct wire_hello hello(const char *name)
{
	struct wire_hello h = { .instance = uuid_new(), .program = "test", .forms = 1 };

	snprintf(h.name, sizeof(h.name), "%s", name);
	return h;
}

/* A busy machine is no peer that hangs: what a test leaves open is as patient as the test. */
static void set_patience(struct link_options *options)
{
	if (!options->lost_after)
		options->lost_after = SOON;
	if (!options->greeting)
		options->greeting = SOON;
}

static void *open_end(void *arg)
{
	struct end *end = arg;
	struct transport *transport;

	set_patience(&end->options);
	end->r = transport_descriptors(end->fd, end->fd, "the peer", &transport, &end->err);
	if (end->r == 0)
		end->r = link_open(transport, &end->options, &end->link, &end->err);
	return NULL;
}

static void pair(int ret[2])
{
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ret) == 0);
}

static void tcp_pair(int ret[2])
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	own_fd int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	check(bind(listener, (struct sockaddr *)&address, size) == 0 && listen(listener, 1) == 0);
	check(getsockname(listener, (struct sockaddr *)&address, &size) == 0);
	ret[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	check(connect(ret[0], (struct sockaddr *)&address, size) == 0);
	ret[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	check(ret[1] >= 0);
}

/* Both at once; ends[0] has dialled. */
static void open_both(struct end ends[2], void (*connect_pair)(int ret[2]))
{
	struct fl_error err;
	int fds[2];

	connect_pair(fds);
	for (int i = 0; i < 2; i++) {
		ends[i].fd = fds[i];
		ends[i].options.dialled = i == 0;
		if (!ends[i].options.hello.name[0])
			ends[i].options.hello = hello(i ? "bob" : "alice");
		check_ok(thread_start(&ends[i].thread, 0, open_end, &ends[i], &err));
	}
	for (int i = 0; i < 2; i++)
		pthread_join(ends[i].thread, NULL);
}

static void check_open(struct end ends[2], void (*connect_pair)(int ret[2]))
{
	struct fl_error err;

	open_both(ends, connect_pair);
	err = ends[0].err;
	check_ok(ends[0].r);
	err = ends[1].err;
	check_ok(ends[1].r);
}

static void close_both(struct end ends[2])
{
	link_close(ends[0].link, NULL);
	link_close(ends[1].link, NULL);
}

static void note_lost(void *arg, struct link *link)
{
	struct served *served = arg;

	atomic_store(&served->lost, true);
}

static void note_error(struct served *served, const struct fl_error *err)
{
	own_lock(guard, &served->mutex);
	served->err = *err;
}

/* Counts DATA until STEP_END, and answers TAKEN with how much it was; LIST: the request again. */
static int count_data(struct served *served, struct channel *channel, struct fl_error *err)
{
	own_text struct text answer = { 0 };
	struct frame frame;
	uint64_t bytes = 0;

	for (;;) {
		if (channel_receive(channel, SOON, &frame, err) < 0)
			return fl_failed(err);
		if (frame.type != WIRE_DATA)
			break;
		for (size_t i = 1; i < frame.length; i += 4093)
			if (frame.payload[i] != frame.payload[0])
				return fl_fail(err, FL_CORRUPT, "frames were mixed up");
		bytes += frame.length;
		atomic_fetch_add(&served->bytes, frame.length);
	}
	wire_put_u64(&answer, bytes);
	return channel_send(channel, WIRE_TAKEN, 0, answer.bytes, answer.length, err);
}

/* Reads nothing while the link is up. */
static void hold(struct link *link)
{
	while (link_is_up(link))
		poll(NULL, 0, 1);
}

static int serve_verb(struct served *served, struct channel *channel, enum wire_verb verb,
		      const void *request, size_t length, struct fl_error *err)
{
	struct frame frame;

	switch (verb) {
	case VERB_PUSH:
		return count_data(served, channel, err);
	case VERB_LIST:
		return channel_send(channel, WIRE_VOLUMES, 0, request, length, err);
	case VERB_DIGEST: /* until it is told to end */
		return channel_receive(channel, SOON, &frame, err);
	case VERB_FETCH:
		hold(channel_link(channel));
		return 0;
	default:
		(void)!fl_fail(err, FL_NOT_FOUND, "no volume 'x'");
		return fl_hint(err, "%.*s", (int)length, (const char *)request);
	}
}

static int serve(void *arg, struct link *link, struct channel *channel, enum wire_verb verb,
		 const void *request, size_t length, struct fl_error *err)
{
	struct served *served = arg;
	int now = atomic_fetch_add(&served->now, 1) + 1, r;

	check(channel_link(channel) == link);
	if (now > served->most)
		served->most = now;
	r = serve_verb(served, channel, verb, request, length, err);
	if (r < 0)
		note_error(served, err);
	atomic_fetch_sub(&served->now, 1);
	atomic_fetch_add(&served->done, 1);
	return r;
}

#define SERVED(name) struct served name = { .mutex = PTHREAD_MUTEX_INITIALIZER }
#define SERVING(served_)                                             \
	{                                                            \
		.serve = serve, .lost = note_lost, .arg = &(served_) \
	}

/* --- dialogues -------------------------------------------------------------------- */

/* A link, and a channel that the first end has opened on it. */
struct dialogue {
	struct served served; /* by the second */
	struct end ends[2];
	struct channel *channel;
};

#define DIALOGUE(name)                                                   \
	struct dialogue name = {                                         \
		.served = { .mutex = PTHREAD_MUTEX_INITIALIZER },        \
		.ends = { [1] = { .options = SERVING((name).served) } }, \
	}

static void dialogue_begin(struct dialogue *dialogue, enum wire_verb verb, const char *request)
{
	own_text struct text text = { 0 };
	struct fl_error err = { 0 };

	text_add_string(&text, request);
	check_open(dialogue->ends, pair);
	check_ok(channel_open(dialogue->ends[0].link, verb, &text, &dialogue->channel, &err));
}

/* `why` as for channel_close(). */
static void dialogue_end(struct dialogue *dialogue, const struct fl_error *why)
{
	channel_close(dialogue->channel, why);
	close_both(dialogue->ends);
}

static void a_request_is_answered(void)
{
	DIALOGUE(it);
	struct fl_error err = { 0 };
	struct frame frame;

	dialogue_begin(&it, VERB_LIST, "data");
	check_string("bob", link_peer(it.ends[0].link)->name);
	check_string("alice", link_peer(it.ends[1].link)->name);
	check(link_is_up(it.ends[0].link) && !link_why(it.ends[0].link, &err));
	check_ok(channel_expect(it.channel, WIRE_VOLUMES, SOON, &frame, &err));
	check(frame.length == 4 && memcmp(frame.payload, "data", 4) == 0);
	check_ok(channel_expect(it.channel, WIRE_DONE, SOON, &frame, &err));
	check_code(FL_CORRUPT, channel_receive(it.channel, SOON, &frame, &err));
	check_code(FL_CORRUPT, channel_send(it.channel, WIRE_TAKEN, 0, NULL, 0, &err));
	dialogue_end(&it, NULL);
	check(it.served.done == 1 && !it.served.err.code);
}

static void a_failure_comes_in_the_peers_words(void)
{
	DIALOGUE(it);
	struct fl_error err = { 0 };
	struct frame frame;

	dialogue_begin(&it, VERB_JOIN, "look in the list");
	check_code(FL_NOT_FOUND, channel_expect(it.channel, WIRE_HAVE, SOON, &frame, &err));
	check_string("no volume 'x'", err.text);
	check_string("look in the list", err.hint);
	check_code(FL_NOT_FOUND, channel_send(it.channel, WIRE_TAKEN, 0, NULL, 0, &err));
	dialogue_end(&it, &err);
}

/* What is here for the one is there for the other. */
static void a_hint_says_where_its_commands_belong(void)
{
	static const char *const hints[][2] = {
		{ "", "" },
		{ "flocker list shows them", "there: flocker list shows them" },
		{ "make room: flocker trash empty", "there: make room: flocker trash empty" },
		{ "there: flocker peer show bob", "flocker peer show bob" },
	};

	for (size_t i = 0; i < array_size(hints); i++) {
		DIALOGUE(it);
		struct fl_error err = { 0 };
		struct frame frame;

		dialogue_begin(&it, VERB_JOIN, hints[i][0]);
		check_code(FL_NOT_FOUND, channel_expect(it.channel, WIRE_HAVE, SOON, &frame, &err));
		check_string(hints[i][1], err.hint);
		dialogue_end(&it, &err);
	}
}

static void a_frame_that_is_not_due_is_told(void)
{
	DIALOGUE(it);
	struct fl_error err = { 0 };
	struct frame frame;

	dialogue_begin(&it, VERB_LIST, "");
	check_code(FL_CORRUPT, channel_expect(it.channel, WIRE_HAVE, SOON, &frame, &err));
	check_code(FL_UNSUPPORTED,
		   channel_send(it.channel, WIRE_OFFER, 0, NULL, WIRE_PAYLOAD + 1, &err));
	dialogue_end(&it, &err);
}

static void who_closes_tells_why(void)
{
	DIALOGUE(it);
	struct fl_error why = { 0 };

	dialogue_begin(&it, VERB_DIGEST, "");
	wait_for(it.served.now == 1);
	(void)!fl_fail(&why, FL_BUSY, "changed my mind");
	channel_close(it.channel, &why);
	wait_for(it.served.done == 1);
	close_both(it.ends);
	check(it.served.err.code == FL_BUSY);
	check_string("changed my mind", it.served.err.text);
}

static void nothing_comes_in_time(void)
{
	DIALOGUE(it);
	struct fl_error err = { 0 };
	struct frame frame;

	dialogue_begin(&it, VERB_DIGEST, "");
	check_code(FL_UNREACHABLE, channel_receive(it.channel, 10 * MILLISECOND, &frame, &err));
	check(strstr(err.text, "no answer from bob") != NULL);
	dialogue_end(&it, NULL);
}

static void a_round_trip_is_measured(void)
{
	struct end ends[2] = { 0 };
	struct fl_error err = { 0 };
	int64_t time = 0;

	check_open(ends, tcp_pair);
	for (int i = 0; i < 20; i++) {
		check_ok(link_round_trip(ends[i % 2].link, SOON, &time, &err));
		check(time > 0 && time < SOON);
	}
	close_both(ends);
}

/* --- much at once -------------------------------------------------------------------- */

struct pusher {
	struct link *link;
	uint8_t mark;
	uint64_t bytes;
	size_t piece;
	struct channel *channel;
	struct fl_error err;
	int r;
	pthread_t thread;
};

static int push(struct pusher *p)
{
	own_free uint8_t *piece = xcalloc(1, p->piece);
	struct frame frame;
	struct wire_view view;

	memset(piece, p->mark, p->piece);
	for (uint64_t sent = 0; sent < p->bytes; sent += p->piece)
		if (channel_send(p->channel, WIRE_DATA, 0, piece, p->piece, &p->err) < 0)
			return fl_failed(&p->err);
	if (channel_send(p->channel, WIRE_STEP_END, 0, NULL, 0, &p->err) < 0 ||
	    channel_expect(p->channel, WIRE_TAKEN, SOON, &frame, &p->err) < 0)
		return fl_failed(&p->err);
	view = wire_view(frame.payload, frame.length);
	if (wire_u64(&view) != p->bytes)
		return fl_fail(&p->err, FL_CORRUPT, "not all of it came");
	return channel_expect(p->channel, WIRE_DONE, SOON, &frame, &p->err);
}

static void *run_pusher(void *arg)
{
	struct pusher *p = arg;

	p->r = push(p);
	channel_close(p->channel, p->r < 0 ? &p->err : NULL);
	return NULL;
}

static void start_pushers(struct pusher *pushers, size_t count)
{
	struct fl_error err;

	for (size_t i = 0; i < count; i++) {
		struct pusher *p = &pushers[i];

		check_ok(channel_open(p->link, VERB_PUSH, NULL, &p->channel, &err));
		check_ok(thread_start(&p->thread, 0, run_pusher, p, &err));
	}
}

static void join_pushers(struct pusher *pushers, size_t count)
{
	for (size_t i = 0; i < count; i++)
		pthread_join(pushers[i].thread, NULL);
}

static void two_go_side_by_side(void (*connect_pair)(int ret[2]))
{
	SERVED(served);
	SERVED(back);
	struct end ends[2] = { { .options = SERVING(back) }, { .options = SERVING(served) } };
	struct pusher pushers[4] = { { 0 } };
	struct fl_error err;

	check_open(ends, connect_pair);
	for (int i = 0; i < 4; i++)
		pushers[i] = (struct pusher){ .link = ends[i % 2].link,
					      .mark = (uint8_t)(i + 1),
					      .bytes = 64 * (i < 2 ? WIRE_PIECE : 70001),
					      .piece = i < 2 ? WIRE_PIECE : 70001 };
	start_pushers(pushers, 4);
	join_pushers(pushers, 4);
	for (int i = 0; i < 4; i++) {
		err = pushers[i].err;
		check_ok(pushers[i].r);
	}
	close_both(ends);
	check(served.done == 2 && back.done == 2);
	check(served.bytes == 64 * (WIRE_PIECE + 70001) && back.bytes == served.bytes);
}

static void both_sides_send_over_sockets(void)
{
	two_go_side_by_side(pair);
}

static void both_sides_send_over_tcp(void)
{
	two_go_side_by_side(tcp_pair);
}

/* Its threads, which end a moment after what they served. */
static size_t still_serving(struct link *link)
{
	link_hold(link);

	return link->serving;
}

static void sixty_four_channels_and_no_more(void)
{
	SERVED(served);
	struct end ends[2] = { [1] = { .options = SERVING(served) } };
	struct channel *channels[LINK_CHANNELS], *more;
	struct pusher pushers[LINK_CHANNELS] = { { 0 } };
	struct fl_error err;
	struct frame frame;

	check_open(ends, tcp_pair);
	for (size_t i = 0; i < LINK_CHANNELS; i++)
		check_ok(channel_open(ends[0].link, VERB_DIGEST, NULL, &channels[i], &err));
	check_ok(channel_open(ends[0].link, VERB_LIST, NULL, &more, &err));
	check_code(FL_BUSY, channel_receive(more, SOON, &frame, &err));
	channel_close(more, NULL);
	wait_for(served.now == LINK_CHANNELS);
	check(served.most <= LINK_CHANNELS);
	for (size_t i = 0; i < LINK_CHANNELS; i++)
		channel_close(channels[i], NULL);
	check_ok(channel_open(ends[0].link, VERB_LIST, NULL, &more, &err)); /* there is room */
	check_ok(channel_receive(more, SOON, &frame, &err));
	channel_close(more, NULL);
	wait_for(served.done == LINK_CHANNELS + 1);
	wait_for(still_serving(ends[1].link) == 0);
	for (size_t i = 0; i < LINK_CHANNELS / 2; i++)
		pushers[i] = (struct pusher){ .link = ends[0].link,
					      .mark = (uint8_t)i,
					      .bytes = 20 * 10007,
					      .piece = 10007 };
	start_pushers(pushers, LINK_CHANNELS / 2);
	join_pushers(pushers, LINK_CHANNELS / 2);
	for (size_t i = 0; i < LINK_CHANNELS / 2; i++) {
		err = pushers[i].err;
		check_ok(pushers[i].r);
	}
	close_both(ends);
}

/* --- the end, at any moment ------------------------------------------------------------- */

/* Who waits for credit is woken; the other channels and the link go on. */
static void a_channel_is_cut_while_it_waits(void)
{
	SERVED(served);
	struct end ends[2] = { [1] = { .options = SERVING(served) } };
	struct pusher pusher = { .mark = 1, .bytes = UINT64_MAX, .piece = WIRE_PIECE };
	struct fl_error err;
	struct channel *other;
	struct frame frame;

	check_open(ends, pair);
	check_ok(channel_open(ends[0].link, VERB_FETCH, NULL, &pusher.channel, &err));
	check_ok(thread_start(&pusher.thread, 0, run_pusher, &pusher, &err));
	wait_for(served.now == 1);
	channel_cut(pusher.channel);
	pthread_join(pusher.thread, NULL);
	check(pusher.r == -FL_UNREACHABLE && fl_is_cancelled(&pusher.err));
	check_ok(channel_open(ends[0].link, VERB_LIST, NULL, &other, &err));
	check_ok(channel_expect(other, WIRE_VOLUMES, SOON, &frame, &err));
	channel_close(other, NULL);
	close_both(ends);
}

enum end_by { CUT, CLOSE, CLOSE_THERE, CUT_THERE, ENDS };

static void *close_far(void *arg)
{
	link_close(arg, NULL);
	return NULL;
}

static void a_link_ends_while_all_send(enum end_by how)
{
	SERVED(served);
	SERVED(back);
	struct end ends[2] = { { .options = SERVING(back) }, { .options = SERVING(served) } };
	struct pusher pushers[8] = { { 0 } };
	struct fl_error err;
	pthread_t closer;
	bool far = how == CLOSE_THERE || how == CUT_THERE;

	check_open(ends, how % 2 ? pair : tcp_pair);
	for (int i = 0; i < 8; i++)
		pushers[i] = (struct pusher){ .link = ends[i % 2].link,
					      .mark = 1,
					      .bytes = UINT64_MAX,
					      .piece = WIRE_PIECE };
	start_pushers(pushers, 8);
	wait_for(served.now == 4 && back.now == 4);
	wait_for(served.bytes > 4 * WIRE_WINDOW && back.bytes > 4 * WIRE_WINDOW);
	if (how == CUT || how == CUT_THERE)
		link_cut(ends[far].link);
	check_ok(thread_start(&closer, 0, close_far, ends[far].link, &err));
	join_pushers(pushers, 8);
	pthread_join(closer, NULL);
	for (int i = 0; i < 8; i++) {
		check(pushers[i].r == -FL_UNREACHABLE);
		check(strstr(pushers[i].err.text, "connection") != NULL);
	}
	check(!link_is_up(ends[!far].link));
	wait_for(far ? back.lost : served.lost);
	link_close(ends[!far].link, NULL);
	check(served.now == 0 && back.now == 0 && served.done == 4 && back.done == 4);
}

static void a_link_ends_in_every_way(void)
{
	for (int round = 0; round < 3; round++)
		for (enum end_by how = 0; how < ENDS; how++)
			a_link_ends_while_all_send(how);
}

static void who_ends_the_link_says_why(void)
{
	SERVED(served);
	SERVED(back);
	struct end ends[2] = { { .options = SERVING(back) }, { .options = SERVING(served) } };
	struct fl_error err = { 0 }, why;
	struct channel *channel;
	struct frame frame;

	check_open(ends, tcp_pair);
	check_ok(channel_open(ends[0].link, VERB_DIGEST, NULL, &channel, &err));
	wait_for(served.now == 1);
	(void)!fl_fail(&why, FL_DENIED, "you were removed here");
	(void)!fl_hint(&why, "join again");
	link_close(ends[1].link, &why);
	check_code(FL_UNREACHABLE, channel_receive(channel, SOON, &frame, &err));
	check_string("bob has ended the connection: you were removed here", err.text);
	check_string("join again", err.hint);
	check(link_why(ends[0].link, &why));
	check_string(err.text, why.text);
	check_code(FL_UNREACHABLE, link_round_trip(ends[0].link, SOON, &(int64_t){ 0 }, &why));
	wait_for(back.lost);
	channel_close(channel, NULL);
	check_code(FL_UNREACHABLE, channel_open(ends[0].link, VERB_LIST, NULL, &channel, &err));
	link_close(ends[0].link, NULL);
	link_close(NULL, NULL);
	channel_close(NULL, NULL);
	check(!served.lost); /* by link_close() itself */
}

/* --- refused at the door ------------------------------------------------------------------ */

static int not_welcome(void *arg, const struct wire_hello *theirs, struct fl_error *err)
{
	(void)!fl_fail(err, FL_DENIED, "'%s' is of another cluster", theirs->name);
	return fl_hint(err, "ask for a token");
}

static void who_dials_learns_that_he_is_refused(void)
{
	struct end ends[2] = { 0 };

	ends[1].options.welcome = not_welcome;
	open_both(ends, tcp_pair);
	check(ends[0].r == -FL_DENIED && ends[1].r == -FL_DENIED);
	check_string("the other side refuses: 'alice' is of another cluster", ends[0].err.text);
	check_string("ask for a token", ends[0].err.hint);
	check_string("'alice' is of another cluster", ends[1].err.text);
}

static void who_is_dialled_learns_it_too(void)
{
	struct end ends[2] = { 0 };
	struct fl_error err;

	ends[0].options.welcome = not_welcome;
	open_both(ends, tcp_pair);
	check(ends[0].r == -FL_DENIED);
	err = ends[1].err;
	check_ok(ends[1].r); /* it had said all that it has to say */
	wait_for(!link_is_up(ends[1].link));
	check(link_why(ends[1].link, &err));
	check_string("alice has ended the connection: 'bob' is of another cluster", err.text);
	link_close(ends[1].link, NULL);
}

static void a_stranger_may_join_alone(void)
{
	SERVED(served);
	struct end ends[2] = { [1] = { .options = SERVING(served) } };
	struct fl_error err = { 0 };
	struct channel *channel;
	struct frame frame;

	ends[1].options.stranger = true;
	check_open(ends, pair);
	check_ok(channel_open(ends[0].link, VERB_LIST, NULL, &channel, &err));
	check_code(FL_DENIED, channel_receive(channel, SOON, &frame, &err));
	channel_close(channel, NULL);
	check_ok(channel_open(ends[0].link, VERB_JOIN, NULL, &channel, &err));
	check_code(FL_NOT_FOUND, channel_receive(channel, SOON, &frame, &err)); /* it was served */
	channel_close(channel, NULL);
	check_ok(channel_open(ends[1].link, VERB_LIST, NULL, &channel, &err));
	check_code(FL_UNSUPPORTED, channel_receive(channel, SOON, &frame, &err));
	channel_close(channel, NULL);
	check_ok(channel_open(ends[0].link, 77, NULL, &channel, &err));
	check_code(FL_UNSUPPORTED, channel_receive(channel, SOON, &frame, &err));
	channel_close(channel, NULL);
	close_both(ends);
}

/* --- a peer made of bytes ------------------------------------------------------------------ */

struct raw {
	struct end end;
	int fd;
	struct text out;
};

static void raw_send(struct raw *raw)
{
	check(send(raw->fd, raw->out.bytes, raw->out.length, MSG_NOSIGNAL) ==
	      (ssize_t)raw->out.length);
	text_clear(&raw->out);
}

/* As far as it comes, to a link that may have cut us off meanwhile and reads no more. */
static void raw_send_in_vain(struct raw *raw)
{
	size_t done = 0;

	while (done < raw->out.length && link_is_up(raw->end.link)) {
		ssize_t n = send(raw->fd, raw->out.bytes + done, raw->out.length - done,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0)
			done += (size_t)n;
		else
			poll(NULL, 0, 1);
	}
	text_clear(&raw->out);
}

static void raw_head(struct raw *raw, size_t length, uint8_t type, uint32_t channel)
{
	wire_put_u32(&raw->out, (uint32_t)length);
	wire_put_u8(&raw->out, type);
	wire_put_u8(&raw->out, 0);
	wire_put_u16(&raw->out, 0);
	wire_put_u32(&raw->out, channel);
}

static void raw_frame(struct raw *raw, uint8_t type, uint32_t channel, const void *payload,
		      size_t length)
{
	raw_head(raw, length, type, channel);
	wire_put_bytes(&raw->out, payload, length);
}

/* What is in `out` has come before the link begins, whatever its patience. */
static void raw_begin(struct raw *raw, const struct link_options *options)
{
	struct fl_error err;
	int fds[2];

	pair(fds);
	raw->end.options = *options;
	raw->end.options.hello = hello("bob");
	raw->end.fd = fds[0];
	raw->fd = fds[1];
	raw_send(raw);
	check_ok(thread_start(&raw->end.thread, 0, open_end, &raw->end, &err));
}

static void raw_greet(struct raw *raw, uint16_t oldest, uint16_t newest)
{
	uint8_t greeting[WIRE_GREETING_SIZE];

	wire_greeting_encode(oldest, newest, greeting);
	wire_put_bytes(&raw->out, greeting, sizeof(greeting));
}

/* Up to a link that is open. */
static void raw_open(struct raw *raw, const struct link_options *options)
{
	struct wire_hello mallory = hello("mallory");
	own_text struct text payload = { 0 };
	struct fl_error err;

	raw_greet(raw, 1, 1);
	wire_put_hello(&payload, &mallory);
	raw_frame(raw, WIRE_HELLO, 0, payload.bytes, payload.length);
	raw_begin(raw, options);
	pthread_join(raw->end.thread, NULL);
	err = raw->end.err;
	check_ok(raw->end.r);
}

static bool raw_read(struct raw *raw, void *bytes, size_t length)
{
	uint8_t *at = bytes;

	for (ssize_t n; length > 0; length -= (size_t)n, at += n) {
		n = recv(raw->fd, at, length, 0);
		if (n <= 0)
			return false;
	}
	return true;
}

/* The next frame of this type, into `payload[WIRE_PAYLOAD]`; false: the connection ends before. */
static bool raw_expect(struct raw *raw, enum wire_type type, uint8_t *payload, size_t *ret_length)
{
	uint8_t bytes[WIRE_HEAD];
	struct wire_head head;
	struct fl_error err;

	do {
		if (!raw_read(raw, bytes, sizeof(bytes)))
			return false;
		check_ok(wire_head_decode(bytes, &head, &err));
		if (!raw_read(raw, payload, head.length))
			return false;
	} while (head.type != type);
	*ret_length = head.length;
	return true;
}

static void raw_end(struct raw *raw)
{
	close(raw->fd);
	link_close(raw->end.link, NULL);
	text_done(&raw->out);
}

/* The link must end, with BYE that says `says`, and as FL_CORRUPT on its own side. */
static void raw_check_cut_off(struct raw *raw, const char *says)
{
	own_free uint8_t *payload = xcalloc(1, WIRE_PAYLOAD);
	uint8_t greeting[WIRE_GREETING_SIZE];
	struct fl_error told, why;
	struct wire_view view;
	size_t length;

	check(raw_read(raw, greeting, sizeof(greeting)));
	check(raw_expect(raw, WIRE_BYE, payload, &length));
	view = wire_view(payload, length);
	wire_error(&view, &told);
	check(told.code == FL_CORRUPT);
	if (!strstr(told.text, says))
		check_string(says, told.text);
	wait_for(!link_is_up(raw->end.link));
	check(link_why(raw->end.link, &why) && why.code == FL_CORRUPT);
	raw_end(raw);
}

static void rubbish_is_cut_off(void)
{
	static const struct {
		const char *bytes;
		size_t length;
		const char *says;
	} cases[] = {
		{ "GET / HTTP/1.1\r\n\r\n", 18, "cannot be" },
		{ "\x01\0\x10\0\x20\0\0\0\1\0\0\0", 12, "1048577 bytes" },
		{ "\0\0\0\0\x20\0\0\0\1\0\0\0", 12, "never opened" },
		{ "\0\0\0\0\x20\0\0\0\2\0\0\0", 12, "never opened" },
		{ "\1\0\0\0\x10\0\0\0\2\0\0\0\3", 13, "cannot be new" },
		{ "\0\0\0\0\x10\0\0\0\1\0\0\0", 12, "empty request" },
		{ "\1\0\0\0\x10\0\0\0\3\0\0\0\3\1\0\0\0\x10\0\0\0\1\0\0\0\3", 26, "cannot be new" },
		{ "\0\0\0\0\1\0\0\0\0\0\0\0", 12, "second hello" },
		{ "\7\0\0\0\2\0\0\0\0\0\0\0abcdefg", 19, "a ping that cannot be" },
		{ "\x08\0\0\0\3\0\0\0\0\0\0\0abcdefgh", 20, "answer to nothing" },
	};
	SERVED(served);

	for (size_t i = 0; i < array_size(cases); i++) {
		struct raw raw = { 0 };

		raw_open(&raw, &(struct link_options)SERVING(served));
		wire_put_bytes(&raw.out, cases[i].bytes, cases[i].length);
		raw_send(&raw);
		raw_check_cut_off(&raw, cases[i].says);
	}
}

static void raw_request(struct raw *raw, uint32_t channel, uint8_t verb)
{
	raw_frame(raw, WIRE_REQUEST, channel, &verb, 1);
}

/* Each is refused in words; who never reads those is cut off. */
static void a_flood_of_requests_is_cut_off(void)
{
	struct raw raw = { 0 };
	struct fl_error why;

	raw_open(&raw, &(struct link_options){ 0 });
	for (uint32_t i = 0; i < 100000; i++)
		raw_request(&raw, 2 * i + 1, VERB_LIST);
	raw_send_in_vain(&raw);
	wait_for(!link_is_up(raw.end.link));
	check(link_why(raw.end.link, &why) && why.code == FL_CORRUPT);
	check(strstr(why.text, "flood of requests") != NULL);
	raw_end(&raw);
}

/* More than there is room for, on a channel of which nobody reads. */
static void what_nobody_reads_is_bounded(void)
{
	own_free uint8_t *bytes = xcalloc(1, WIRE_PAYLOAD);
	static const struct {
		uint8_t type;
		size_t length, fit;
		const char *says;
	} cases[] = {
		{ WIRE_DATA, WIRE_PAYLOAD, 2, "more data than it has credit for" },
		{ WIRE_DATA, 4096, 512, "more data than it has credit for" },
		{ WIRE_HAVE, 0, LINK_WAITING, "more frames than may wait" },
		{ WIRE_HAVE, WIRE_PAYLOAD, 2, "more frames than may wait" },
	};

	for (size_t i = 0; i < array_size(cases); i++) {
		SERVED(served);
		struct link_options options = SERVING(served);
		struct raw raw = { 0 };

		raw_open(&raw, &options);
		raw_request(&raw, 1, VERB_FETCH);
		raw_send(&raw);
		for (size_t n = 0; n < cases[i].fit; n++) {
			raw_frame(&raw, cases[i].type, 1, bytes, cases[i].length);
			raw_send(&raw);
		}
		wait_for(served.now == 1);
		check(link_is_up(raw.end.link));
		raw_frame(&raw, cases[i].type, 1, bytes, cases[i].length);
		raw_send_in_vain(&raw);
		raw_check_cut_off(&raw, cases[i].says);
	}
}

static int send_some(void *arg, struct link *link, struct channel *channel, enum wire_verb verb,
		     const void *request, size_t length, struct fl_error *err)
{
	static const uint8_t piece[1000];

	if (channel_send(channel, WIRE_DATA, 0, piece, sizeof(piece), err) < 0)
		return fl_failed(err);
	atomic_store(&((struct served *)arg)->bytes, sizeof(piece));
	while (channel_credited(channel) == 0 && link_is_up(link))
		poll(NULL, 0, 1);
	atomic_store(&((struct served *)arg)->bytes, channel_credited(channel));
	hold(link);
	return 0;
}

static void credit_that_lies_is_cut_off(void)
{
	static const struct {
		uint64_t first, second;
		const char *says;
	} cases[] = {
		{ 1001, 1001, "never sent" },
		{ UINT64_MAX, 0, "never sent" },
		{ 600, 599, "goes back" },
	};

	for (size_t i = 0; i < array_size(cases); i++) {
		SERVED(served);
		struct link_options options = { .serve = send_some, .arg = &served };
		struct raw raw = { 0 };
		uint64_t value;

		raw_open(&raw, &options);
		raw_request(&raw, 1, VERB_FETCH);
		raw_send(&raw);
		wait_for(served.bytes == 1000);
		value = htole64(cases[i].first);
		raw_frame(&raw, WIRE_CREDIT, 1, &value, 8);
		value = htole64(cases[i].second);
		raw_frame(&raw, WIRE_CREDIT, 1, &value, 8);
		raw_send(&raw);
		raw_check_cut_off(&raw, cases[i].says);
	}
}

/* Frames for a channel that has ended are dropped, and what follows them is read. */
static void what_comes_too_late_is_dropped(void)
{
	own_free uint8_t *bytes = xcalloc(1, WIRE_PAYLOAD);
	SERVED(served);
	struct link_options options = SERVING(served);
	uint8_t greeting[WIRE_GREETING_SIZE];
	struct raw raw = { 0 };
	size_t length;

	raw_open(&raw, &options);
	check(raw_read(&raw, greeting, sizeof(greeting)));
	raw_request(&raw, 1, VERB_JOIN);
	raw_send(&raw);
	check(raw_expect(&raw, WIRE_ERROR, bytes, &length));
	/* The thread that served it says its end before it forgets it. */
	wait_for(still_serving(raw.end.link) == 0);
	for (int i = 0; i < 5; i++)
		raw_frame(&raw, WIRE_DATA, 1, bytes, WIRE_PAYLOAD);
	raw_request(&raw, 3, VERB_LIST);
	raw_send(&raw);
	check(raw_expect(&raw, WIRE_VOLUMES, bytes, &length));
	raw_end(&raw);
}

/* Who has said all, and goes, is not somebody who was lost. */
static void the_last_word_outlives_the_link(void)
{
	const struct fl_error refusal = { .code = FL_NO_SPACE, .text = "it is full" };

	for (int refused = 0; refused < 2; refused++) {
		own_text struct text words = { 0 };
		struct channel *channel;
		struct raw raw = { 0 };
		struct frame frame;
		struct fl_error err;

		raw_open(&raw, &(struct link_options){ 0 });
		check_ok(channel_open(raw.end.link, VERB_LIST, NULL, &channel, &err));
		wire_put_error(&words, &refusal);
		raw_frame(&raw, WIRE_TAKEN, 2, "", 0);
		raw_frame(&raw, refused ? WIRE_ERROR : WIRE_DONE, 2, text_get(&words),
			  refused ? words.length : 0);
		raw_send(&raw);
		shutdown(raw.fd, SHUT_RDWR);
		wait_for(!link_is_up(raw.end.link));
		check_ok(channel_expect(channel, WIRE_TAKEN, SOON, &frame, &err));
		if (refused)
			check_code(FL_NO_SPACE,
				   channel_expect(channel, WIRE_DONE, SOON, &frame, &err));
		else
			check_ok(channel_expect(channel, WIRE_DONE, SOON, &frame, &err));
		channel_close(channel, NULL);
		raw_end(&raw);
	}
}

/* However many PINGs: the last is answered. */
static void a_flood_of_pings_is_answered_once(void)
{
	uint8_t greeting[WIRE_GREETING_SIZE];
	own_free uint8_t *bytes = xcalloc(1, WIRE_PAYLOAD);
	struct raw raw = { 0 };
	uint64_t number = 0;
	size_t length;

	raw_open(&raw, &(struct link_options){ 0 });
	check(raw_read(&raw, greeting, sizeof(greeting)));
	for (uint64_t i = 1; i <= 2000; i++)
		raw_frame(&raw, WIRE_PING, 0, &(uint64_t){ htole64(i) }, 8);
	raw_send(&raw);
	while (number != 2000) {
		check(raw_expect(&raw, WIRE_PONG, bytes, &length) && length == 8);
		memcpy(&number, bytes, 8);
	}
	raw_end(&raw);
}

static void who_greets_badly_is_refused(void)
{
	static const struct {
		const char *bytes;
		size_t length;
		enum fl_code code;
		bool bye;
	} cases[] = {
		{ "HTTP/1.1 400 Bad", 16, FL_INVALID, false },
		{ "flocker\n\2\0\3\0", 12, FL_UNSUPPORTED, true },
		{ "flocker\n\1\0\1\0\0\0\0\0\x20\0\0\0\1\0\0\0", 24, FL_CORRUPT, true },
		{ "flocker\n\1\0\1\0\0\0\x10\0\1\0\0\0\0\0\0\0", 24, FL_CORRUPT, true },
		{ "flocker\n\1\0\1\0\2\0\0\0\1\0\0\0\0\0\0\0ab", 26, FL_CORRUPT, true },
	};

	for (size_t i = 0; i < array_size(cases); i++) {
		own_free uint8_t *bytes = xcalloc(1, WIRE_PAYLOAD);
		uint8_t greeting[WIRE_GREETING_SIZE];
		struct raw raw = { 0 };
		size_t length;

		wire_put_bytes(&raw.out, cases[i].bytes, cases[i].length);
		raw_begin(&raw, &(struct link_options){ 0 });
		check(raw_read(&raw, greeting, sizeof(greeting)));
		check(raw_expect(&raw, WIRE_BYE, bytes, &length) == cases[i].bye);
		close(raw.fd);
		pthread_join(raw.end.thread, NULL);
		check(raw.end.r == -(int)cases[i].code);
		text_done(&raw.out);
	}
}

/* A hello that never ends is as bad as none: the time is up, whatever trickles in. */
static void a_slow_greeting_is_given_up(void)
{
	struct link_options options = { .greeting = 50 * MILLISECOND };
	static const char *const begins[] = { "", "flock" };

	for (size_t i = 0; i < array_size(begins); i++) {
		struct raw raw = { 0 };

		text_add_string(&raw.out, begins[i]);
		raw_begin(&raw, &options);
		pthread_join(raw.end.thread, NULL);
		check(raw.end.r == -FL_UNREACHABLE);
		check(strstr(raw.end.err.text, "has not said who it is") != NULL);
		close(raw.fd);
		text_done(&raw.out);
	}
}

/* --- a peer that hangs ---------------------------------------------------------------------- */

/* As if SOON had gone by since then, which is what the link waits for. */
static void let_time_pass(_Atomic int64_t *since)
{
	int64_t then = atomic_load(since);

	if (then)
		atomic_compare_exchange_strong(since, &then, then - SOON);
}

static void a_silent_peer_is_lost(void)
{
	struct link_options options = { .quiet = 20 * MILLISECOND };
	uint8_t greeting[WIRE_GREETING_SIZE], *bytes = xcalloc(1, WIRE_PAYLOAD);
	struct raw raw = { 0 };
	struct fl_error err;
	struct channel *channel;
	struct frame frame;
	size_t length;

	raw_open(&raw, &options);
	check(raw_read(&raw, greeting, sizeof(greeting)));
	check_ok(channel_open(raw.end.link, VERB_LIST, NULL, &channel, &err));
	check(raw_expect(&raw, WIRE_PING, bytes, &length));
	check(link_is_up(raw.end.link));
	let_time_pass(&raw.end.link->heard);
	check_code(FL_UNREACHABLE, channel_receive(channel, 0, &frame, &err));
	check(strstr(err.text, "mallory has said nothing") != NULL);
	channel_close(channel, NULL);
	raw_end(&raw);
	free(bytes);
}

static void *keep_pinging(void *arg)
{
	struct raw *raw = arg;

	for (uint64_t i = 1;; i++) {
		raw_frame(raw, WIRE_PING, 0, &(uint64_t){ htole64(i) }, 8);
		if (send(raw->fd, raw->out.bytes, raw->out.length, MSG_NOSIGNAL) < 0)
			return NULL;
		text_clear(&raw->out);
		poll(NULL, 0, 2);
	}
}

static bool takes_more(const struct raw *raw)
{
	struct pollfd fd = { .fd = raw->end.fd, .events = POLLOUT };

	return poll(&fd, 1, 0) > 0;
}

/* It lives, and takes nothing: who writes must not wait for ever. */
static void a_peer_that_stops_reading_is_lost(void)
{
	struct link_options options = { .quiet = 20 * MILLISECOND };
	struct pusher pusher = { .mark = 1, .bytes = UINT64_MAX, .piece = WIRE_PIECE };
	struct raw raw = { 0 };
	struct fl_error err;
	pthread_t pinger;

	raw_open(&raw, &options);
	check_ok(thread_start(&pinger, 0, keep_pinging, &raw, &err));
	pusher.link = raw.end.link;
	start_pushers(&pusher, 1);
	wait_for(!takes_more(&raw)); /* from now on, as nobody reads */
	check(link_is_up(raw.end.link));
	while (link_is_up(raw.end.link)) { /* until it is a write that waits */
		let_time_pass(&raw.end.link->writing_since);
		poll(NULL, 0, 1);
	}
	join_pushers(&pusher, 1);
	check(pusher.r == -FL_UNREACHABLE);
	check(strstr(pusher.err.text, "mallory has taken nothing") != NULL);
	link_close(take_ptr(raw.end.link), NULL);
	pthread_join(pinger, NULL);
	raw_end(&raw);
}

/* Two that have nothing to say keep each other alive. */
static void a_quiet_link_stays_up(void)
{
	struct end ends[2] = { 0 };
	struct fl_error err;
	int64_t time;

	for (int i = 0; i < 2; i++)
		ends[i].options.quiet = 50 * MILLISECOND;
	check_open(ends, pair);
	for (int i = 0; i < 20; i++) { /* who says nothing, is heard */
		const struct link *link = ends[i % 2].link;
		int64_t before = atomic_load(&link->heard);

		wait_for(atomic_load(&link->heard) > before);
	}
	check_ok(link_round_trip(ends[0].link, SOON, &time, &err));
	close_both(ends);
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (const struct check[]){
				  CHECK(a_request_is_answered),
				  CHECK(a_failure_comes_in_the_peers_words),
				  CHECK(a_hint_says_where_its_commands_belong),
				  CHECK(a_frame_that_is_not_due_is_told),
				  CHECK(who_closes_tells_why),
				  CHECK(nothing_comes_in_time),
				  CHECK(a_round_trip_is_measured),
				  CHECK(both_sides_send_over_sockets),
				  CHECK(both_sides_send_over_tcp),
				  CHECK(sixty_four_channels_and_no_more),
				  CHECK(a_channel_is_cut_while_it_waits),
				  CHECK(a_link_ends_in_every_way),
				  CHECK(who_ends_the_link_says_why),
				  CHECK(who_dials_learns_that_he_is_refused),
				  CHECK(who_is_dialled_learns_it_too),
				  CHECK(a_stranger_may_join_alone),
				  CHECK(rubbish_is_cut_off),
				  CHECK(a_flood_of_requests_is_cut_off),
				  CHECK(what_nobody_reads_is_bounded),
				  CHECK(credit_that_lies_is_cut_off),
				  CHECK(what_comes_too_late_is_dropped),
				  CHECK(the_last_word_outlives_the_link),
				  CHECK(a_flood_of_pings_is_answered_once),
				  CHECK(who_greets_badly_is_refused),
				  CHECK(a_slow_greeting_is_given_up),
				  CHECK(a_silent_peer_is_lost),
				  CHECK(a_peer_that_stops_reading_is_lost),
				  CHECK(a_quiet_link_stays_up),
				  CHECK_END,
			  });
}
