/*
 * A line's first and last members have fixed places, so that the chain can be
 * checked without taking the JSON between them apart.
 */

#include "audit/record.h"

#include <jansson.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"

#define HEX (AUDIT_HASH - 1)
#define BEGIN "{\"previous\":\""
#define BEGIN_LENGTH (sizeof(BEGIN) - 1)
#define NUMBER "\",\"number\":"
#define NUMBER_LENGTH (sizeof(NUMBER) - 1)
#define HASH ",\"hash\":\""
#define HASH_LENGTH (sizeof(HASH) - 1)
#define END "\"}"
#define END_LENGTH (sizeof(END) - 1)
#define TAIL (HASH_LENGTH + HEX + END_LENGTH) /* what the hash does not cover */

static void hash_of(const char *bytes, size_t length, char hash[static AUDIT_HASH])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t digest[SHA256_DIGEST_SIZE];
	struct sha256_ctx sha;

	sha256_init(&sha);
	sha256_update(&sha, length, (const uint8_t *)bytes);
	sha256_digest(&sha, sizeof(digest), digest);
	for (size_t i = 0; i < sizeof(digest); i++) {
		hash[2 * i] = digits[digest[i] >> 4];
		hash[2 * i + 1] = digits[digest[i] & 15];
	}
	hash[HEX] = '\0';
}

static void put_known(struct json *json, const char *key, int64_t value, int64_t unknown)
{
	if (value == unknown)
		json_put_null(json, key);
	else
		json_put_int(json, key, value);
}

void record_encode(const struct audit_entry *entry, int64_t time, struct audit_mark *mark,
		   struct text *out)
{
	size_t start = out->length;
	struct json json;

	json_init(&json, out);
	json_put_object(&json, NULL);
	json_put_string(&json, "previous", mark->number ? mark->hash : FIRST_PREVIOUS);
	json_put_int(&json, "number", (int64_t)++mark->number);
	json_put_time(&json, "time", time);
	put_known(&json, "uid", entry->uid, -1);
	put_known(&json, "pid", entry->pid, 0);
	json_put_string(&json, "request", entry->request);
	json_put_string(&json, "verb", entry->verb);
	json_put_string(&json, "object", entry->object);
	json_put_string(&json, "outcome",
			entry->outcome == FL_OK ? "done" : fl_codes[entry->outcome].name);
	json_put_string(&json, "message", entry->message);
	hash_of(out->bytes + start, out->length - start, mark->hash);
	json_put_string(&json, "hash", mark->hash);
	json_end(&json);
	text_add(out, "\n", 1);
}

static bool take_hash(const char *text, char ret[static AUDIT_HASH])
{
	memcpy(ret, text, HEX);
	ret[HEX] = '\0';
	return strspn(ret, "0123456789abcdef") == HEX;
}

/* Digits without a leading zero, then a comma; at most 18, so that it fits. */
static bool take_number(const char *text, const char *end, uint64_t *ret)
{
	uint64_t number = 0;
	int digits = 0;

	for (; text < end && *text >= '0' && *text <= '9' && digits <= 18; text++, digits++)
		number = number * 10 + (uint64_t)(*text - '0');
	*ret = number;
	return number > 0 && digits <= 18 && text < end && *text == ',';
}

bool record_frame(const char *line, size_t length, struct record_frame *ret)
{
	const char *number = line + BEGIN_LENGTH + HEX, *tail = line + length - TAIL;

	if (length < BEGIN_LENGTH + HEX + NUMBER_LENGTH + TAIL)
		return false;
	return memcmp(line, BEGIN, BEGIN_LENGTH) == 0 &&
	       take_hash(line + BEGIN_LENGTH, ret->previous) &&
	       memcmp(number, NUMBER, NUMBER_LENGTH) == 0 &&
	       take_number(number + NUMBER_LENGTH, tail, &ret->number) &&
	       memcmp(tail, HASH, HASH_LENGTH) == 0 && take_hash(tail + HASH_LENGTH, ret->hash) &&
	       memcmp(tail + HASH_LENGTH + HEX, END, END_LENGTH) == 0;
}

bool record_is_right(const char *line, size_t length)
{
	char hash[AUDIT_HASH];

	hash_of(line, length - TAIL, hash);
	return memcmp(hash, line + length - END_LENGTH - HEX, HEX) == 0;
}

/* Null or a string; null or a number that is not negative. */
static bool take_string(const json_t *value, const char **ret)
{
	*ret = json_string_value(value);
	return *ret || json_is_null(value);
}

static bool take_id(const json_t *value, int64_t *ret)
{
	*ret = json_is_integer(value) ? json_integer_value(value) : -1;
	return json_is_null(value) || *ret >= 0;
}

static bool take_members(const json_t *object, struct audit_record *ret)
{
	json_t *uid, *pid, *request, *about, *message;
	json_int_t number;

	if (json_unpack((json_t *)(uintptr_t)object,
			"{s:s,s:I,s:s,s:o,s:o,s:o,s:s,s:o,s:s,s:o,s:s!}", "previous",
			&ret->previous, "number", &number, "time", &ret->time, "uid", &uid, "pid",
			&pid, "request", &request, "verb", &ret->verb, "object", &about, "outcome",
			&ret->outcome, "message", &message, "hash", &ret->hash) < 0)
		return false;
	ret->number = (uint64_t)number;
	return take_id(uid, &ret->uid) && take_id(pid, &ret->pid) &&
	       take_string(request, &ret->request) && take_string(about, &ret->object) &&
	       take_string(message, &ret->message);
}

int record_decode(const char *line, size_t length, struct audit_record *ret, struct fl_error *err)
{
	struct audit_record record = { 0 };
	struct record_frame frame;

	if (record_frame(line, length, &frame))
		record.document = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);
	if (!record.document || !take_members(record.document, &record)) {
		json_decref(record.document);
		fl_fail(err, FL_CORRUPT, "a line of the audit log is no record");
		return fl_hint(err, "see which: flocker audit --verify");
	}
	*ret = record;
	return 0;
}

void audit_list_done(struct audit_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		json_decref(list->items[i].document);
	free(list->items);
	*list = (struct audit_list){ 0 };
}
