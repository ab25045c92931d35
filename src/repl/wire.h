#pragma once

/*
 * The protocol between instances, version 1.  This header is its document;
 * flocker-protocol(7) says the same for people.
 *
 * A *link* is one long-lived, authenticated byte stream between two instances: TLS 1.3 with
 * certificates on both sides, or the standard streams of `ssh PEER flocker-volume
 * serve`.  Numbers are little-endian.  Both sides begin with a greeting, without waiting for
 * the other's:
 *
 *	8 bytes   "flocker\n"
 *	2 bytes   the oldest version that this program speaks
 *	2 bytes   the newest
 *
 * The version is the newest that both speak; without one each side sends BYE
 * (whose form never changes) and ends.  From then on, frames:
 *
 *	4 bytes   length of the payload, up to WIRE_PAYLOAD; on channel 0 up to WIRE_CONTROL
 *	1 byte    type (enum wire_type)
 *	1 byte    flags: of DATA, else 0
 *	2 bytes   0
 *	4 bytes   channel
 *	          the payload
 *
 * The first frame in each direction is HELLO (or BYE).  Who was dialled sends its own when it has
 * accepted the other's, so who dialled learns at once that it is refused, and why.  Channel 0
 * is the link's own.  Every other one is a dialogue of its own, opened by a REQUEST: with an odd
 * number by who dialled, an even one by who was dialled, each greater than the one before.  It
 * ends with DONE or ERROR in either direction, after which its number is silent: what still arrives
 * for it is dropped.  A number that was not opened yet is an error of who uses it.  Many channels
 * run side by side; who has something to send takes turns, a frame each.
 *
 * Nothing is sent on a channel for which the other side has no room: each channel
 * begins with a credit of WIRE_WINDOW bytes of DATA payload, and CREDIT says how far the
 * receiver has come, which is never more than was sent.  All other frames of a channel are answers
 * to one another and few: LINK_WAITING of them and WIRE_WINDOW bytes may wait unread (link.h).
 *
 * Each side sends a PING when it has sent nothing for a while, so that silence means that
 * the link is lost (link.h).  One that waits for a PONG, and has more PINGs, may be
 * answered for all of them by one PONG of the last.
 *
 * Who ends the link says BYE as its last frame and reads on, dropping what it reads, until the
 * other side has closed the connection, for a moment at most: so the BYE is not lost to a reset.
 * Whoever hears BYE closes at once.
 *
 * Fields of a payload follow each other without padding: integers; a UUID, 16 bytes; a
 * text, its length (u16) and UTF-8 without NUL; an optional thing, a byte 0 or 1 and the
 * thing; a list, its count (u32) and the elements.  A position is a UUID and a time
 * (i64, ns UTC), both 0 for none.  What follows the last field that a version knows is passed
 * over, so a later version may append.
 *
 * --- The dialogues ------------------------------------------------------------------
 *
 * PUSH: the one who opens it sends.  FETCH: the one who opens it receives.  S sends, R receives.
 *
 *	S -> R  REQUEST push, transfer (uuid)	R -> S  REQUEST fetch, WANT
 *	S -> R  OFFER				what there is to send, and the past of it
 *	R -> S  HAVE				what of that is there already, and what was cut off
 *	S plans (repl/plan.h).  Nothing to do: FINISH at once.  Refused: ERROR
 *	for each step:
 *	  S -> R  STEP				a snapshot, and what it is made from
 *	  S -> R  DATA ...			the stream, in frames
 *	  R -> S  CREDIT ...
 *	  S -> R  STEP_END			its length and digest
 *	  R -> S  TAKEN				durable there, and pinned
 *	S -> R  FINISH				the branch's tip, the volume's tags
 *	R -> S  DONE
 *
 * FINISH is one frame, or more where there are many tags: each says whether another follows.
 *
 * S pins what it sends until the end.  What both have in common S pins before the first STEP, or
 * before FINISH where nothing is sent, and R with the step that is made from it; what was TAKEN
 * both pin before the others are let go, and S not at all where it is older than what it was made
 * from.  So whatever crashes or is lost, one snapshot is there and pinned on both
 * (engine/common-pins.h).
 *
 * DATA.  The payload begins with the chain value of this frame: the XXH128 of the chain value
 * before it (WIRE_CHAIN bytes; zeros before the first), the frame's flags (1 byte), and the XXH128
 * of all that follows in the payload; both hashes of XXH3, without a seed, in their canonical form.
 * Then the bytes of the stream; with WIRE_ZSTD as one zstd frame that yields at most WIRE_PIECE.
 * So each frame proves itself and all before it, and nothing is applied that was not proved.
 * STEP_END has the last chain value.  Against an enemy on the way TLS and ssh prove every byte; the
 * chain is for what they do not see, memory or a program that errs on either side and a stream that
 * is taken up at a wrong place.  So a hash for errors does, at a tenth of what SHA-256 costs.
 *
 * Cut off, and taken up again.  S keeps the stream and the frames that CREDIT did not cover for a
 * while, R what it has applied.  A new channel whose OFFER has the same transfer's UUID
 * is answered with `live` in HAVE: how many frames were proved, and the chain value there; S sends
 * those that follow.  If one of the two sides has forgotten (it was started anew), R may
 * still have a half-made tree: `point` in HAVE (delta/point.h).  S makes the stream again
 * and sends what comes after that point, if its digest of what comes before is the
 * same; STEP says which of the two it is.  What was taken up at a point is compared whole before
 * it is TAKEN: STEP_END brings the tree's digest (tree/digest.h).
 *
 * Grain.  A file system may keep times of files in multiples of a second only.  So R says in HAVE
 * what its own are multiples of, and a digest is told with the grain that it was made at: the
 * coarser one of the two sides.
 *
 * Forms.  A stream of commands (FORM_DELTA) goes from any pool to any other.  One of the
 * storage's own form needs the very base that it was made from.  R tells the number by which its
 * storage knows the newest of the snapshots that it has in the past; where the step's base is that
 * one, and S knows it by the same number, or where S has just sent it in that form, S may use it.
 *
 * LIST: R -> S REQUEST list with a volume's name or ""; answered by VOLUMES, as many frames as it
 * takes; each says whether another follows.
 * DIGEST: REQUEST digest with a snapshot's id and volume, and the grain of who asks; answered by
 * DIGEST_IS, with the grain that it was made at, when it is computed.
 * JOIN: REQUEST join of one who has no certificate; answered by JOINED.  The only one it may send.
 * It has the token's secret, the newcomer's instance and name, its request for a certificate (PEM)
 * and the address under which it listens, or "".  A member asks in the same way, without a secret,
 * for its certificate to be renewed.
 * DENIED: by who dialled, at once, and by who has a new one: REQUEST denied with the number (u64)
 * of the deny list that this side has, 0 for none, and the list (PEM, to the end); answered by
 * DENIED, the same of the other side, if that is newer, else with number 0 and no list.  A list is
 * signed by the cluster's CA, so it does not matter who brings it.
 *
 * Times of one side are never compared with the clock of the other.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/own.h"
#include "base/text.h"
#include "base/uuid.h"

#define WIRE_GREETING "flocker\n"
#define WIRE_GREETING_SIZE 12
#define WIRE_OLDEST 1
#define WIRE_NEWEST 1

#define WIRE_HEAD 12
#define WIRE_PAYLOAD (1024 * 1024)
#define WIRE_CONTROL 4096	      /* the same, on channel 0 */
#define WIRE_PIECE (512 * 1024)	      /* bytes of a stream in one DATA frame */
#define WIRE_WINDOW (2 * 1024 * 1024) /* bytes of DATA payload under way on a channel */
#define WIRE_CHAIN 16
#define WIRE_DIGEST 32
#define WIRE_TEXT 65535
#define WIRE_COARSEST 1000000000 /* grain of times: nanoseconds */

enum wire_type {
	/* channel 0 */
	WIRE_HELLO = 1,
	WIRE_PING = 2, /* u64, greater than in the PING before; PONG brings it back */
	WIRE_PONG = 3,
	WIRE_BYE = 4, /* the error why, as in ERROR; empty: nothing is wrong.  The link ends */

	WIRE_REQUEST = 16, /* verb (u8: enum wire_verb), and what that wants */
	WIRE_DONE = 17,	   /* nothing, or what the dialogue's verb says */
	WIRE_ERROR = 18,   /* u8 code (base/error.h), u32 errno, text, hint (fl_turn_hint()), object
			    */

	WIRE_OFFER = 32,
	WIRE_HAVE = 33,
	WIRE_STEP = 34,
	WIRE_DATA = 35,
	WIRE_CREDIT = 36, /* u64: bytes of DATA payload of this channel that R is through with */
	WIRE_STEP_END = 37,
	WIRE_TAKEN = 38,
	WIRE_FINISH = 39,

	WIRE_VOLUMES = 48,
	WIRE_DIGEST_IS = 49,
	WIRE_JOINED = 50,
	WIRE_DENIED = 51,
};

#define WIRE_ZSTD 1 /* flag of DATA */

enum wire_verb {
	VERB_PUSH = 1,
	VERB_FETCH = 2,
	VERB_LIST = 3,
	VERB_DIGEST = 4,
	VERB_JOIN = 5,
	VERB_DENIED = 6, /* the last */
};

struct wire_head {
	uint32_t length;
	enum wire_type type;
	uint8_t flags;
	uint32_t channel;
};

void wire_head_encode(const struct wire_head *head, uint8_t ret[static WIRE_HEAD]);
/*
 * FL_CORRUPT for a length that is too great, an unknown type, flags or bytes that are not 0, a type
 * on a channel where it has no place, DATA of WIRE_CHAIN bytes or less.
 */
must_check int wire_head_decode(const uint8_t bytes[static WIRE_HEAD], struct wire_head *ret,
				struct fl_error *err);

void wire_greeting_encode(uint16_t oldest, uint16_t newest, uint8_t ret[static WIRE_GREETING_SIZE]);
/* The version to speak.  FL_INVALID: this is no Flocker; FL_UNSUPPORTED: no version in common, with
 * both sides' and which of the two is the older. */
must_check int wire_greeting_decode(const uint8_t bytes[static WIRE_GREETING_SIZE], uint16_t oldest,
				    uint16_t newest, uint16_t *ret_version, struct fl_error *err);

/* --- fields ------------------------------------------------------------------ */

void wire_put_u8(struct text *out, uint8_t value);
void wire_put_u16(struct text *out, uint16_t value);
void wire_put_u32(struct text *out, uint32_t value);
void wire_put_u64(struct text *out, uint64_t value);
void wire_put_i64(struct text *out, int64_t value);
void wire_put_flag(struct text *out, bool value);
void wire_put_uuid(struct text *out, const struct uuid *uuid);
void wire_put_bytes(struct text *out, const void *bytes, size_t length);
/* NULL is ""; ends at what is no UTF-8; what is longer than WIRE_TEXT is cut at a character's end.
 */
void wire_put_text(struct text *out, const char *string);

/*
 * Reads the fields one after the other.  The first that is missing, too long or no UTF-8
 * fails the view for good: all later ones are zero, and wire_end() says what was wrong.
 * Counts are bounded by what the rest of the payload can hold.
 */
struct wire_view {
	const uint8_t *bytes;
	size_t left;
	const char *trouble; /* NULL = none so far */
};

struct wire_view wire_view(const void *bytes, size_t length);
uint8_t wire_u8(struct wire_view *view);
uint16_t wire_u16(struct wire_view *view);
uint32_t wire_u32(struct wire_view *view);
uint64_t wire_u64(struct wire_view *view);
int64_t wire_i64(struct wire_view *view);
bool wire_flag(struct wire_view *view); /* a byte 0 or 1 */
struct uuid wire_uuid(struct wire_view *view);
void wire_bytes(struct wire_view *view, void *ret, size_t length);
/* Into `ret[size]` with a NUL; longer is trouble. */
void wire_text(struct wire_view *view, char *ret, size_t size);
/* Heap; never NULL. */
char *wire_string(struct wire_view *view);
/* Of a list whose elements take at least `least` bytes each (1 or more). */
uint32_t wire_count(struct wire_view *view, size_t least);
/* FL_CORRUPT, naming `what` ("an offer"), if there was trouble. */
must_check int wire_end(const struct wire_view *view, const char *what, struct fl_error *err);

/* --- errors, and who is there --------------------------------------------------- */

void wire_put_error(struct text *out, const struct fl_error *error);
/*
 * What the peer said, into `ret`, as its own words, without what would switch a terminal; an
 * unknown code is FL_SYSTEM.  `ret` is always an error; wire_end() tells whether its payload was
 * whole.
 */
void wire_error(struct wire_view *view, struct fl_error *ret);

struct wire_hello {
	struct uuid instance;
	struct uuid cluster; /* none: it belongs to none */
	char name[64];	     /* of the instance */
	char program[64];    /* its version, for people */
	uint32_t forms;	     /* bits 1 << enum stream_form that it can receive */
	int64_t time;	     /* its clock, for people */
};

void wire_put_hello(struct text *out, const struct wire_hello *hello);
/* FL_CORRUPT: no hello, nobody's, or the name is none (model/name.h). */
must_check int wire_hello(const void *bytes, size_t length, struct wire_hello *ret,
			  struct fl_error *err);
