#include <stdio.h>
#include <string.h>

#include "cli/rollback.h"
#include "cli/list.h"
#include "cli/talk.h"
#include "cli/verbs.h"

static const struct column stash_columns[] = {
	{ "STASH", PAINT_TAG, false },	 { "BRANCH", PAINT_NAME, false },
	{ "SNAPSHOT", PAINT_ID, false }, { "BEFORE", PAINT_ID, false },
	{ "TIME", PAINT_NONE, false },	 { "AGE", PAINT_DIM, true },
	{ "STATE", PAINT_BAD, false },	 { 0 },
};

static const char *state_of(struct value *stash)
{
	return field_bool(stash, "held") ? "in-use" : "";
}

static void add_stash(struct table *table, struct value *stash)
{
	int64_t time = field_time(stash, "created");
	char text[PRINT_TEXT];

	table_add(table, field(stash, "ref"));
	table_add(table, field(stash, "branch"));
	table_add(table, printing.terminal ? field_short_id(stash, "snapshot", text)
					   : field(stash, "snapshot"));
	table_add(table, printing.terminal ? field_short_id(stash, "target", text)
					   : field(stash, "target"));
	table_add(table, field_when(stash, "created", text));
	table_add(table, print_age(time, text));
	table_add(table, state_of(stash));
}

int verb_stash_list(struct invocation *in, struct fl_error *err)
{
	own_ref struct ref ref = { 0 };

	if (take_ref(in->operands[0], &ref, err) < 0)
		return fl_failed(err);
	return list_print(in,
			  &(struct listing){
				  .path = "/v1/stashes",
				  .ref = in->operands[0],
				  .none = "nothing is stashed",
				  .row = add_stash,
				  .columns = stash_columns,
			  },
			  err);
}

static int take_stash(const char *text, struct ref *ret, struct fl_error *err)
{
	int r = take_ref(text, ret, err);

	if (r < 0 || ret->kind == REF_STASH)
		return r;
	fl_fail(err, FL_INVALID, "'%s' is not a stash", text);
	if (text[strspn(text, "0123456789")] == '\0')
		return fl_hint(err, "write stash/%s@VOLUME", text);
	fl_hint(err, "write stash/N@VOLUME; 'flocker stash list %s' shows them", ret->volume);
	return fl_object(err, "%s", text);
}

int verb_stash_show(struct invocation *in, struct fl_error *err)
{
	own_ref struct ref ref = { 0 };
	int r = take_stash(in->operands[0], &ref, err);

	return r < 0 ? r : verb_show(in, err);
}

static int restore_as_branch(struct invocation *in, const struct ref *stash, const char *name,
			     struct fl_error *err)
{
	own_text struct text branch = { 0 };

	if (name_check("branch", name, err) < 0) {
		if (strchr(name, '/'))
			fl_hint(err, "give the name alone: the branch is made in %s",
				stash->volume);
		return fl_wrap(err, "--as");
	}
	text_add_format(&branch, "%s/%s", stash->volume, name);
	return create_branch(in, text_get(&branch), in->operands[0], err);
}

int verb_stash_restore(struct invocation *in, struct fl_error *err)
{
	own_body struct body *body = body_new();
	own_ref struct ref ref = { 0 };
	if (check_containers(in, err) < 0 || take_stash(in->operands[0], &ref, err) < 0)
		return fl_failed(err);
	if (option_given(in, OPT_AS))
		return restore_as_branch(in, &ref, in->options[OPT_AS], err);
	body_string(body, "ref", in->operands[0]);
	body_containers(body, in);
	return replace_head(in, "/v1/stash/restore", body, err);
}

int verb_stash_drop(struct invocation *in, struct fl_error *err)
{
	own_free struct value *answer = NULL;
	own_ref struct ref ref = { 0 };
	int r = take_stash(in->operands[0], &ref, err);

	if (r == 0)
		r = talk(in, "DELETE", "/v1/stash", in->operands[0], NULL, &answer, err);
	if (r < 0)
		return r;
	if (option_given(in, OPT_JSON))
		print_json(answer);
	return 0;
}
