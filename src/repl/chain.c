/*
 * Copies are what would cost most here.  The caller reads the stream into the very buffer that
 * becomes the payload: the place for the chain value is in front of it.  Only what shrinks, and
 * what is small, gets a buffer of its own size, so that what is kept takes no more memory than it
 * has bytes.  One that went out whole becomes a buffer again when the receiver has it: memory of
 * this size that is new each time costs the kernel a fault for each of its pages.  There are never
 * more of them than were under way at once.  The receiver gets the bytes of a frame that was not
 * compressed where they lie.
 *
 * zstd is given 9/10 of the room that the bytes take as they are.  What does not fit goes out as it
 * is, and the next pieces are not tried: 8 of them, then 16, up to 64 while that goes on.
 */

#include "repl/chain.h"

#include <assert.h>
#include <string.h>
#include <xxhash.h>
#include <zstd.h>

#define REST_LEAST 8
#define REST_MOST 64
#define WORTH_TRYING 256 /* bytes: of less there is nothing to be learned either */

struct chain {
	uint8_t value[WIRE_CHAIN];
	uint64_t frames;
	uint64_t bytes; /* of the stream */
};

static void hash(const void *bytes, size_t length, uint8_t ret[static WIRE_CHAIN])
{
	XXH128_canonical_t canonical;

	static_assert(sizeof(canonical) == WIRE_CHAIN, "the chain is XXH128's");
	XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes, length));
	memcpy(ret, &canonical, WIRE_CHAIN);
}

/* The chain value after a frame with these flags and, after its own chain value, these bytes. */
static void link_on(const struct chain *chain, uint8_t flags, const uint8_t *bytes, size_t length,
		    uint8_t ret[static WIRE_CHAIN])
{
	uint8_t link[WIRE_CHAIN + 1 + WIRE_CHAIN];

	memcpy(link, chain->value, WIRE_CHAIN);
	link[WIRE_CHAIN] = flags;
	hash(bytes, length, link + WIRE_CHAIN + 1);
	hash(link, sizeof(link), ret);
}

static void advance(struct chain *chain, const uint8_t value[static WIRE_CHAIN], size_t bytes)
{
	memcpy(chain->value, value, WIRE_CHAIN);
	chain->frames++;
	chain->bytes += bytes;
}

/* --- the sender's ------------------------------------------------------------------- */

struct kept {
	struct kept *next;
	bool whole; /* it has room for any piece */
	uint8_t flags;
	uint8_t before[WIRE_CHAIN]; /* the chain value */
	uint64_t from;		    /* bytes of payload before it */
	size_t length;
	uint8_t payload[];
};

struct outbox {
	struct chain chain;
	struct kept *first, **last;
	struct kept *again;  /* the next to be sent once more */
	struct kept *spares; /* of those that are `whole`; the first one's payload is the buffer */
	uint64_t first_frame;
	uint64_t made;	 /* bytes of payload */
	uint64_t origin; /* of them, before the channel of now */
	size_t kept;

	ZSTD_CCtx *zstd; /* NULL: does not compress */
	uint8_t *squeezed;
	int level;
	unsigned rest, next_rest; /* pieces */
};

static struct kept *kept_new(size_t length)
{
	struct kept *kept = xrealloc(NULL, 1, sizeof(*kept) + length);

	kept->next = NULL;
	kept->whole = false;
	kept->length = length;
	return kept;
}

struct outbox *outbox_new(bool compress)
{
	struct outbox *outbox = xcalloc(1, sizeof(*outbox));

	outbox->last = &outbox->first;
	outbox->next_rest = REST_LEAST;
	outbox->level = 1;
	if (compress) {
		outbox->zstd = ZSTD_createCCtx(); /* without it nothing is compressed: no harm */
		outbox->squeezed = xcalloc(1, WIRE_PIECE);
	}
	return outbox;
}

static void free_all(struct kept *first)
{
	struct kept *next;

	for (struct kept *kept = first; kept; kept = next) {
		next = kept->next;
		free(kept);
	}
}

void outbox_free(struct outbox *outbox)
{
	if (!outbox)
		return;
	free_all(outbox->first);
	free_all(outbox->spares);
	ZSTD_freeCCtx(outbox->zstd);
	free(outbox->squeezed);
	free(outbox);
}

uint8_t *outbox_buffer(struct outbox *outbox)
{
	if (!outbox->spares) {
		outbox->spares = kept_new(WIRE_CHAIN + WIRE_PIECE);
		outbox->spares->whole = true;
	}
	return outbox->spares->payload + WIRE_CHAIN;
}

/* Not worth it: not tried again for a while, and a longer one each time. */
static void rest(struct outbox *outbox)
{
	outbox->rest = outbox->next_rest;
	if (outbox->next_rest < REST_MOST)
		outbox->next_rest *= 2;
}

/* The bytes that it takes in `squeezed`; 0: it goes out as it is. */
static size_t squeeze(struct outbox *outbox, size_t length)
{
	size_t size;

	if (!outbox->zstd || length < WORTH_TRYING)
		return 0;
	if (outbox->rest > 0) {
		outbox->rest--;
		return 0;
	}
	size = ZSTD_compressCCtx(outbox->zstd, outbox->squeezed, length - length / 10,
				 outbox->spares->payload + WIRE_CHAIN, length, outbox->level);
	if (ZSTD_isError(size)) { /* there is but one reason: it does not fit */
		rest(outbox);
		return 0;
	}
	outbox->next_rest = REST_LEAST;
	return size;
}

/* The payload, but for its chain value. */
static struct kept *pack(struct outbox *outbox, size_t length)
{
	size_t size = squeeze(outbox, length);
	const uint8_t *from = size ? outbox->squeezed : outbox->spares->payload + WIRE_CHAIN;
	struct kept *kept;

	if (size == 0 && length >= WIRE_PIECE / 2) {
		kept = outbox->spares;
		outbox->spares = kept->next;
		kept->next = NULL;
		kept->length = WIRE_CHAIN + length;
	} else {
		kept = kept_new(WIRE_CHAIN + (size ? size : length));
		memcpy(kept->payload + WIRE_CHAIN, from, size ? size : length);
	}
	kept->flags = size ? WIRE_ZSTD : 0;
	return kept;
}

static struct piece piece_of(const struct kept *kept)
{
	return (struct piece){
		.flags = kept->flags,
		.payload = kept->payload,
		.length = kept->length,
	};
}

int outbox_add(struct outbox *outbox, size_t length, struct piece *ret, struct fl_error *err)
{
	uint8_t value[WIRE_CHAIN];
	struct kept *kept;

	if (outbox->kept > WIRE_WINDOW)
		return fl_fail(err, FL_BUSY, "%zu bytes wait for the receiver already",
			       outbox->kept);
	kept = pack(outbox, length);
	memcpy(kept->before, outbox->chain.value, WIRE_CHAIN);
	link_on(&outbox->chain, kept->flags, kept->payload + WIRE_CHAIN, kept->length - WIRE_CHAIN,
		value);
	memcpy(kept->payload, value, WIRE_CHAIN);
	advance(&outbox->chain, value, length);
	kept->from = outbox->made;
	outbox->made += kept->length;
	outbox->kept += kept->length;
	*outbox->last = kept;
	outbox->last = &kept->next;
	*ret = piece_of(kept);
	return 0;
}

static void forget_first(struct outbox *outbox)
{
	struct kept *first = outbox->first;

	outbox->first = first->next;
	if (!outbox->first)
		outbox->last = &outbox->first;
	outbox->first_frame++;
	outbox->kept -= first->length;
	if (first->whole) {
		first->next = outbox->spares;
		outbox->spares = first;
	} else {
		free(first);
	}
}

void outbox_credit(struct outbox *outbox, uint64_t credited)
{
	struct kept *first;

	/* Of those that are sent again, none is covered before it is sent. */
	while ((first = outbox->first) && first != outbox->again &&
	       first->from + first->length <= outbox->origin + credited)
		forget_first(outbox);
}

int outbox_rewind(struct outbox *outbox, uint64_t frames, const uint8_t chain[static WIRE_CHAIN],
		  struct fl_error *err)
{
	struct kept *at = outbox->first;
	uint64_t n = outbox->first_frame;

	if (frames < n || frames > outbox->chain.frames)
		return fl_fail(err, FL_NOT_FOUND, "frame %llu of the stream is not kept",
			       (unsigned long long)frames);
	for (; n < frames; n++)
		at = at->next;
	if (memcmp(at ? at->before : outbox->chain.value, chain, WIRE_CHAIN) != 0)
		return fl_fail(err, FL_CORRUPT, "the receiver has other data than was sent");
	while (outbox->first != at)
		forget_first(outbox);
	outbox->again = at;
	outbox->origin = at ? at->from : outbox->made;
	return 0;
}

bool outbox_again(struct outbox *outbox, struct piece *ret)
{
	const struct kept *again = outbox->again;

	if (!again)
		return false;
	outbox->again = again->next;
	*ret = piece_of(again);
	return true;
}

void outbox_tune(struct outbox *outbox, int64_t making, int64_t sending)
{
	if (outbox->rest > 0)
		return;
	if (sending / 4 > making && outbox->level < CHAIN_LEVEL_MOST)
		outbox->level++;
	else if (sending < making && outbox->level > 1)
		outbox->level--;
	else if (sending < making / 4)
		rest(outbox);
}

uint64_t outbox_frames(const struct outbox *outbox)
{
	return outbox->chain.frames;
}

uint64_t outbox_bytes(const struct outbox *outbox)
{
	return outbox->chain.bytes;
}

const uint8_t *outbox_chain(const struct outbox *outbox)
{
	return outbox->chain.value;
}

size_t outbox_kept(const struct outbox *outbox)
{
	return outbox->kept;
}

/* --- the receiver's ------------------------------------------------------------------ */

struct inbox {
	struct chain chain;
	ZSTD_DCtx *zstd;   /* when one is needed */
	uint8_t *unpacked; /* the same: WIRE_PIECE bytes */
};

struct inbox *inbox_new(void)
{
	return xcalloc(1, sizeof(struct inbox));
}

void inbox_free(struct inbox *inbox)
{
	if (!inbox)
		return;
	ZSTD_freeDCtx(inbox->zstd);
	free(inbox->unpacked);
	free(inbox);
}

/* One frame of zstd, whole, that yields 1 to WIRE_PIECE bytes: it is given room for no more. */
static int unpack(struct inbox *inbox, const uint8_t *bytes, size_t length, size_t *ret,
		  struct fl_error *err)
{
	size_t size;

	if (!inbox->zstd) {
		inbox->zstd = ZSTD_createDCtx();
		inbox->unpacked = xcalloc(1, WIRE_PIECE);
	}
	if (ZSTD_findFrameCompressedSize(bytes, length) != length)
		return fl_fail(err, FL_CORRUPT, "data that is not one frame of zstd");
	size = ZSTD_decompressDCtx(inbox->zstd, inbox->unpacked, WIRE_PIECE, bytes, length);
	if (ZSTD_isError(size))
		return fl_fail(err, FL_CORRUPT, "data that cannot be unpacked: %s",
			       ZSTD_getErrorName(size));
	if (size == 0)
		return fl_fail(err, FL_CORRUPT, "data that is nothing when unpacked");
	*ret = size;
	return 0;
}

int inbox_take(struct inbox *inbox, uint8_t flags, const void *payload, size_t length,
	       const uint8_t **ret, size_t *ret_length, struct fl_error *err)
{
	const uint8_t *bytes = (const uint8_t *)payload + WIRE_CHAIN;
	uint8_t value[WIRE_CHAIN];
	size_t size = length - WIRE_CHAIN;

	if (length <= WIRE_CHAIN || (flags & ~WIRE_ZSTD) != 0 || size > WIRE_PIECE)
		return fl_fail(err, FL_CORRUPT, "data of %zu bytes that cannot be", length);
	link_on(&inbox->chain, flags, bytes, size, value);
	if (memcmp(value, payload, WIRE_CHAIN) != 0)
		return fl_fail(err, FL_CORRUPT, "data that was changed on its way, in frame %llu",
			       (unsigned long long)inbox->chain.frames);
	if (flags && unpack(inbox, bytes, size, &size, err) < 0)
		return fl_failed(err);
	advance(&inbox->chain, value, size);
	*ret = flags ? inbox->unpacked : bytes;
	*ret_length = size;
	return 0;
}

int inbox_check(const struct inbox *inbox, uint64_t frames, uint64_t bytes,
		const uint8_t chain[static WIRE_CHAIN], struct fl_error *err)
{
	if (inbox->chain.frames == frames && inbox->chain.bytes == bytes &&
	    memcmp(inbox->chain.value, chain, WIRE_CHAIN) == 0)
		return 0;
	return fl_fail(err, FL_CORRUPT, "what came is not all that was sent");
}

uint64_t inbox_frames(const struct inbox *inbox)
{
	return inbox->chain.frames;
}

uint64_t inbox_bytes(const struct inbox *inbox)
{
	return inbox->chain.bytes;
}

const uint8_t *inbox_chain(const struct inbox *inbox)
{
	return inbox->chain.value;
}
