/*
 * Decoding is driven by one table: each input has a name, a type, and a place
 * in struct input.  A body's member goes through take_json(), a query
 * parameter through take_text(); both end in the same place.
 */

#include "api/decode.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "engine/engine.h"

#define STRINGS_MAX 256 /* the words of a command; there are fewer keys */

enum type { TYPE_STRING, TYPE_REF, TYPE_REFS, TYPE_METADATA, TYPE_STRINGS, TYPE_NUMBER, TYPE_FLAG };

struct field {
	const char *name;
	enum type type;
	size_t offset; /* in struct input */
};

static const struct field fields[] = {
#define FIELD(capitals, name, type) \
	[INPUT_##capitals] = { #name, TYPE_##type, offsetof(struct input, name) },
	INPUTS(FIELD)
#undef FIELD
};

static const char *const type_names[] = {
	[TYPE_STRING] = "a string",
	[TYPE_REF] = "a string that holds a reference",
	[TYPE_REFS] = "an array of strings that hold references",
	[TYPE_METADATA] = "an object of strings",
	[TYPE_STRINGS] = "an array of strings",
	[TYPE_NUMBER] = "a whole number that is not negative",
	[TYPE_FLAG] = "true or false",
};

const char *input_name(unsigned number)
{
	return fields[number].name;
}

static void free_refs(struct ref_array *refs)
{
	for (size_t i = 0; i < refs->count; i++)
		ref_done(&refs->items[i]);
	free(refs->items);
}

static void free_field(const struct field *field, struct input *input)
{
	void *place = (char *)input + field->offset;
	struct ref *ref;

	switch (field->type) {
	case TYPE_REF:
		ref = *(struct ref **)place;
		if (ref)
			ref_done(ref);
		free(ref);
		return;
	case TYPE_REFS:
		free_refs(place);
		return;
	case TYPE_METADATA:
		metadata_done(place);
		return;
	case TYPE_STRINGS:
		free(((struct string_array *)place)->items);
		return;
	case TYPE_STRING:
	case TYPE_NUMBER:
	case TYPE_FLAG:
		return;
	}
}

void input_done(struct input *input)
{
	for (size_t i = 0; i < array_size(fields); i++)
		free_field(&fields[i], input);
	json_decref(input->document);
	*input = (struct input){ 0 };
}

static int fail_type(const struct field *field, struct fl_error *err)
{
	return fl_fail(err, FL_INVALID, "'%s' must be %s", field->name, type_names[field->type]);
}

static int take_ref(const struct field *field, const char *text, struct ref **ret,
		    struct fl_error *err)
{
	struct ref *ref = xcalloc(1, sizeof(*ref));
	int r = ref_parse(text, ref, err);

	if (r < 0) {
		free(ref);
		return fl_wrap(err, "'%s'", field->name);
	}
	*ret = ref;
	return 0;
}

static int take_refs(const struct field *field, const json_t *value, struct ref_array *ret,
		     struct fl_error *err)
{
	size_t count = json_array_size(value);
	int r;

	if (!json_is_array(value))
		return fail_type(field, err);
	if (count == 0 || count > SNAPSHOT_REFS)
		return fl_fail(err, FL_INVALID, "'%s' must hold 1 to %d references, not %zu",
			       field->name, SNAPSHOT_REFS, count);
	ret->items = xcalloc(count, sizeof(*ret->items));
	for (; ret->count < count; ret->count++) {
		const char *text = json_string_value(json_array_get(value, ret->count));

		if (!text)
			return fail_type(field, err);
		r = ref_parse(text, &ret->items[ret->count], err);
		if (r < 0)
			return fl_wrap(err, "'%s', number %zu", field->name, ret->count + 1);
	}
	return 0;
}

static int take_strings(const struct field *field, const json_t *value, struct string_array *ret,
			struct fl_error *err)
{
	size_t count = json_array_size(value);

	if (!json_is_array(value))
		return fail_type(field, err);
	if (count > STRINGS_MAX)
		return fl_fail(err, FL_INVALID, "'%s' holds more than %d strings", field->name,
			       STRINGS_MAX);
	ret->items = xcalloc(count + 1, sizeof(*ret->items));
	for (; ret->count < count; ret->count++) {
		ret->items[ret->count] = json_string_value(json_array_get(value, ret->count));
		if (!ret->items[ret->count])
			return fail_type(field, err);
	}
	return 0;
}

static int take_metadata(const struct field *field, json_t *value, struct metadata *ret,
			 struct fl_error *err)
{
	const char *key;
	json_t *member;
	int r;

	if (!json_is_object(value))
		return fail_type(field, err);
	json_object_foreach(value, key, member)
	{
		if (!json_is_string(member))
			return fail_type(field, err);
		r = metadata_set(ret, key, json_string_value(member), err);
		if (r < 0)
			return fl_wrap(err, "'%s'", field->name);
	}
	return 0;
}

static int take_number(const struct field *field, const json_t *value, uint64_t *ret,
		       struct fl_error *err)
{
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return fail_type(field, err);
	*ret = (uint64_t)json_integer_value(value);
	return 0;
}

static int take_json(const struct field *field, json_t *value, struct input *input,
		     struct fl_error *err)
{
	void *place = (char *)input + field->offset;

	switch (field->type) {
	case TYPE_STRING:
		*(const char **)place = json_string_value(value);
		return json_is_string(value) ? 0 : fail_type(field, err);
	case TYPE_REF:
		return json_is_string(value) ? take_ref(field, json_string_value(value), place, err)
					     : fail_type(field, err);
	case TYPE_REFS:
		return take_refs(field, value, place, err);
	case TYPE_METADATA:
		return take_metadata(field, value, place, err);
	case TYPE_STRINGS:
		return take_strings(field, value, place, err);
	case TYPE_NUMBER:
		return take_number(field, value, place, err);
	case TYPE_FLAG:
		*(bool *)place = json_is_true(value);
		return json_is_boolean(value) ? 0 : fail_type(field, err);
	}
	return fail_type(field, err);
}

/* A query parameter.  Those that exist are strings, references, flags and small numbers. */
static int take_text(const struct field *field, const char *text, struct input *input,
		     struct fl_error *err)
{
	void *place = (char *)input + field->offset;
	int64_t number;

	switch (field->type) {
	case TYPE_STRING:
		*(const char **)place = text;
		return 0;
	case TYPE_REF:
		return take_ref(field, text, place, err);
	case TYPE_NUMBER:
		if (!number_parse(text, &number))
			return fail_type(field, err);
		*(uint64_t *)place = (uint64_t)number;
		return 0;
	case TYPE_FLAG:
		*(bool *)place = strcmp(text, "true") == 0;
		return *(bool *)place || strcmp(text, "false") == 0 ? 0 : fail_type(field, err);
	default:
		return fail_type(field, err);
	}
}

/* The number of the input called `name` in `set`; -1 when there is none. */
static int find_field(const char *name, uint64_t set)
{
	for (unsigned i = 0; i < INPUT_COUNT; i++)
		if (set & UINT64_C(1) << i && strcmp(fields[i].name, name) == 0)
			return (int)i;
	return -1;
}

static int fail_unknown(const char *what, const char *name, uint64_t set, struct fl_error *err)
{
	own_text struct text known = { 0 };

	for (unsigned i = 0; i < INPUT_COUNT; i++)
		if (set & UINT64_C(1) << i)
			text_add_format(&known, "%s%s", known.length ? ", " : "", fields[i].name);
	fl_fail(err, FL_INVALID, "%s '%.60s' is not known here", what, name);
	return known.length ? fl_hint(err, "known are: %s", known.bytes) : -FL_INVALID;
}

static int decode_query(const struct http_request *request, uint64_t set, struct input *input,
			struct fl_error *err)
{
	for (size_t i = 0; i < request->parameter_count; i++) {
		const struct http_parameter *parameter = &request->parameters[i];
		int number = find_field(parameter->name, set);
		int r;

		if (number < 0)
			return fail_unknown("query parameter", parameter->name, set, err);
		if (input->given & UINT64_C(1) << number)
			return fl_fail(err, FL_INVALID, "query parameter '%s' is given twice",
				       parameter->name);
		input->given |= UINT64_C(1) << number;
		r = take_text(&fields[number], parameter->value, input, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int parse_body(const struct http_request *request, json_t **ret, struct fl_error *err)
{
	json_error_t error;
	json_t *body = json_loadb(request->body, request->body_length, JSON_REJECT_DUPLICATES,
				  &error);

	if (!body && json_error_code(&error) == json_error_null_character)
		return fl_fail(err, FL_INVALID, "the body holds a NUL character in a string");
	if (!body)
		return fl_fail(err, FL_INVALID, "the body is not JSON: line %d, column %d: %s",
			       error.line, error.column, error.text);
	*ret = body;
	if (!json_is_object(body))
		return fl_fail(err, FL_INVALID, "the body must be a JSON object");
	return 0;
}

/* No body is the same as an object without members. */
static int decode_body(const struct http_request *request, uint64_t set, struct input *input,
		       struct fl_error *err)
{
	json_t *body = NULL, *value;
	const char *name;
	int r;

	if (request->body_length == 0)
		return 0;
	r = parse_body(request, &body, err);
	input->document = body;
	if (r < 0)
		return r;
	json_object_foreach(body, name, value)
	{
		int number = find_field(name, set);

		if (number < 0)
			return fail_unknown("member", name, set, err);
		/* Only the query can have given it: a body holds no member twice. */
		if (input->given & UINT64_C(1) << number)
			return fl_fail(err, FL_INVALID, "'%s' is given twice", name);
		input->given |= UINT64_C(1) << number;
		r = take_json(&fields[number], value, input, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int check_required(const struct accepts *accepts, uint64_t given, struct fl_error *err)
{
	uint64_t missing = accepts->required & ~given;
	unsigned number = (unsigned)__builtin_ctzll(missing | UINT64_C(1) << 63);

	if (!missing)
		return 0;
	return fl_fail(err, FL_INVALID, "%s '%s' is missing",
		       accepts->query & UINT64_C(1) << number ? "query parameter" : "member",
		       fields[number].name);
}

/* Each resource takes its own kind of reference, so that a DELETE never means more than its path.
 */
static int check_form(const struct ref *ref, unsigned forms, struct fl_error *err)
{
	own_text struct text text = { 0 }, wanted = { 0 };

	if (!ref || ((!ref->path || forms & FORM_PATH) && form_of(ref) & forms))
		return 0;
	form_describe(forms, &wanted);
	ref_format(ref, &text);
	fl_fail(err, FL_INVALID, "reference '%s' does not fit here: %s is expected",
		text_get(&text), text_get(&wanted));
	return fl_object(err, "%s", text_get(&text));
}

static int check_limit(const struct accepts *accepts, struct input *input, struct fl_error *err)
{
	if (accepts->body & IN_LIMIT)
		return 0;
	if (!(input->given & IN_LIMIT))
		input->limit = PAGE;
	if (input->limit < 1 || input->limit > PAGE_MAX)
		return fl_fail(err, FL_INVALID, "'limit' must be 1 to %d", PAGE_MAX);
	return 0;
}

static int decode_all(const struct http_request *request, const struct accepts *accepts,
		      struct input *input, struct fl_error *err)
{
	int r;

	if (request->refused)
		return fl_fail(err, FL_INVALID, "%s", request->refused);
	r = decode_query(request, accepts->query, input, err);
	if (r == 0)
		r = decode_body(request, accepts->body, input, err);
	if (r == 0)
		r = check_required(accepts, input->given, err);
	if (r == 0)
		r = check_form(input->ref, accepts->forms, err);
	if (r == 0)
		r = check_limit(accepts, input, err);
	return r;
}

int input_decode(const struct http_request *request, const struct accepts *accepts,
		 struct input *ret, struct fl_error *err)
{
	own_input struct input input = { 0 };
	int r = decode_all(request, accepts, &input, err);

	if (r < 0)
		return r;
	*ret = input;
	input = (struct input){ 0 };
	return 0;
}

int decode_operation(const struct input *input, struct uuid *uuid, const struct uuid **ret_id,
		     struct fl_error *err)
{
	if (!(input->given & IN_OPERATION))
		return 0;
	if (uuid_parse(input->operation, uuid, err) < 0)
		return fl_wrap(err, "'operation'");
	*ret_id = uuid;
	return 0;
}

int decode_number(const char *what, const char *text, uint64_t *ret, struct fl_error *err)
{
	int64_t number;

	if (!number_parse(text, &number) || text[0] == '0')
		return fl_fail(err, FL_INVALID, "'after' must be the number of %s, not '%.40s'",
			       what, text);
	*ret = (uint64_t)number;
	return 0;
}

int decode_id(const char *text, uint64_t *ret, struct fl_error *err)
{
	size_t length = strlen(text);

	if (length != SNAPID_TEXT - 1 || strspn(text, "0123456789abcdefABCDEF") != length)
		return fl_fail(err, FL_INVALID,
			       "'%.40s' is not the id of a snapshot: 16 hexadecimal digits", text);
	*ret = strtoull(text, NULL, 16);
	return 0;
}
