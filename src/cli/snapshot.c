#include <stdio.h>
#include <string.h>

#include "cli/list.h"
#include "cli/talk.h"
#include "cli/verbs.h"

#define UNHELD_SHOWN 5

static int check_refs(struct invocation *in, struct fl_error *err)
{
	for (size_t i = 0; i < in->operand_count; i++) {
		own_ref struct ref ref = { 0 };

		if (take_ref(in->operands[i], &ref, err) < 0)
			return fl_failed(err);
		if (ref_is_snapshot(&ref)) {
			fl_fail(err, FL_INVALID, "'%s' is a snapshot already", in->operands[i]);
			fl_object(err, "%s", in->operands[i]);
			return fl_hint(err, "a snapshot is taken of a branch: flocker snapshot %s",
				       ref.volume);
		}
	}
	if (option_given(in, OPT_NAME))
		return ref_check_snapshot_name(in->options[OPT_NAME], err);
	return 0;
}

static int snapshot_body(struct invocation *in, struct body *body, struct fl_error *err)
{
	body_array(body, "refs");
	for (size_t i = 0; i < in->operand_count; i++)
		body_string(body, NULL, in->operands[i]);
	body_end(body);
	put_option(body, in, OPT_NAME, "name");
	put_option(body, in, OPT_MESSAGE, "message");
	if (option_given(in, OPT_TOGETHER))
		body_true(body, "together");
	if (put_metadata(body, in->settings, in->setting_count, err) < 0)
		return fl_failed(err);
	return 0;
}

/* It was taken all the same. */
static void warn_of_hooks(struct value *snapshot)
{
	const char *note = field(value_get(snapshot, "metadata"), "flocker.hooks");
	own_text struct text text = { 0 };

	if (!note[0])
		return;
	add_clean(&text, note);
	fprintf(stderr,
		"flocker: the snapshot may be inconsistent: hooks %s\n"
		"hint: flocker events says why; flocker hook set --required takes none then\n",
		text_get(&text));
}

static void add_counted(struct text *out, size_t count, const char *what)
{
	if (count > 0)
		text_add_format(out, "%s%zu %s%s", out->length ? " and " : "", count, what,
				count == 1 ? "" : "s");
}

/* "2 containers and 1 cgroup" */
static void add_held(struct text *out, struct value *together)
{
	size_t containers = 0, others = 0;

	value_each(value_get(together, "groups"), group) *
		(field_bool(group, "container") ? &containers : &others) += 1;
	add_counted(out, containers, "container");
	add_counted(out, others, "cgroup");
}

/* They may have written between one snapshot and the next. */
static void warn_of_unheld(struct value *unheld)
{
	size_t count = value_count(unheld), shown = 0;

	value_each(unheld, process)
	{
		own_text struct text line = { 0 };

		if (shown++ == UNHELD_SHOWN)
			break;
		add_clean(&line, field(process, "command"));
		fprintf(stderr, "flocker: not held: %s (%lld): %s\n", text_get(&line),
			(long long)field_int(process, "pid"), field(process, "why"));
	}
	if (count > UNHELD_SHOWN)
		fprintf(stderr, "flocker: not held: %zu more\n", count - UNHELD_SHOWN);
}

/* To standard error: standard output has the references alone. */
static void print_together(struct value *together, size_t count)
{
	own_text struct text held = { 0 };
	struct value *time = value_get(together, "held");

	add_held(&held, together);
	fprintf(stderr, "%zu snapshot%s at one instant, ", count, count == 1 ? "" : "s");
	if (held.length && time && value_is(time, VALUE_NUMBER))
		fprintf(stderr, "%s held for %.1f ms\n", text_get(&held),
			strtod(time->text, NULL) * 1000);
	else
		fputs("nothing was held\n", stderr);
	warn_of_unheld(value_get(together, "unheld"));
}

int verb_snapshot(struct invocation *in, struct fl_error *err)
{
	own_free struct value *list = NULL;
	own_body struct body *body = body_new();
	struct value *items;
	int r = check_refs(in, err);

	if (r == 0)
		r = snapshot_body(in, body, err);
	if (r == 0)
		r = talk(in, "POST", "/v1/snapshots", NULL, body, &list, err);
	if (r < 0)
		return r;
	items = value_get(list, "items");
	if (!value_is(items, VALUE_ARRAY))
		return fl_fail(err, FL_CORRUPT, "the daemon's answer is not a list");
	if (option_given(in, OPT_JSON)) {
		print_json(items);
		return 0;
	}
	value_each(items, snapshot)
	{
		printf("%s\n", field(snapshot, "ref"));
		warn_of_hooks(snapshot);
	}
	if (option_given(in, OPT_TOGETHER))
		print_together(value_get(list, "together"), value_count(items));
	return 0;
}

/* --- log ------------------------------------------------------------------------ */

static const struct column log_columns[] = {
	{ "ID", PAINT_ID, false },
	{ "TIME", PAINT_NONE, false },
	{ "AGE", PAINT_DIM, true },
	{ "BRANCH", PAINT_NONE, false },
	{ "REASON", PAINT_NONE, false },
	{ "NAME", PAINT_NAME, false },
	{ "TAGS", PAINT_TAG, false },
	{ "MESSAGE", PAINT_NONE, false, true },
	{ 0 },
};

/* A message may have paragraphs; in a table its first line stands for it. */
static char *first_line(const char *message)
{
	struct text line = { 0 };

	text_add(&line, message, strcspn(message, "\n"));
	return text_take(&line);
}

static void add_snapshot(struct table *table, struct value *snapshot)
{
	own_free char *tags = field_joined(snapshot, "tags", ",");
	own_free char *message = first_line(field(snapshot, "message"));
	int64_t time = field_time(snapshot, "time");
	const char *ref = field(snapshot, "ref");
	own_free char *note = NULL;
	char text[PRINT_TEXT];

	/* What follows is older than the branch: its past lies in another one. */
	if (field_bool(snapshot, "began") &&
	    asprintf(&note, "--- began here, from %.*s ---", (int)strcspn(ref, "@"), ref) >= 0)
		table_note(table, note);
	table_add(table,
		  printing.terminal ? field_short_id(snapshot, "id", text) : field(snapshot, "id"));
	table_add(table, field_when(snapshot, "time", text));
	table_add(table, print_age(time, text));
	table_add(table, field(snapshot, "branch"));
	table_add(table, field(snapshot, "reason"));
	table_add(table, field(snapshot, "name"));
	table_add(table, tags);
	table_add(table, message);
}

/* --- why ---------------------------------------------------------------------- */

static const struct column why_columns[] = {
	{ "ID", PAINT_ID, false },     { "TIME", PAINT_NONE, false },
	{ "AGE", PAINT_DIM, true },    { "BRANCH", PAINT_NONE, false },
	{ "NAME", PAINT_NAME, false }, { "SCORE", PAINT_NONE, true },
	{ "WHY", PAINT_NONE, false },  { 0 },
};

/* In the words of people; the daemon's own where it has learnt new ones. */
static void add_why(struct text *out, struct value *snapshot, struct value *why)
{
	static const char *const words[][2] = {
		{ "newest", "the newest" },	      { "oldest", "the oldest" },
		{ "young", "younger than keep-all" }, { "calendar", "kept by the calendar" },
		{ "room", "nothing makes it go" },    { "goes", "goes at one of the next passes" },
	};
	own_free char *pins = field_joined(snapshot, "pins", ", ");
	const char *stay = field(why, "stay");

	if (strcmp(stay, "pinned") == 0) {
		text_add_format(out, "pinned: %s", pins);
		return;
	}
	for (size_t i = 0; i < array_size(words); i++)
		if (strcmp(stay, words[i][0]) == 0)
			stay = words[i][1];
	text_add_string(out, stay);
}

static void add_explained(struct table *table, struct value *snapshot)
{
	struct value *why = value_get(snapshot, "why");
	int64_t time = field_time(snapshot, "time");
	own_text struct text reason = { 0 };
	char text[PRINT_TEXT];

	add_why(&reason, snapshot, why);
	table_add(table,
		  printing.terminal ? field_short_id(snapshot, "id", text) : field(snapshot, "id"));
	table_add(table, field_when(snapshot, "time", text));
	table_add(table, print_age(time, text));
	table_add(table, field(snapshot, "branch"));
	table_add(table, field(snapshot, "name"));
	table_add(table, field_score(why, text));
	table_add(table, text_get(&reason));
}

/* Without a reference: the only volume that there is. */
static int only_volume(struct invocation *in, char **ret, struct fl_error *err)
{
	own_free struct value *volumes = NULL;
	int r = list_items(in, "/v1/volumes", NULL, &volumes, err);
	size_t count = value_count(volumes);

	if (r < 0)
		return r;
	if (count == 0) {
		fl_fail(err, FL_NOT_FOUND, "there is no volume yet");
		return fl_hint(err, "make one: flocker create NAME");
	}
	if (count > 1) {
		fl_fail(err, FL_INVALID, "there are %zu volumes: say which", count);
		return fl_hint(err, "for example: flocker log %s",
			       field(value_first(volumes), "name"));
	}
	*ret = xstrdup(field(value_first(volumes), "name"));
	return 0;
}

int verb_log(struct invocation *in, struct fl_error *err)
{
	own_free char *volume = NULL;
	own_ref struct ref ref = { 0 };
	struct listing listing = {
		.path = "/v1/snapshots",
		.paged = true,
		.none = "no snapshots yet: take one with 'flocker snapshot REF'",
		.row = add_snapshot,
		.columns = log_columns,
	};

	if (option_given(in, OPT_WHY)) {
		listing.flag = "why";
		listing.row = add_explained;
		listing.columns = why_columns;
	}
	if (option_given(in, OPT_COUNT) &&
	    take_count(in->options[OPT_COUNT], "snapshots", &listing.limit, err) < 0)
		return fl_failed(err);
	if (in->operand_count == 0 && only_volume(in, &volume, err) < 0)
		return fl_failed(err);
	listing.ref = volume ? volume : in->operands[0];
	if (take_ref(listing.ref, &ref, err) < 0)
		return fl_failed(err);
	return list_print(in, &listing, err);
}
