#include "base/error.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

const struct fl_code_info fl_codes[FL_CODES] = {
	[FL_OK] = { "ok", 200, 0 },
	[FL_INVALID] = { "invalid", 400, 2 },
	[FL_NOT_FOUND] = { "not-found", 404, 3 },
	[FL_EXISTS] = { "exists", 409, 4 },
	[FL_BUSY] = { "busy", 409, 5 },
	[FL_NOT_OWNER] = { "not-owner", 409, 6 },
	[FL_DIVERGED] = { "diverged", 409, 7 },
	[FL_NO_SPACE] = { "no-space", 507, 8 },
	[FL_UNSUPPORTED] = { "unsupported", 501, 9 },
	[FL_DENIED] = { "denied", 403, 10 },
	[FL_UNREACHABLE] = { "unreachable", 502, 11 },
	[FL_CORRUPT] = { "corrupt", 500, 12 },
	[FL_SYSTEM] = { "system", 500, 1 },
};

enum fl_code fl_code_parse(const char *name)
{
	for (int code = FL_OK + 1; code < FL_CODES; code++) /* no failure is "ok" */
		if (strcmp(fl_codes[code].name, name) == 0)
			return (enum fl_code)code;
	return FL_SYSTEM;
}

static enum fl_code code_of_errno(int sys)
{
	switch (sys) {
	case ENOENT:
		return FL_NOT_FOUND;
	case EEXIST:
		return FL_EXISTS;
	case EBUSY:
	case ETXTBSY:
		return FL_BUSY;
	case ENOSPC:
	case EDQUOT:
		return FL_NO_SPACE;
	case EPERM:
	case EACCES:
		return FL_DENIED;
	case EOPNOTSUPP:
		return FL_UNSUPPORTED;
	case ENAMETOOLONG: /* names come from outside */
		return FL_INVALID;
	case EUCLEAN:
		return FL_CORRUPT;
	default:
		return FL_SYSTEM;
	}
}

/* What did not fit ends with a whole character: it goes to terminals and into JSON. */
static void end_whole(char *text, size_t size)
{
	text[utf8_fit(text, size - 1)] = '\0';
}

__attribute__((format(printf, 3, 0))) static void put(char *text, size_t size, const char *fmt,
						      va_list ap)
{
	vsnprintf(text, size, fmt, ap);
	end_whole(text, size);
}

void fl_fail_at(struct fl_error *err, const char *file, int line, enum fl_code code, int sys,
		const char *fmt, ...)
{
	va_list ap;
	size_t n;

	assert(code != FL_OK);
	*err = (struct fl_error){
		.code = sys ? code_of_errno(sys) : code,
		.sys = sys,
		.file = file,
		.line = line,
	};
	va_start(ap, fmt);
	put(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	if (sys) {
		const char *why = strerrordesc_np(sys);

		n = strlen(err->text);
		snprintf(err->text + n, sizeof(err->text) - n, ": %s", why ? why : "unknown error");
	}
}

void fl_add_wrap(struct fl_error *err, const char *fmt, ...)
{
	char inner[sizeof(err->text)];
	va_list ap;
	size_t n;

	memcpy(inner, err->text, sizeof(inner));
	va_start(ap, fmt);
	put(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	n = strlen(err->text);
	snprintf(err->text + n, sizeof(err->text) - n, ": %.*s", (int)sizeof(inner) - 1, inner);
	end_whole(err->text, sizeof(err->text));
}

void fl_add_hint(struct fl_error *err, const char *fmt, ...)
{
	va_list ap;

	if (err->hint[0] == '\0') {
		va_start(ap, fmt);
		put(err->hint, sizeof(err->hint), fmt, ap);
		va_end(ap);
	}
}

void fl_add_object(struct fl_error *err, const char *fmt, ...)
{
	va_list ap;

	if (err->object[0] == '\0') {
		va_start(ap, fmt);
		put(err->object, sizeof(err->object), fmt, ap);
		va_end(ap);
	}
}

void fl_turn_hint(struct fl_error *err)
{
	const size_t length = sizeof(FL_THERE) - 1;
	char said[sizeof(err->hint)];

	memcpy(said, err->hint, sizeof(said));
	err->hint[0] = '\0';
	if (strncmp(said, FL_THERE, length) == 0)
		fl_add_hint(err, "%s", said + length);
	else if (said[0])
		fl_add_hint(err, "%s%s", strstr(said, "flocker ") ? FL_THERE : "", said);
}
