#include "trust/token.h"

#include <nettle/sha2.h>
#include <stdbool.h>

#include "tests/check.h"

static struct join_token example(size_t count)
{
	static const char *const addresses[] = { "a.example:4524", "192.0.2.1:4524",
						 "[2001:db8::1]:4524", "b:1" };
	struct join_token token = { .count = count };

	for (size_t i = 0; i < count; i++)
		strcpy(token.addresses[i], addresses[i]);
	for (size_t i = 0; i < TOKEN_FINGERPRINT; i++)
		token.fingerprint[i] = (uint8_t)(i * 7);
	for (size_t i = 0; i < TOKEN_SECRET; i++)
		token.secret[i] = (uint8_t)(255 - i);
	return token;
}

static void a_token_says_what_went_into_it(void)
{
	for (size_t count = 1; count <= TOKEN_ADDRESSES; count++) {
		const struct join_token token = example(count);
		struct join_token again;
		char text[TOKEN_TEXT], upper[TOKEN_TEXT];
		struct fl_error err;

		token_format(&token, text);
		check(strspn(text, "abcdefghijklmnopqrstuvwxyz234567") == strlen("flocker"));
		check_ok(token_parse(text, &again, &err));
		check(memcmp(&token, &again, sizeof(token)) == 0);
		for (size_t i = 0; i <= strlen(text); i++)
			upper[i] = (char)(text[i] >= 'a' && text[i] <= 'z' ? text[i] - 32
									   : text[i]);
		check_ok(token_parse(upper, &again, &err));
		check(memcmp(&token, &again, sizeof(token)) == 0);
	}
}

static void the_longest_token_fits(void)
{
	struct join_token token = example(TOKEN_ADDRESSES), again;
	char text[TOKEN_TEXT];
	struct fl_error err;

	for (size_t i = 0; i < TOKEN_ADDRESSES; i++) {
		memset(token.addresses[i], 'x', TOKEN_ADDRESS - 1);
		memcpy(token.addresses[i] + TOKEN_ADDRESS - 1 - strlen(":65535"), ":65535", 7);
	}
	check_ok(token_parse(token_format(&token, text), &again, &err));
	check(memcmp(&token, &again, sizeof(token)) == 0);
}

static void every_slip_is_told(void)
{
	const struct join_token token = example(2);
	struct join_token again;
	char text[TOKEN_TEXT];
	struct fl_error err;

	token_format(&token, text);
	for (size_t i = 0; text[i]; i++) {
		char kept = text[i];

		text[i] = kept == 'k' ? 'q' : 'k';
		check_code(FL_INVALID, token_parse(text, &again, &err));
		check(err.hint[0]);
		text[i] = kept;
	}
	for (size_t length = strlen(text); length-- > 0;) {
		text[length] = '\0';
		check_code(FL_INVALID, token_parse(text, &again, &err));
	}
	check_code(FL_INVALID, token_parse("flocker1_not base32!", &again, &err));
	check(!strstr(err.text, "base32"));
}

/* Any bytes, with the right checksum: what a later version might send. */
static void encode(const uint8_t *bytes, size_t length, char text[static TOKEN_TEXT])
{
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
	uint8_t all[TOKEN_TEXT];
	struct sha256_ctx sha;
	size_t bits;
	char *p = text + sprintf(text, "flocker1_");

	memcpy(all, bytes, length);
	sha256_init(&sha);
	sha256_update(&sha, 9, (const uint8_t *)"flocker1_");
	sha256_update(&sha, length, bytes);
	sha256_digest(&sha, 4, all + length);
	length += 4;
	all[length] = 0;
	for (bits = 0; bits < length * 8; bits += 5) {
		unsigned pair = (unsigned)(all[bits / 8] << 8 | all[bits / 8 + 1]);

		*p++ = digits[pair >> (11 - bits % 8) & 31];
	}
	*p = '\0';
}

static void what_is_no_token_inside_is_refused(void)
{
	static const struct {
		const char *bytes;
		size_t length;
	} beginnings[] = {
		{ "\0", 1 },
		{ "\5", 1 },
		{ "\1\3a:", 4 },
		{ "\1\0", 2 },
		{ "\1\3a:0", 5 },
		{ "\1\4a:\0"
		  "1",
		  6 },
		{ "\1\4a::1", 6 },
		{ "\1\xff", 2 },
		{ "\2\3a:1", 5 },
		{ "\1\3a:1x", 6 },
		{ "\1\4a:01", 6 },
		{ "\1\3a/1", 5 },
	};

	for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++) {
		uint8_t bytes[128] = { 0 };
		struct join_token token;
		char text[TOKEN_TEXT];
		struct fl_error err;

		memcpy(bytes, beginnings[i].bytes, beginnings[i].length);
		encode(bytes, beginnings[i].length + TOKEN_FINGERPRINT + TOKEN_SECRET, text);
		check_code(FL_INVALID, token_parse(text, &token, &err));
		check(strstr(err.text, "of a kind that is not known here"));
	}
}

static void bytes_that_fit_are_taken(void)
{
	uint8_t bytes[5 + TOKEN_FINGERPRINT + TOKEN_SECRET] = "\1\3a:1";
	struct join_token token;
	char text[TOKEN_TEXT];
	struct fl_error err;

	encode(bytes, sizeof(bytes), text);
	check_ok(token_parse(text, &token, &err));
	check_string("a:1", token.addresses[0]);
}

static void what_is_far_too_long_is_refused(void)
{
	char text[4096] = "flocker1_";
	struct join_token token;
	struct fl_error err;

	memset(text + 9, 'a', sizeof(text) - 10);
	check_code(FL_INVALID, token_parse(text, &token, &err));
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){ CHECK(a_token_says_what_went_into_it),
					    CHECK(the_longest_token_fits),
					    CHECK(every_slip_is_told),
					    CHECK(what_is_no_token_inside_is_refused),
					    CHECK(bytes_that_fit_are_taken),
					    CHECK(what_is_far_too_long_is_refused), CHECK_END });
}
