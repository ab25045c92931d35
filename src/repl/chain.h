#pragma once

/*
 * The payloads of DATA (repl/wire.h): made from the bytes of a stream, kept until the receiver is
 * through with them, and proved and unpacked there.  Pure: no I/O, no clock.  One thread each.
 */

#include "repl/wire.h"

#define CHAIN_LEVEL_MOST 3 /* of zstd: above, one core is slower than a gigabit */

/* --- the sender's ------------------------------------------------------------------- */

struct outbox;

struct piece { /* what a DATA frame takes; borrowed until the next call on the outbox */
	uint8_t flags;
	const uint8_t *payload;
	size_t length;
};

/* `compress`: as well as it is worth it (outbox_tune()); else never. */
struct outbox *outbox_new(bool compress);
void outbox_free(struct outbox *outbox);
OWN_FREEP(outbox, outbox_free)

/* WIRE_PIECE bytes to put stream bytes into, for outbox_add(); borrowed until that. */
uint8_t *outbox_buffer(struct outbox *outbox);
/*
 * The next frame, of the first `length` (1 to WIRE_PIECE) bytes of the buffer.  It is kept.
 * FL_BUSY: more than WIRE_WINDOW bytes of payload are kept already; send those and wait for credit.
 * FL_SYSTEM: zstd fails.
 */
must_check int outbox_add(struct outbox *outbox, size_t length, struct piece *ret,
			  struct fl_error *err);
/* channel_credited() of the channel on which they are sent now: what it covers is forgotten. */
void outbox_credit(struct outbox *outbox, uint64_t credited);
/*
 * On a new channel, whose credit begins at 0: the receiver has proved `frames` frames, and the
 * chain value there is `chain`.  FL_NOT_FOUND: not kept any more, or never made; FL_CORRUPT: what
 * it has is something else.  Then nothing is changed, and the stream must be made again.
 */
must_check int outbox_rewind(struct outbox *outbox, uint64_t frames,
			     const uint8_t chain[static WIRE_CHAIN], struct fl_error *err);
/* After that, one after the other, those that are to be sent once more; false: no more of them. */
bool outbox_again(struct outbox *outbox, struct piece *ret);
/*
 * How long (ns, any clock) the last frame took to make, and to send: zstd works harder while
 * sending takes much longer, and rests when it is what takes the time.
 */
void outbox_tune(struct outbox *outbox, int64_t making, int64_t sending);

uint64_t outbox_frames(const struct outbox *outbox);
uint64_t outbox_bytes(const struct outbox *outbox); /* of the stream */
const uint8_t *outbox_chain(const struct outbox *outbox);
size_t outbox_kept(const struct outbox *outbox); /* bytes of payload */

/* --- the receiver's ------------------------------------------------------------------ */

struct inbox;

struct inbox *inbox_new(void);
void inbox_free(struct inbox *inbox);
OWN_FREEP(inbox, inbox_free)

/*
 * The stream bytes of the next frame, 1 to WIRE_PIECE: borrowed until the next call, or as long as
 * `payload`, whichever is shorter.  FL_CORRUPT, and nothing is changed: it is not that frame.
 */
must_check int inbox_take(struct inbox *inbox, uint8_t flags, const void *payload, size_t length,
			  const uint8_t **ret, size_t *ret_length, struct fl_error *err);
/* At the end of the stream: were those all?  FL_CORRUPT. */
must_check int inbox_check(const struct inbox *inbox, uint64_t frames, uint64_t bytes,
			   const uint8_t chain[static WIRE_CHAIN], struct fl_error *err);
uint64_t inbox_frames(const struct inbox *inbox);
uint64_t inbox_bytes(const struct inbox *inbox); /* of the stream */
const uint8_t *inbox_chain(const struct inbox *inbox);
