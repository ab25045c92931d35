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

/* What other instances' branches have, too. */
static void add_remote(struct table *table, struct value *branch)
{
	char text[PRINT_TEXT];

	table_add(table, field(branch, "ref"));
	table_add(table,
		  printing.terminal ? field_short_id(branch, "tip", text) : field(branch, "tip"));
	snprintf(text, sizeof(text), "%lld", (long long)field_int(branch, "snapshots"));
	table_add(table, text);
	table_add(table, print_age(field_time(branch, "created"), text));
}

static void add_branch(struct table *table, struct value *branch)
{
	add_remote(table, branch);
	table_add(table, field(value_get(branch, "origin"), "ref"));
	table_add(table, field(branch, "path"));
}

/* Of all volumes, or of the one that is named. */
static int list_branches(struct invocation *in, struct listing *listing, struct fl_error *err)
{
	own_ref struct ref ref = { 0 };

	listing->ref = in->operand_count ? in->operands[0] : NULL;
	if (listing->ref && take_ref(listing->ref, &ref, err) < 0)
		return fl_failed(err);
	return list_print(in, listing, err);
}

int verb_branches(struct invocation *in, struct fl_error *err)
{
	struct listing listing = { .path = "/v1/branches",
				   .none = "no branches",
				   .row = add_branch,
				   .columns = branch_columns };

	return list_branches(in, &listing, err);
}

static const struct column remote_columns[] = {
	{ "BRANCH", PAINT_NAME, false },
	{ "TIP", PAINT_ID, false },
	{ "SNAPSHOTS", PAINT_NONE, true },
	{ "AGE", PAINT_NONE, true },
	{ 0 },
};

int verb_remotes(struct invocation *in, struct fl_error *err)
{
	struct listing listing = { .path = "/v1/remotes",
				   .none = "nothing is here of other instances",
				   .row = add_remote,
				   .columns = remote_columns };

	return list_branches(in, &listing, err);
}

int create_branch(struct invocation *in, const char *name, const char *from, struct fl_error *err)
{
	own_free struct value *branch = NULL;
	own_body struct body *body = body_new();
	int r;

	body_string(body, "ref", name);
	if (from)
		body_string(body, "from", from);
	if (put_policy(body, in, err) < 0)
		return fl_failed(err);
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
		if (from || in->rule_count > 0)
			return fl_fail(err, FL_INVALID, "--list makes no branch: --%s has no use",
				       from ? "from" : "policy");
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
