#pragma once

/*
 * A link to another instance, and the channels on it (repl/wire.h).
 *
 * A link has threads of its own: one reads frames and hands them to their channels, one says what
 * no other thread can wait to say, one looks at the time (link.c).  Whoever sends writes frames
 * from his own thread, one at a time, in the order of asking, so that channels take turns.  A link
 * says something at least every LINK_QUIET, so it is lost when nothing was heard for
 * LINK_LOST, or when the other side took nothing of what was being written for so long: then every
 * call on its channels fails with FL_UNREACHABLE and the reason, at once.
 *
 * What arrives for a channel waits in it, bounded by the credit that was given (WIRE_WINDOW of
 * DATA; of all else LINK_WAITING frames and WIRE_WINDOW bytes); a peer that sends more is cut off
 * with FL_CORRUPT.  A channel is used by one thread, but channel_cut().
 */

#include "base/clock.h"
#include "base/transport.h"
#include "repl/wire.h"

#define LINK_QUIET (5 * CLOCK_SECOND)
#define LINK_LOST (20 * CLOCK_SECOND)
#define LINK_GREETING (10 * CLOCK_SECOND) /* until both sides have said who they are */
#define LINK_FAREWELL (2 * CLOCK_SECOND)  /* for BYE to arrive */
#define LINK_CHANNELS 64		  /* at once, opened by the peer; FL_BUSY for more */
#define LINK_WAITING 64			  /* frames but DATA and CREDIT */

struct link;
struct channel;

struct link_options {
	struct wire_hello hello; /* what this side says */
	bool dialled;		 /* this side dialled */
	bool stranger;		 /* the peer has no certificate: JOIN alone is let through */
	/* 0: LINK_QUIET, LINK_LOST, LINK_GREETING.  A test has less patience. */
	int64_t quiet, lost_after, greeting;
	/*
	 * A channel that the peer opened; runs on a thread of its own, maybe before link_open() has
	 * returned, and uses the channel until it returns: then that is ended, if it is
	 * not, with `*err` if it answers a failure, and closed.  NULL: nothing is served.
	 */
	int (*serve)(void *arg, struct link *link, struct channel *channel, enum wire_verb verb,
		     const void *request, size_t length, struct fl_error *err);
	/*
	 * May this HELLO go on?  E.g. the certificate is another's, or it is this very instance.
	 * The other side is told the error, in full.  NULL: everybody is welcome.
	 */
	int (*welcome)(void *arg, const struct wire_hello *theirs, struct fl_error *err);
	/*
	 * Once, from the link's thread, when it is up no more by anything but link_close(), which
	 * must not be called from here, nor by `serve`.  May be NULL.
	 */
	void (*lost)(void *arg, struct link *link);
	void *arg;
};

/*
 * Takes `transport` over, also on failure.  Exchanges greetings and HELLOs, within LINK_GREETING.
 * FL_UNREACHABLE, FL_UNSUPPORTED (no common version), FL_INVALID (no Flocker), FL_DENIED, or what
 * `welcome` or the peer's BYE said.  Failing may take LINK_FAREWELL more, to tell the other
 * side why.
 */
must_check int link_open(struct transport *transport, const struct link_options *options,
			 struct link **ret, struct fl_error *err);
/*
 * Says BYE with `why` (NULL: nothing is wrong), ends all channels, waits for their threads and
 * until channels that were opened here are closed by their owners; releases the link.  NULL is
 * fine.
 */
void link_close(struct link *link, const struct fl_error *why);
/* From any thread, but not after link_close(): as if the connection were lost. */
void link_cut(struct link *link);
bool link_is_up(struct link *link);
const struct wire_hello *link_peer(const struct link *link);
/* Why it is not; FL_UNREACHABLE.  false: it is up. */
bool link_why(struct link *link, struct fl_error *ret);
/* Nanoseconds of a PING that is sent now and its PONG; waits up to `patience` ns. */
must_check int link_round_trip(struct link *link, int64_t patience, int64_t *ret,
			       struct fl_error *err);

struct frame { /* of a channel */
	enum wire_type type;
	uint8_t flags;
	const uint8_t *payload; /* borrowed until the next channel_receive() */
	size_t length;
};

/* `request`: what the verb wants, up to WIRE_PAYLOAD - 1 bytes; NULL: nothing. */
must_check int channel_open(struct link *link, enum wire_verb verb, const struct text *request,
			    struct channel **ret, struct fl_error *err);
/*
 * Ends it: ERROR with `why`, or DONE with NULL; nothing when it is ended already.  Releases it.
 * Waits for nobody: the link's thread says it.  Not for channels that are served.
 */
void channel_close(struct channel *channel, const struct fl_error *why);
/*
 * Any thread: the call that is going on, and each that follows, fails with FL_UNREACHABLE, for
 * which fl_is_cancelled() is true.  Only a frame whose first bytes are written is finished
 * first, or the link is lost.  The channel stays its owner's.
 */
void channel_cut(struct channel *channel);

/*
 * `payload` up to WIRE_PAYLOAD (FL_UNSUPPORTED above).  Of DATA, more than WIRE_CHAIN bytes: waits
 * for credit.  DONE and ERROR end the channel.  When the peer has ended it, fails with its error,
 * whatever waits to be received.
 */
must_check int channel_send(struct channel *channel, enum wire_type type, uint8_t flags,
			    const void *payload, size_t length, struct fl_error *err);
/*
 * The next frame; `patience` ns (0: without end).  An ERROR of the peer's is answered as a
 * failure in its words, code and errno.  DATA gives its credit back when the next frame is asked
 * for.  CREDIT is not shown.  FL_UNREACHABLE: the link is lost; or nothing came in time.  After
 * DONE: FL_CORRUPT.
 */
must_check int channel_receive(struct channel *channel, int64_t patience, struct frame *ret,
			       struct fl_error *err);
/* The same; FL_CORRUPT unless it is `type`. */
must_check int channel_expect(struct channel *channel, enum wire_type type, int64_t patience,
			      struct frame *ret, struct fl_error *err);
/* How far the peer is, by its last CREDIT: bytes of DATA payload. */
uint64_t channel_credited(struct channel *channel);
/* By the peer, or with the link: nobody waits for what would still be said.  Any thread. */
bool channel_is_ended(struct channel *channel);
struct link *channel_link(struct channel *channel);
