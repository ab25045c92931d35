#include "engine/ssh-words.h"

#include <string.h>

#include "base/text.h"
#include "base/utf8.h"

#define FAILED 255    /* ssh(1): "or with 255 if an error occurred" */
#define NOT_FOUND 127 /* POSIX's shell */
#define OURS "flocker-volume: "
#define HINT "  hint: "

/* --- lines ------------------------------------------------------------------------ */

struct lines {
	char *items[SSH_WORDS]; /* in `bytes`: none is empty */
	size_t count;
	char bytes[SSH_WORDS];
};

/* They go into a log and to a terminal, and come from another host. */
static void clean(char *string)
{
	for (char *at = string; *at;) {
		size_t length = utf8_length(at);

		if (!utf8_is_plain(at, length) && *at != '\n')
			memset(at, '?', length ? length : 1);
		at += length ? length : 1;
	}
}

static void drop_returns(const char *from, char to[static SSH_WORDS])
{
	size_t length = 0;

	for (; *from && length < SSH_WORDS - 1; from++)
		if (*from != '\r')
			to[length++] = *from;
	to[length] = '\0';
}

static void split(const char *words, struct lines *ret)
{
	char *rest = NULL;

	ret->count = 0;
	drop_returns(words, ret->bytes);
	clean(ret->bytes);
	for (char *line = strtok_r(ret->bytes, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest))
		ret->items[ret->count++] = line;
}

static const char *line_after(const struct lines *lines, size_t at, const char *prefix)
{
	const char *line = at < lines->count ? lines->items[at] : "";

	return strncmp(line, prefix, strlen(prefix)) == 0 ? line + strlen(prefix) : NULL;
}

/* For "%.*s": a line, or what of it fits. */
static int fit(const char *line, size_t most)
{
	return (int)utf8_fit(line, most);
}

/* --- who has failed ----------------------------------------------------------------- */

static int hint_try(const struct ssh_end *end, struct fl_error *err)
{
	return fl_hint(err,
		       "`ssh%s%s %s flocker-volume --version`, by the user that the daemon runs "
		       "as, must work without a question",
		       end->port[0] ? " -p " : "", end->port, end->destination);
}

/* Its last two lines, the reason and what comes of it: "No host key is known", "failed". */
static int explain_ssh(const struct ssh_end *end, const struct lines *lines, struct fl_error *err)
{
	char *const *last = lines->items + lines->count; /* behind it */

	if (lines->count == 0)
		fl_fail(err, FL_UNREACHABLE, "ssh to '%s' ended without a word", end->destination);
	else if (lines->count == 1)
		fl_fail(err, FL_UNREACHABLE, "ssh to '%s': %.*s", end->destination,
			fit(lines->items[0], 350), lines->items[0]);
	else
		fl_fail(err, FL_UNREACHABLE, "ssh to '%s': %.*s; %.*s", end->destination,
			fit(last[-2], 180), last[-2], fit(last[-1], 160), last[-1]);
	return hint_try(end, err);
}

/* What flocker-volume said last; false: it did not. */
static bool explain_ours(const struct ssh_end *end, const struct lines *lines, struct fl_error *err)
{
	const bool denied = end->status == fl_codes[FL_DENIED].exit;

	for (size_t i = lines->count; i-- > 0;) {
		const char *said = line_after(lines, i, OURS);
		const char *hint = line_after(lines, i + 1, HINT);

		if (!said)
			continue;
		fl_fail(err, denied ? FL_DENIED : FL_UNREACHABLE, "flocker-volume on '%s': %.*s",
			end->destination, fit(said, 350), said);
		if (hint)
			fl_hint(err, "on '%s': %.*s", end->destination, fit(hint, 160), hint);
		return true;
	}
	return false;
}

int ssh_explain(const struct ssh_end *end, struct fl_error *err)
{
	struct lines lines;

	split(end->words, &lines);
	if (end->status == FAILED)
		return explain_ssh(end, &lines, err);
	if (explain_ours(end, &lines, err))
		return fl_failed(err);
	if (end->status == NOT_FOUND) {
		fl_fail(err, FL_UNREACHABLE, "flocker-volume is not found on '%s'",
			end->destination);
		return fl_hint(err, "install Flocker there, in a place that ssh's commands find");
	}
	if (lines.count > 0)
		return explain_ssh(end, &lines, err);
	fl_fail(err, FL_UNREACHABLE, "the link by ssh to '%s' has ended (status %d)",
		end->destination, end->status);
	return hint_try(end, err);
}
