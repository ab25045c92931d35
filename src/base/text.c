#include "base/text.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

void (*text_no_memory)(void);

static _Noreturn void no_memory(void)
{
	if (text_no_memory)
		text_no_memory();
	abort();
}

void text_done(struct text *text)
{
	free(text->bytes);
	*text = (struct text){ 0 };
}

char *text_reserve(struct text *text, size_t length)
{
	size_t need = text->length + length + 1;

	if (need > text->capacity) {
		size_t capacity = text->capacity ? text->capacity : 64;

		while (capacity < need)
			capacity *= 2;
		text->bytes = xrealloc(text->bytes, capacity, 1);
		text->capacity = capacity;
	}
	return text->bytes + text->length;
}

void text_add(struct text *text, const char *bytes, size_t length)
{
	char *end = text_reserve(text, length);

	memcpy(end, bytes, length);
	end[length] = '\0';
	text->length += length;
}

void text_add_string(struct text *text, const char *string)
{
	text_add(text, string, strlen(string));
}

void text_add_format(struct text *text, const char *fmt, ...)
{
	char *end = text_reserve(text, 32); /* mostly a number or a short name: once is enough */
	size_t room = text->capacity - text->length;
	va_list ap;
	int length;

	va_start(ap, fmt);
	length = vsnprintf(end, room, fmt, ap);
	va_end(ap);
	if (length < 0)
		abort();
	if ((size_t)length >= room) {
		end = text_reserve(text, (size_t)length);
		va_start(ap, fmt);
		vsnprintf(end, (size_t)length + 1, fmt, ap);
		va_end(ap);
	}
	text->length += (size_t)length;
}

void text_clear(struct text *text)
{
	text->length = 0;
	if (text->bytes)
		text->bytes[0] = '\0';
}

const char *text_get(const struct text *text)
{
	return text->bytes ? text->bytes : "";
}

char *text_take(struct text *text)
{
	char *bytes = text->bytes ? text->bytes : xstrdup("");

	*text = (struct text){ 0 };
	return bytes;
}

char *xstrdup(const char *string)
{
	char *copy = strdup(string);

	if (!copy)
		no_memory();
	return copy;
}

void *xcalloc(size_t count, size_t size)
{
	void *p = calloc(count, size);

	if (!p && count && size)
		no_memory();
	return p;
}

void *xrealloc(void *p, size_t count, size_t size)
{
	void *q = reallocarray(p, count, size);

	if (!q && count && size)
		no_memory();
	return q;
}

void *array_grow(void *items, size_t count, size_t size)
{
	if ((count & (count - 1)) == 0)
		items = xrealloc(items, count ? count * 2 : 1, size);
	memset((char *)items + count * size, 0, size);
	return items;
}

bool number_parse(const char *text, int64_t *ret)
{
	size_t length = strlen(text);

	if (length < 1 || length > 18 || strspn(text, "0123456789") != length)
		return false;
	*ret = strtoll(text, NULL, 10);
	return true;
}

char *size_text(uint64_t bytes, char text[static SIZE_TEXT])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = (double)bytes;
	size_t unit = 0;

	/* 1023.95 would round to "1024.0". */
	for (; value >= 1023.95 && unit + 1 < array_size(units); unit++)
		value /= 1024;
	snprintf(text, SIZE_TEXT, "%.*f %s", unit ? 1 : 0, value, units[unit]);
	return text;
}

int size_parse(const char *text, uint64_t *ret, struct fl_error *err)
{
	static const char letters[] = "KMGTPE";
	uint64_t value = 0;
	const char *p = text, *letter;
	int shift = 0;

	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
			goto too_large;
	if (p == text)
		goto bad;
	letter = *p ? strchr(letters, *p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p) : NULL;
	if (letter) {
		shift = (int)(letter - letters + 1) * 10;
		p++;
		if (*p == 'i')
			p++;
	}
	if (*p == 'B')
		p++;
	if (*p != '\0')
		goto bad;
	if (value > (uint64_t)INT64_MAX >> shift)
		goto too_large;
	*ret = value << shift;
	return 0;
bad:
	fl_fail(err, FL_INVALID, "'%.40s' is not a size", text);
	return fl_hint(err, "write it in bytes or with a unit: 512M, 10G, 2T");
too_large:
	return fl_fail(err, FL_INVALID, "'%.40s' is more than any device holds", text);
}

size_t word_find(const char *const *words, size_t count, const char *word)
{
	size_t i = 0;

	while (i < count && !(words[i] && strcmp(words[i], word) == 0))
		i++;
	return i;
}

/* Optimal string alignment. */
size_t text_distance(const char *a, const char *b)
{
	size_t rows[3][WORD_TEXT], n = strlen(a), m = strlen(b);

	if (n >= WORD_TEXT || m >= WORD_TEXT)
		return SIZE_MAX;
	for (size_t j = 0; j <= m; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t *now = rows[i % 3], *before = rows[(i + 2) % 3], *older = rows[(i + 1) % 3];

		now[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t best = before[j - 1] + (a[i - 1] != b[j - 1]);

			if (before[j] + 1 < best)
				best = before[j] + 1;
			if (now[j - 1] + 1 < best)
				best = now[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    older[j - 2] + 1 < best)
				best = older[j - 2] + 1;
			now[j] = best;
		}
	}
	return rows[n % 3][m];
}
