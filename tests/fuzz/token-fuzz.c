#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "tests/fuzz/fuzz.h"
#include "trust/token.h"

/*
 * A join token of any bytes.  What is refused is FL_INVALID with a reason that repeats nothing of
 * it; what is accepted is written as it was read.  Read as a token's bytes, they make a token that
 * is refused, or stays the same, whatever they say of themselves.
 */

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void try_text(const char *text)
{
	struct join_token token, again;
	struct fl_error err = { 0 };
	char written[TOKEN_TEXT];

	if (token_parse(text, &token, &err) < 0) {
		require(err.code == FL_INVALID && err.text[0] && err.hint[0]);
		return;
	}
	require(strcasecmp(token_format(&token, written), text) == 0);
	require(token_parse(written, &again, &err) == 0);
	require(memcmp(&token, &again, sizeof(token)) == 0);
}

/* With the checksum that belongs to them, so that all behind it is tried too. */
static void try_bytes(const uint8_t *data, size_t size)
{
	struct join_token token = { .count = 0 };
	struct fl_error err = { 0 };
	char written[TOKEN_TEXT];

	if (size < 2)
		return;
	token.count = 1 + data[0] % TOKEN_ADDRESSES;
	for (size_t i = 0; i < token.count; i++) {
		size_t length = size - 1 < TOKEN_ADDRESS - 1 ? size - 1 : TOKEN_ADDRESS - 1;

		memcpy(token.addresses[i], data + 1, length);
	}
	token_format(&token, written);
	if (token_parse(written, &token, &err) < 0)
		require(err.code == FL_INVALID && err.text[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	own_text struct text text = { 0 };

	text_add(&text, (const char *)data, size);
	try_text(text_get(&text));
	try_bytes(data, size);
	return 0;
}
