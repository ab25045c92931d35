#include "driver/dir/record.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fsat.h"
#include "base/json.h"

#define LIMIT 4096

/* From a random UUID: 63 bits, which any language's integer can hold, and never 0. */
static uint64_t new_id(void)
{
	struct uuid uuid = uuid_new();
	uint64_t id;

	memcpy(&id, uuid.bytes + 8, sizeof(id));
	id &= INT64_MAX;
	return id ? id : 1;
}

struct record record_new(void)
{
	return (struct record){ .id = new_id(), .created = clock_now() };
}

static bool read_uuid(const char *text, struct uuid *ret)
{
	struct fl_error ignored;

	return text[0] == '\0' || uuid_parse(text, ret, &ignored) == 0;
}

static bool decode(json_t *root, struct record *ret)
{
	const char *boot, *print, *head, *operation;
	json_int_t id, created, of;

	if (json_unpack(root, "{s:I, s:I, s:I, s:s, s:s, s:s, s:s}", "id", &id, "created", &created,
			"of", &of, "boot", &boot, "print", &print, "head", &head, "operation",
			&operation) < 0)
		return false;
	if (id <= 0 || strlen(boot) >= sizeof(ret->boot) || strlen(print) >= sizeof(ret->print))
		return false;
	*ret = (struct record){ .id = (uint64_t)id, .created = created, .of = (uint64_t)of };
	strcpy(ret->boot, boot);
	strcpy(ret->print, print);
	return read_uuid(head, &ret->head) && read_uuid(operation, &ret->operation);
}

int record_read(int dir, struct record *ret, struct fl_error *err)
{
	own_text struct text text = { 0 };
	bool whole;
	json_t *root;

	if (fsat_read(dir, RECORD, LIMIT, &text, err) < 0) {
		if (err->code == FL_NOT_FOUND)
			err->code = FL_CORRUPT; /* no crash leaves a tree without it */
		return fl_failed(err);
	}
	root = json_loadb(text_get(&text), text.length, JSON_REJECT_DUPLICATES, NULL);
	whole = root && decode(root, ret);
	json_decref(root);
	return whole ? 0 : fl_fail(err, FL_CORRUPT, "its record can't be read");
}

static void put_uuid(struct json *json, const char *name, const struct uuid *uuid)
{
	char text[UUID_TEXT];

	json_put_string(json, name, uuid_is_none(uuid) ? "" : uuid_format(uuid, text));
}

int record_write(int dir, const struct record *record, struct fl_error *err)
{
	own_text struct text text = { 0 };
	struct json json;

	json_init(&json, &text);
	json_put_object(&json, NULL);
	json_put_int(&json, "id", (int64_t)record->id);
	json_put_int(&json, "created", record->created);
	json_put_int(&json, "of", (int64_t)record->of);
	json_put_string(&json, "boot", record->boot);
	json_put_string(&json, "print", record->print);
	put_uuid(&json, "head", &record->head);
	put_uuid(&json, "operation", &record->operation);
	json_end(&json);
	text_add_string(&text, "\n");
	return fsat_write(dir, RECORD, text_get(&text), text.length, 0600, true, err);
}
