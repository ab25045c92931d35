#include <stdio.h>
#include <string.h>

#include "cli/rollback.h"
#include "cli/list.h"
#include "cli/talk.h"
#include "cli/verbs.h"

/* --- branch and branches ------------------------------------------------------- */

static const struct column branch_columns[] = {
	{ "BRANCH", PAINT_NAME, false },
	{ "TIP", PAINT_ID, false },
	{ "SNAPSHOTS", PAINT_NONE, true },
	{ "AGE", PAINT_NONE, true },
	{ "FROM", PAINT_NONE, false },
	{ "PATH", PAINT_NONE, false },
	{ 0 },
};

static void add_branch(struct table *table, struct value *branch)
{
	char text[PRINT_TEXT];

	table_add(table, field(branch, "ref"));
	table_add(table,
		  printing.terminal ? field_short_id(branch, "tip", text) : field(branch, "tip"));
	snprintf(text, sizeof(text), "%lld", (long long)field_int(branch, "snapshots"));
	table_add(table, text);
	table_add(table, print_age(field_time(branch, "created"), text));
	table_add(table, field(value_get(branch, "origin"), "ref"));
	table_add(table, field(branch, "path"));
}

int verb_branches(struct invocation *in, struct fl_error *err)
{
	const char *volume = in->operand_count ? in->operands[0] : NULL;
	own_ref struct ref ref = { 0 };

	if (volume && take_ref(volume, &ref, err) < 0)
		return fl_failed(err);
	return list_print(in,
			  &(struct listing){
				  .path = "/v1/branches",
				  .ref = volume,
				  .none = "no branches",
				  .row = add_branch,
				  .columns = branch_columns,
			  },
			  err);
}

int create_branch(struct invocation *in, const char *name, const char *from, struct fl_error *err)
{
	own_free struct value *branch = NULL;
	own_body struct body *body = body_new();
	int r;

	body_string(body, "ref", name);
	if (from)
		body_string(body, "from", from);
	r = talk(in, "POST", "/v1/branches", NULL, body, &branch, err);
	if (r < 0)
		return r;
	if (option_given(in, OPT_JSON))
		print_json(branch);
	else
		printf("%s\n", field(branch, "path"));
	return 0;
}

int verb_branch(struct invocation *in, struct fl_error *err)
{
	const char *from = in->options[OPT_FROM];
	own_ref struct ref ref = { 0 }, source = { 0 };

	if (option_given(in, OPT_LIST)) {
		if (from)
			return fl_fail(err, FL_INVALID,
				       "--list makes no branch: --from has no use");
		return verb_branches(in, err);
	}
	if (in->operand_count == 0) {
		fl_fail(err, FL_INVALID, "'flocker branch' needs VOLUME/NEW");
		return fl_hint(err, "'flocker branches' lists the branches that there are");
	}
	if (take_ref(in->operands[0], &ref, err) < 0)
		return fl_failed(err);
	if (ref.kind != REF_BRANCH || ref.point != POINT_NONE) {
		fl_fail(err, FL_INVALID, "'%s' does not name a new branch", in->operands[0]);
		return fl_hint(err, "write VOLUME/NEW, for example %s/test", ref.volume);
	}
	if (from && take_ref(from, &source, err) < 0)
		return fl_wrap(err, "--from");
	return create_branch(in, in->operands[0], from, err);
}

/* --- rollback ---------------------------------------------------------------------- */

static void print_holders(struct value *answer)
{
	struct value *holders = value_get(answer, "holders");
	int64_t more = field_int(answer, "holder_count") - (int64_t)value_count(holders);

	value_each(holders, holder)
	{
		own_text struct text line = { 0 };

		text_add_format(&line, "%s (%lld) still sees the replaced contents: %s",
				field(holder, "command"), (long long)field_int(holder, "pid"),
				field(holder, "what"));
		print_painted(PAINT_BAD, text_get(&line));
		putchar('\n');
	}
	if (more > 0)
		printf("and %lld more\n", (long long)more);
	if (value_first(holders))
		puts("what they still write there is added to the stash");
}

static void print_rollback(const struct invocation *in, struct value *answer)
{
	struct value *branch = value_get(answer, "branch");
	struct value *stash = value_get(answer, "stash");
	own_text struct text command = { 0 };
	char id[PRINT_TEXT];

	print_painted(PAINT_NAME, field(branch, "ref"));
	printf(" is now snapshot ");
	print_painted(PAINT_ID, field_short_id(branch, "tip", id));
	printf("\nwhat it was is ");
	print_painted(PAINT_TAG, field(stash, "ref"));
	printf(" (snapshot %s)\n", field_short_id(stash, "snapshot", id));
	add_command(&command, in);
	text_add_string(&command, " stash restore ");
	add_shell_word(&command, field(stash, "ref"));
	printf("undo: %s\n", text_get(&command));
	print_holders(answer);
}

int replace_head(struct invocation *in, const char *path, struct body *body, struct fl_error *err)
{
	own_free struct value *answer = NULL;
	int r = talk(in, "POST", path, NULL, body, &answer, err);

	if (r < 0)
		return r;
	if (option_given(in, OPT_JSON))
		print_json(answer);
	else
		print_rollback(in, answer);
	return 0;
}

/* A name alone is a volume's; people mean a snapshot or a tag of the one that they roll back. */
static int check_moment(const struct ref *branch, const struct ref *target, const char *to,
			struct fl_error *err)
{
	if (ref_is_snapshot(target))
		return 0;
	fl_fail(err, FL_INVALID, "--to: '%s' is no snapshot, tag or stash", to);
	if (target->kind != REF_VOLUME)
		return fl_hint(err, "its newest snapshot: --to '%s@{latest}'", to);
	return fl_hint(err, "a snapshot called so: --to '%s@{%s}'; a tag: --to %s@%s",
		       branch->volume, to, to, branch->volume);
}

/* `BRANCH --to REF` or `REF@{POINT}`: what is rolled back, and to what. */
static int take_target(struct invocation *in, struct text *branch, const char **ret_to,
		       struct fl_error *err)
{
	const char *operand = in->operands[0], *to = in->options[OPT_TO];
	own_ref struct ref ref = { 0 }, target = { 0 };

	if (take_ref(operand, &ref, err) < 0)
		return fl_failed(err);
	if (to && take_ref(to, &target, err) < 0)
		return fl_wrap(err, "--to");
	if (ref.kind == REF_TAG || ref.kind == REF_STASH) {
		fl_fail(err, FL_INVALID, "'%s' does not say which branch to roll back", operand);
		return fl_hint(err, "write: flocker rollback %s --to %s", ref.volume, operand);
	}
	if (to && ref.point != POINT_NONE)
		return fl_fail(err, FL_INVALID, "both '%s' and --to say where to go back to",
			       operand);
	if (to && check_moment(&ref, &target, to, err) < 0)
		return fl_failed(err);
	if (!to && ref.point == POINT_NONE) {
		fl_fail(err, FL_INVALID, "where should '%s' go back to?", operand);
		return fl_hint(err,
			       "write: flocker rollback '%s@{10m ago}', or flocker rollback "
			       "%s --to REF; 'flocker log %s' shows what there is",
			       operand, operand, operand);
	}
	ref_branch_part(&ref, branch);
	*ret_to = to ? to : operand;
	return 0;
}

int verb_rollback(struct invocation *in, struct fl_error *err)
{
	own_body struct body *body = body_new();
	own_text struct text branch = { 0 };
	const char *to = NULL;
	int r = take_target(in, &branch, &to, err);

	if (r < 0)
		return r;
	body_string(body, "ref", text_get(&branch));
	body_string(body, "to", to);
	return replace_head(in, "/v1/rollbacks", body, err);
}
