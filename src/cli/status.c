/*
 * How it goes, for a person: a few lines, and calm ones where all is well.  What
 * changed a moment ago is always there on a busy host, and is no news.
 */

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/hint.h"
#include "cli/talk.h"
#include "cli/verbs.h"

#define PATIENCE CLOCK_MINUTE /* beyond that a branch that waits for its snapshot is named */
#define NAMED 5		      /* of these, on a terminal */

/* "about 12 days"; what is nearer is told in smaller units. */
static void add_about(struct text *out, int64_t seconds)
{
	static const struct {
		int64_t least, length;
		const char *name;
	} units[] = { { 172800, 86400, "days" }, { 7200, 3600, "hours" }, { 120, 60, "minutes" } };

	for (size_t i = 0; i < array_size(units); i++)
		if (seconds >= units[i].least) {
			text_add_format(
				out, "about %lld %s",
				(long long)((seconds + units[i].length / 2) / units[i].length),
				units[i].name);
			return;
		}
	text_add_string(out, "a minute or two");
}

static size_t count_failing(struct value *status)
{
	size_t count = 0;

	value_each(value_get(status, "failing"), failure) count += !field_bool(failure, "note");
	return count;
}

static void print_state(struct value *status, size_t late)
{
	size_t failing = count_failing(status);

	if (failing + late == 0)
		print_fact("state", "all is well");
	else
		print_bad_fact("state", failing ? "something fails: see below"
						: "something is not saved: see below");
}

static void add_last_snapshot(struct text *line, struct value *object)
{
	int64_t time = field_time(object, "last_snapshot");
	char text[PRINT_TEXT];

	if (time)
		text_add_format(line, "; last snapshot %s", print_ago(time, text));
	else
		text_add_string(line, "; no snapshot yet");
}

static void print_saved(struct value *status, size_t late)
{
	long long branches = field_int(status, "branches");
	long long unsaved = field_int(status, "unsaved_count");
	own_text struct text line = { 0 };

	if (!value_is(value_get(status, "pool"), VALUE_OBJECT))
		return;
	if (branches == 0)
		text_add_string(&line, "there is nothing to save yet");
	else if (unsaved == 0 && branches == 1)
		text_add_string(&line, "the one branch");
	else if (unsaved == 0)
		text_add_format(&line, "all %lld branches", branches);
	else
		text_add_format(&line, "not yet: %lld of %lld, changed %s", unsaved, branches,
				late ? "long ago" : "just now");
	if (branches > 0)
		add_last_snapshot(&line, status);
	(late ? print_bad_fact : print_fact)("saved", text_get(&line));
}

/* Of those that wait for long; they are sorted. */
static size_t count_late(struct value *status)
{
	size_t count = 0;

	value_each(value_get(status, "unsaved"), branch)
		count += printing.now - field_time(branch, "since") >= PATIENCE;
	return count;
}

static void print_late(struct value *status, size_t late)
{
	size_t shown = 0, most = printing.terminal ? NAMED : late;
	char text[PRINT_TEXT];

	value_each(value_get(status, "unsaved"), branch)
	{
		own_text struct text line = { 0 };

		if (shown++ >= most || shown > late)
			break;
		text_add_format(&line, "%s, changed %s", field(branch, "ref"),
				print_ago(field_time(branch, "since"), text));
		add_last_snapshot(&line, branch);
		print_fact("not saved", text_get(&line));
	}
	if (late > most) {
		snprintf(text, sizeof(text), "and %zu more: flocker branches", late - most);
		print_fact("not saved", text);
	}
}

static void print_pool_use(struct value *status)
{
	struct value *pool = value_get(status, "pool");
	own_text struct text line = { 0 };
	const char *forecast = field(pool, "forecast");
	char text[PRINT_TEXT];
	double size = (double)field_int(pool, "size");
	bool near = strcmp(forecast, "filling") == 0 && field_int(pool, "full_in") < 86400;

	if (!value_is(pool, VALUE_OBJECT))
		return;
	text_add_format(&line, "%.0f %% of %s used; ",
			size > 0 ? 100.0 * (double)field_int(pool, "used") / size : 0,
			size_text((uint64_t)field_int(pool, "size"), text));
	if (strcmp(forecast, "filling") == 0) {
		text_add_string(&line, "full in ");
		add_about(&line, field_int(pool, "full_in"));
	} else {
		text_add_string(&line, strcmp(forecast, "steady") == 0
					       ? "not filling up"
					       : "when it is full is not known yet");
	}
	(near ? print_bad_fact : print_fact)("pool", text_get(&line));
	if (strcmp(field(pool, "health"), "ok") != 0)
		print_bad_fact("pool health", field(pool, "health"));
}

/* Word for the state; NULL: none is worth one. */
static const char *thinning_does(const char *state)
{
	static const char *const words[][2] = {
		{ "more", "there is more to thin, little by little" },
		{ "making-room", "little is free: the least useful snapshots go" },
		{ "cleaning", "it waits for the file system, which cleans up" },
	};

	for (size_t i = 0; i < array_size(words); i++)
		if (strcmp(state, words[i][0]) == 0)
			return words[i][1];
	return NULL;
}

static void print_thinning(struct value *status)
{
	struct value *thinning = value_get(status, "thinning");
	const char *does = thinning_does(field(thinning, "state"));
	long long thinned = field_int(thinning, "thinned");
	int64_t behind = field_int(thinning, "clock_behind");
	own_text struct text line = { 0 };

	if (thinned > 0)
		text_add_format(&line, "%lld snapshot%s in the last 24 hours", thinned,
				thinned == 1 ? "" : "s");
	if (does)
		text_add_format(&line, "%s%s", line.length ? "; " : "", does);
	if (behind) {
		text_add_format(&line, "%sits clock is ", line.length ? "; " : "");
		add_about(&line, behind < 0 ? -behind : behind);
		text_add_format(&line, " %s the host's: snapshots stay %s",
				behind > 0 ? "behind" : "ahead of",
				behind > 0 ? "longer" : "as if they were older");
	}
	print_fact("thinning", text_get(&line));
}

static void print_running(struct value *status)
{
	char done[PRINT_TEXT];

	value_each(value_get(status, "operations"), operation)
	{
		own_text struct text line = { 0 };
		int64_t total = field_int(operation, "total_bytes");

		text_add_format(&line, "%s %s, ", field(operation, "verb"),
				field(operation, "object"));
		if (total > 0)
			text_add_format(
				&line, "%lld %%",
				(long long)(100.0 * (double)field_int(operation, "done_bytes") /
					    (double)total));
		else
			text_add_string(
				&line,
				print_size((uint64_t)field_int(operation, "done_bytes"), done));
		print_fact("running", text_get(&line));
	}
}

/* A host without an engine, which is none that fails, needs no line. */
static void print_containers(struct value *status)
{
	struct value *containers = value_get(status, "containers");
	own_text struct text line = { 0 };

	if (!value_is(containers, VALUE_OBJECT))
		return;
	if (!field_bool(containers, "answers")) {
		print_fact("containers", field(containers, "message"));
		return;
	}
	text_add_format(&line, "%s %s", field(containers, "engine"), field(containers, "version"));
	print_fact("containers", text_get(&line));
}

static void print_failing(struct invocation *in, struct value *status)
{
	char text[PRINT_TEXT], when[PRINT_TEXT];

	value_each(value_get(status, "failing"), failure)
	{
		own_text struct text line = { 0 }, hint = { 0 };
		const char *object = field(failure, "object");

		if (field_bool(failure, "note"))
			continue;
		text_add_format(&line, "%s%s%s", field(failure, "title"), *object ? ": " : "",
				object);
		print_bad_fact("failing", text_get(&line));
		text_clear(&line);
		text_add_format(&line, "%s (%s)", print_ago(field_time(failure, "since"), text),
				field_when(failure, "since", when));
		print_fact("  since", text_get(&line));
		print_fact("  why", field(failure, "message"));
		add_hint(&hint, in, field(failure, "hint"));
		print_fact("  hint", text_get(&hint));
	}
	if (field_bool(status, "failing_more"))
		print_fact("failing", "and more of the same, which are not listed");
}

/* What may well be so: a line each. */
static void print_notes(struct value *status)
{
	char text[PRINT_TEXT];

	value_each(value_get(status, "failing"), failure)
	{
		own_text struct text line = { 0 };

		if (!field_bool(failure, "note"))
			continue;
		text_add_format(&line, "%s: %s, since %s: %s", field(failure, "title"),
				field(failure, "object"), field_when(failure, "since", text),
				field(failure, "message"));
		print_fact("note", text_get(&line));
	}
}

int verb_status(struct invocation *in, struct fl_error *err)
{
	own_free struct value *status = NULL;
	size_t late;

	if (talk(in, "GET", "/v1/status", NULL, NULL, &status, err) < 0)
		return fl_failed(err);
	if (option_given(in, OPT_JSON)) {
		print_json(status);
		return 0;
	}
	late = count_late(status);
	print_state(status, late);
	print_failing(in, status);
	print_saved(status, late);
	print_late(status, late);
	print_pool_use(status);
	print_thinning(status);
	print_running(status);
	print_containers(status);
	print_notes(status);
	return 0;
}
