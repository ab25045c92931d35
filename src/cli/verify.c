#include <inttypes.h>
#include <stdio.h>

#include "cli/await.h"
#include "cli/talk.h"
#include "cli/verbs.h"

/* Most storages keep every nanosecond: then there is nothing to say. */
static void print_grain(int64_t grain)
{
	char text[64];

	if (grain <= 1)
		return;
	if (grain == CLOCK_SECOND)
		snprintf(text, sizeof(text), "to the second");
	else
		snprintf(text, sizeof(text), "to %" PRId64 " ns", grain);
	print_fact("times", text);
}

static void print_verification(struct value *verification)
{
	print_fact("snapshot", field(verification, "ref"));
	print_fact("digest", field(verification, "digest"));
	print_fact("peer", field(verification, "peer"));
	if (field_bool(verification, "equal"))
		print_fact("its digest", field(verification, "theirs"));
	else
		print_bad_fact("its digest", field(verification, "theirs"));
	if (!*field(verification, "peer"))
		return;
	if (field_bool(verification, "equal"))
		print_fact("equal", "yes");
	else
		print_bad_fact("equal", "no");
	print_grain(field_int(verification, "grain"));
}

int verb_verify(struct invocation *in, struct fl_error *err)
{
	own_free struct value *verification = NULL;
	own_body struct body *body = body_new();
	own_ref struct ref ref = { 0 };

	if (take_ref(in->operands[0], &ref, err) < 0)
		return fl_failed(err);
	body_string(body, "ref", in->operands[0]);
	put_option(body, in, OPT_PEER, "peer");
	if (await_post(in, "/v1/verifications", body, &verification, err) < 0)
		return fl_failed(err);
	if (option_given(in, OPT_JSON))
		print_json(verification);
	else
		print_verification(verification);
	if (!field_bool(verification, "equal"))
		in->status = fl_codes[FL_CORRUPT].exit;
	return 0;
}
