#include "base/uuid.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

struct uuid uuid_new(void)
{
	struct uuid uuid;

	if (getrandom(uuid.bytes, sizeof(uuid.bytes), 0) != sizeof(uuid.bytes))
		abort();
	uuid.bytes[6] = (uint8_t)((uuid.bytes[6] & 0x0f) | 0x40);
	uuid.bytes[8] = (uint8_t)((uuid.bytes[8] & 0x3f) | 0x80);
	return uuid;
}

static bool dash_before(int i)
{
	return i == 4 || i == 6 || i == 8 || i == 10;
}

char *uuid_format(const struct uuid *uuid, char text[static UUID_TEXT])
{
	static const char digits[] = "0123456789abcdef";
	char *p = text;

	for (int i = 0; i < 16; i++) {
		if (dash_before(i))
			*p++ = '-';
		*p++ = digits[uuid->bytes[i] >> 4];
		*p++ = digits[uuid->bytes[i] & 15];
	}
	*p = '\0';
	return text;
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int uuid_parse(const char *text, struct uuid *ret, struct fl_error *err)
{
	struct uuid uuid;
	const char *p = text;

	for (int i = 0; i < 16; i++) {
		int high, low;

		if (dash_before(i) && *p++ != '-')
			return fl_fail(err, FL_INVALID, "'%.40s' is not a UUID", text);
		high = digit_value(p[0]);
		low = high < 0 ? -1 : digit_value(p[1]);
		if (low < 0)
			return fl_fail(err, FL_INVALID, "'%.40s' is not a UUID", text);
		uuid.bytes[i] = (uint8_t)(high << 4 | low);
		p += 2;
	}
	if (*p != '\0')
		return fl_fail(err, FL_INVALID, "'%.40s' is not a UUID", text);
	*ret = uuid;
	return 0;
}

int uuid_compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct uuid));
}

bool uuid_equal(const struct uuid *a, const struct uuid *b)
{
	return uuid_compare(a, b) == 0;
}

bool uuid_is_none(const struct uuid *uuid)
{
	static const struct uuid none;

	return uuid_equal(uuid, &none);
}
