#include <stdio.h>
#include <string.h>

#include "cli/list.h"
#include "cli/talk.h"
#include "cli/verbs.h"

/* --- destroy -------------------------------------------------------------------- */

/* Each kind of thing is destroyed where it lives; volumes and branches answer a trash item. */
static const char *path_of(const struct ref *ref)
{
	if (ref->point != POINT_NONE)
		return "/v1/snapshot";
	switch (ref->kind) {
	case REF_VOLUME:
		return "/v1/volume";
	case REF_BRANCH:
		return "/v1/branch";
	case REF_TAG:
		return "/v1/tag";
	default:
		return "/v1/stash";
	}
}

static void print_destroyed(const struct invocation *in, struct value *item)
{
	own_text struct text command = { 0 };

	if (!*field(item, "ref"))
		return;
	if (field_time(item, "expires") <= field_time(item, "destroyed")) {
		print_painted(PAINT_NAME, field(item, "ref"));
		printf(" is gone\n");
		return;
	}
	add_command(&command, in);
	text_add_string(&command, " trash restore ");
	add_shell_word(&command, field(item, "ref"));
	print_painted(PAINT_NAME, field(item, "ref"));
	printf(" is in the trash; undo: %s\n", text_get(&command));
}

static int destroy_one(struct invocation *in, const char *text, bool first, struct fl_error *err)
{
	own_free struct value *answer = NULL;
	own_ref struct ref ref = { 0 };
	int r = take_ref(text, &ref, err);

	if (r == 0)
		r = talk(in, "DELETE", path_of(&ref), text, NULL, &answer, err);
	if (r < 0)
		return r;
	if (option_given(in, OPT_JSON))
		print_item(answer, first);
	else
		print_destroyed(in, answer);
	return 0;
}

/* Nothing is destroyed when one of them is no reference, or of nothing that is there. */
static int check_all(struct invocation *in, struct fl_error *err)
{
	for (size_t i = 0; i < in->operand_count; i++) {
		own_ref struct ref ref = { 0 };

		if (take_ref(in->operands[i], &ref, err) < 0)
			return fl_failed(err);
	}
	for (size_t i = 0; in->operand_count > 1 && i < in->operand_count; i++) {
		own_free struct value *present = NULL;
		own_ref struct ref ref = { 0 };

		if (take_ref(in->operands[i], &ref, err) < 0 ||
		    talk(in, "GET", ref.kind == REF_TAG ? "/v1/snapshot" : path_of(&ref),
			 in->operands[i], NULL, &present, err) < 0)
			return fl_failed(err);
	}
	return 0;
}

int verb_destroy(struct invocation *in, struct fl_error *err)
{
	in->slow = SLOW_USERS;
	if (check_all(in, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < in->operand_count; i++) {
		if (destroy_one(in, in->operands[i], i == 0, err) == 0)
			continue;
		in->broken = i > 0;
		return i == 0 ? -(int)err->code
			      : fl_wrap(err, "after destroying %zu of %zu", i, in->operand_count);
	}
	if (option_given(in, OPT_JSON))
		puts("\n]");
	return 0;
}

/* --- the trash --------------------------------------------------------------------- */

static const struct column trash_columns[] = {
	{ "REF", PAINT_NAME, false },
	{ "KIND", PAINT_NONE, false },
	{ "DESTROYED", PAINT_NONE, false },
	{ "AGE", PAINT_DIM, true },
	{ "EXPIRES", PAINT_NONE, false },
	{ "UUID", PAINT_NONE, false },
	{ 0 },
};

static void add_item(struct table *table, struct value *item)
{
	int64_t time = field_time(item, "destroyed");
	char text[PRINT_TEXT];

	table_add(table, field(item, "ref"));
	table_add(table, field(item, "kind"));
	table_add(table, field_when(item, "destroyed", text));
	table_add(table, print_age(time, text));
	table_add(table, field_when(item, "expires", text));
	table_add(table, field(item, "uuid"));
}

int verb_trash_list(struct invocation *in, struct fl_error *err)
{
	return list_print(in,
			  &(struct listing){
				  .path = "/v1/trash",
				  .none = "the trash is empty",
				  .row = add_item,
				  .columns = trash_columns,
			  },
			  err);
}

int verb_trash_restore(struct invocation *in, struct fl_error *err)
{
	own_free struct value *item = NULL;
	own_body struct body *body = body_new();
	int r;

	if (option_given(in, OPT_AS) && name_check("new", in->options[OPT_AS], err) < 0)
		return fl_wrap(err, "--as");
	body_string(body, "item", in->operands[0]);
	put_option(body, in, OPT_AS, "as");
	r = talk(in, "POST", "/v1/trash/restore", NULL, body, &item, err);
	if (r < 0)
		return r;
	if (option_given(in, OPT_JSON))
		print_json(item);
	else
		printf("%s\n", field(item, "ref"));
	return 0;
}

int verb_trash_empty(struct invocation *in, struct fl_error *err)
{
	own_free struct value *answer = NULL;
	own_body struct body *body = body_new();
	int64_t emptied;
	int r;

	if (in->operand_count)
		body_string(body, "item", in->operands[0]);
	r = talk(in, "POST", "/v1/trash/empty", NULL, body, &answer, err);
	if (r < 0)
		return r;
	emptied = field_int(answer, "emptied");
	if (option_given(in, OPT_JSON))
		print_json(answer);
	else
		printf("%lld %s emptied\n", (long long)emptied, emptied == 1 ? "item" : "items");
	return 0;
}
