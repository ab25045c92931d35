#pragma once

/*
 * What the files of a link share: link.c (its life), link-open.c, link-read.c, link-say.c,
 * channel.c.  The mechanism is explained in link.c.  All of it under link->mutex but what says
 * otherwise.
 */

#include <pthread.h>
#include <stdatomic.h>

#include "repl/link.h"

struct arrival { /* a frame that waits to be received */
	struct arrival *next;
	bool whole; /* it has room for any piece of a stream */
	enum wire_type type;
	uint8_t flags;
	size_t length;
	uint8_t payload[];
};

struct channel {
	struct channel *next; /* in link->channels */
	struct link *link;
	uint32_t number; /* 0: not opened yet */
	bool cut;
	bool over;		/* the peer has ended it */
	bool said_end;		/* this side has */
	bool counted;		/* in link->active */
	struct fl_error error;	/* the peer's, if `over`; without code: it said DONE */
	pthread_cond_t changed; /* for the one thread that uses it */

	struct arrival *first, **last; /* that wait */
	struct arrival *shown;	       /* whose payload is borrowed */
	struct arrival *spares;	       /* that are `whole`, for the next: see arrival_for() */
	size_t waiting, waiting_bytes; /* of them, but DATA */

	uint64_t received, through,
		given;		 /* bytes of DATA: from the peer, done with, last CREDIT */
	uint64_t sent, credited; /* the same, the other way */
};

/* One who wants to write a frame, in the order of asking. */
struct turn {
	struct turn *next;
	pthread_cond_t *changed;
	bool granted;
};

struct word { /* the last of a channel, which its owner does not wait for */
	struct word *next;
	uint32_t channel;
	struct fl_error why; /* without code: DONE */
};

struct server { /* a thread that serves a channel */
	struct server *next;
	pthread_t thread;
	bool finished;
	struct channel *channel;
	enum wire_verb verb;
	struct arrival *request;
};

enum link_state {
	LINK_OPENING,
	LINK_UP,
	LINK_ENDING, /* nothing more is said but BYE; what arrives is dropped */
};

#define LINK_FIRST (16 * 1024) /* bytes written together with the head; a record of TLS */
#define LINK_PIECE (64 * 1024) /* at once: LINK_LOST is the time for one */
#define LINK_PINGS 8

struct link {
	struct transport *transport;
	struct link_options options;
	struct wire_hello theirs;
	char name[64];	 /* for messages: theirs, or "the other side" */
	bool is_flocker; /* its greeting was one */

	pthread_mutex_t mutex;
	enum link_state state;
	struct fl_error why; /* it is ending */
	struct fl_error bye; /* to be said if `says_bye`; without code: nothing is wrong */
	bool says_bye;
	bool was_up;
	bool closing; /* by link_close() */
	bool broken;  /* writing has failed, for the reason: the reader may know a better */
	struct fl_error broken_why;
	bool told;	      /* `lost` was called */
	int64_t end_by;	      /* monotonic: then it is shut, while it opens or ends; 0: never */
	pthread_cond_t ended; /* state, or what link_close() waits for */
	pthread_cond_t speak, look, ponged; /* of the speaker, the watch, link_round_trip() */

	pthread_t reader, speaker, watch;
	bool has_speaker, reader_done, speaker_done;

	struct channel *channels;
	size_t opened;			 /* channels of this side that are not closed */
	uint32_t last_ours, last_theirs; /* numbers */
	struct server *servers;
	size_t serving; /* threads */
	size_t active;	/* channels of the peer's that neither side has ended */

	struct turn *turns, **last_turn;
	bool speaking; /* somebody has the turn */
	struct word *words, **last_word;
	size_t word_count;

	bool ping_wanted, pong_wanted;
	uint64_t pong; /* number to bring back */
	uint64_t pings_sent, pong_heard;
	int64_t ping_times[LINK_PINGS]; /* monotonic, of the last ones */
	int64_t round_trip;

	/* monotonic, of any thread, without the mutex */
	_Atomic int64_t heard, said;
	_Atomic int64_t writing_since; /* 0: nobody writes */
	uint8_t first[LINK_FIRST];     /* of who has the turn */
};

/* Holds the mutex until the end of the scope. */
#define link_hold(link) \
	own(own_unlockp) pthread_mutex_t *guard __attribute__((unused)) = link_lock(link)
static inline pthread_mutex_t *link_lock(struct link *link)
{
	pthread_mutex_lock(&link->mutex);
	return &link->mutex;
}

/* link.c.  Without the mutex. */
void link_cond_init(pthread_cond_t *cond);
/*
 * Ends it for this reason, unless it is ending.  `bye`: what the other side is told, without code
 * that nothing is wrong; NULL: it is told nothing, the connection is closed at once.
 */
void link_end(struct link *link, const struct fl_error *why, const struct fl_error *bye);
/* The same with the mutex. */
void link_end_locked(struct link *link, const struct fl_error *why, const struct fl_error *bye);
void *link_watch(void *link);
/* link-open.c.  No thread is left. */
void link_free(struct link *link);
/* Was it opened by this side?  Dialling makes odd numbers. */
static inline bool link_is_ours(const struct link *link, uint32_t number)
{
	return (number % 2 == 1) == link->options.dialled;
}
/* Until `until` (monotonic; 0: for ever) or a signal; false: the time is up.  With the mutex. */
bool link_wait(struct link *link, pthread_cond_t *cond, int64_t until);

/* link-read.c */
void *link_read(void *link);
/* All of it.  Notes that something was heard.  FL_UNREACHABLE at the end.  Without the mutex. */
must_check int link_fill(struct link *link, void *bytes, size_t length, struct fl_error *err);
/* Reads until the other side has finished, or the link is shut. */
void link_drain(struct link *link);

/* link-say.c */
void *link_say(void *link);
/*
 * The turn to write, when it comes, with the mutex.  `channel` (NULL: none): false as soon as it or
 * the link is at its end.  Without a channel it always comes, for a link that ends is shut.
 */
bool link_take_turn(struct link *link, struct channel *channel, pthread_cond_t *changed);
void link_give_turn(struct link *link);
/*
 * A frame, by who has the turn and not the mutex.  When it cannot be written the link ends; waits
 * until that is so, because the reader may know why.
 */
must_check int link_write(struct link *link, const struct wire_head *head, const void *payload,
			  struct fl_error *err);
/* Hands the last word of a channel to the speaker, with the mutex. */
void link_add_word(struct link *link, uint32_t channel, const struct fl_error *why);

/* channel.c.  With the mutex. */
struct channel *channel_new(struct link *link);
void channel_free(struct channel *channel);
struct channel *channel_find(struct link *link, uint32_t number);
void channel_list(struct channel *channel, uint32_t number);
void channel_unlist(struct channel *channel);
bool channel_is_over(const struct channel *channel); /* calls on it fail */
/* May this frame come?  NULL, or what is wrong with it. */
const char *channel_refuses(const struct channel *channel, const struct wire_head *head);
/* Takes `arrival`. */
void channel_arrive(struct channel *channel, struct arrival *arrival);
/* NULL, or what is wrong. */
const char *channel_credit(struct channel *channel, uint64_t value);
/* Without the mutex: says the end of a channel that was served, and releases it. */
void channel_finish(struct channel *channel, const struct fl_error *why);
