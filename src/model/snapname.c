#include "model/snapname.h"

#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>

#define UUID_LENGTH (UUID_TEXT - 1)

char *snapname_format(const struct snapname *name, char text[static SNAPNAME_TEXT])
{
	uuid_format(&name->instance, text);
	text[UUID_LENGTH] = '.';
	clock_format_storage(name->time, text + UUID_TEXT);
	return text;
}

int snapname_parse(const char *text, struct snapname *ret, struct fl_error *err)
{
	char uuid[UUID_TEXT], again[SNAPNAME_TEXT];
	struct snapname name;

	if (strnlen(text, UUID_TEXT) < UUID_TEXT || text[UUID_LENGTH] != '.')
		return fl_fail(
			err, FL_INVALID,
			"'%.80s' is not a snapshot's storage name: expected a UUID, '.' and a time",
			text);
	memcpy(uuid, text, UUID_LENGTH);
	uuid[UUID_LENGTH] = '\0';
	if (uuid_parse(uuid, &name.instance, err) < 0 ||
	    clock_parse_storage(text + UUID_TEXT, &name.time, err) < 0)
		return fl_wrap(err, "'%.80s' is not a snapshot's storage name", text);
	/* The id is a digest of this very text, so only one spelling can be right. */
	if (strcmp(snapname_format(&name, again), text) != 0)
		return fl_fail(err, FL_INVALID,
			       "'%.80s' is not a snapshot's storage name: a UUID in lower case is "
			       "expected",
			       text);
	*ret = name;
	return 0;
}

uint64_t snapname_id(const struct snapname *name)
{
	char text[SNAPNAME_TEXT];
	uint8_t digest[SHA256_DIGEST_SIZE];
	struct sha256_ctx context;
	uint64_t id = 0;

	snapname_format(name, text);
	sha256_init(&context);
	sha256_update(&context, strlen(text), (const uint8_t *)text);
	sha256_digest(&context, sizeof(digest), digest);
	for (int i = 0; i < 8; i++)
		id = id << 8 | digest[i];
	return id;
}

char *snapid_format(uint64_t id, char text[static SNAPID_TEXT])
{
	for (int i = SNAPID_TEXT - 2; i >= 0; i--, id >>= 4)
		text[i] = "0123456789abcdef"[id & 15];
	text[SNAPID_TEXT - 1] = '\0';
	return text;
}
