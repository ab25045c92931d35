#pragma once

/*
 * The text of a configuration file: sections of settings, comments, blank
 * lines.  Pure: it reads and changes text, and knows neither files nor what the
 * settings mean.
 *
 *	# a comment; one that begins with ";" too
 *	[trash]
 *	keep = 7d
 *
 * Names of sections and settings are [a-z][a-z0-9-]{0,62}.  A value is what
 * stands between the "=" and the end of the line, without the blanks around it;
 * there are no quotes, no comments behind a value and no continued lines, so
 * that every value means itself.  A section, and a setting in its section,
 * stands in a file once.
 *
 * A change leaves every byte as it was that does not belong to the setting.
 */

#include "base/error.h"
#include "base/own.h"
#include "base/text.h"

#define INI_MAX (64 * 1024) /* bytes of a file */
#define INI_NAME 64	    /* of a section or a setting, with the NUL */

struct ini_entry {
	char section[INI_NAME];
	char key[INI_NAME]; /* "" for the line of the section itself */
	char *value;	    /* heap; NULL for the line of the section itself */
	size_t line;	    /* from 1 */
	size_t start, end;  /* bytes of the line in the text, its newline included */
	size_t value_start, value_end;
};

struct ini {
	struct ini_entry *items; /* heap, in the order of the text */
	size_t count;
};

void ini_done(struct ini *ini);
#define own_ini own(ini_done)

/* FL_INVALID: "line 3: why". */
must_check int ini_parse(const struct text *text, struct ini *ret, struct fl_error *err);

/* The setting, or with `key` "" the section; NULL when there is none. */
const struct ini_entry *ini_find(const struct ini *ini, const char *section, const char *key);

/*
 * `text` with the setting changed, added at the end of its section, added with
 * its section at the end, or (`value` NULL) removed with its line; into `ret`,
 * which is empty.  FL_INVALID when the text is not good, when the value could
 * not be read back, or when the result is larger than INI_MAX.
 */
must_check int ini_edit(const struct text *text, const char *section, const char *key,
			const char *value, struct text *ret, struct fl_error *err);
