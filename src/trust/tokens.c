/*
 * ca/tokens: a line for each join token that was made, without its secret:
 *
 *	HASH EXPIRES STATE
 *
 * HASH is the SHA-256 of the secret, STATE "open" or "used".  A line goes a week
 * after its token has expired; until then whoever brings it is told why it is
 * no good.  A secret has 128 bits of chance: nobody guesses one, however often
 * they try, and a plain hash of it is enough.
 */

#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "trust/internal.h"
#include "trust/join.h"

#define HASH (2 * SHA256_DIGEST_SIZE + 1)
#define VALID_MIN CLOCK_SECOND
#define VALID_MAX (7 * CLOCK_DAY)
#define TOLD_FOR (7 * CLOCK_DAY) /* after its end */

struct token_line {
	char hash[HASH];
	int64_t expires;
	bool used;
};

struct token_lines {
	struct token_line *items;
	size_t count;
};

static void token_lines_done(struct token_lines *lines)
{
	free(lines->items);
}

static void hash_secret(const uint8_t *secret, char hash[static HASH])
{
	uint8_t digest[SHA256_DIGEST_SIZE];
	struct sha256_ctx sha;

	sha256_init(&sha);
	sha256_update(&sha, TOKEN_SECRET, secret);
	sha256_digest(&sha, sizeof(digest), digest);
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(hash + 2 * i, 3, "%02x", digest[i]);
}

static bool parse_line(const char *line, struct token_line *ret)
{
	char expires[CLOCK_TEXT], state[8];
	struct fl_error err;

	if (sscanf(line, "%64s %35s %7s", ret->hash, expires, state) != 3 ||
	    strlen(ret->hash) != HASH - 1 || clock_parse(expires, &ret->expires, &err) < 0)
		return false;
	ret->used = strcmp(state, "used") == 0;
	return ret->used || strcmp(state, "open") == 0;
}

static int parse(char *text, struct token_lines *ret, struct fl_error *err)
{
	const int64_t forgotten = clock_now() - TOLD_FOR;
	char *rest = text;

	for (char *line; (line = strsep(&rest, "\n"));) {
		struct token_line token = { 0 };

		if (!*line)
			continue;
		if (!parse_line(line, &token)) {
			fl_fail(err, FL_CORRUPT, "'" TOKENS "' is damaged");
			return fl_hint(err, "remove it: open join tokens end with it");
		}
		if (token.expires > forgotten)
			*array_add(ret->items, ret->count) = token;
	}
	return 0;
}

static int tokens_read(struct trust *trust, struct token_lines *ret, struct fl_error *err)
{
	own_text struct text text = { 0 };
	own_free char *contents = NULL;
	int r = file_read(trust->etc, TOKENS, FILE_LIMIT, &text, err);

	if (r < 0 && r != -FL_NOT_FOUND)
		return r;
	contents = text_take(&text);
	return parse(contents, ret, err);
}

static int tokens_write(struct trust *trust, const struct token_lines *lines, struct fl_error *err)
{
	own_text struct text out = { 0 };
	char expires[CLOCK_TEXT];

	for (size_t i = 0; i < lines->count; i++)
		text_add_format(&out, "%s %s %s\n", lines->items[i].hash,
				clock_format(lines->items[i].expires, expires),
				lines->items[i].used ? "used" : "open");
	return file_write(trust->etc, TOKENS, text_get(&out), err);
}

static size_t count_open(const struct token_lines *lines)
{
	const int64_t now = clock_now();
	size_t count = 0;

	for (size_t i = 0; i < lines->count; i++)
		count += !lines->items[i].used && lines->items[i].expires > now;
	return count;
}

int join_token_count(struct trust *trust, size_t *ret, struct fl_error *err)
{
	own(token_lines_done) struct token_lines lines = { 0 };
	own_lock(guard, &trust->mutex);

	if (tokens_read(trust, &lines, err) < 0)
		return fl_failed(err);
	*ret = count_open(&lines);
	return 0;
}

/* --- making one -------------------------------------------------------------------- */

static int set_addresses(struct join_token *token, const char *const *addresses, size_t count,
			 struct fl_error *err)
{
	if (count == 0 || count > TOKEN_ADDRESSES)
		return fl_fail(err, FL_INVALID, "a join token carries 1 to %d addresses, not %zu",
			       TOKEN_ADDRESSES, count);
	for (size_t i = 0; i < count; i++) {
		struct tcp_address address;
		char text[TCP_ADDRESS];

		if (tcp_parse(addresses[i], 0, &address, err) < 0)
			return fl_failed(err);
		tcp_format(&address, text);
		if (address.port == 0 || strcmp(address.host, "*") == 0 ||
		    strlen(text) >= TOKEN_ADDRESS)
			return fl_fail(err, FL_INVALID,
				       "other hosts cannot connect to the address '%.80s'",
				       addresses[i]);
		strcpy(token->addresses[i], text);
	}
	token->count = count;
	return 0;
}

static void set_secret(struct join_token *token)
{
	/* A UUID has 122 bits of chance; two of them, hashed, have all that 16 bytes can hold. */
	const struct uuid chance[] = { uuid_new(), uuid_new() };
	struct sha256_ctx sha;

	sha256_init(&sha);
	sha256_update(&sha, sizeof(chance), chance[0].bytes);
	sha256_digest(&sha, TOKEN_SECRET, token->secret);
}

static int note(struct trust *trust, const struct join_token *token, int64_t valid,
		struct fl_error *err)
{
	own(token_lines_done) struct token_lines lines = { 0 };
	struct token_line *line;

	if (tokens_read(trust, &lines, err) < 0)
		return fl_failed(err);
	if (count_open(&lines) >= JOIN_TOKENS) {
		fl_fail(err, FL_BUSY, "%d join tokens are open already", JOIN_TOKENS);
		return fl_hint(err, "use some of them, or wait until they expire");
	}
	line = array_add(lines.items, lines.count);
	hash_secret(token->secret, line->hash);
	line->expires = clock_now() + valid;
	return tokens_write(trust, &lines, err);
}

int join_token_create(struct trust *trust, const char *const *addresses, size_t count,
		      int64_t valid, char text[static TOKEN_TEXT], struct fl_error *err)
{
	struct join_token token = { .count = 0 };
	own(ca_done) struct ca ca = { 0 };
	own_lock(guard, &trust->mutex);

	if (valid < VALID_MIN || valid > VALID_MAX)
		return fl_fail(err, FL_INVALID, "a join token is good for 1s to 7d");
	if (ca_load(trust, &ca, err) < 0 || set_addresses(&token, addresses, count, err) < 0 ||
	    x509_fingerprint(ca.issuer.ca, token.fingerprint, err) < 0)
		return fl_failed(err);
	set_secret(&token);
	if (note(trust, &token, valid, err) < 0)
		return fl_failed(err);
	token_format(&token, text);
	return 0;
}

/* --- using one --------------------------------------------------------------------- */

/* All are looked at, each for the same time, so that time tells nothing. */
static struct token_line *find(const struct token_lines *lines, const uint8_t *secret)
{
	struct token_line *found = NULL;
	char hash[HASH];

	hash_secret(secret, hash);
	for (size_t i = 0; i < lines->count; i++)
		if (gnutls_memcmp(lines->items[i].hash, hash, HASH - 1) == 0)
			found = &lines->items[i];
	return found;
}

static int refuse(struct fl_error *err, const char *why)
{
	fl_fail(err, FL_DENIED, "the join token %s", why);
	return fl_hint(err, "make a new one on the host with the CA: `flocker ca token`");
}

int tokens_use(struct trust *trust, const uint8_t *secret, struct fl_error *err)
{
	own(token_lines_done) struct token_lines lines = { 0 };
	struct token_line *line;

	if (tokens_read(trust, &lines, err) < 0)
		return fl_failed(err);
	line = find(&lines, secret);
	if (!line)
		return refuse(err, "is not known here: it is another cluster's, or long past");
	if (line->used)
		return refuse(err, "was used already: each is good for one host");
	if (line->expires <= clock_now())
		return refuse(err, "has expired");
	line->used = true;
	return tokens_write(trust, &lines, err);
}
