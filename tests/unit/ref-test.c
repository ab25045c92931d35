#include "model/form.h"
#include "model/ref.h"
#include "tests/check.h"
#include "tests/unit/random.h"

#define X63 "x23456789012345678901234567890123456789012345678901234567890123"

static const struct {
	const char *text;
	struct ref ref;
	const char *normal; /* NULL: the text itself */
} valid[] = {
	{ "mydata", { .kind = REF_VOLUME, .volume = "mydata" } },
	{ X63, { .kind = REF_VOLUME, .volume = X63 } },
	{ "mydata/test", { .kind = REF_BRANCH, .volume = "mydata", .branch = "test" } },
	{ "h.1/my_data/x-y",
	  { .kind = REF_BRANCH, .instance = "h.1", .volume = "my_data", .branch = "x-y" } },
	{ "v1@mydata", { .kind = REF_TAG, .volume = "mydata", .tag = "v1" } },
	{ "stash@mydata", { .kind = REF_TAG, .volume = "mydata", .tag = "stash" } },
	{ "stash/3", { .kind = REF_BRANCH, .volume = "stash", .branch = "3" } },
	{ "stash/3@mydata", { .kind = REF_STASH, .volume = "mydata", .stash = 3 } },
	{ "stash/007@mydata",
	  { .kind = REF_STASH, .volume = "mydata", .stash = 7 },
	  "stash/7@mydata" },
	{ "stash/4294967295@d", { .kind = REF_STASH, .volume = "d", .stash = UINT32_MAX } },
	{ "d@{latest}", { .volume = "d", .point = POINT_LATEST } },
	{ "d@{Latest}", { .volume = "d", .point = POINT_NAME, .name = "Latest" } },
	{ "d@{-3}", { .volume = "d", .point = POINT_BACK, .number = 3 } },
	{ "d@{-0}", { .volume = "d", .point = POINT_BACK } },
	{ "d@{-1000000000}", { .volume = "d", .point = POINT_BACK, .number = 1000000000 } },
	{ "d@{2h}", { .volume = "d", .point = POINT_AGO, .number = 2 * CLOCK_HOUR }, "d@{2h ago}" },
	{ "d@{2h ago}", { .volume = "d", .point = POINT_AGO, .number = 2 * CLOCK_HOUR } },
	{ "d@{30m   ago}",
	  { .volume = "d", .point = POINT_AGO, .number = 30 * CLOCK_MINUTE },
	  "d@{30m ago}" },
	{ "d@{7d}", { .volume = "d", .point = POINT_AGO, .number = 7 * CLOCK_DAY }, "d@{1w ago}" },
	{ "d@{90m}",
	  { .volume = "d", .point = POINT_AGO, .number = 90 * CLOCK_MINUTE },
	  "d@{1h30m ago}" },
	{ "d@{1w2d3h4m5s ago}",
	  { .volume = "d",
	    .point = POINT_AGO,
	    .number = 9 * CLOCK_DAY + 3 * CLOCK_HOUR + 4 * CLOCK_MINUTE + 5 * CLOCK_SECOND } },
	{ "d@{0s}", { .volume = "d", .point = POINT_AGO }, "d@{0s ago}" },
	{ "d@{99999d ago}",
	  { .volume = "d", .point = POINT_AGO, .number = 99999 * CLOCK_DAY },
	  "d@{14285w4d ago}" },
	{ "d@{2026-11-20T10:00:00Z}",
	  { .volume = "d", .point = POINT_TIME, .number = INT64_C(1795168800) * CLOCK_SECOND },
	  "d@{2026-11-20T10:00:00.000000000Z}" },
	{ "d@{2026-11-20 11:00+01:00}",
	  { .volume = "d", .point = POINT_TIME, .number = INT64_C(1795168800) * CLOCK_SECOND },
	  "d@{2026-11-20T10:00:00.000000000Z}" },
	{ "d@{2026-11-20}",
	  { .volume = "d", .point = POINT_TIME, .number = INT64_C(1795219200) * CLOCK_SECOND - 1 },
	  "d@{2026-11-20T23:59:59.999999999Z}" },
	{ "d@{before-upgrade}", { .volume = "d", .point = POINT_NAME, .name = "before-upgrade" } },
	{ "d@{2026-11-20-before}",
	  { .volume = "d", .point = POINT_NAME, .name = "2026-11-20-before" } },
	{ "d@{2026-11-20Then}", { .volume = "d", .point = POINT_NAME, .name = "2026-11-20Then" } },
	{ "d@{30min}", { .volume = "d", .point = POINT_NAME, .name = "30min" } },
	{ "d@{1h30}", { .volume = "d", .point = POINT_NAME, .name = "1h30" } },
	{ "d@{12345}", { .volume = "d", .point = POINT_NAME, .name = "12345" } },
	{ "d@{ago}", { .volume = "d", .point = POINT_NAME, .name = "ago" } },
	{ "d@{abcde}", { .volume = "d", .point = POINT_NAME, .name = "abcde" } },
	{ "d@{abcdef}", { .volume = "d", .point = POINT_ID_OR_NAME, .name = "abcdef" } },
	{ "d@{20261120}", { .volume = "d", .point = POINT_ID_OR_NAME, .name = "20261120" } },
	{ "d@{12345d}", { .volume = "d", .point = POINT_ID_OR_NAME, .name = "12345d" } },
	{ "d@{9F3C2a1B}",
	  { .volume = "d", .point = POINT_ID_OR_NAME, .name = "9f3c2a1b" },
	  "d@{9f3c2a1b}" },
	{ "d@{0123456789abcdef}",
	  { .volume = "d", .point = POINT_ID_OR_NAME, .name = "0123456789abcdef" } },
	{ "d@{0123456789abcdef0}",
	  { .volume = "d", .point = POINT_NAME, .name = "0123456789abcdef0" } },
	{ "h/d/b@{-1}",
	  { .kind = REF_BRANCH,
	    .instance = "h",
	    .volume = "d",
	    .branch = "b",
	    .point = POINT_BACK,
	    .number = 1 } },
	{ "d:", { .volume = "d", .path = (char[]){ "" } } },
	{ "d:/", { .volume = "d", .path = (char[]){ "" } }, "d:" },
	{ "d:/etc//passwd/", { .volume = "d", .path = (char[]){ "etc/passwd" } }, "d:etc/passwd" },
	{ "d:a b/@{x}:y", { .volume = "d", .path = (char[]){ "a b/@{x}:y" } } },
	{ "d:...", { .volume = "d", .path = (char[]){ "..." } } },
	{ "d:\xff\n", { .volume = "d", .path = (char[]){ "\xff\n" } } },
	{ "v1@d:f", { .kind = REF_TAG, .volume = "d", .tag = "v1", .path = (char[]){ "f" } } },
	{ "stash/1@d:f",
	  { .kind = REF_STASH, .volume = "d", .stash = 1, .path = (char[]){ "f" } } },
	{ "d@{2026-11-20T10:00:00Z}:f:g",
	  { .volume = "d",
	    .point = POINT_TIME,
	    .number = INT64_C(1795168800) * CLOCK_SECOND,
	    .path = (char[]){ "f:g" } },
	  "d@{2026-11-20T10:00:00.000000000Z}:f:g" },
};

static void every_form_is_understood(void)
{
	struct fl_error err = { 0 };

	for (size_t i = 0; i < array_size(valid); i++) {
		own_ref struct ref ref = { 0 };
		own_text struct text text = { 0 };

		printf("# %zu\n", i);
		check_ok(ref_parse(valid[i].text, &ref, &err));
		check(ref_equal(&ref, &valid[i].ref));
		ref_format(&ref, &text);
		check_string(valid[i].normal ? valid[i].normal : valid[i].text, text_get(&text));
	}
}

#define NAME_HINT                                                                                \
	"a name begins with a letter or a digit; letters, digits, '_', '.' and '-' may follow, " \
	"up to 63 characters in all"
#define REF_HINT                                                                              \
	"write VOLUME, VOLUME/BRANCH, INSTANCE/VOLUME/BRANCH, TAG@VOLUME or stash/N@VOLUME; " \
	"@{POINT} after a branch chooses a snapshot, :PATH at the end a file"
#define POINT_HINT                                                                             \
	"write latest, -3, 2026-11-20, 2026-11-20T10:00:00Z, 30m, 2h ago, a snapshot's name, " \
	"or 6 to 16 hexadecimal digits of its id"
#define TIME_HINT "write it as 2026-11-20, 2026-11-20T10:00:00Z or 2026-11-20T10:00:00+01:00"
#define DURATION_HINT "write it as 30s, 10m, 2h, 1d, 1w or a sum like 1h30m"
#define QUOTE_HINT "quote what has a space: 'mydata@{2h ago}'"
#define PATH_HINT "a path begins at the root of the branch or snapshot and goes down only"

/* The message is "'TEXT' is not a reference: REASON", but for a lone name. */
static const struct {
	const char *text, *reason, *hint;
} invalid[] = {
	{ "/", "the volume name is empty", NAME_HINT },
	{ "a/", "the branch name is empty", NAME_HINT },
	{ "/b", "the volume name is empty", NAME_HINT },
	{ "/a/b", "the instance name is empty", NAME_HINT },
	{ "h//b", "the volume name is empty", NAME_HINT },
	{ "h/a/", "the branch name is empty", NAME_HINT },
	{ "h/a/b/c", "it has more than three names between slashes", REF_HINT },
	{ "h/my data/b", "'my data' is not a volume name: ' ' at position 3 is not allowed",
	  NAME_HINT },
	{ "a/-b", "'-b' is not a branch name: it begins with '-'", NAME_HINT },
	{ "a{b/c", "'a{b' is not a volume name: '{' at position 2 is not allowed", NAME_HINT },
	{ ":etc", "the volume name is empty", NAME_HINT },
	{ "@", "the tag name is empty", NAME_HINT },
	{ "@a", "the tag name is empty", NAME_HINT },
	{ "v1@", "the volume name is empty", NAME_HINT },
	{ "v1@a@b", "'a@b' is not a volume name: '@' at position 2 is not allowed", NAME_HINT },
	{ "v 1@a", "'v 1' is not a tag name: ' ' at position 2 is not allowed", NAME_HINT },
	{ "v1@a/b", "a tag belongs to a volume, not to a branch", REF_HINT },
	{ "a/v1@b", "'a/v1' before '@' is neither a tag nor stash/N", REF_HINT },
	{ "stash/1@a/b", "a stash belongs to a volume, not to a branch", REF_HINT },
	{ "stash/@a", "'' is not the number of a stash (1, 2, 3...)", REF_HINT },
	{ "stash/0@a", "'0' is not the number of a stash (1, 2, 3...)", REF_HINT },
	{ "stash/-1@a", "'-1' is not the number of a stash (1, 2, 3...)", REF_HINT },
	{ "stash/3x@a", "'3x' is not the number of a stash (1, 2, 3...)", REF_HINT },
	{ "stash/4294967296@a", "'4294967296' is not the number of a stash (1, 2, 3...)",
	  REF_HINT },
	{ "stash/99999999999999999999@a",
	  "'99999999999999999999' is not the number of a stash (1, 2, 3...)", REF_HINT },
	{ "v1@a@{latest}", "a tag is one snapshot already and takes no @{...}", REF_HINT },
	{ "stash/1@a@{-1}", "a stash is one snapshot already and takes no @{...}", REF_HINT },
	{ "@{latest}", "the volume name is empty", NAME_HINT },
	{ "a@{", "'@{' has no '}' after it", QUOTE_HINT },
	{ "a@{latest", "'@{' has no '}' after it", QUOTE_HINT },
	{ "a@{2h:etc", "'@{' has no '}' after it", QUOTE_HINT },
	{ "a@{}", "nothing stands between '@{' and '}'", POINT_HINT },
	{ "a@{latest}x", "after '}' only ':PATH' may follow", REF_HINT },
	{ "a@{latest}/etc", "after '}' only ':PATH' may follow", REF_HINT },
	{ "a@{latest}@{-1}", "after '}' only ':PATH' may follow", REF_HINT },
	{ "a@{-}", "'-' is not a number from -1000000000 to -0", POINT_HINT },
	{ "a@{-x}", "'-x' is not a number from -1000000000 to -0", POINT_HINT },
	{ "a@{-1000000001}", "'-1000000001' is not a number from -1000000000 to -0", POINT_HINT },
	{ "a@{two days}", "'two days' is not a snapshot name: ' ' at position 4 is not allowed",
	  POINT_HINT },
	{ "a@{+3}", "'+3' is not a snapshot name: '+' at position 1 is not allowed", POINT_HINT },
	{ "a@{two days ago}",
	  "'two days' is not a duration: expected a number and one of s, m, h, d, w",
	  DURATION_HINT },
	{ "a@{2 h ago}", "'2 h' is not a duration: expected a number and one of s, m, h, d, w",
	  DURATION_HINT },
	{ "a@{ ago}", "' ago' is not a snapshot name: ' ' at position 1 is not allowed",
	  POINT_HINT },
	{ "a@{9999999999w}", "'9999999999w' is not a duration: it is too long", DURATION_HINT },
	{ "a@{2026-02-30}",
	  "'2026-02-30' is not a time: there is no such day between 1970 and 2261", TIME_HINT },
	{ "a@{2026-11}", "'2026-11' is not a time: expected a month and '-'", TIME_HINT },
	{ "a@{20-30}", "'20-30' is not a time: expected a year and '-'", TIME_HINT },
	{ "a@{2026-11-20T10}",
	  "'2026-11-20T10' is not a time: expected an hour from 00 to 23 and ':'", TIME_HINT },
	{ "a@{2026-11-20x10:00}", "'2026-11-20x10:00' is not a time: expected 'T' after the date",
	  TIME_HINT },
	{ "a@{10:00}", "'10:00' is not a time: expected a year and '-'", TIME_HINT },
	{ "a:..", "'..' is not allowed in a path", PATH_HINT },
	{ "a:/b/../c", "'..' is not allowed in a path", PATH_HINT },
	{ "a:./b", "'.' is not allowed in a path", PATH_HINT },
};

static void everything_else_is_told_exactly_what_is_wrong(void)
{
	struct ref ref = { .stash = 77 };
	struct fl_error err;
	char wanted[400];

	for (size_t i = 0; i < array_size(invalid); i++) {
		printf("# %s\n", invalid[i].text);
		check_code(FL_INVALID, ref_parse(invalid[i].text, &ref, &err));
		snprintf(wanted, sizeof(wanted), "'%s' is not a reference: %s", invalid[i].text,
			 invalid[i].reason);
		check_string(wanted, err.text);
		check_string(invalid[i].hint, err.hint);
		check_string(invalid[i].text, err.object);
		check(ref.stash == 77 && !ref.path);
	}
}

static void a_lone_name_is_shown_once(void)
{
	struct fl_error err;
	struct ref ref;

	check_code(FL_INVALID, ref_parse("", &ref, &err));
	check_string("the reference is empty", err.text);
	check_string(REF_HINT, err.hint);
	check_code(FL_INVALID, ref_parse("my data", &ref, &err));
	check_string("'my data' is not a volume name: ' ' at position 3 is not allowed", err.text);
	check_string(NAME_HINT, err.hint);
	check_string("my data", err.object);
	check_code(FL_INVALID, ref_parse(X63 "x", &ref, &err));
	check_string("'" X63 "x' is not a volume name: it has 64 characters, 63 are allowed",
		     err.text);
}

static void lengths_are_bounded(void)
{
	own_free char *text = malloc(REF_TEXT + 100);
	own_ref struct ref ref = { 0 };
	struct fl_error err = { 0 };

	memset(text, 'p', REF_TEXT + 99);
	text[0] = 'a';
	text[1] = ':';
	for (size_t at = 2 + 255; at < REF_TEXT; at += 256)
		text[at] = '/';
	text[2 + REF_PATH - 1] = '\0';
	check_ok(ref_parse(text, &ref, &err));
	check(strlen(ref.path) == REF_PATH - 1);
	ref_done(&ref);
	text[2 + REF_PATH - 1] = '/';
	text[2 + REF_PATH] = 'p';
	text[2 + REF_PATH + 1] = '\0';
	check_code(FL_INVALID, ref_parse(text, &ref, &err));
	check(strstr(err.text,
		     "...' is not a reference: its path has 4097 bytes, 4095 are allowed"));
	check_code(FL_INVALID, ref_parse("a:b/" X63 X63 X63 X63 "pppp/c", &ref, &err));
	check(strstr(err.text, "in its path has 256 bytes, a name has at most 255"));
	/* What slashes too many cost is not counted. */
	memset(text + 2, '/', 300);
	check_ok(ref_parse(text, &ref, &err));
	check(strlen(ref.path) == REF_PATH + 1 - 300);
	memset(text + 2, 'p', REF_TEXT);
	text[REF_TEXT] = '\0';
	check_code(FL_INVALID, ref_parse(text, &ref, &err));
	check(strstr(err.text, "...' is not a reference: it has more than 4607 bytes"));
	check_string(REF_HINT, err.hint);
}

static char *random_path(void)
{
	static const char bytes[] = "abc @{}:.\xc3\xa9\n\xff-";
	struct text path = { 0 };

	for (size_t parts = random_below(4); parts > 0; parts--) {
		if (path.length > 0)
			text_add(&path, "/", 1);
		text_add(&path, "x", 1);
		for (size_t n = random_below(6); n > 0; n--)
			text_add(&path, &bytes[random_below(sizeof(bytes) - 1)], 1);
	}
	return text_take(&path);
}

static void random_point(struct ref *ref)
{
	struct fl_error err;

	ref->point = (enum point_kind)random_below(POINT_ID_OR_NAME + 1);
	switch (ref->point) {
	case POINT_NONE:
	case POINT_LATEST:
		break;
	case POINT_BACK:
		ref->number = (int64_t)random_below(1000000001);
		break;
	case POINT_TIME:
		ref->number = (int64_t)(random_next() % 9214646400000000000U);
		break;
	case POINT_AGO:
		ref->number = (int64_t)(random_next() % 9223372036 >> random_below(34)) *
			      CLOCK_SECOND;
		break;
	case POINT_NAME:
		do {
			random_name(ref->name);
		} while (ref_check_snapshot_name(ref->name, &err) < 0);
		break;
	case POINT_ID_OR_NAME:
		for (size_t n = 6 + random_below(11); n-- > 0;)
			ref->name[n] = random_of("0123456789abcdefdddd", 20);
		break;
	}
}

static void random_ref(struct ref *ref)
{
	*ref = (struct ref){ .kind = (enum ref_kind)random_below(REF_STASH + 1) };
	random_name(ref->volume);
	if (ref->kind == REF_BRANCH && random_below(2))
		random_name(ref->instance);
	if (ref->kind == REF_BRANCH)
		random_name(ref->branch);
	if (ref->kind == REF_TAG)
		random_name(ref->tag);
	if (ref->kind == REF_STASH)
		ref->stash = (uint32_t)(1 + random_below(UINT32_MAX));
	if (ref->kind == REF_VOLUME || ref->kind == REF_BRANCH)
		random_point(ref);
	if (random_below(3) == 0)
		ref->path = random_path();
}

static void parse_undoes_format(void)
{
	struct fl_error err = { 0 };

	random_begin(61);
	for (int i = 0; i < 50000; i++) {
		own_ref struct ref ref = { 0 }, parsed = { 0 };
		own_text struct text text = { 0 }, again = { 0 };

		random_ref(&ref);
		ref_format(&ref, &text);
		check_ok(ref_parse(text_get(&text), &parsed, &err));
		check(ref_equal(&ref, &parsed));
		ref_format(&parsed, &again);
		check_string(text_get(&text), text_get(&again));
	}
}

/* Either FL_INVALID with a reason and a hint, or a reference whose normal form is stable. */
static void changed_texts_parse_or_are_explained(void)
{
	struct fl_error err = { 0 };
	int accepted = 0;

	random_begin(62);
	for (int i = 0; i < 50000; i++) {
		own_ref struct ref ref = { 0 }, parsed = { 0 }, twice = { 0 };
		own_text struct text text = { 0 }, normal = { 0 }, again = { 0 };

		random_ref(&ref);
		ref_format(&ref, &text);
		for (size_t n = 1 + random_below(3); n > 0; n--) {
			text_reserve(&text, 2);
			random_mutate(text.bytes, text.length);
			text.length = strlen(text.bytes);
		}
		if (ref_parse(text_get(&text), &parsed, &err) < 0) {
			check(err.code == FL_INVALID && err.text[0] && err.hint[0]);
			check(!parsed.path && !parsed.volume[0]);
			continue;
		}
		accepted++;
		ref_format(&parsed, &normal);
		check_ok(ref_parse(text_get(&normal), &twice, &err));
		check(ref_equal(&parsed, &twice));
		ref_format(&twice, &again);
		check_string(text_get(&normal), text_get(&again));
	}
	check(accepted > 1000 && accepted < 49000);
}

static void equality_sees_every_field(void)
{
	const struct ref ref = {
		.kind = REF_BRANCH,
		.instance = "h",
		.volume = "v",
		.branch = "b",
		.point = POINT_NAME,
		.name = "n",
		.path = (char[]){ "p" },
	};
	struct ref others[10];

	for (size_t i = 0; i < array_size(others); i++)
		others[i] = ref;
	others[0].kind = REF_VOLUME;
	strcpy(others[1].instance, "x");
	strcpy(others[2].volume, "x");
	strcpy(others[3].branch, "x");
	strcpy(others[4].tag, "x");
	others[5].stash = 1;
	others[6].point = POINT_ID_OR_NAME;
	others[7].number = 1;
	others[8].path = NULL;
	others[9].path = (char[]){ "x" };
	for (size_t i = 0; i < array_size(others); i++)
		check(!ref_equal(&ref, &others[i]) && !ref_equal(&others[i], &ref));
	others[9] = ref;
	others[9].path = (char[]){ "p" };
	check(ref_equal(&ref, &others[9]));
}

static void a_snapshot_name_reads_as_nothing_else(void)
{
	static const struct {
		const char *name, *meaning; /* NULL: it may be given */
	} cases[] = {
		{ "before-upgrade" },
		{ "v1.2" },
		{ "2026" },
		{ "2026-11-20-before" },
		{ "abcde" },
		{ "0123456789abcdef0" },
		{ "latest.1" },
		{ "1d2" },
		{ "latest", "the newest snapshot" },
		{ "30m", "a duration" },
		{ "1w2d", "a duration" },
		{ "99999999999w", "a duration" },
		{ "2026-11-20", "a time" },
		{ "2026-11-31", "a time" },
		{ "2026-11-20T10", "a time" },
		{ "2026-11", "a time" },
		{ "1-2", "a time" },
		{ "123456", "a snapshot's id" },
		{ "9f3c2a1b", "a snapshot's id" },
		{ "FACADE", "a snapshot's id" },
		{ "0123456789abcdef", "a snapshot's id" },
	};
	struct fl_error err = { 0 };
	char wanted[200];

	for (size_t i = 0; i < array_size(cases); i++) {
		const char *name = cases[i].name;

		if (!cases[i].meaning) {
			check_ok(ref_check_snapshot_name(name, &err));
			continue;
		}
		check_code(FL_INVALID, ref_check_snapshot_name(name, &err));
		snprintf(wanted, sizeof(wanted),
			 "'%s' cannot be a snapshot's name: in @{%s} it means %s", name, name,
			 cases[i].meaning);
		check_string(wanted, err.text);
		snprintf(wanted, sizeof(wanted), "put a word before it, for example 'at-%s'", name);
		check_string(wanted, err.hint);
	}
	check_code(FL_INVALID, ref_check_snapshot_name("-3", &err));
	check_string("'-3' is not a snapshot name: it begins with '-'", err.text);
	check_string(NAME_HINT, err.hint);
}

/* A name may be given exactly when the reference that uses it means it. */
static void given_names_can_be_referred_to(void)
{
	struct fl_error err = { 0 };
	char name[80], text[100];
	int given = 0;

	random_begin(63);
	for (int i = 0; i < 50000; i++) {
		own_ref struct ref ref = { 0 };
		size_t length = 1 + random_below(12);
		bool may, means;

		for (size_t k = 0; k < length; k++)
			name[k] = random_of("00112233dhmwsab-TZ:. x", 22);
		name[length] = '\0';
		snprintf(text, sizeof(text), "d@{%s}", name);
		may = ref_check_snapshot_name(name, &err) == 0;
		means = ref_parse(text, &ref, &err) == 0 && ref.point == POINT_NAME;
		check(may == means);
		check(!may || strcmp(ref.name, name) == 0);
		given += may;
	}
	check(given > 1000);
}

static void each_reference_has_one_form(void)
{
	static const struct {
		const char *text;
		enum ref_form form;
	} cases[] = {
		{ "data", FORM_VOLUME },
		{ "data/test", FORM_BRANCH },
		{ "here/data/test:etc/passwd", FORM_BRANCH },
		{ "v1@data", FORM_TAG },
		{ "stash/3@data", FORM_STASH },
		{ "data@{latest}", FORM_SNAPSHOT },
		{ "data/test@{-3}", FORM_SNAPSHOT },
	};
	own_text struct text text = { 0 };
	struct fl_error err;

	for (size_t i = 0; i < array_size(cases); i++) {
		own_ref struct ref ref = { 0 };

		check_ok(ref_parse(cases[i].text, &ref, &err));
		check(form_of(&ref) == cases[i].form);
	}
	form_describe(FORM_BRANCH | FORM_SNAPSHOT, &text);
	check_string("a branch (VOLUME/BRANCH) or a snapshot (REF@{POINT})", text_get(&text));
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(every_form_is_understood),
				  CHECK(everything_else_is_told_exactly_what_is_wrong),
				  CHECK(a_lone_name_is_shown_once),
				  CHECK(lengths_are_bounded),
				  CHECK(parse_undoes_format),
				  CHECK(changed_texts_parse_or_are_explained),
				  CHECK(equality_sees_every_field),
				  CHECK(each_reference_has_one_form),
				  CHECK(a_snapshot_name_reads_as_nothing_else),
				  CHECK(given_names_can_be_referred_to),
				  CHECK_END,
			  });
}
