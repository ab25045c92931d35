#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "cli/list.h"
#include "cli/talk.h"
#include "cli/verbs.h"

static const struct column columns[] = {
	{ "BRANCH", PAINT_NONE, false },    { "HOOK", PAINT_NAME, false },
	{ "CONTAINER", PAINT_NONE, false }, { "REQUIRED", PAINT_NONE, false },
	{ "TIMEOUT", PAINT_NONE, true },    { "SETTINGS", PAINT_NONE, false },
	{ "TROUBLE", PAINT_BAD, false },    { 0 },
};

static void add_settings(struct table *table, struct value *hook)
{
	own_text struct text text = { 0 };
	struct value *settings = value_get(hook, "settings");

	for (struct value *key = value_first(settings); key; key = value_next(settings, key)) {
		const char *name = value_string(key), *value;

		key = value_next(settings, key);
		value = key ? value_string(key) : NULL;
		if (!name || !value)
			break;
		text_add_format(&text, "%s%s=%s", text.length ? " " : "", name, value);
	}
	table_add(table, text_get(&text));
}

static void add_hook(struct table *table, struct value *hook)
{
	char timeout[PRINT_TEXT];

	snprintf(timeout, sizeof(timeout), "%llds", (long long)field_int(hook, "timeout"));
	table_add(table, field(hook, "ref"));
	table_add(table, field(hook, "name"));
	table_add(table, field(hook, "container"));
	table_add(table, field_bool(hook, "required") ? "yes" : "no");
	table_add(table, timeout);
	add_settings(table, hook);
	table_add(table, field(hook, "trouble"));
}

int verb_hook_list(struct invocation *in, struct fl_error *err)
{
	own_ref struct ref ref = { 0 };
	struct listing listing = {
		.path = "/v1/hooks",
		.ref = in->operand_count ? in->operands[0] : NULL,
		.none = "no hooks",
		.row = add_hook,
		.columns = columns,
	};

	if (listing.ref && take_ref(listing.ref, &ref, err) < 0)
		return fl_failed(err);
	return list_print(in, &listing, err);
}

static const struct column available_columns[] = {
	{ "HOOK", PAINT_NAME, false },
	{ "FROM", PAINT_NONE, false },
	{ "PROGRAM", PAINT_DIM, false },
	{ 0 },
};

static void add_available(struct table *table, struct value *hook)
{
	table_add(table, field(hook, "name"));
	table_add(table, field_bool(hook, "shipped") ? "flocker" : "administrator");
	table_add(table, field(hook, "path"));
}

int verb_hook_available(struct invocation *in, struct fl_error *err)
{
	const struct listing listing = {
		.path = "/v1/hooks/available",
		.none = "no hooks are there",
		.row = add_available,
		.columns = available_columns,
	};

	return list_print(in, &listing, err);
}

static int put_timeout(struct invocation *in, struct body *body, struct fl_error *err)
{
	const char *text = in->options[OPT_TIMEOUT];
	int64_t timeout;

	if (!text)
		return 0;
	if (clock_parse_duration(text, &timeout, err) < 0)
		return fl_wrap(err, "--timeout");
	body_int(body, "timeout", timeout / CLOCK_SECOND);
	return 0;
}

int verb_hook_set(struct invocation *in, struct fl_error *err)
{
	own_table struct table table = { .columns = columns };
	own_free struct value *hook = NULL;
	own_body struct body *body = body_new();
	own_ref struct ref ref = { 0 };

	if (take_ref(in->operands[0], &ref, err) < 0)
		return fl_failed(err);
	body_string(body, "ref", in->operands[0]);
	body_string(body, "name", in->operands[1]);
	if (option_given(in, OPT_CONTAINER))
		body_string(body, "container", in->options[OPT_CONTAINER]);
	if (option_given(in, OPT_REQUIRED))
		body_true(body, "required");
	if (put_timeout(in, body, err) < 0 ||
	    (in->setting_count &&
	     put_pairs(body, "settings", in->settings, in->setting_count, err) < 0) ||
	    talk(in, "POST", "/v1/hooks", NULL, body, &hook, err) < 0)
		return fl_failed(err);
	if (option_given(in, OPT_JSON)) {
		print_json(hook);
		return 0;
	}
	add_hook(&table, hook);
	table_flush(&table);
	return 0;
}

int verb_hook_unset(struct invocation *in, struct fl_error *err)
{
	own_free struct value *answer = NULL;
	own_ref struct ref ref = { 0 };

	if (take_ref(in->operands[0], &ref, err) < 0 ||
	    talk_to(in, "DELETE",
		    fl_target("/v1/hooks", "ref", in->operands[0], "name", in->operands[1], NULL),
		    NULL, &answer, err) < 0)
		return fl_failed(err);
	if (option_given(in, OPT_JSON))
		print_json(answer);
	return 0;
}
