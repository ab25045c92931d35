#include "base/json.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/utf8.h"

void json_init(struct json *json, struct text *out)
{
	*json = (struct json){ .out = out };
}

static void add_escaped(struct text *out, unsigned char c)
{
	static const char short_form[] = {
		['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'
	};

	if (c == '"' || c == '\\')
		text_add_format(out, "\\%c", c);
	else if (c < sizeof(short_form) && short_form[c])
		text_add_format(out, "\\%c", short_form[c]);
	else
		text_add_format(out, "\\u%04x", c);
}

/* Most bytes of most strings: printable ASCII that needs no escape. */
static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

static void add_escaping(struct text *out, const char *value)
{
	const unsigned char *s = (const unsigned char *)value, *plain = s;

	text_add(out, "\"", 1);
	for (;;) {
		size_t n;

		while (is_plain(*s))
			s++;
		if (*s == '\0')
			break;
		n = utf8_length((const char *)s);
		if (n > 1) {
			s += n;
			continue;
		}
		text_add(out, (const char *)plain, (size_t)(s - plain));
		if (n == 0)
			text_add_string(out, "\xef\xbf\xbd");
		else
			add_escaped(out, *s);
		plain = ++s;
	}
	text_add(out, (const char *)plain, (size_t)(s - plain));
	text_add(out, "\"", 1);
}

/* Nearly all of an answer goes through here, and nearly all of that in one piece. */
static void add_quoted(struct text *out, const char *value)
{
	size_t length = 0;
	char *at;

	while (is_plain((unsigned char)value[length]))
		length++;
	if (value[length] != '\0') {
		add_escaping(out, value);
		return;
	}
	at = text_reserve(out, length + 2);
	*at++ = '"';
	at = mempcpy(at, value, length);
	*at++ = '"';
	*at = '\0';
	out->length += length + 2;
}

static void begin_value(struct json *json, const char *key)
{
	if (json->filled[json->depth])
		text_add(json->out, ",", 1);
	json->filled[json->depth] = true;
	if (key) {
		add_quoted(json->out, key);
		text_add(json->out, ":", 1);
	}
}

static void open_level(struct json *json, const char *key, const char *bracket, char close)
{
	assert(json->depth < JSON_DEPTH);
	begin_value(json, key);
	text_add(json->out, bracket, 1);
	json->close[json->depth++] = close;
	json->filled[json->depth] = false;
}

void json_put_object(struct json *json, const char *key)
{
	open_level(json, key, "{", '}');
}

void json_put_array(struct json *json, const char *key)
{
	open_level(json, key, "[", ']');
}

void json_end(struct json *json)
{
	assert(json->depth > 0);
	text_add(json->out, &json->close[--json->depth], 1);
}

void json_put_string(struct json *json, const char *key, const char *value)
{
	begin_value(json, key);
	if (value)
		add_quoted(json->out, value);
	else
		text_add_string(json->out, "null");
}

void json_put_int(struct json *json, const char *key, int64_t value)
{
	begin_value(json, key);
	text_add_format(json->out, "%" PRId64, value);
}

void json_put_bool(struct json *json, const char *key, bool value)
{
	json_put_raw(json, key, value ? "true" : "false");
}

void json_put_null(struct json *json, const char *key)
{
	json_put_raw(json, key, "null");
}

void json_put_uuid(struct json *json, const char *key, const struct uuid *uuid)
{
	char text[UUID_TEXT];

	json_put_string(json, key, uuid_is_none(uuid) ? NULL : uuid_format(uuid, text));
}

void json_put_time(struct json *json, const char *key, int64_t time)
{
	char text[CLOCK_TEXT];

	json_put_string(json, key, time ? clock_format(time, text) : NULL);
}

void json_put_raw(struct json *json, const char *key, const char *value)
{
	begin_value(json, key);
	text_add_string(json->out, value);
}
