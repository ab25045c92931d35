#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "cli/list.h"
#include "cli/talk.h"
#include "cli/verbs.h"

static const struct column audit_columns[] = {
	{ "NUMBER", PAINT_DIM, true },	       { "TIME", PAINT_NONE, false },
	{ "WHO", PAINT_NONE, false },	       { "VERB", PAINT_NAME, false },
	{ "OBJECT", PAINT_NONE, false },       { "OUTCOME", PAINT_NONE, false },
	{ "MESSAGE", PAINT_DIM, false, true }, { 0 },
};

/* The user's name as it is here and now; the log has the number. */
static const char *who(struct value *record, char text[static PRINT_TEXT])
{
	int64_t uid = field_int(record, "uid");
	const struct passwd *user;

	if (value_is(value_get(record, "uid"), VALUE_NULL))
		return "";
	user = getpwuid((uid_t)uid);
	if (user)
		snprintf(text, PRINT_TEXT, "%s", user->pw_name);
	else
		snprintf(text, PRINT_TEXT, "%" PRId64, uid);
	return text;
}

/* On a terminal one long object is not to push the columns behind it out of sight. */
static void add_object(struct table *table, const char *object)
{
	enum { SHOWN = 60 }; /* bytes */
	own_text struct text start = { 0 };
	size_t length = strlen(object);

	if (!printing.terminal || length <= SHOWN) {
		table_add(table, object);
		return;
	}
	for (length = SHOWN; (object[length] & 0xc0) == 0x80;) /* not within a character */
		length--;
	text_add(&start, object, length);
	text_add_string(&start, "...");
	table_add(table, text_get(&start));
}

static void add_record(struct table *table, struct value *record)
{
	char text[PRINT_TEXT];

	snprintf(text, sizeof(text), "%" PRId64, field_int(record, "number"));
	table_add(table, text);
	table_add(table, field_when(record, "time", text));
	table_add(table, who(record, text));
	table_add(table, field(record, "verb"));
	add_object(table, field(record, "object"));
	table_add(table, field(record, "outcome"));
	table_add(table, field(record, "message"));
}

static void print_report(struct value *report)
{
	int64_t records = field_int(report, "records");

	if (records == 0)
		puts("the audit log is intact: it has no records yet");
	else
		printf("the audit log is intact: %" PRId64 " records, %" PRId64 " to %" PRId64 "\n",
		       records, field_int(report, "first"), field_int(report, "last"));
}

/* Of a log that is intact or not: what is missing behind it. */
static void warn_of_missing(struct value *report)
{
	int64_t unrecorded = field_int(report, "unrecorded");

	if (unrecorded > 0)
		fprintf(stderr,
			"flocker: the last %" PRId64
			" changes are not in it, because it cannot be written\n",
			unrecorded);
}

static int fail_broken(struct invocation *in, struct value *report, struct fl_error *err)
{
	struct value *problem = value_get(report, "problem");

	in->broken = option_given(in, OPT_JSON);
	fl_fail(err, FL_CORRUPT, "the audit log is not as it was written: record %" PRId64 ": %s",
		field_int(problem, "number"), field(problem, "text"));
	return fl_hint(err,
		       "the records before it are; compare with copies that were made elsewhere");
}

static int verify(struct invocation *in, struct fl_error *err)
{
	own_free struct value *report = NULL;

	if (option_given(in, OPT_COUNT))
		return fl_fail(err, FL_INVALID,
			       "--count does not go with --verify, which reads all");
	if (talk(in, "GET", "/v1/audit/verification", NULL, NULL, &report, err) < 0)
		return fl_failed(err);
	if (option_given(in, OPT_JSON))
		print_json(report);
	warn_of_missing(report);
	if (!field_bool(report, "intact"))
		return fail_broken(in, report, err);
	if (!option_given(in, OPT_JSON))
		print_report(report);
	return 0;
}

int verb_audit(struct invocation *in, struct fl_error *err)
{
	struct listing listing = {
		.path = "/v1/audit",
		.paged = true,
		.none = "nothing was changed yet",
		.row = add_record,
		.columns = audit_columns,
	};

	if (option_given(in, OPT_VERIFY))
		return verify(in, err);
	if (option_given(in, OPT_COUNT) &&
	    take_count(in->options[OPT_COUNT], "records", &listing.limit, err) < 0)
		return fl_failed(err);
	return list_print(in, &listing, err);
}
