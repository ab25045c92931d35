#include <stdio.h>

#include "cli/talk.h"
#include "cli/verbs.h"

int verb_mount(struct invocation *in, struct fl_error *err)
{
	own_free struct value *mount = NULL;
	own_body struct body *body = body_new();
	own_ref struct ref ref = { 0 };
	int r = take_ref(in->operands[0], &ref, err);

	if (r < 0)
		return r;
	body_string(body, "ref", in->operands[0]);
	r = talk(in, "POST", "/v1/mounts", NULL, body, &mount, err);
	if (r < 0)
		return r;
	/* The path alone, so that it can be used: cd "$(flocker mount REF)". */
	if (option_given(in, OPT_JSON))
		print_json(mount);
	else
		printf("%s\n", field(mount, "path"));
	return 0;
}

int verb_unmount(struct invocation *in, struct fl_error *err)
{
	own_free struct value *answer = NULL;
	own_ref struct ref ref = { 0 };
	int r = take_ref(in->operands[0], &ref, err);

	in->slow = SLOW_USERS;
	if (r == 0)
		r = talk(in, "DELETE", "/v1/mounts", in->operands[0], NULL, &answer, err);
	if (r < 0)
		return r;
	if (option_given(in, OPT_JSON))
		print_json(answer);
	return 0;
}
