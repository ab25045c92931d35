#include "driver/zfs/pieces.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/own.h"

void pieces_done(struct pieces *pieces)
{
	for (size_t i = 0; i < pieces->count; i++)
		free(pieces->properties[i]);
	*pieces = (struct pieces){ 0 };
}

static bool is_plain(char c)
{
	return c >= ' ' && c <= '~' && c != '%';
}

static void encode_byte(char c, struct text *out)
{
	if (is_plain(c))
		text_add(out, &c, 1);
	else
		text_add_format(out, "%%%02X", (unsigned char)c);
}

/* As much of `text` as fits; what is left. */
static const char *encode_piece(const char *text, struct text *out)
{
	size_t begin = out->length;

	for (; *text && out->length - begin < PIECE - 2; text++)
		encode_byte(*text, out);
	return text;
}

static void name_piece(const char *base, uint64_t serial, size_t i, char name[static PROPERTY_NAME])
{
	if (i == 0)
		snprintf(name, PROPERTY_NAME, "%s", base);
	else
		snprintf(name, PROPERTY_NAME, "%s.%d.%zu", base, (int)(serial & 1), i);
}

static char *make_piece(const char *name, uint64_t serial, size_t count, const struct text *bytes)
{
	struct text property = { 0 };

	text_add_format(&property, "%s=%" PRIu64, name, serial);
	if (count)
		text_add_format(&property, ".%zu", count);
	text_add_format(&property, ":%s", text_get(bytes));
	return text_take(&property);
}

bool pieces_make(const char *base, uint64_t serial, const char *text, struct pieces *ret)
{
	struct text bytes[PIECES] = { 0 };
	char name[PROPERTY_NAME];
	size_t count = 0;
	bool fits;

	do
		text = encode_piece(text, &bytes[count++]);
	while (*text && count < PIECES);
	fits = *text == '\0';
	for (size_t i = 0; i < count; i++) {
		name_piece(base, serial, i, name);
		if (fits)
			ret->properties[i] = make_piece(name, serial, i ? 0 : count, &bytes[i]);
		text_done(&bytes[i]);
	}
	ret->count = fits ? count : 0;
	return fits;
}

/* --- reading -------------------------------------------------------------------------- */

/* False for what encode_byte() never writes. */
static bool decode_bytes(const char *value, struct text *out)
{
	static const char digits[] = "0123456789ABCDEF";

	for (; *value; value++) {
		const char *high, *low;
		char byte = *value;

		if (byte == '%') {
			high = value[1] ? strchr(digits, value[1]) : NULL;
			low = high && value[2] ? strchr(digits, value[2]) : NULL;
			if (!low)
				return false;
			byte = (char)((high - digits) * 16 + (low - digits));
			if (is_plain(byte) || byte == '\0')
				return false;
			value += 2;
		} else if (!is_plain(byte)) {
			return false;
		}
		text_add(out, &byte, 1);
	}
	return true;
}

/* A number, and what must follow it; NULL when it does not. */
static const char *take_number(const char *text, char after, uint64_t *ret)
{
	char *end;

	if (*text < '0' || *text > '9')
		return NULL;
	*ret = strtoull(text, &end, 10);
	return *end == after ? end + 1 : NULL;
}

static const char *find(const struct property *properties, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(properties[i].name, name) == 0)
			return properties[i].value;
	return NULL;
}

bool pieces_join(const char *base, const struct property *properties, size_t count,
		 uint64_t *ret_serial, struct text *ret)
{
	const char *value = find(properties, count, base);
	uint64_t serial = 0, wanted = 0, of;
	own_text struct text text = { 0 };
	char name[PROPERTY_NAME];

	value = value ? take_number(value, '.', &serial) : NULL;
	value = value ? take_number(value, ':', &wanted) : NULL;
	if (!value || wanted < 1 || wanted > PIECES || !decode_bytes(value, &text))
		return false;
	for (size_t i = 1; i < wanted; i++) {
		name_piece(base, serial, i, name);
		value = find(properties, count, name);
		value = value ? take_number(value, ':', &of) : NULL;
		if (!value || of != serial || !decode_bytes(value, &text))
			return false;
	}
	text_clear(ret);
	text_add(ret, text_get(&text), text.length);
	*ret_serial = serial;
	return true;
}
