#include "trust/token.h"

#include <nettle/sha2.h>
#include <stdbool.h>
#include <string.h>

#define PREFIX "flocker1_"
#define PREFIX_LENGTH (sizeof(PREFIX) - 1)
#define CHECKSUM 4
#define TAIL (TOKEN_FINGERPRINT + TOKEN_SECRET + CHECKSUM)
#define BYTES_MAX (1 + TOKEN_ADDRESSES * TOKEN_ADDRESS + TAIL)
_Static_assert(PREFIX_LENGTH + (BYTES_MAX * 8 + 4) / 5 < TOKEN_TEXT, "a token's text has room");

static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";

struct bytes {
	uint8_t bytes[BYTES_MAX];
	size_t length;
};

static void add(struct bytes *to, const void *bytes, size_t length)
{
	memcpy(to->bytes + to->length, bytes, length);
	to->length += length;
}

static void checksum(const uint8_t *bytes, size_t length, uint8_t ret[static CHECKSUM])
{
	struct sha256_ctx sha;

	sha256_init(&sha);
	sha256_update(&sha, PREFIX_LENGTH, (const uint8_t *)PREFIX);
	sha256_update(&sha, length, bytes);
	sha256_digest(&sha, CHECKSUM, ret);
}

/* Five bits a letter, the first bits first; what is missing of the last is zero. */
static void to_base32(const struct bytes *from, char *text)
{
	unsigned bits = 0, held = 0;

	for (size_t i = 0; i < from->length; i++) {
		held = (held << 8 | from->bytes[i]) & 0xfff;
		for (bits += 8; bits >= 5; bits -= 5)
			*text++ = digits[held >> (bits - 5) & 31];
	}
	if (bits > 0)
		*text++ = digits[held << (5 - bits) & 31];
	*text = '\0';
}

static int digit_of(char c)
{
	const char *found;

	if (c >= 'A' && c <= 'Z')
		c = (char)(c - 'A' + 'a');
	found = c ? strchr(digits, c) : NULL;
	return found ? (int)(found - digits) : -1;
}

/* False: a letter that is none, too many of them, or bits left over that are not zero. */
static bool from_base32(const char *text, struct bytes *ret)
{
	unsigned bits = 0, held = 0;

	for (; *text; text++) {
		int digit = digit_of(*text);

		if (digit < 0 || ret->length == BYTES_MAX)
			return false;
		held = (held << 5 | (unsigned)digit) & 0xfff;
		bits += 5;
		if (bits >= 8) {
			bits -= 8;
			ret->bytes[ret->length++] = (uint8_t)(held >> bits);
		}
	}
	return bits < 5 && (held & ((1U << bits) - 1)) == 0;
}

char *token_format(const struct join_token *token, char text[static TOKEN_TEXT])
{
	struct bytes all = { .length = 0 };
	uint8_t sum[CHECKSUM];

	add(&all, &(uint8_t){ (uint8_t)token->count }, 1);
	for (size_t i = 0; i < token->count; i++) {
		size_t length = strlen(token->addresses[i]);

		add(&all, &(uint8_t){ (uint8_t)length }, 1);
		add(&all, token->addresses[i], length);
	}
	add(&all, token->fingerprint, TOKEN_FINGERPRINT);
	add(&all, token->secret, TOKEN_SECRET);
	checksum(all.bytes, all.length, sum);
	add(&all, sum, CHECKSUM);
	memcpy(text, PREFIX, PREFIX_LENGTH);
	to_base32(&all, text + PREFIX_LENGTH);
	return text;
}

/* An address as tcp_format() writes it, so that a token has one text. */
static bool take_address(const uint8_t *bytes, size_t length, char ret[static TOKEN_ADDRESS])
{
	char again[TCP_ADDRESS];
	struct tcp_address address;
	struct fl_error err;

	if (length == 0 || length >= TOKEN_ADDRESS || memchr(bytes, '\0', length))
		return false;
	memcpy(ret, bytes, length);
	ret[length] = '\0';
	return tcp_parse(ret, 0, &address, &err) == 0 && address.port != 0 &&
	       strcmp(tcp_format(&address, again), ret) == 0;
}

static bool take_all(const struct bytes *all, struct join_token *ret)
{
	const uint8_t *at = all->bytes + 1, *end = all->bytes + all->length - TAIL;

	ret->count = all->bytes[0];
	if (ret->count == 0 || ret->count > TOKEN_ADDRESSES)
		return false;
	for (size_t i = 0; i < ret->count; i++) {
		if (at >= end || at[0] >= end - at ||
		    !take_address(at + 1, at[0], ret->addresses[i]))
			return false;
		at += 1 + at[0];
	}
	if (at != end)
		return false;
	memcpy(ret->fingerprint, at, TOKEN_FINGERPRINT);
	memcpy(ret->secret, at + TOKEN_FINGERPRINT, TOKEN_SECRET);
	return true;
}

static bool checksum_agrees(const struct bytes *all)
{
	uint8_t sum[CHECKSUM];

	if (all->length < 1 + TAIL)
		return false;
	checksum(all->bytes, all->length - CHECKSUM, sum);
	return memcmp(sum, all->bytes + all->length - CHECKSUM, CHECKSUM) == 0;
}

int token_parse(const char *text, struct join_token *ret, struct fl_error *err)
{
	struct bytes all = { .length = 0 };
	struct join_token token = { .count = 0 };

	if (strncasecmp(text, PREFIX, PREFIX_LENGTH) != 0) {
		fl_fail(err, FL_INVALID, "this is no join token: it does not begin with " PREFIX);
		return fl_hint(err, "take the whole word as the other host has shown it");
	}
	if (!from_base32(text + PREFIX_LENGTH, &all) || !checksum_agrees(&all)) {
		fl_fail(err, FL_INVALID,
			"the join token has a slip in it, or a part of it is missing");
		return fl_hint(err, "take the whole word as the other host has shown it");
	}
	if (!take_all(&all, &token)) {
		fl_fail(err, FL_INVALID, "the join token is of a kind that is not known here");
		return fl_hint(err, "run the same version of Flocker on both hosts");
	}
	*ret = token;
	return 0;
}
