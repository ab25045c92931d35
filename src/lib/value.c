#include "lib/value.h"

#include <stdlib.h>
#include <string.h>

/*
 * Why not jansson, which reads what the daemon is sent?  A tree of allocations
 * and hash tables for 1,000 snapshots takes it 6 ms on the machine of
 * docs/benchmarks.md, more than `flocker log` may take in all; this takes half
 * a millisecond, because it makes nothing that is not asked for.  It is also
 * one shared library less to load at each start.
 *
 * The length of the text bounds the number of values in it: with its separator
 * each takes two bytes, but for containers that are still open, of which there
 * are at most VALUE_DEPTH.  So there is one allocation, and no index is ever out
 * of it; most of it is never touched and so takes no memory.
 *
 * A container's span says how many values to step over to reach what follows
 * it.  Looking a member up is a walk along an object's direct members.
 */

struct parser {
	const char *start;
	char *p;
	char *end;
	struct value *values;
	size_t count;
	unsigned depth;
};

static int fail_at(const struct parser *parser, const char *expected, struct fl_error *err)
{
	return fl_fail(err, FL_INVALID, "not JSON: expected %s at byte %zu", expected,
		       (size_t)(parser->p - parser->start));
}

static void skip_space(struct parser *parser)
{
	while (parser->p < parser->end && (*parser->p == ' ' || *parser->p == '\t' ||
					   *parser->p == '\n' || *parser->p == '\r'))
		parser->p++;
}

static bool take(struct parser *parser, char c)
{
	skip_space(parser);
	if (parser->p == parser->end || *parser->p != c)
		return false;
	parser->p++;
	return true;
}

static struct value *add(struct parser *parser, enum value_type type)
{
	struct value *value = &parser->values[parser->count++];

	*value = (struct value){ .text = parser->p, .span = 1, .type = (uint8_t)type };
	return value;
}

static bool is_hexadecimal(const char *digits)
{
	for (int i = 0; i < 4; i++)
		if (!((digits[i] >= '0' && digits[i] <= '9') ||
		      (digits[i] >= 'a' && digits[i] <= 'f') ||
		      (digits[i] >= 'A' && digits[i] <= 'F')))
			return false;
	return true;
}

/* One escape after its backslash. */
static bool take_escape(struct parser *parser)
{
	char c = parser->p < parser->end ? *parser->p++ : '\0';

	if (c == 'u') {
		if (parser->end - parser->p < 4 || !is_hexadecimal(parser->p))
			return false;
		parser->p += 4;
		return true;
	}
	return c != '\0' && strchr("\"\\/bfnrt", c);
}

/* Over what stands for itself.  Here most of the time goes, so it is one test for each byte. */
static void skip_plain(struct parser *parser)
{
	static const bool special[256] = {
		[0 ... 0x1f] = true,
		['"'] = true,
		['\\'] = true,
	};
	char *p = parser->p;

	/* The byte after the text is a NUL, so the end needs no test of its own. */
	while (!special[(unsigned char)*p])
		p++;
	parser->p = p;
}

static int parse_string(struct parser *parser, struct fl_error *err)
{
	struct value *value;

	if (!take(parser, '"'))
		return fail_at(parser, "a string", err);
	value = add(parser, VALUE_STRING);
	for (;;) {
		skip_plain(parser);
		if (parser->p == parser->end || *parser->p == '"')
			break;
		if (*parser->p++ != '\\')
			return fail_at(parser, "no control character in a string", err);
		if (!take_escape(parser))
			return fail_at(parser, "an escape", err);
	}
	if (parser->p == parser->end)
		return fail_at(parser, "the end of a string", err);
	value->length = (uint32_t)(parser->p - value->text);
	parser->p++;
	return 0;
}

static size_t skip_digits(struct parser *parser)
{
	const char *start = parser->p;

	while (parser->p < parser->end && *parser->p >= '0' && *parser->p <= '9')
		parser->p++;
	return (size_t)(parser->p - start);
}

static bool take_here(struct parser *parser, const char *accepted)
{
	if (parser->p == parser->end || *parser->p == '\0' || !strchr(accepted, *parser->p))
		return false;
	parser->p++;
	return true;
}

static int parse_number(struct parser *parser, struct fl_error *err)
{
	struct value *value = add(parser, VALUE_NUMBER);
	const char *digits;
	size_t whole;

	take_here(parser, "-");
	digits = parser->p;
	whole = skip_digits(parser);
	if (whole == 0 || (whole > 1 && *digits == '0'))
		return fail_at(parser, "a value", err);
	if (take_here(parser, ".") && skip_digits(parser) == 0)
		return fail_at(parser, "a digit", err);
	if (take_here(parser, "eE")) {
		take_here(parser, "+-");
		if (skip_digits(parser) == 0)
			return fail_at(parser, "a digit", err);
	}
	value->length = (uint32_t)(parser->p - value->text);
	return 0;
}

static int parse_word(struct parser *parser, const char *word, enum value_type type,
		      struct fl_error *err)
{
	size_t length = strlen(word);

	if ((size_t)(parser->end - parser->p) < length || memcmp(parser->p, word, length) != 0)
		return fail_at(parser, "a value", err);
	add(parser, type)->length = (uint32_t)length;
	parser->p += length;
	return 0;
}

static int parse_value(struct parser *parser, struct fl_error *err);

static int parse_member(struct parser *parser, bool keyed, struct fl_error *err)
{
	int r = keyed ? parse_string(parser, err) : 0;

	if (r < 0)
		return r;
	if (keyed && !take(parser, ':'))
		return fail_at(parser, "':'", err);
	return parse_value(parser, err);
}

static int parse_container(struct parser *parser, enum value_type type, struct fl_error *err)
{
	char close = type == VALUE_OBJECT ? '}' : ']';
	size_t index = parser->count;
	struct value *value = add(parser, type);
	bool more;
	int r;

	if (++parser->depth > VALUE_DEPTH)
		return fail_at(parser, "less depth", err);
	parser->p++;
	for (more = !take(parser, close); more; more = !take(parser, close)) {
		if (parser->count > index + 1 && !take(parser, ','))
			return fail_at(parser, "',' or an end", err);
		r = parse_member(parser, type == VALUE_OBJECT, err);
		if (r < 0)
			return r;
	}
	parser->depth--;
	value->span = (uint32_t)(parser->count - index);
	value->length = (uint32_t)(parser->p - value->text);
	return 0;
}

static int parse_value(struct parser *parser, struct fl_error *err)
{
	skip_space(parser);
	switch (parser->p < parser->end ? *parser->p : '\0') {
	case '{':
		return parse_container(parser, VALUE_OBJECT, err);
	case '[':
		return parse_container(parser, VALUE_ARRAY, err);
	case '"':
		return parse_string(parser, err);
	case 't':
		return parse_word(parser, "true", VALUE_TRUE, err);
	case 'f':
		return parse_word(parser, "false", VALUE_FALSE, err);
	case 'n':
		return parse_word(parser, "null", VALUE_NULL, err);
	default:
		return parse_number(parser, err);
	}
}

int value_parse(const char *text, size_t length, struct value **ret, struct fl_error *err)
{
	own_free struct value *values = NULL;
	struct parser parser;
	size_t room;
	char *copy;
	int r;

	if (length > VALUE_TEXT_MAX)
		return fl_fail(err, FL_INVALID, "a JSON document of %zu bytes is too long", length);
	room = length / 2 + VALUE_DEPTH + 2;
	values = malloc(room * sizeof(*values) + length + 1);
	if (!values)
		return fl_fail(err, FL_SYSTEM, "no memory for %zu bytes of JSON", length);
	copy = (char *)(values + room);
	memcpy(copy, text, length);
	copy[length] = '\0';
	parser = (struct parser){ copy, copy, copy + length, values, 0, 0 };
	r = parse_value(&parser, err);
	if (r < 0)
		return r;
	skip_space(&parser);
	if (parser.p != parser.end)
		return fail_at(&parser, "the end", err);
	*ret = take_ptr(values);
	return 0;
}

/* --- reading -------------------------------------------------------------------- */

bool value_is(const struct value *value, enum value_type type)
{
	return value && value->type == type;
}

struct value *value_first(struct value *container)
{
	if (!container || (container->type != VALUE_ARRAY && container->type != VALUE_OBJECT))
		return NULL;
	return container->span > 1 ? container + 1 : NULL;
}

struct value *value_next(struct value *container, struct value *element)
{
	struct value *next = element + element->span;

	return next < container + container->span ? next : NULL;
}

size_t value_count(struct value *container)
{
	size_t count = 0;

	value_each(container, element) count++;
	return count;
}

static bool equals(const struct value *string, const char *bytes, size_t length)
{
	return string->length == length && memcmp(string->text, bytes, length) == 0;
}

bool value_equals(const struct value *value, const char *string)
{
	return value_is(value, VALUE_STRING) && equals(value, string, strlen(string));
}

struct value *value_get(struct value *object, const char *key)
{
	size_t length = strlen(key);
	const struct value *end;

	if (!value_is(object, VALUE_OBJECT))
		return NULL;
	end = object + object->span;
	for (struct value *k = object + 1; k < end; k += 1 + k[1].span)
		if (equals(k, key, length))
			return k + 1;
	return NULL;
}

int64_t value_int(const struct value *value)
{
	int64_t number;
	char *end;

	if (!value_is(value, VALUE_NUMBER))
		return 0;
	errno = 0;
	number = strtoll(value->text, &end, 10);
	return errno == 0 && end == value->text + value->length ? number : 0;
}

const char *value_written(const struct value *value, size_t *ret_length)
{
	*ret_length = value->length;
	return value->text;
}

/* --- strings ---------------------------------------------------------------------- */

static uint32_t hexadecimal(const char *digits)
{
	char copy[5] = { digits[0], digits[1], digits[2], digits[3], '\0' };

	return (uint32_t)strtoul(copy, NULL, 16);
}

static char *put_utf8(char *out, uint32_t c)
{
	if (c < 0x80) {
		*out++ = (char)c;
	} else if (c < 0x800) {
		*out++ = (char)(0xc0 | c >> 6);
		*out++ = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*out++ = (char)(0xe0 | c >> 12);
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
		*out++ = (char)(0x80 | (c & 0x3f));
	} else {
		*out++ = (char)(0xf0 | c >> 18);
		*out++ = (char)(0x80 | (c >> 12 & 0x3f));
		*out++ = (char)(0x80 | (c >> 6 & 0x3f));
		*out++ = (char)(0x80 | (c & 0x3f));
	}
	return out;
}

/* The code point of "uXXXX", or of two of them that are a pair; moves past what it read. */
static uint32_t take_code_point(const char **p, const char *end)
{
	uint32_t c = hexadecimal(*p + 1), low;

	*p += 5;
	if (c >= 0xd800 && c < 0xdc00 && end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u') {
		low = hexadecimal(*p + 2);
		if (low >= 0xdc00 && low < 0xe000) {
			*p += 6;
			return 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
		}
	}
	return c == 0 || (c >= 0xd800 && c < 0xe000) ? 0xfffd : c;
}

static char unescaped(char c)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	const char *at = strchr(from, c);

	return at ? to[at - from] : c;
}

const char *value_string(struct value *value)
{
	const char *p, *end;
	char *out;

	if (!value_is(value, VALUE_STRING))
		return NULL;
	if (value->ready)
		return value->text;
	/* No escape is shorter than what it stands for, so the string fits where it is. */
	end = value->text + value->length;
	for (p = out = value->text; p < end;) {
		if (*p != '\\') {
			*out++ = *p++;
		} else if (*++p == 'u') {
			out = put_utf8(out, take_code_point(&p, end));
		} else {
			*out++ = unescaped(*p++);
		}
	}
	*out = '\0'; /* at the latest on the closing quote */
	value->length = (uint32_t)(out - value->text);
	value->ready = true;
	return value->text;
}
