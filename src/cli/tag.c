#include <stdio.h>
#include <string.h>

#include "cli/list.h"
#include "cli/talk.h"
#include "cli/verbs.h"

static int take_tag(const char *text, struct ref *ret, struct fl_error *err)
{
	int r = take_ref(text, ret, err);

	if (r < 0 || ret->kind == REF_TAG)
		return r;
	fl_fail(err, FL_INVALID, "'%s' is not a tag", text);
	fl_hint(err, "write TAG@VOLUME, for example v1@%s", ret->volume);
	return fl_object(err, "%s", text);
}

int verb_tag(struct invocation *in, struct fl_error *err)
{
	const char *target = in->operand_count > 1 ? in->operands[1] : NULL;
	own_ref struct ref ref = { 0 }, target_ref = { 0 };
	own_free struct value *tag = NULL;
	own_body struct body *body = body_new();
	int r = take_tag(in->operands[0], &ref, err);

	if (r == 0 && target)
		r = take_ref(target, &target_ref, err);
	if (r < 0)
		return r;
	body_string(body, "ref", in->operands[0]);
	if (target)
		body_string(body, "target", target);
	r = talk(in, "POST", "/v1/tags", NULL, body, &tag, err);
	if (r < 0)
		return r;
	if (option_given(in, OPT_JSON))
		print_json(tag);
	else
		printf("%s\n", field(tag, "ref"));
	return 0;
}

int verb_untag(struct invocation *in, struct fl_error *err)
{
	own_ref struct ref ref = { 0 };
	own_free struct value *answer = NULL;
	int r = take_tag(in->operands[0], &ref, err);

	if (r == 0)
		r = talk(in, "DELETE", "/v1/tag", in->operands[0], NULL, &answer, err);
	if (r < 0)
		return r;
	if (option_given(in, OPT_JSON))
		print_json(answer);
	return 0;
}

static const struct column tag_columns[] = {
	{ "TAG", PAINT_TAG, false }, { "SNAPSHOT", PAINT_ID, false }, { "TIME", PAINT_NONE, false },
	{ "AGE", PAINT_DIM, true },  { "TAGGED", PAINT_NONE, false }, { 0 },
};

static void add_tag(struct table *table, struct value *tag)
{
	int64_t time = field_time(tag, "time");
	char text[PRINT_TEXT];

	table_add(table, field(tag, "ref"));
	table_add(table, printing.terminal ? field_short_id(tag, "snapshot", text)
					   : field(tag, "snapshot"));
	table_add(table, field_when(tag, "time", text));
	table_add(table, print_age(time, text));
	table_add(table, field_when(tag, "created", text));
}

int verb_tags(struct invocation *in, struct fl_error *err)
{
	own_ref struct ref ref = { 0 };

	if (take_ref(in->operands[0], &ref, err) < 0)
		return fl_failed(err);
	return list_print(in,
			  &(struct listing){
				  .path = "/v1/tags",
				  .ref = in->operands[0],
				  .none = "no tags",
				  .row = add_tag,
				  .columns = tag_columns,
			  },
			  err);
}
