/*
 * One pass over the lines.  Each entry remembers which bytes of the text are
 * its line and which of them its value, so that a change is made by copying
 * what stands before, the new bytes, and what stands behind.
 */

#include "base/ini.h"

#include <stdbool.h>
#include <string.h>

#include "base/utf8.h"

/* The line that is looked at: its bytes without blanks around them and without its newline. */
struct line {
	const char *bytes;
	size_t length;
	size_t number;
	size_t start, end; /* in the text, newline included */
};

void ini_done(struct ini *ini)
{
	for (size_t i = 0; i < ini->count; i++)
		free(ini->items[i].value);
	free(ini->items);
	*ini = (struct ini){ 0 };
}

const struct ini_entry *ini_find(const struct ini *ini, const char *section, const char *key)
{
	for (size_t i = 0; i < ini->count; i++)
		if (strcmp(ini->items[i].section, section) == 0 &&
		    strcmp(ini->items[i].key, key) == 0)
			return &ini->items[i];
	return NULL;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void trim(const char **bytes, size_t *length)
{
	for (; *length && is_blank((*bytes)[0]); (*bytes)++)
		(*length)--;
	for (; *length && is_blank((*bytes)[*length - 1]);)
		(*length)--;
}

static int take_name(const char *what, const struct line *line, size_t length, const char *bytes,
		     char ret[static INI_NAME], struct fl_error *err)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-";

	if (length == 0)
		return fl_fail(err, FL_INVALID, "line %zu: the name of a %s is missing",
			       line->number, what);
	if (length >= INI_NAME)
		return fl_fail(err, FL_INVALID, "line %zu: the name of a %s is longer than %d",
			       line->number, what, INI_NAME - 1);
	memcpy(ret, bytes, length);
	ret[length] = '\0';
	if (strspn(ret, letters) == length && ret[0] >= 'a')
		return 0;
	fl_fail(err, FL_INVALID, "line %zu: '%s' is no name of a %s", line->number, ret, what);
	return fl_hint(err, "a name has small letters, digits and '-', and begins with a letter");
}

static int add_entry(struct ini *ini, const struct ini_entry *entry, struct fl_error *err)
{
	const struct ini_entry *first = ini_find(ini, entry->section, entry->key);

	if (first && entry->key[0])
		return fl_fail(err, FL_INVALID, "line %zu: '%s' is in [%s] already, in line %zu",
			       entry->line, entry->key, entry->section, first->line);
	if (first)
		return fl_fail(err, FL_INVALID, "line %zu: section [%s] began already in line %zu",
			       entry->line, entry->section, first->line);
	*array_add(ini->items, ini->count) = *entry;
	return 0;
}

static struct ini_entry entry_of(const struct line *line)
{
	return (struct ini_entry){ .line = line->number, .start = line->start, .end = line->end };
}

static int parse_section(const struct line *line, struct ini *ini, struct fl_error *err)
{
	struct ini_entry entry = entry_of(line);
	const char *name = line->bytes + 1;
	size_t length = line->length - 1;

	if (line->bytes[line->length - 1] != ']')
		return fl_fail(err, FL_INVALID, "line %zu: a section ends with ']'", line->number);
	length--;
	trim(&name, &length);
	if (take_name("section", line, length, name, entry.section, err) < 0)
		return fl_failed(err);
	return add_entry(ini, &entry, err);
}

static int parse_setting(const struct text *text, const struct line *line, struct ini *ini,
			 struct fl_error *err)
{
	const char *equals = memchr(line->bytes, '=', line->length);
	const char *key = line->bytes, *value = equals ? equals + 1 : NULL;
	size_t key_length, value_length;
	struct ini_entry entry = entry_of(line);

	if (!equals)
		return fl_fail(err, FL_INVALID,
			       "line %zu: it is neither [SECTION], KEY = VALUE nor a # comment",
			       line->number);
	if (ini->count == 0)
		return fl_fail(err, FL_INVALID, "line %zu: a setting stands before any [SECTION]",
			       line->number);
	key_length = (size_t)(equals - key);
	value_length = line->length - key_length - 1;
	trim(&key, &key_length);
	trim(&value, &value_length);
	if (take_name("setting", line, key_length, key, entry.key, err) < 0)
		return fl_failed(err);
	memcpy(entry.section, ini->items[ini->count - 1].section, INI_NAME);
	entry.value_start = (size_t)(value - text->bytes);
	entry.value_end = entry.value_start + value_length;
	entry.value = xcalloc(value_length + 1, 1);
	memcpy(entry.value, value, value_length);
	if (add_entry(ini, &entry, err) == 0)
		return 0;
	free(entry.value);
	return fl_failed(err);
}

/* Blanks are trimmed and newlines split: no other control character has a meaning here. */
static int check_bytes(const struct line *line, struct fl_error *err)
{
	size_t step;

	for (size_t i = 0; i < line->length; i += step) {
		unsigned char byte = (unsigned char)line->bytes[i];

		/* The text ends with a NUL, so that a sequence cut short is seen as one. */
		step = utf8_length(line->bytes + i);
		if (step == 0 || i + step > line->length)
			return fl_fail(err, FL_INVALID, "line %zu: it is not UTF-8", line->number);
		if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
			return fl_fail(err, FL_INVALID,
				       "line %zu: it holds a control character (byte %d)",
				       line->number, byte);
	}
	return 0;
}

static int parse_line(const struct text *text, const struct line *line, struct ini *ini,
		      struct fl_error *err)
{
	if (check_bytes(line, err) < 0)
		return fl_failed(err);
	if (line->length == 0 || line->bytes[0] == '#' || line->bytes[0] == ';')
		return 0;
	if (line->bytes[0] == '[')
		return parse_section(line, ini, err);
	return parse_setting(text, line, ini, err);
}

int ini_parse(const struct text *text, struct ini *ret, struct fl_error *err)
{
	own_ini struct ini ini = { 0 };
	struct line line = { 0 };

	if (text->length > INI_MAX)
		return fl_fail(err, FL_INVALID, "it is larger than %d bytes", INI_MAX);
	if (text->length >= 3 && memcmp(text->bytes, "\xef\xbb\xbf", 3) == 0) {
		/* Which nobody sees, so that any other message would be a riddle. */
		fl_fail(err, FL_INVALID, "line 1: it begins with a byte order mark");
		return fl_hint(err, "write the file as UTF-8 without one");
	}
	while (line.end < text->length) {
		const char *newline;

		line.start = line.end;
		line.number++;
		line.bytes = text->bytes + line.start;
		newline = memchr(line.bytes, '\n', text->length - line.start);
		line.length = newline ? (size_t)(newline - line.bytes) : text->length - line.start;
		line.end = line.start + line.length + (newline ? 1 : 0);
		trim(&line.bytes, &line.length);
		if (parse_line(text, &line, &ini, err) < 0)
			return fl_failed(err);
	}
	*ret = ini;
	ini = (struct ini){ 0 };
	return 0;
}

/* --- changes ----------------------------------------------------------------- */

/* Could the value be read back as it is? */
static int check_value(const char *value, struct fl_error *err)
{
	const char *bytes = value;
	size_t length = strlen(value);
	struct line line = { .bytes = value, .length = length, .number = 1 };

	if (strpbrk(value, "\r\n"))
		return fl_fail(err, FL_INVALID, "the value has more than one line");
	if (check_bytes(&line, err) < 0)
		return fl_fail(err, FL_INVALID,
			       "the value holds a control character or is not UTF-8");
	trim(&bytes, &length);
	if (length != line.length)
		return fl_fail(err, FL_INVALID, "the value begins or ends with a blank");
	return 0;
}

/* `text` with the bytes from `start` to `end` replaced. */
static void splice(const struct text *text, size_t start, size_t end, const char *bytes,
		   struct text *ret)
{
	text_add(ret, text_get(text), start);
	text_add_string(ret, bytes);
	text_add(ret, text_get(text) + end, text->length - end);
}

/* Behind the last line of its section. */
static void add_setting(const struct text *text, const struct ini *ini, const char *section,
			const char *setting, struct text *ret)
{
	own_text struct text line = { 0 };
	size_t at = 0;

	for (size_t i = 0; i < ini->count; i++)
		if (strcmp(ini->items[i].section, section) == 0)
			at = ini->items[i].end;
	text_add_format(&line, "%s%s\n", text->bytes[at - 1] == '\n' ? "" : "\n", setting);
	splice(text, at, at, text_get(&line), ret);
}

static void add_section(const struct text *text, const char *section, const char *setting,
			struct text *ret)
{
	bool unfinished = text->length && text->bytes[text->length - 1] != '\n';

	text_add(ret, text_get(text), text->length);
	text_add_format(ret, "%s%s[%s]\n%s\n", unfinished ? "\n" : "", text->length ? "\n" : "",
			section, setting);
}

static void edit(const struct text *text, const struct ini *ini, const struct ini_entry *wanted,
		 struct text *ret)
{
	const struct ini_entry *entry = ini_find(ini, wanted->section, wanted->key);
	own_text struct text setting = { 0 };

	text_add_format(&setting, "%s = %s", wanted->key, wanted->value ? wanted->value : "");
	if (!wanted->value && entry)
		splice(text, entry->start, entry->end, "", ret);
	else if (!wanted->value)
		text_add(ret, text_get(text), text->length);
	else if (entry)
		splice(text, entry->value_start, entry->value_end, wanted->value, ret);
	else if (ini_find(ini, wanted->section, ""))
		add_setting(text, ini, wanted->section, text_get(&setting), ret);
	else
		add_section(text, wanted->section, text_get(&setting), ret);
}

int ini_edit(const struct text *text, const char *section, const char *key, const char *value,
	     struct text *ret, struct fl_error *err)
{
	own_free char *copy = value ? xstrdup(value) : NULL;
	own_text struct text changed = { 0 };
	struct ini_entry wanted = { .value = copy };
	own_ini struct ini ini = { 0 };
	struct line name = { .number = 0 };

	if (take_name("section", &name, strlen(section), section, wanted.section, err) < 0 ||
	    take_name("setting", &name, strlen(key), key, wanted.key, err) < 0 ||
	    (value && check_value(value, err) < 0) || ini_parse(text, &ini, err) < 0)
		return fl_failed(err);
	edit(text, &ini, &wanted, &changed);
	if (changed.length > INI_MAX)
		return fl_fail(err, FL_INVALID, "the file would be larger than %d bytes", INI_MAX);
	text_done(ret);
	*ret = changed;
	changed = (struct text){ 0 };
	return 0;
}
