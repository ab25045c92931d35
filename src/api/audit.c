/*
 * What the audit log gets of a request that changes something, whether it was
 * carried out or refused; and the log for those who ask.
 *
 * The object is what the request names in its query, else in its body: the
 * reference, the name or the path.  Of the rest only what says where something
 * comes from or goes to is noted, and what a setting, a policy, a hook or a quota
 * becomes: no setting is a secret.  Descriptions, messages and metadata are the
 * user's contents: they are not.  The environment of a user system may hold secrets, as
 * the arguments of a command may: of the one the names are noted, of the other the program.  Join
 * tokens are secrets.
 */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/encode.h"
#include "api/routes.h"
#include "base/log.h"

#define OBJECT_BYTES 4096 /* about; of many references, how many more there are is said */

struct detail {
	uint64_t bit;
	const char *name;
	size_t offset; /* in struct input */
	bool is_ref;
};

/* In the order in which they are looked at; the first that is given is the object. */
static const struct detail details[] = {
	{ IN_REF, "ref", offsetof(struct input, ref), true },
	{ IN_ITEM, "item", offsetof(struct input, item), false },
	{ IN_ID, "id", offsetof(struct input, id), false },
	{ IN_KEY, "key", offsetof(struct input, key), false },
	{ IN_NAME, "name", offsetof(struct input, name), false },
	{ IN_PATH, "path", offsetof(struct input, path), false },
	{ IN_FROM, "from", offsetof(struct input, from), true },
	{ IN_TO, "to", offsetof(struct input, to), true },
	{ IN_TARGET, "target", offsetof(struct input, target), true },
	{ IN_AS, "as", offsetof(struct input, as), false },
	{ IN_PEER, "peer", offsetof(struct input, peer), false },
	{ IN_CERTIFICATE, "certificate", offsetof(struct input, certificate), false },
	{ IN_ROLE, "role", offsetof(struct input, role), false },
	{ IN_ADDRESS, "address", offsetof(struct input, address), false },
	{ IN_VALUE, "value", offsetof(struct input, value), false },
};

static void add_detail(const struct input *input, const struct detail *detail, struct text *out)
{
	const char *place = (const char *)input + detail->offset;

	if (detail->is_ref)
		ref_format(*(struct ref *const *)(const void *)place, out);
	else
		text_add_string(out, *(const char *const *)(const void *)place);
}

static void add_refs(const struct ref_array *refs, struct text *out)
{
	for (size_t i = 0; i < refs->count; i++) {
		if (out->length > OBJECT_BYTES) {
			text_add_format(out, " and %zu more", refs->count - i);
			return;
		}
		if (i)
			text_add_string(out, ", ");
		ref_format(&refs->items[i], out);
	}
}

static void add_pairs(const struct metadata *pairs, struct text *message)
{
	for (size_t i = 0; i < pairs->count; i++) {
		const struct metadata_pair *pair = &pairs->pairs[i];
		bool secret = strncmp(pair->key, "env.", 4) == 0 && pair->value[0];

		text_add_format(message, "%s%s=%s", message->length ? ", " : "", pair->key,
				secret ? "..." : pair->value);
	}
}

static void describe(const struct input *input, struct text *object, struct text *message)
{
	add_refs(&input->refs, object);
	for (size_t i = 0; i < array_size(details); i++) {
		if (!(input->given & details[i].bit))
			continue;
		if (object->length == 0) {
			add_detail(input, &details[i], object);
			continue;
		}
		text_add_format(message, "%s%s ", message->length ? ", " : "", details[i].name);
		add_detail(input, &details[i], message);
	}
	add_pairs(&input->policy, message);
	add_pairs(&input->settings, message);
	if (input->command.count)
		text_add_format(message, "%scommand %s", message->length ? ", " : "",
				input->command.items[0]);
	if (input->given & IN_QUOTA)
		text_add_format(message, "%squota %" PRIu64, message->length ? ", " : "",
				input->quota);
}

/* Of a request that could not be decoded: as it was written, if it can be told. */
static void describe_refused(const struct http_request *request, const struct fl_error *why,
			     struct text *object)
{
	for (size_t i = 0; i < request->parameter_count && object->length == 0; i++)
		if (strcmp(request->parameters[i].name, "ref") == 0 ||
		    strcmp(request->parameters[i].name, "key") == 0)
			text_add_string(object, request->parameters[i].value);
	if (object->length == 0)
		text_add_string(object, why->object);
}

/* What was refused has no limits of its own, and nonsense is not to push out all older records. */
static void shorten(struct text *object)
{
	size_t length = OBJECT_BYTES;

	if (object->length <= length)
		return;
	while ((object->bytes[length] & 0xc0) == 0x80) /* not within a character */
		length--;
	object->length = length;
	text_add_string(object, "...");
}

/* `flocker rename` of a volume or a snapshot is a PATCH of its name alone. */
static const char *verb_of(const struct route *route, const struct input *input)
{
	bool renames = input->given == (IN_REF | IN_NAME) && input->name[0];

	return renames && strcmp(route->verb, "set") == 0 ? "rename" : route->verb;
}

void audit_request(const struct api *api, const struct route *route,
		   const struct http_request *request, const struct input *input,
		   const struct fl_error *why)
{
	own_text struct text object = { 0 }, message = { 0 };
	struct audit_entry entry = {
		.uid = request->uid == (uid_t)-1 ? -1 : (int64_t)request->uid,
		.pid = request->pid,
		.request = log_get_request(),
		.verb = verb_of(route, input),
		.outcome = why ? why->code : FL_OK,
	};

	describe(input, &object, &message);
	if (why) {
		describe_refused(request, why, &object);
		shorten(&object);
	}
	entry.object = object.length ? text_get(&object) : NULL;
	if (why)
		entry.message = why->text;
	else
		entry.message = message.length ? text_get(&message) : NULL;
	engine_audit(api->engine, &entry);
}

/* --- the log for those who ask ----------------------------------------------------- */

int get_audit(struct call *call, struct fl_error *err)
{
	size_t limit = call->input->limit;
	own(audit_list_done) struct audit_list list = { 0 };
	uint64_t after = 0;
	char next[24];

	if (call->input->after && decode_number("a record", call->input->after, &after, err) < 0)
		return fl_failed(err);
	if (engine_audit_list(call->engine, after, limit, &list, err) < 0)
		return fl_failed(err);
	encode_list_begin(call->json);
	for (size_t i = 0; i < list.count; i++)
		encode_audit_record(call->json, NULL, &list.items[i]);
	if (list.more)
		snprintf(next, sizeof(next), "%" PRIu64, list.items[list.count - 1].number);
	encode_list_end(call->json, list.more ? next : NULL);
	return 0;
}

int get_audit_verification(struct call *call, struct fl_error *err)
{
	struct audit_report report;

	if (engine_audit_verify(call->engine, &report, err) < 0)
		return fl_failed(err);
	encode_audit_report(call->json, NULL, &report);
	return 0;
}
