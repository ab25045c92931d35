#include "base/utf8.h"

#include <string.h>

size_t utf8_length(const char *string)
{
	const unsigned char *s = (const unsigned char *)string;
	unsigned char low = 0x80, high = 0xbf;
	size_t n;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		n = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		n = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		n = 4;
	else
		return 0;
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if (s[i] < 0x80 || s[i] > 0xbf)
			return 0;
	return n;
}

/* Of the sequence that this byte would begin. */
static size_t announced(char byte)
{
	unsigned char lead = (unsigned char)byte;

	if (lead >= 0xf0)
		return 4;
	if (lead >= 0xe0)
		return 3;
	return lead >= 0xc0 ? 2 : 1;
}

size_t utf8_fit(const char *string, size_t most)
{
	size_t length = strnlen(string, most), last = length;

	if (length < most)
		return length;
	while (last > 0 && length - last < 4 && (string[last - 1] & 0xc0) == 0x80)
		last--;
	if (last == 0 || last - 1 + announced(string[last - 1]) <= length)
		return length;
	return last - 1;
}

bool utf8_is_valid(const char *string)
{
	for (size_t n; *string; string += n) {
		n = utf8_length(string);
		if (n == 0)
			return false;
	}
	return true;
}

uint32_t utf8_code_point(const char *string, size_t length)
{
	const unsigned char *s = (const unsigned char *)string;
	uint32_t c = length == 1 ? s[0] : s[0] & (0xffu >> (length + 1));

	for (size_t i = 1; i < length; i++)
		c = c << 6 | (s[i] & 0x3f);
	return c;
}

bool utf8_is_plain(const char *string, size_t length)
{
	uint32_t c = length ? utf8_code_point(string, length) : 0;

	return c >= 0x20 && (c < 0x7f || c > 0x9f) && (c < 0x2028 || c > 0x202e) &&
	       (c < 0x2066 || c > 0x2069);
}
