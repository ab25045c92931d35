#include "model/name.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

/* ASCII only, whatever the locale: names travel between hosts. */
static bool is_letter_or_digit(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_allowed(char c)
{
	return is_letter_or_digit(c) || c == '_' || c == '.' || c == '-';
}

char *name_show(const char *text, char shown[static NAME_SHOWN])
{
	const size_t room = NAME_SHOWN - sizeof("...");
	size_t at = 0, n;

	for (const char *p = text; *p; p += n ? n : 1) {
		n = utf8_length(p);
		if (at + (n ? n : 1) > room) {
			memcpy(shown + at, "...", 3);
			at += 3;
			break;
		}
		if (n == 0 || (unsigned char)*p < 0x20 || *p == 0x7f)
			shown[at++] = '?';
		else
			at += (size_t)(stpncpy(shown + at, p, n) - (shown + at));
	}
	shown[at] = '\0';
	return shown;
}

static const char *article(const char *what)
{
	return strchr("aeiou", what[0]) ? "an" : "a";
}

static int fail_character(const char *what, const char *shown, const char *name, size_t at,
			  struct fl_error *err)
{
	size_t n = utf8_length(name + at);
	unsigned char c = (unsigned char)name[at];

	if (n == 0 || c < 0x20 || c == 0x7f)
		return fl_fail(err, FL_INVALID,
			       "'%s' is not %s %s name: byte 0x%02x at position %zu is not allowed",
			       shown, article(what), what, c, at + 1);
	if (is_allowed(name[at]))
		return fl_fail(err, FL_INVALID, "'%s' is not %s %s name: it begins with '%c'",
			       shown, article(what), what, c);
	return fl_fail(err, FL_INVALID,
		       "'%s' is not %s %s name: '%.*s' at position %zu is not allowed", shown,
		       article(what), what, (int)n, name + at, at + 1);
}

static int find_fault(const char *what, const char *name, struct fl_error *err)
{
	char shown[NAME_SHOWN];
	size_t length = 0;

	if (name[0] == '\0')
		return fl_fail(err, FL_INVALID, "the %s name is empty", what);
	name_show(name, shown);
	if (!is_letter_or_digit(name[0]))
		return fail_character(what, shown, name, 0, err);
	while (is_allowed(name[length]))
		length++;
	if (name[length] != '\0')
		return fail_character(what, shown, name, length, err);
	if (length > NAME_MAX_LENGTH)
		return fl_fail(err, FL_INVALID,
			       "'%s' is not %s %s name: it has %zu characters, %d are allowed",
			       shown, article(what), what, length, NAME_MAX_LENGTH);
	return 0;
}

int name_check(const char *what, const char *name, struct fl_error *err)
{
	if (find_fault(what, name, err) < 0)
		return fl_hint(err,
			       "a name begins with a letter or a digit; letters, digits, '_', '.' "
			       "and '-' may follow, up to %d characters in all",
			       NAME_MAX_LENGTH);
	return 0;
}

void name_sanitize(const char *string, char name[static NAME_TEXT])
{
	size_t n = 0;

	while (*string && !is_letter_or_digit(*string))
		string++;
	for (; *string && n < NAME_MAX_LENGTH; string++)
		name[n++] = is_allowed(*string) ? *string : '-';
	name[n] = '\0';
	if (n == 0)
		strcpy(name, "host");
}
