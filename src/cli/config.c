#include <stdio.h>

#include "cli/list.h"
#include "cli/talk.h"
#include "cli/verbs.h"

static const struct column columns[] = {
	{ "KEY", PAINT_NAME, false },	      { "VALUE", PAINT_NONE, false },
	{ "DEFAULT", PAINT_DIM, false },      { "NOTE", PAINT_BAD, false },
	{ "DESCRIPTION", PAINT_NONE, false }, { 0 },
};

/* Why the value is not the one that counts; nothing where it is. */
static void add_note(struct text *note, struct value *setting)
{
	if (*field(setting, "override"))
		text_add_format(note, "flockerd's command line says %s",
				field(setting, "override"));
	else if (field_bool(setting, "pending"))
		text_add_string(note, "counts after a restart of flockerd");
}

static void add_setting(struct table *table, struct value *setting)
{
	own_text struct text note = { 0 };

	add_note(&note, setting);
	table_add(table, field(setting, "key"));
	table_add(table, field(setting, "value"));
	table_add(table, field(setting, "default"));
	table_add(table, text_get(&note));
	table_add(table, field(setting, "description"));
}

int verb_config_list(struct invocation *in, struct fl_error *err)
{
	return list_print(in,
			  &(struct listing){
				  .path = "/v1/config",
				  .row = add_setting,
				  .columns = columns,
			  },
			  err);
}

/* One request about the setting that the first operand names. */
static int ask(struct invocation *in, const char *method, struct body *body, struct value **ret,
	       struct fl_error *err)
{
	return talk_to(in, method, fl_target("/v1/setting", "key", in->operands[0], NULL), body,
		       ret, err);
}

int verb_config_get(struct invocation *in, struct fl_error *err)
{
	own_free struct value *setting = NULL;
	own_text struct text value = { 0 };
	int r = ask(in, "GET", NULL, &setting, err);

	if (r < 0)
		return r;
	if (option_given(in, OPT_JSON)) {
		print_json(setting);
		return 0;
	}
	add_clean(&value, field(setting, "value"));
	printf("%s\n", text_get(&value));
	return 0;
}

/* Nothing where the change counts: then there is nothing to tell. */
static void report_change(const struct invocation *in, struct value *setting)
{
	own_text struct text note = { 0 };

	if (option_given(in, OPT_JSON)) {
		print_json(setting);
		return;
	}
	add_note(&note, setting);
	if (note.length)
		fprintf(stderr, "%s: %s\n", field(setting, "key"), text_get(&note));
}

static int change(struct invocation *in, const char *method, struct body *body,
		  struct fl_error *err)
{
	own_free struct value *setting = NULL;
	int r = ask(in, method, body, &setting, err);

	if (r < 0)
		return r;
	report_change(in, setting);
	return 0;
}

int verb_config_set(struct invocation *in, struct fl_error *err)
{
	own_body struct body *body = body_new();

	body_string(body, "value", in->operands[1]);
	return change(in, "PATCH", body, err);
}

int verb_config_unset(struct invocation *in, struct fl_error *err)
{
	return change(in, "DELETE", NULL, err);
}
