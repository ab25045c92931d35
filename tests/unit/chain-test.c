#include "repl/chain.h"

#include <xxhash.h>
#include <zstd.h>

#include "tests/check.h"
#include "tests/unit/random.h"

enum contents { ZEROS, NOISE, WORDS, CONTENTS };

static void fill(uint8_t *bytes, size_t length, enum contents contents)
{
	for (size_t i = 0; i < length; i++)
		bytes[i] = contents == ZEROS   ? 0
			   : contents == NOISE ? (uint8_t)random_next()
					       : (uint8_t)("abcdefgh"[random_below(8)]);
}

static struct piece add(struct outbox *outbox, size_t length, enum contents contents)
{
	struct fl_error err;
	struct piece piece;

	fill(outbox_buffer(outbox), length, contents);
	check_ok(outbox_add(outbox, length, &piece, &err));
	return piece;
}

/* Goes through the whole chain, and comes out as it went in. */
static void one_stream(bool compress, enum contents contents, size_t length)
{
	own(outbox_freep) struct outbox *outbox = outbox_new(compress);
	own(inbox_freep) struct inbox *inbox = inbox_new();
	own_free uint8_t *before = xcalloc(1, WIRE_PIECE);
	struct fl_error err;
	const uint8_t *got;
	struct piece piece;
	uint64_t sent = 0;
	size_t size;

	for (int i = 0; i < 4; i++) {
		fill(outbox_buffer(outbox), length, contents);
		memcpy(before, outbox_buffer(outbox), length);
		check_ok(outbox_add(outbox, length, &piece, &err));
		check(piece.length > WIRE_CHAIN && piece.length <= WIRE_CHAIN + length);
		check_ok(inbox_take(inbox, piece.flags, piece.payload, piece.length, &got, &size,
				    &err));
		check(size == length && memcmp(got, before, length) == 0);
		sent += piece.length;
		outbox_credit(outbox, sent);
		check(outbox_kept(outbox) == 0);
		check(memcmp(outbox_chain(outbox), inbox_chain(inbox), WIRE_CHAIN) == 0);
	}
	check(outbox_frames(outbox) == 4 && inbox_frames(inbox) == 4);
	check(outbox_bytes(outbox) == 4 * length && inbox_bytes(inbox) == 4 * length);
	check_ok(inbox_check(inbox, 4, 4 * length, outbox_chain(outbox), &err));
}

static void every_stream_comes_out_as_it_went_in(void)
{
	static const size_t lengths[] = { 1, 100, 1000, WIRE_PIECE / 2, WIRE_PIECE };

	random_begin(1);
	for (int compress = 0; compress < 2; compress++)
		for (enum contents c = 0; c < CONTENTS; c++)
			for (size_t i = 0; i < array_size(lengths); i++)
				one_stream(compress, c, lengths[i]);
}

static void xxh128(const void *bytes, size_t length, uint8_t ret[static WIRE_CHAIN])
{
	XXH128_canonical_t canonical;

	XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes, length));
	memcpy(ret, canonical.digest, WIRE_CHAIN);
}

/* The next chain value, as the header of the protocol says it. */
static void next_value(const uint8_t before[static WIRE_CHAIN], uint8_t flags, const void *bytes,
		       size_t length, uint8_t ret[static WIRE_CHAIN])
{
	uint8_t all[WIRE_CHAIN + 1 + WIRE_CHAIN];

	memcpy(all, before, WIRE_CHAIN);
	all[WIRE_CHAIN] = flags;
	xxh128(bytes, length, all + WIRE_CHAIN + 1);
	xxh128(all, sizeof(all), ret);
}

static void a_frame_is_made_as_documented(void)
{
	own(outbox_freep) struct outbox *outbox = outbox_new(false);
	uint8_t chain[WIRE_CHAIN] = { 0 };

	for (uint8_t i = 1; i < 4; i++) {
		struct piece piece = add(outbox, i, ZEROS);

		next_value(chain, 0, "\0\0\0", i, chain);
		check(piece.flags == 0 && piece.length == WIRE_CHAIN + (size_t)i);
		check(memcmp(piece.payload, chain, WIRE_CHAIN) == 0);
		check(memcmp(outbox_chain(outbox), chain, WIRE_CHAIN) == 0);
	}
}

/* --- one byte changed ------------------------------------------------------------------ */

static void check_refuses(struct inbox *inbox, uint8_t flags, const uint8_t *payload, size_t length)
{
	uint8_t chain[WIRE_CHAIN];
	uint64_t frames = inbox_frames(inbox), bytes = inbox_bytes(inbox);
	struct fl_error err;
	const uint8_t *got;
	size_t size;

	memcpy(chain, inbox_chain(inbox), WIRE_CHAIN);
	check_code(FL_CORRUPT, inbox_take(inbox, flags, payload, length, &got, &size, &err));
	check(inbox_frames(inbox) == frames && inbox_bytes(inbox) == bytes);
	check(memcmp(inbox_chain(inbox), chain, WIRE_CHAIN) == 0);
}

/* A frame changed in one place, cut, prolonged; then the right one. */
static void try_changes(struct inbox *inbox, struct piece piece)
{
	own_free uint8_t *changed = xcalloc(1, piece.length + 1);
	struct fl_error err;
	const uint8_t *got;
	size_t at = random_below(piece.length), size;

	memcpy(changed, piece.payload, piece.length);
	changed[at] ^= (uint8_t)(1 + random_below(255));
	check_refuses(inbox, piece.flags, changed, piece.length);
	changed[at] = piece.payload[at];
	check_refuses(inbox, piece.flags ^ WIRE_ZSTD, changed, piece.length);
	check_refuses(inbox, piece.flags | 2, changed, piece.length);
	check_refuses(inbox, piece.flags, changed, piece.length + 1);
	check_refuses(inbox, piece.flags, changed, random_below(piece.length));
	check_ok(inbox_take(inbox, piece.flags, changed, piece.length, &got, &size, &err));
	check_refuses(inbox, piece.flags, changed, piece.length); /* twice */
}

static void one_byte_changed_is_never_accepted(void)
{
	random_begin(2);
	for (int stream = 0; stream < 1000; stream++) {
		own(outbox_freep) struct outbox *outbox = outbox_new(stream % 2);
		own(inbox_freep) struct inbox *inbox = inbox_new();
		size_t frames = 1 + random_below(4);
		struct fl_error err;

		for (size_t i = 0; i < frames; i++)
			try_changes(inbox, add(outbox, 1 + random_below(3000),
					       (enum contents)random_below(CONTENTS)));
		check_ok(inbox_check(inbox, frames, outbox_bytes(outbox), outbox_chain(outbox),
				     &err));
	}
}

static void a_stream_that_lacks_its_end_is_told(void)
{
	own(outbox_freep) struct outbox *outbox = outbox_new(false);
	own(inbox_freep) struct inbox *inbox = inbox_new();
	struct piece piece = add(outbox, 10, NOISE);
	struct fl_error err;
	uint8_t chain[WIRE_CHAIN];
	const uint8_t *got;
	size_t size;

	check_code(FL_CORRUPT, inbox_check(inbox, 1, 10, outbox_chain(outbox), &err));
	check_ok(inbox_take(inbox, 0, piece.payload, piece.length, &got, &size, &err));
	check_ok(inbox_check(inbox, 1, 10, outbox_chain(outbox), &err));
	check_code(FL_CORRUPT, inbox_check(inbox, 2, 10, outbox_chain(outbox), &err));
	check_code(FL_CORRUPT, inbox_check(inbox, 1, 11, outbox_chain(outbox), &err));
	memcpy(chain, outbox_chain(outbox), WIRE_CHAIN);
	chain[WIRE_CHAIN - 1] ^= 1;
	check_code(FL_CORRUPT, inbox_check(inbox, 1, 10, chain, &err));
}

/* --- zstd that a peer made to do harm ---------------------------------------------------- */

/* With a chain value that is right: the peer lies from the start. */
static int take_proved(struct inbox *inbox, const uint8_t *bytes, size_t length,
		       struct fl_error *err)
{
	own_free uint8_t *payload = xcalloc(1, WIRE_CHAIN + length);
	const uint8_t *got;
	size_t size;

	next_value(inbox_chain(inbox), WIRE_ZSTD, bytes, length, payload);
	memcpy(payload + WIRE_CHAIN, bytes, length);
	return inbox_take(inbox, WIRE_ZSTD, payload, WIRE_CHAIN + length, &got, &size, err);
}

static void what_unpacks_to_too_much_is_refused(void)
{
	static const size_t lengths[] = { WIRE_PIECE + 1, 64 * 1024 * 1024 };
	own(inbox_freep) struct inbox *inbox = inbox_new();
	struct fl_error err;

	for (size_t i = 0; i < array_size(lengths); i++) {
		own_free uint8_t *zeros = xcalloc(1, lengths[i]), *packed = xcalloc(1, 65536);
		size_t size = ZSTD_compress(packed, 65536, zeros, lengths[i], 1);

		check(!ZSTD_isError(size));
		check_code(FL_CORRUPT, take_proved(inbox, packed, size, &err));
		check(strstr(err.text, "cannot be unpacked") != NULL);
	}
	check(inbox_frames(inbox) == 0);
}

static void what_is_not_one_frame_of_zstd_is_refused(void)
{
	own(inbox_freep) struct inbox *inbox = inbox_new();
	uint8_t packed[200] = { 0 };
	struct fl_error err;
	size_t size = ZSTD_compress(packed, 100, "hello hello hello", 17, 1), nothing;

	check_ok(take_proved(inbox, packed, size, &err));
	check_code(FL_CORRUPT, take_proved(inbox, packed, size - 1, &err));
	check_code(FL_CORRUPT, take_proved(inbox, packed, size + 1, &err));
	memcpy(packed + size, packed, size);
	check_code(FL_CORRUPT, take_proved(inbox, packed, 2 * size, &err));
	check_code(FL_CORRUPT, take_proved(inbox, (const uint8_t *)"rubbish", 7, &err));
	nothing = ZSTD_compress(packed, 100, "", 0, 1);
	check_code(FL_CORRUPT, take_proved(inbox, packed, nothing, &err));
	check(strstr(err.text, "nothing") != NULL && inbox_frames(inbox) == 1);
}

/* --- cut off, and taken up again ----------------------------------------------------------- */

static void what_was_cut_off_is_sent_again(void)
{
	own(outbox_freep) struct outbox *outbox = outbox_new(true);
	own(inbox_freep) struct inbox *inbox = inbox_new();
	uint8_t bytes[6][64], chain[WIRE_CHAIN];
	uint64_t lengths[6], sent = 0;
	struct fl_error err;
	const uint8_t *got;
	struct piece piece;
	size_t size;

	random_begin(3);
	for (int i = 0; i < 6; i++) {
		piece = add(outbox, 64, NOISE);
		memcpy(bytes[i], piece.payload + WIRE_CHAIN, 64);
		lengths[i] = piece.length;
		if (i < 4) /* the rest is lost */
			check_ok(inbox_take(inbox, piece.flags, piece.payload, piece.length, &got,
					    &size, &err));
	}
	outbox_credit(outbox, lengths[0] + lengths[1] + 5); /* two whole ones */
	check(outbox_kept(outbox) == 4 * (WIRE_CHAIN + 64));
	memcpy(chain, inbox_chain(inbox), WIRE_CHAIN);
	check_code(FL_NOT_FOUND, outbox_rewind(outbox, 1, chain, &err));
	check_code(FL_NOT_FOUND, outbox_rewind(outbox, 7, chain, &err));
	check_code(FL_CORRUPT, outbox_rewind(outbox, 3, chain, &err));
	check(outbox_kept(outbox) == 4 * (WIRE_CHAIN + 64) && !outbox_again(outbox, &piece));
	check_ok(outbox_rewind(outbox, inbox_frames(inbox), chain, &err));
	outbox_credit(outbox, 1000); /* of what was not sent again yet, nothing */
	check(outbox_kept(outbox) == 2 * (WIRE_CHAIN + 64));
	for (int i = 4; i < 6; i++) {
		check(outbox_again(outbox, &piece));
		check_ok(inbox_take(inbox, piece.flags, piece.payload, piece.length, &got, &size,
				    &err));
		check(size == 64 && memcmp(got, bytes[i], 64) == 0);
		sent += piece.length;
		outbox_credit(outbox, sent - 1);
	}
	check(!outbox_again(outbox, &piece));
	check(outbox_kept(outbox) == WIRE_CHAIN + 64);
	piece = add(outbox, 64, NOISE); /* and on */
	check_ok(inbox_take(inbox, piece.flags, piece.payload, piece.length, &got, &size, &err));
	outbox_credit(outbox, sent + piece.length);
	check(outbox_kept(outbox) == 0);
	check_ok(inbox_check(inbox, 7, 7 * 64, outbox_chain(outbox), &err));
	check_ok(outbox_rewind(outbox, 7, inbox_chain(inbox), &err)); /* nothing was lost */
	check(!outbox_again(outbox, &piece));
	memset(chain, 1, sizeof(chain));
	check_code(FL_CORRUPT, outbox_rewind(outbox, 7, chain, &err));
}

static void what_is_kept_is_bounded(void)
{
	own(outbox_freep) struct outbox *outbox = outbox_new(true);
	struct fl_error err;
	struct piece piece;
	size_t added = 0;

	random_begin(4);
	for (; outbox_kept(outbox) <= WIRE_WINDOW; added++)
		add(outbox, WIRE_PIECE, NOISE);
	check(added == 4);
	fill(outbox_buffer(outbox), 1, ZEROS);
	check_code(FL_BUSY, outbox_add(outbox, 1, &piece, &err));
	check(outbox_frames(outbox) == 4);
	outbox_credit(outbox, WIRE_PIECE + WIRE_CHAIN);
	check_ok(outbox_add(outbox, 1, &piece, &err));
}

/* --- when zstd is worth it ------------------------------------------------------------------ */

/* Pieces that go out as they are, before one is compressed again. */
static unsigned plain_pieces(struct outbox *outbox)
{
	unsigned count = 0;

	while (add(outbox, 1000, ZEROS).flags == 0) {
		count++;
		check(count < 1000);
	}
	return count;
}

static void what_does_not_shrink_is_not_tried_for_a_while(void)
{
	own(outbox_freep) struct outbox *outbox = outbox_new(true);

	random_begin(5);
	check(plain_pieces(outbox) == 0);
	check(add(outbox, 1000, NOISE).flags == 0);
	check(plain_pieces(outbox) == 8);
	check(add(outbox, 1000, NOISE).flags == 0);
	check(plain_pieces(outbox) == 8);	  /* it was worth it in between */
	check(add(outbox, 10, ZEROS).flags == 0); /* too small to tell */
	check(plain_pieces(outbox) == 0);
	for (unsigned wanted = 8, round = 0; round < 6; round++) {
		check(add(outbox, 1000, NOISE).flags == 0);
		for (unsigned i = 0; i < wanted; i++)
			check(add(outbox, 1000, ZEROS).flags == 0);
		wanted = wanted < 64 ? wanted * 2 : 64;
	}
	check(plain_pieces(outbox) == 0);
}

static void zstd_works_harder_while_sending_takes_longer(void)
{
	own(outbox_freep) struct outbox *outbox = outbox_new(true);
	size_t sizes[2];

	/* By what it makes: a higher level makes less of the same words. */
	for (int harder = 0; harder < 2; harder++) {
		random_begin(6);
		for (int i = 0; harder && i < 5; i++)
			outbox_tune(outbox, 10, 1000);
		sizes[harder] = add(outbox, 100000, WORDS).length;
	}
	check(sizes[1] != sizes[0]);
	for (int i = 0; i < 2; i++)
		outbox_tune(outbox, 1000, 500); /* back to level 1 */
	random_begin(6);
	check(add(outbox, 100000, WORDS).length == sizes[0]);
	outbox_tune(outbox, 1000, 500); /* good enough */
	check(plain_pieces(outbox) == 0);
	outbox_tune(outbox, 1000, 100); /* only in the way */
	outbox_tune(outbox, 10, 1000);	/* tells nothing of zstd */
	check(plain_pieces(outbox) == 8);
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (const struct check[]){
				  CHECK(every_stream_comes_out_as_it_went_in),
				  CHECK(a_frame_is_made_as_documented),
				  CHECK(one_byte_changed_is_never_accepted),
				  CHECK(a_stream_that_lacks_its_end_is_told),
				  CHECK(what_unpacks_to_too_much_is_refused),
				  CHECK(what_is_not_one_frame_of_zstd_is_refused),
				  CHECK(what_was_cut_off_is_sent_again),
				  CHECK(what_is_kept_is_bounded),
				  CHECK(what_does_not_shrink_is_not_tried_for_a_while),
				  CHECK(zstd_works_harder_while_sending_takes_longer),
				  CHECK_END,
			  });
}
