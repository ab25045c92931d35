#include "model/ref.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>

/*
 * A reference is taken apart from the outside in: what stands before the first
 * "@{" or ':' names a volume, a branch, a tag or a stash (names hold neither);
 * "@{" reaches to the next '}' (times hold ':', so braces go first); what
 * follows the ':' is the path.  A part is copied out before it is checked, so
 * that a message can show it alone; ref_parse() then puts the whole before it.
 */

#define BACK_MAX INT64_C(1000000000)
#define ID_LEAST 6
#define ID_MOST 16
#define DIGITS "0123456789"

static const char hint_ref[] = "write VOLUME, VOLUME/BRANCH, INSTANCE/VOLUME/BRANCH, TAG@VOLUME or "
			       "stash/N@VOLUME; @{POINT} "
			       "after a branch chooses a snapshot, :PATH at the end a file";
static const char hint_point[] = "write latest, -3, 2026-11-20, 2026-11-20T10:00:00Z, 30m, 2h ago, "
				 "a snapshot's name, or 6 to 16 "
				 "hexadecimal digits of its id";

static const struct unit {
	char letter;
	int64_t nanoseconds;
} units[] = {
	{ 'w', 7 * CLOCK_DAY }, { 'd', CLOCK_DAY },    { 'h', CLOCK_HOUR },
	{ 'm', CLOCK_MINUTE },	{ 's', CLOCK_SECOND },
};

void ref_done(struct ref *ref)
{
	free(ref->path);
	*ref = (struct ref){ 0 };
}

static char *copy_bytes(const char *bytes, size_t length)
{
	struct text copy = { 0 };

	text_add(&copy, bytes, length);
	return text_take(&copy);
}

static int take_name(const char *what, const char *name, char ret[static NAME_TEXT],
		     struct fl_error *err)
{
	int r = name_check(what, name, err);

	if (r == 0)
		memcpy(ret, name, strlen(name) + 1);
	return r;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* A whole number up to `most`; false for anything else. */
static bool take_number(const char *digits, int64_t most, int64_t *ret)
{
	int64_t number = 0;

	if (*digits == '\0')
		return false;
	for (; *digits; digits++) {
		if (!is_digit(*digits))
			return false;
		number = number * 10 + (*digits - '0');
		if (number > most)
			return false;
	}
	*ret = number;
	return true;
}

/* --- POINT ----------------------------------------------------------------- */

static bool is_id(const char *word)
{
	size_t length = strlen(word);

	return length >= ID_LEAST && length <= ID_MOST &&
	       strspn(word, DIGITS "abcdefABCDEF") == length;
}

/* The length of `word` without a final "ago" and the spaces before it; 0 when it does not end so.
 */
static size_t length_before_ago(const char *word)
{
	size_t length = strlen(word);

	if (length < 4 || strcmp(word + length - 4, " ago") != 0)
		return 0;
	for (length -= 4; length > 0 && word[length - 1] == ' '; length--)
		;
	return length;
}

/* Numbers, each followed by a unit: "1h30m".  Whether they fit is for later. */
static bool reads_as_duration(const char *word)
{
	const char *p = word;

	while (is_digit(*p)) {
		p += strspn(p, DIGITS);
		if (*p == '\0' || !strchr("smhdw", *p))
			return false;
		p++;
	}
	return p > word && *p == '\0';
}

/* Does `word` begin with "2026-11-20"? */
static bool begins_with_date(const char *word)
{
	for (const char *p = "0000-00-00"; *p; p++, word++)
		if (*p == '-' ? *word != '-' : !is_digit(*word))
			return false;
	return true;
}

/*
 * Digits and dashes alone, a digit first and a colon somewhere, or a date with
 * a digit after "T" or a space: meant as a time, even if it is none.  A date
 * with words after it ("2026-11-20-before") is a name.
 */
static bool reads_as_time(const char *word)
{
	if (!is_digit(word[0]))
		return false;
	if (strchr(word, ':'))
		return true;
	if (word[strspn(word, DIGITS "-")] == '\0')
		return strchr(word, '-') != NULL;
	return begins_with_date(word) && word[10] && strchr("Tt ", word[10]) && is_digit(word[11]);
}

/*
 * The order matters in one place: an id comes before a duration, because it may
 * be all digits with a 'd' at its end ("12345d"), and no snapshot may be out of
 * reach by the luck of its id.  Nobody means ten thousand days and more.
 */
static enum point_kind kind_of(const char *word)
{
	if (strcmp(word, "latest") == 0)
		return POINT_LATEST;
	if (word[0] == '-')
		return POINT_BACK;
	if (is_id(word))
		return POINT_ID_OR_NAME;
	if (length_before_ago(word) > 0 || reads_as_duration(word))
		return POINT_AGO;
	if (reads_as_time(word))
		return POINT_TIME;
	return POINT_NAME;
}

static int parse_back(const char *word, struct ref *ref, struct fl_error *err)
{
	char shown[NAME_SHOWN];

	if (take_number(word + 1, BACK_MAX, &ref->number))
		return 0;
	return fl_fail(err, FL_INVALID, "'%s' is not a number from -1000000000 to -0",
		       name_show(word, shown));
}

static int parse_ago(const char *word, struct ref *ref, struct fl_error *err)
{
	size_t length = length_before_ago(word);
	own_free char *duration = copy_bytes(word, length ? length : strlen(word));

	return clock_parse_duration(duration, &ref->number, err);
}

static void parse_id(const char *word, struct ref *ref)
{
	for (size_t i = 0; word[i]; i++)
		ref->name[i] = (char)(word[i] >= 'A' && word[i] <= 'F' ? word[i] - 'A' + 'a'
								       : word[i]);
}

static int parse_point_name(const char *word, struct ref *ref, struct fl_error *err)
{
	int r = take_name("snapshot", word, ref->name, err);

	/* The word may have been meant as any other kind, so the hint names them all. */
	if (r < 0)
		err->hint[0] = '\0';
	return r;
}

int ref_parse_point(const char *word, struct ref *ref, struct fl_error *err)
{
	int r = 0;

	ref->point = kind_of(word);
	if (*word == '\0')
		r = fl_fail(err, FL_INVALID, "nothing stands between '@{' and '}'");
	else if (ref->point == POINT_BACK)
		r = parse_back(word, ref, err);
	else if (ref->point == POINT_ID_OR_NAME)
		parse_id(word, ref);
	else if (ref->point == POINT_AGO)
		r = parse_ago(word, ref, err);
	else if (ref->point == POINT_TIME)
		r = clock_parse(word, &ref->number, err);
	else if (ref->point == POINT_NAME)
		r = parse_point_name(word, ref, err);
	return r < 0 ? fl_hint(err, "%s", hint_point) : 0;
}

/* --- what stands before it --------------------------------------------------- */

static int parse_stash(const char *number, struct ref *ref, struct fl_error *err)
{
	char shown[NAME_SHOWN];
	int64_t value = 0;

	if (!take_number(number, UINT32_MAX, &value) || value == 0)
		return fl_fail(err, FL_INVALID, "'%s' is not the number of a stash (1, 2, 3...)",
			       name_show(number, shown));
	ref->kind = REF_STASH;
	ref->stash = (uint32_t)value;
	return 0;
}

/* TAG@VOLUME or stash/N@VOLUME, cut at the '@'. */
static int parse_pointer(const char *pointer, const char *volume, struct ref *ref,
			 struct fl_error *err)
{
	char shown[NAME_SHOWN];
	int r;

	if (strncmp(pointer, "stash/", 6) == 0) {
		r = parse_stash(pointer + 6, ref, err);
	} else if (strchr(pointer, '/')) {
		r = fl_fail(err, FL_INVALID, "'%s' before '@' is neither a tag nor stash/N",
			    name_show(pointer, shown));
	} else {
		ref->kind = REF_TAG;
		r = take_name("tag", pointer, ref->tag, err);
	}
	if (r < 0)
		return r;
	if (strchr(volume, '/'))
		return fl_fail(err, FL_INVALID, "a %s belongs to a volume, not to a branch",
			       ref->kind == REF_TAG ? "tag" : "stash");
	return take_name("volume", volume, ref->volume, err);
}

/* VOLUME, VOLUME/BRANCH or INSTANCE/VOLUME/BRANCH; cuts `names` at its slashes. */
static int parse_branch(char *names, struct ref *ref, struct fl_error *err)
{
	char *parts[3], *rest = names;
	size_t count = 0;
	int r;

	while (rest && count < 3)
		parts[count++] = strsep(&rest, "/");
	if (rest)
		return fl_fail(err, FL_INVALID, "it has more than three names between slashes");
	if (count == 1)
		return take_name("volume", parts[0], ref->volume, err);
	ref->kind = REF_BRANCH;
	r = count == 3 ? take_name("instance", parts[0], ref->instance, err) : 0;
	if (r == 0)
		r = take_name("volume", parts[count - 2], ref->volume, err);
	if (r == 0)
		r = take_name("branch", parts[count - 1], ref->branch, err);
	return r;
}

/* --- what stands after it ----------------------------------------------------- */

static int add_component(struct text *path, const char *component, struct fl_error *err)
{
	if (*component == '\0')
		return 0;
	if (strcmp(component, ".") == 0 || strcmp(component, "..") == 0) {
		fl_fail(err, FL_INVALID, "'%s' is not allowed in a path", component);
		return fl_hint(
			err,
			"a path begins at the root of the branch or snapshot and goes down only");
	}
	if (strlen(component) > NAME_MAX)
		return fl_fail(err, FL_INVALID,
			       "'%.20s...' in its path has %zu bytes, a name has at most %d",
			       component, strlen(component), NAME_MAX);
	if (path->length > 0)
		text_add(path, "/", 1);
	text_add_string(path, component);
	return 0;
}

static int parse_path(const char *text, char **ret, struct fl_error *err)
{
	own_text struct text path = { 0 };
	own_free char *copy = xstrdup(text);
	char *rest = copy, *component;

	while ((component = strsep(&rest, "/")))
		if (add_component(&path, component, err) < 0)
			return fl_failed(err);
	if (path.length >= REF_PATH)
		return fl_fail(err, FL_INVALID, "its path has %zu bytes, %d are allowed",
			       path.length, REF_PATH - 1);
	*ret = text_take(&path);
	return 0;
}

/* `text` begins behind the "@{"; `*ret_end` is what follows the '}'. */
static int parse_braces(const char *text, struct ref *ref, const char **ret_end,
			struct fl_error *err)
{
	const char *close = strchr(text, '}');
	own_free char *word = NULL;

	if (ref->kind == REF_TAG || ref->kind == REF_STASH)
		return fl_fail(err, FL_INVALID, "a %s is one snapshot already and takes no @{...}",
			       ref->kind == REF_TAG ? "tag" : "stash");
	if (!close) {
		fl_fail(err, FL_INVALID, "'@{' has no '}' after it");
		return fl_hint(err, "quote what has a space: 'mydata@{2h ago}'");
	}
	if (close[1] != '\0' && close[1] != ':')
		return fl_fail(err, FL_INVALID, "after '}' only ':PATH' may follow");
	word = copy_bytes(text, (size_t)(close - text));
	*ret_end = close + 1;
	return ref_parse_point(word, ref, err);
}

static int parse_base(const char *text, size_t length, struct ref *ref, struct fl_error *err)
{
	own_free char *base = copy_bytes(text, length);
	char *at = strchr(base, '@');

	if (!at)
		return parse_branch(base, ref, err);
	*at = '\0';
	return parse_pointer(base, at + 1, ref, err);
}

/* Where the part before "@{" and ':' ends. */
static size_t base_length(const char *text)
{
	const char *p = text;

	while (*p && *p != ':' && !(p[0] == '@' && p[1] == '{'))
		p++;
	return (size_t)(p - text);
}

static int parse_parts(const char *text, struct ref *ref, struct fl_error *err)
{
	size_t length = base_length(text);
	const char *rest = text + length;
	int r = parse_base(text, length, ref, err);

	if (r == 0 && *rest == '@')
		r = parse_braces(rest + 2, ref, &rest, err);
	if (r == 0 && *rest == ':')
		r = parse_path(rest + 1, &ref->path, err);
	return r;
}

int ref_parse(const char *text, struct ref *ret, struct fl_error *err)
{
	own_ref struct ref ref = { 0 };
	char shown[NAME_SHOWN];
	int r;

	name_show(text, shown);
	if (*text == '\0')
		r = fl_fail(err, FL_INVALID, "the reference is empty");
	else if (strnlen(text, REF_TEXT) == REF_TEXT)
		r = fl_fail(err, FL_INVALID, "'%s' is not a reference: it has more than %d bytes",
			    shown, REF_TEXT - 1);
	else
		r = parse_parts(text, &ref, err);
	if (r < 0) {
		/* A lone name is shown by its own message already. */
		if (strpbrk(text, "/@:") && strnlen(text, REF_TEXT) < REF_TEXT)
			fl_wrap(err, "'%s' is not a reference", shown);
		fl_object(err, "%s", shown);
		return fl_hint(err, "%s", hint_ref);
	}
	*ret = ref;
	ref.path = NULL;
	return 0;
}

/* --- and back ------------------------------------------------------------------- */

static void format_ago(int64_t nanoseconds, struct text *out)
{
	if (nanoseconds < CLOCK_SECOND)
		text_add_string(out, "0s");
	for (size_t i = 0; i < array_size(units); i++) {
		int64_t count = nanoseconds / units[i].nanoseconds;

		if (count > 0)
			text_add_format(out, "%" PRId64 "%c", count, units[i].letter);
		nanoseconds %= units[i].nanoseconds;
	}
	text_add_string(out, " ago");
}

void ref_format_point(const struct ref *ref, struct text *out)
{
	char time[CLOCK_TEXT];

	switch (ref->point) {
	case POINT_NONE:
		break;
	case POINT_LATEST:
		text_add_string(out, "latest");
		break;
	case POINT_BACK:
		text_add_format(out, "-%" PRId64, ref->number);
		break;
	case POINT_TIME:
		text_add_string(out, clock_format(ref->number, time));
		break;
	case POINT_AGO:
		format_ago(ref->number, out);
		break;
	case POINT_NAME:
	case POINT_ID_OR_NAME:
		text_add_string(out, ref->name);
		break;
	}
}

static void format_base(const struct ref *ref, struct text *out)
{
	switch (ref->kind) {
	case REF_VOLUME:
		text_add_string(out, ref->volume);
		break;
	case REF_BRANCH:
		if (ref->instance[0])
			text_add_format(out, "%s/", ref->instance);
		text_add_format(out, "%s/%s", ref->volume, ref->branch);
		break;
	case REF_TAG:
		text_add_format(out, "%s@%s", ref->tag, ref->volume);
		break;
	case REF_STASH:
		text_add_format(out, "stash/%" PRIu32 "@%s", ref->stash, ref->volume);
		break;
	}
}

void ref_format(const struct ref *ref, struct text *out)
{
	format_base(ref, out);
	if (ref->point != POINT_NONE) {
		text_add_string(out, "@{");
		ref_format_point(ref, out);
		text_add_string(out, "}");
	}
	if (ref->path)
		text_add_format(out, ":%s", ref->path);
}

static bool path_equal(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

bool ref_equal(const struct ref *a, const struct ref *b)
{
	return a->kind == b->kind && a->stash == b->stash && a->point == b->point &&
	       a->number == b->number && strcmp(a->instance, b->instance) == 0 &&
	       strcmp(a->volume, b->volume) == 0 && strcmp(a->branch, b->branch) == 0 &&
	       strcmp(a->tag, b->tag) == 0 && strcmp(a->name, b->name) == 0 &&
	       path_equal(a->path, b->path);
}

int ref_check_snapshot_name(const char *name, struct fl_error *err)
{
	static const char *const meanings[] = {
		[POINT_LATEST] = "the newest snapshot",
		[POINT_TIME] = "a time",
		[POINT_AGO] = "a duration",
		[POINT_ID_OR_NAME] = "a snapshot's id",
	};
	int r = name_check("snapshot", name, err);
	enum point_kind kind = kind_of(name);

	if (r < 0 || kind == POINT_NAME)
		return r;
	fl_fail(err, FL_INVALID, "'%s' cannot be a snapshot's name: in @{%s} it means %s", name,
		name, meanings[kind] ? meanings[kind] : "something else");
	return fl_hint(err, "put a word before it, for example 'at-%s'", name);
}
