#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/list.h"
#include "cli/talk.h"
#include "cli/verbs.h"
#include "model/system.h"

#define STOPPING "a system has until its stop-timeout to end"

/* User systems: branches that hold an operating system, and their life. */

static const struct column columns[] = {
	{ "SYSTEM", PAINT_NAME, false },  { "STATE", PAINT_NONE, false },
	{ "STARTED", PAINT_NONE, false }, { "RESTARTS", PAINT_NONE, true },
	{ "PID", PAINT_DIM, true },	  { 0 },
};

static void add_number(struct table *table, struct value *system, const char *key)
{
	char text[PRINT_TEXT] = "";

	if (value_is(value_get(system, key), VALUE_NUMBER))
		snprintf(text, sizeof(text), "%" PRId64, field_int(system, key));
	table_add(table, text);
}

static void add_system(struct table *table, struct value *system)
{
	char text[PRINT_TEXT];

	table_add(table, field(system, "ref"));
	table_add(table, field(system, "state"));
	table_add(table, field_when(system, "started", text));
	add_number(table, system, "restarts");
	add_number(table, system, "pid");
}

int verb_system_list(struct invocation *in, struct fl_error *err)
{
	const struct listing listing = {
		.path = "/v1/systems",
		.none = "no user systems: 'flocker system create' makes one",
		.row = add_system,
		.columns = columns,
	};

	return list_print(in, &listing, err);
}

/* --- one of them ------------------------------------------------------------------- */

static void fact_number(const char *label, struct value *system, const char *key)
{
	char text[PRINT_TEXT];

	if (!value_is(value_get(system, key), VALUE_NUMBER))
		return;
	snprintf(text, sizeof(text), "%" PRId64, field_int(system, key));
	print_fact(label, text);
}

static void print_settings(struct value *settings)
{
	for (struct value *key = value_first(settings); key; key = value_next(settings, key + 1)) {
		own_text struct text line = { 0 };
		const char *value = value_string(key + 1);

		text_add_format(&line, "%s=%s", value_string(key), value ? value : "");
		print_fact("setting", text_get(&line));
	}
}

/* Those that were not set. */
static void print_defaults(struct value *settings)
{
	for (size_t i = 0; i < SYSTEM_KEYS; i++) {
		const struct system_row *row = &system_rows[i];
		own_text struct text line = { 0 };

		if (!row->initial || value_get(settings, row->name))
			continue;
		text_add_format(&line, "%s=%s", row->name, row->initial);
		print_fact("default", text_get(&line));
	}
}

static void print_system(struct value *system)
{
	struct value *settings = value_get(system, "settings");
	char when[PRINT_TEXT];

	print_fact("system", field(system, "ref"));
	print_fact("state", field(system, "state"));
	print_fact("wanted",
		   field_bool(system, "wanted") ? "yes: it starts with the daemon" : "no");
	print_fact("started", field_when(system, "started", when));
	fact_number("pid", system, "pid");
	fact_number("last exit", system, "exit_status");
	fact_number("restarts", system, "restarts");
	print_settings(settings);
	print_defaults(settings);
	print_fact("last words", field(system, "last_words"));
}

static int ask(struct invocation *in, const char *method, const char *path, struct body *body,
	       struct fl_error *err)
{
	own_table struct table table = { .columns = columns };
	own_free struct value *system = NULL;
	own_ref struct ref ref = { 0 };
	const char *in_query = strcmp(method, "POST") == 0 ? NULL : in->operands[0];

	if (take_ref(in->operands[0], &ref, err) < 0 ||
	    talk(in, method, path, in_query, body, &system, err) < 0)
		return fl_failed(err);
	if (option_given(in, OPT_JSON)) {
		print_json(system);
	} else if (strcmp(method, "GET") == 0) {
		print_system(system);
	} else {
		add_system(&table, system);
		table_flush(&table);
	}
	return 0;
}

int verb_system_show(struct invocation *in, struct fl_error *err)
{
	return ask(in, "GET", "/v1/system", NULL, err);
}

static int tell(struct invocation *in, const char *path, struct fl_error *err)
{
	own_body struct body *body = body_new();

	in->slow = STOPPING;
	body_string(body, "ref", in->operands[0]);
	return ask(in, "POST", path, body, err);
}

int verb_system_start(struct invocation *in, struct fl_error *err)
{
	return tell(in, "/v1/system/start", err);
}

int verb_system_stop(struct invocation *in, struct fl_error *err)
{
	return tell(in, "/v1/system/stop", err);
}

int verb_system_restart(struct invocation *in, struct fl_error *err)
{
	return tell(in, "/v1/system/restart", err);
}

int verb_system_set(struct invocation *in, struct fl_error *err)
{
	own_body struct body *body = body_new();

	if (put_pairs(body, "settings", in->operands + 1, in->operand_count - 1, err) < 0)
		return fl_failed(err);
	return ask(in, "PATCH", "/v1/system", body, err);
}

int verb_system_destroy(struct invocation *in, struct fl_error *err)
{
	own_free struct value *answer = NULL;
	own_ref struct ref ref = { 0 };

	in->slow = STOPPING;
	if (take_ref(in->operands[0], &ref, err) < 0 ||
	    talk(in, "DELETE", "/v1/system", in->operands[0], NULL, &answer, err) < 0)
		return fl_failed(err);
	if (option_given(in, OPT_JSON))
		print_json(answer);
	else
		printf("%s is no system any more; its data stays\n", in->operands[0]);
	return 0;
}

/* --- create ---------------------------------------------------------------------------- */

/* What its words alone say, before gigabytes are sent to a daemon. */
static int check_settings(const struct invocation *in, struct fl_error *err)
{
	own_system_settings struct system_settings settings = { 0 };
	own_metadata struct metadata texts = { 0 };
	own_body struct body *body = body_new();

	/* Then each has an '=', behind a name that is not too long. */
	if (put_pairs(body, "settings", in->settings, in->setting_count, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < in->setting_count; i++) {
		const char *equals = strchr(in->settings[i], '=');
		char key[NAME_TEXT] = "";

		memcpy(key, in->settings[i], (size_t)(equals - in->settings[i]));
		if (metadata_set(&texts, key, equals + 1, err) < 0)
			return fl_failed(err);
	}
	return system_read(&texts, &settings, err);
}

static int check_create(const struct invocation *in, struct ref *ref, struct fl_error *err)
{
	static const enum option_id of_archives[] = { OPT_DESCRIPTION, OPT_QUOTA, OPT_DEVICES };

	if (take_ref(in->operands[0], ref, err) < 0)
		return fl_failed(err);
	if ((ref->kind != REF_VOLUME && ref->kind != REF_BRANCH) || ref->point != POINT_NONE) {
		fl_fail(err, FL_INVALID, "'%s' names a past, which nothing can run in",
			in->operands[0]);
		return fl_hint(err, "make a branch of it: flocker branch %s/NEW --from '%s'",
			       ref->volume, in->operands[0]);
	}
	for (size_t i = 0; i < array_size(of_archives); i++)
		if (option_given(in, of_archives[i]) && !option_given(in, OPT_FROM))
			return fl_fail(err, FL_INVALID,
				       "--description, --quota and --devices belong to --from");
	if (option_given(in, OPT_QUOTA) && ref->kind == REF_BRANCH)
		return fl_fail(err, FL_INVALID, "--quota is of volumes, and '%s' is a branch",
			       in->operands[0]);
	return check_settings(in, err);
}

/* What was imported for it is of no use then; the trash has it, in case it is. */
static int undo_import(struct invocation *in, const struct ref *ref, struct fl_error *err)
{
	own_free struct value *answer = NULL;
	const char *path = ref->kind == REF_BRANCH ? "/v1/branch" : "/v1/volume";
	struct fl_error other = { 0 };

	if (talk(in, "DELETE", path, in->operands[0], NULL, &answer, &other) < 0)
		return fl_wrap(err,
			       "'%s' is imported and stays, but is no system; for that: "
			       "flocker system create %s",
			       in->operands[0], in->operands[0]);
	return fl_wrap(err, "what was imported for '%s' is in the trash now", in->operands[0]);
}

static int print_place(struct invocation *in, struct value *system, struct fl_error *err)
{
	own_free struct value *branch = NULL;

	if (talk(in, "GET", "/v1/branch", field(system, "ref"), NULL, &branch, err) < 0)
		return fl_wrap(err, "the system is there, but asking where");
	printf("%s\n", field(branch, "path"));
	return 0;
}

int verb_system_create(struct invocation *in, struct fl_error *err)
{
	own_free struct value *system = NULL;
	own_body struct body *body = body_new();
	own_ref struct ref ref = { 0 };
	bool imports = option_given(in, OPT_FROM);

	if (check_create(in, &ref, err) < 0)
		return fl_failed(err);
	if (imports && import_tree(in, in->options[OPT_FROM], err) < 0) {
		if (err->code == FL_EXISTS)
			fl_hint(err,
				"to make a system of what is there: flocker system create %s, "
				"without --from; or take another name",
				in->operands[0]);
		return fl_failed(err);
	}
	body_string(body, "ref", in->operands[0]);
	if (put_pairs(body, "settings", in->settings, in->setting_count, err) < 0)
		return fl_failed(err);
	if (talk(in, "POST", "/v1/systems", NULL, body, &system, err) < 0)
		return imports ? undo_import(in, &ref, err) : fl_failed(err);
	if (!option_given(in, OPT_JSON))
		return print_place(in, system, err);
	print_json(system);
	return 0;
}

/* --- the console ---------------------------------------------------------------------------- */

int verb_system_console(struct invocation *in, struct fl_error *err)
{
	const struct fl_stream stream = { .fd = STDOUT_FILENO, .length = -1 };
	const char *follow = option_given(in, OPT_FOLLOW) ? "true" : NULL;
	own_ref struct ref ref = { 0 };
	own_free char *target = NULL;
	uint64_t tail = 0;
	char bytes[24];

	if (take_ref(in->operands[0], &ref, err) < 0)
		return fl_failed(err);
	if (option_given(in, OPT_TAIL) && size_parse(in->options[OPT_TAIL], &tail, err) < 0)
		return fl_wrap(err, "--tail");
	snprintf(bytes, sizeof(bytes), "%" PRIu64, tail);
	target = fl_target("/v1/system/console", "ref", in->operands[0], "tail",
			   tail ? bytes : NULL, "follow", follow, NULL);
	if (!target)
		return fl_fail(err, FL_SYSTEM, "no memory for a request");
	if (talk_connect(in, err) < 0 || fl_client_download(in->client, target, &stream, err) < 0)
		return fl_failed(err);
	return 0;
}
