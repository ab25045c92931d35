#include <stdio.h>

#include "cli/list.h"
#include "cli/talk.h"
#include "cli/verbs.h"

static const struct column columns[] = {
	{ "PEER", PAINT_NAME, false },
	{ "BRANCH", PAINT_NONE, false },
	{ "SNAPSHOT", PAINT_ID, false },
	{ "TIME", PAINT_NONE, false },
	{ "FOR", PAINT_NONE, false },
	{ "SINCE", PAINT_DIM, true },
	{ 0 },
};

static void add_pin(struct table *table, struct value *pin)
{
	char text[PRINT_TEXT];

	table_add(table, field(pin, "peer"));
	table_add(table, field(pin, "branch"));
	table_add(table, field(pin, "snapshot"));
	table_add(table, field_when(pin, "time", text));
	table_add(table, field(pin, "kind"));
	table_add(table, print_age(field_time(pin, "since"), text));
}

int verb_pins(struct invocation *in, struct fl_error *err)
{
	const char *branch = in->operand_count ? in->operands[0] : NULL;
	own_ref struct ref ref = { 0 };

	if (branch && take_ref(branch, &ref, err) < 0)
		return fl_failed(err);
	return list_print(in,
			  &(struct listing){
				  .path = "/v1/pins",
				  .ref = branch,
				  .peer = in->options[OPT_PEER],
				  .none = "nothing is kept for peers",
				  .row = add_pin,
				  .columns = columns,
			  },
			  err);
}

int verb_unpin(struct invocation *in, struct fl_error *err)
{
	const char *peer = in->options[OPT_PEER];
	own_free struct value *answer = NULL;
	own_ref struct ref ref = { 0 };

	if (!peer) {
		fl_fail(err, FL_INVALID, "'flocker unpin' needs --peer PEER");
		return fl_hint(err, "flocker pins %s shows for whom what is kept", in->operands[0]);
	}
	if (take_ref(in->operands[0], &ref, err) < 0 ||
	    talk_to(in, "DELETE",
		    fl_target("/v1/pin", "ref", in->operands[0], "peer", peer, "force",
			      option_given(in, OPT_FORCE) ? "true" : NULL, NULL),
		    NULL, &answer, err) < 0)
		return fl_failed(err);
	if (option_given(in, OPT_JSON))
		print_json(answer);
	return 0;
}
