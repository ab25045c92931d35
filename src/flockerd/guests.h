#pragma once

/*
 * Who is connected where peers come in (peering.h), and how many may be: each has a thread.
 *
 * Nobody who has not shown who he is can keep those out who can.  There is room for so many of
 * each kind; one more who has yet to say who he is, or is a stranger, takes the place of another:
 * the one who has waited longest of those who come from where the most come from.  So it is with
 * members when one of them has more than one place.  Others are refused.  A member with too many
 * places loses his own oldest: each may have many transfers, and each of these some memory.  A
 * member has been a guest of the first kind before, as long as the handshake took.
 *
 * Any thread.
 */

#include "base/error.h"
#include "base/own.h"
#include "base/tcp.h"
#include "base/uuid.h"

enum guest_kind {
	GUEST_ARRIVING, /* has not said yet who he is; known by his address */
	GUEST_STRANGER, /* without a certificate: may join the cluster; the same */
	GUEST_MEMBER,	/* of the cluster; known by his instance */
	GUEST_SSH,	/* who may ask for whatever a peer may */
	GUEST_LIMITED,	/* by a key of ssh that is for one volume; known by that */
	GUEST_KINDS,
};

struct guest {
	int fd;	  /* the transport's, once there is one */
	int shut; /* the same connection, by which it is ended from outside; -1 */
	bool local;
	char from[TCP_ADDRESS];
	/* under the mutex of the guests */
	enum guest_kind kind;
	char who[TCP_ADDRESS]; /* what he is known by */
	bool out;	       /* another has his place; his connection is shut */
	struct guest *next;
};
_Static_assert(UUID_TEXT <= TCP_ADDRESS, "a UUID is a name of a guest");

struct guests;

struct guests *guests_new(void);
void guests_free(struct guests *guests);

/* Arriving, from `from`.  Waits as long as too many are on their way out; false: no more. */
bool guests_enter(struct guests *guests, struct guest *guest);
/* FL_BUSY: there is no room for one more of that kind, or he had to go meanwhile. */
must_check int guests_know(struct guests *guests, struct guest *guest, enum guest_kind kind,
			   const char *who, struct fl_error *err);
/* Another has his place. */
bool guests_had_to_go(struct guests *guests, const struct guest *guest);
/* Releases him. */
void guests_leave(struct guests *guests, struct guest *guest);

/* Nobody comes in any more. */
void guests_stop(struct guests *guests);
/* Shuts all connections there are, and waits until all have left. */
void guests_end(struct guests *guests);
