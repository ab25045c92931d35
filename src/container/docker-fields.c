#include <stdio.h>
#include <string.h>

#include "container/docker-internal.h"

/* What stands in answers, and what is said in requests. */

static const json_t *field(struct fields *fields, const char *key, bool is_right(const json_t *))
{
	const json_t *value = json_object_get(fields->object, key);

	if (!value || json_is_null(value))
		return NULL;
	if (!is_right(value)) {
		fields->bad = true;
		return NULL;
	}
	return value;
}

static bool is_text(const json_t *value)
{
	return json_is_string(value);
}

static bool is_integer(const json_t *value)
{
	return json_is_integer(value);
}

static bool is_bool(const json_t *value)
{
	return json_is_boolean(value);
}

static bool is_object(const json_t *value)
{
	return json_is_object(value);
}

static bool is_array(const json_t *value)
{
	return json_is_array(value);
}

const char *fields_text(struct fields *fields, const char *key)
{
	const json_t *value = field(fields, key, is_text);

	return value ? json_string_value(value) : "";
}

int64_t fields_int(struct fields *fields, const char *key)
{
	return json_integer_value(field(fields, key, is_integer));
}

bool fields_bool(struct fields *fields, const char *key)
{
	return json_is_true(field(fields, key, is_bool));
}

const json_t *fields_object(struct fields *fields, const char *key)
{
	return field(fields, key, is_object);
}

const json_t *fields_array(struct fields *fields, const char *key)
{
	return field(fields, key, is_array);
}

void fields_copy(struct fields *fields, const char *key, char *ret, size_t size)
{
	const char *text = fields_text(fields, key);

	if (strlen(text) >= size)
		fields->bad = true;
	snprintf(ret, size, "%s", text);
}

/* As engines have it for names, ids and their beginnings: nothing in it leads out of a path. */
int docker_check_container(const char *container, struct fl_error *err)
{
	static const char plain[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	size_t length = strlen(container);

	if (length > 0 && length < DOCKER_NAME && strchr(plain, container[0]) &&
	    container[strspn(
		    container,
		    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")] == '\0')
		return 0;
	fl_fail(err, FL_INVALID, "'%.100s' is no name of a container", container);
	return fl_hint(err, "letters, digits, '_', '.', '-'; it begins with a letter or a digit");
}

void docker_add_encoded(struct text *target, const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		if ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
		    (*p >= '0' && *p <= '9') || strchr("-._~", *p))
			text_add(target, (const char *)p, 1);
		else
			text_add_format(target, "%%%02X", *p);
}
