#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/uuid.h"
#include "cli/list.h"
#include "cli/talk.h"
#include "cli/verbs.h"

static const struct column columns[] = {
	{ "ID", PAINT_ID, false },	 { "VERB", PAINT_NONE, false },
	{ "OBJECT", PAINT_NAME, false }, { "STATE", PAINT_NONE, false },
	{ "DONE", PAINT_NONE, true },	 { "STARTED", PAINT_NONE, false },
	{ "AGE", PAINT_DIM, true },	 { 0 },
};

static void add_operation(struct table *table, struct value *operation)
{
	char text[PRINT_TEXT];

	table_add(table, printing.terminal ? field_short_id(operation, "id", text)
					   : field(operation, "id"));
	table_add(table, field(operation, "verb"));
	table_add(table, field(operation, "object"));
	table_add(table, field(operation, "state"));
	table_add(table, print_size((uint64_t)field_int(operation, "done_bytes"), text));
	table_add(table, field_when(operation, "started", text));
	table_add(table, print_age(field_time(operation, "started"), text));
}

int verb_operations(struct invocation *in, struct fl_error *err)
{
	return list_print(in,
			  &(struct listing){
				  .path = "/v1/operations",
				  .none = "nothing has been imported or exported",
				  .row = add_operation,
				  .columns = columns,
			  },
			  err);
}

/* --- one of them ------------------------------------------------------------------ */

static int choose(struct value *list, const char *prefix, char id[static UUID_TEXT],
		  struct fl_error *err)
{
	size_t length = strlen(prefix), found = 0;

	value_each(value_get(list, "items"), item)
	{
		if (strncasecmp(field(item, "id"), prefix, length) != 0)
			continue;
		snprintf(id, UUID_TEXT, "%s", field(item, "id"));
		found++;
	}
	if (found == 1)
		return 0;
	if (found > 1) {
		fl_fail(err, FL_INVALID, "%zu operations begin with '%s'", found, prefix);
		return fl_hint(err, "give more of its digits");
	}
	fl_fail(err, FL_NOT_FOUND, "no operation begins with '%.40s'", prefix);
	return fl_hint(err, "flocker operations lists them");
}

/* The id that the user's digits begin; whole ones need no look at the list. */
static int find_id(struct invocation *in, char id[static UUID_TEXT], struct fl_error *err)
{
	const char *prefix = in->operands[0];
	own_free struct value *list = NULL;
	struct uuid uuid;

	if (uuid_parse(prefix, &uuid, err) == 0) {
		uuid_format(&uuid, id);
		return 0;
	}
	if (!*prefix || strlen(prefix) >= UUID_TEXT ||
	    strspn(prefix, "0123456789abcdefABCDEF-") != strlen(prefix))
		return fl_fail(err, FL_INVALID, "'%.40s' does not begin the id of an operation",
			       prefix);
	if (talk(in, "GET", "/v1/operations", NULL, NULL, &list, err) < 0)
		return fl_failed(err);
	return choose(list, prefix, id, err);
}

static void print_operation(struct value *operation)
{
	struct value *error = value_get(operation, "error");
	char text[PRINT_TEXT];

	print_fact("id", field(operation, "id"));
	print_fact("verb", field(operation, "verb"));
	print_fact("object", field(operation, "object"));
	print_fact("state", field(operation, "state"));
	print_fact("done", print_size((uint64_t)field_int(operation, "done_bytes"), text));
	if (field_int(operation, "total_bytes"))
		print_fact("total",
			   print_size((uint64_t)field_int(operation, "total_bytes"), text));
	print_fact("started", field_when(operation, "started", text));
	if (*field(operation, "ended"))
		print_fact("ended", field_when(operation, "ended", text));
	print_fact("error", field(error, "message"));
	print_fact("hint", field(error, "hint"));
}

int verb_operation_show(struct invocation *in, struct fl_error *err)
{
	own_free struct value *operation = NULL;
	char id[UUID_TEXT];

	if (find_id(in, id, err) < 0 ||
	    talk_to(in, "GET", fl_target("/v1/operation", "id", id, NULL), NULL, &operation, err) <
		    0)
		return fl_failed(err);
	if (option_given(in, OPT_JSON))
		print_json(operation);
	else
		print_operation(operation);
	return 0;
}

int verb_operation_cancel(struct invocation *in, struct fl_error *err)
{
	own_free struct value *answer = NULL;
	own_body struct body *body = body_new();
	char id[UUID_TEXT];

	if (find_id(in, id, err) < 0)
		return fl_failed(err);
	body_string(body, "id", id);
	if (talk(in, "POST", "/v1/operation/cancel", NULL, body, &answer, err) < 0)
		return fl_failed(err);
	if (option_given(in, OPT_JSON))
		print_json(answer);
	return 0;
}
