#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/list.h"
#include "cli/talk.h"
#include "cli/verbs.h"

static const struct column columns[] = {
	{ "RULE", PAINT_NAME, false },
	{ "VALUE", PAINT_NONE, false },
	{ "FROM", PAINT_DIM, false },
	{ "DESCRIPTION", PAINT_NONE, false },
	{ 0 },
};

static void print_policy(const struct invocation *in, struct value *policy)
{
	own_table struct table table = { .columns = columns };
	struct value *settings = value_get(policy, "settings");

	if (option_given(in, OPT_JSON)) {
		print_json(policy);
		return;
	}
	value_each(settings, setting)
	{
		table_add(&table, field(setting, "key"));
		table_add(&table, field(setting, "value"));
		table_add(&table, field(setting, "source"));
		table_add(&table, field(setting, "description"));
	}
	table_flush(&table);
}

static int ask(struct invocation *in, const char *method, struct body *body, struct fl_error *err)
{
	own_free struct value *policy = NULL;
	own_ref struct ref ref = { 0 };

	if (take_ref(in->operands[0], &ref, err) < 0 ||
	    talk(in, method, "/v1/policy", in->operands[0], body, &policy, err) < 0)
		return fl_failed(err);
	print_policy(in, policy);
	return 0;
}

int verb_policy_show(struct invocation *in, struct fl_error *err)
{
	return ask(in, "GET", NULL, err);
}

int verb_policy_set(struct invocation *in, struct fl_error *err)
{
	own_body struct body *body = body_new();

	if (put_pairs(body, "policy", in->operands + 1, in->operand_count - 1, err) < 0)
		return fl_failed(err);
	return ask(in, "PATCH", body, err);
}

/* An empty value is none. */
int verb_policy_unset(struct invocation *in, struct fl_error *err)
{
	own_body struct body *body = body_new();

	body_object(body, "policy");
	for (size_t i = 1; i < in->operand_count; i++)
		body_string(body, in->operands[i], "");
	body_end(body);
	return ask(in, "PATCH", body, err);
}

/* --- thin ------------------------------------------------------------------------------ */

static const struct column thin_columns[] = {
	{ "SNAPSHOT", PAINT_NONE, false }, { "TIME", PAINT_NONE, false },
	{ "AGE", PAINT_DIM, true },	   { "SCORE", PAINT_NONE, true },
	{ "NOTE", PAINT_BAD, false },	   { 0 },
};

static void add_thinned(struct table *table, struct value *item)
{
	int64_t time = field_time(item, "time");
	char text[PRINT_TEXT];

	table_add(table, field(item, "ref"));
	table_add(table, field_when(item, "time", text));
	table_add(table, print_age(time, text));
	table_add(table, field_score(item, text));
	table_add(table, field_bool(item, "held") ? "in use: it stays" : "");
}

/* Where snapshots count as younger or older than their times say. */
static void say_behind(struct value *state)
{
	int64_t behind = field_int(state, "behind"), day = CLOCK_DAY / CLOCK_SECOND,
		days = (behind + (behind < 0 ? -day : day) / 2) / day;

	if (days)
		fprintf(stderr,
			"the host's clock jumped: that of thinning, which never does, is %" PRId64
			" days %s it\n",
			days < 0 ? -days : days, days < 0 ? "ahead of" : "behind");
}

static int thin_now(struct invocation *in, const char *ref, struct fl_error *err)
{
	own_table struct table table = { .columns = thin_columns };
	own_free struct value *answer = NULL;
	own_body struct body *body = body_new();
	struct value *items;

	if (ref)
		body_string(body, "ref", ref);
	if (talk(in, "POST", "/v1/thinning", NULL, body, &answer, err) < 0)
		return fl_failed(err);
	say_behind(value_get(answer, "state"));
	items = value_get(answer, "items");
	if (!value_is(items, VALUE_ARRAY))
		return fl_fail(err, FL_CORRUPT, "the daemon's answer is not a list");
	if (option_given(in, OPT_JSON)) {
		print_json(items);
		return 0;
	}
	value_each(items, item) add_thinned(&table, item);
	table_flush(&table);
	return 0;
}

int verb_thin(struct invocation *in, struct fl_error *err)
{
	own_ref struct ref ref = { 0 };
	struct listing listing = {
		.path = "/v1/thinning",
		.ref = in->operand_count ? in->operands[0] : NULL,
		.none = "nothing is to go",
		.row = add_thinned,
		.columns = thin_columns,
	};

	if (listing.ref && take_ref(listing.ref, &ref, err) < 0)
		return fl_failed(err);
	if (option_given(in, OPT_DRY_RUN))
		return list_print(in, &listing, err);
	return thin_now(in, listing.ref, err);
}
