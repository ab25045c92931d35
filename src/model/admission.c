#include "model/admission.h"

#include <stdio.h>
#include <string.h>

#define SERVE "serve"
#define LIMIT "limit volume="
#define FROM " from="

bool admission_is_limited(const struct admission *admission)
{
	return admission->volume[0] != '\0';
}

char *admission_format(const struct admission *admission, char text[static ADMISSION_TEXT])
{
	if (admission_is_limited(admission))
		snprintf(text, ADMISSION_TEXT, LIMIT "%s%s%s\n", admission->volume,
			 admission->from[0] ? FROM : "", admission->from);
	else
		snprintf(text, ADMISSION_TEXT, SERVE "\n");
	return text;
}

/* UUIDs are of that grammar too. */
static int take_name(const char *what, const char *text, size_t length, char ret[static NAME_TEXT],
		     struct fl_error *err)
{
	char name[NAME_TEXT] = "";

	if (length >= NAME_TEXT)
		return fl_fail(err, FL_INVALID, "the name of the %s is too long", what);
	memcpy(name, text, length);
	if (name_check(what, name, err) < 0)
		return fl_failed(err);
	memcpy(ret, name, NAME_TEXT);
	return 0;
}

int admission_parse(const char *line, struct admission *ret, struct fl_error *err)
{
	struct admission admission = { 0 };
	const char *volume, *from;

	if (strcmp(line, SERVE) == 0) {
		*ret = admission;
		return 0;
	}
	if (strncmp(line, LIMIT, strlen(LIMIT)) != 0)
		return fl_fail(err, FL_INVALID, "this is no link of flocker-volume");
	volume = line + strlen(LIMIT);
	from = strstr(volume, FROM);
	if (take_name("volume", volume, from ? (size_t)(from - volume) : strlen(volume),
		      admission.volume, err) < 0)
		return fl_failed(err);
	if (from) {
		from += strlen(FROM);
		if (take_name("instance", from, strlen(from), admission.from, err) < 0)
			return fl_failed(err);
	}
	*ret = admission;
	return 0;
}

bool admission_means(const char *wanted, const char *name, const struct uuid *uuid)
{
	struct fl_error ignored;
	struct uuid parsed;

	if (uuid_parse(wanted, &parsed, &ignored) == 0)
		return uuid_equal(&parsed, uuid);
	return strcmp(wanted, name) == 0;
}
