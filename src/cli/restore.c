#include <stdio.h>
#include <string.h>

#include "cli/talk.h"
#include "cli/transfer.h"
#include "cli/verbs.h"

static int check_source(const char *text, struct ref *ret, struct fl_error *err)
{
	own_text struct text branch = { 0 };

	if (ref_parse(text, ret, err) < 0)
		return fl_failed(err);
	if (!ret->path || !ret->path[0]) {
		fl_fail(err, FL_INVALID, "'%s' names no file or directory", text);
		fl_hint(err,
			"one is REF:PATH: %s:etc/hosts; all of a branch goes back by "
			"`flocker rollback`",
			text);
		return fl_object(err, "%s", text);
	}
	if (ref_is_snapshot(ret))
		return 0;
	ref_branch_part(ret, &branch);
	fl_fail(err, FL_INVALID, "'%s' names no snapshot, tag or stash", text);
	fl_hint(err, "say when: '%s@{10m ago}:%s'; `flocker versions %s` shows what there is",
		text_get(&branch), ret->path, text);
	return fl_object(err, "%s", text);
}

/*
 * What stood there comes back by itself, and all else stays; where nothing stood
 * there is nothing to restore, and the whole branch goes back.
 */
static void print_undo(const struct invocation *in, struct value *answer)
{
	const char *stash = field(value_get(answer, "stash"), "ref");
	own_text struct text command = { 0 }, ref = { 0 };

	add_command(&command, in);
	if (field_bool(answer, "replaced")) {
		text_add_format(&ref, "%s:%s", stash, field(answer, "path"));
		text_add_string(&command, " restore ");
		add_shell_word(&command, text_get(&ref));
	} else {
		text_add_string(&command, " stash restore ");
		add_shell_word(&command, stash);
	}
	printf("undo: %s\n", text_get(&command));
}

static void print_restoration(const struct invocation *in, struct value *answer)
{
	struct value *branch = value_get(answer, "branch");
	struct value *stash = value_get(answer, "stash");
	own_text struct text place = { 0 };
	char id[PRINT_TEXT];

	text_add_format(&place, "%s:%s", field(branch, "ref"), field(answer, "path"));
	print_painted(PAINT_NAME, text_get(&place));
	printf(" is now as in snapshot ");
	print_painted(PAINT_ID, field_short_id(stash, "target", id));
	printf("\nwhat the branch was is ");
	print_painted(PAINT_TAG, field(stash, "ref"));
	printf(" (snapshot %s)\n", field_short_id(stash, "snapshot", id));
	if (*field(answer, "kept")) {
		printf("what was there was written to meanwhile, and is kept as ");
		print_painted(PAINT_NAME, field(answer, "kept"));
		printf("\n");
	}
	print_undo(in, answer);
}

static int restore(struct invocation *in, struct fl_answer *ret, struct fl_error *err)
{
	own_free char *target = NULL;
	struct transfer transfer;
	int r = transfer_begin(&transfer, in, -1, 0, err);

	if (r < 0)
		return r;
	target = fl_target("/v1/restores", "ref", in->operands[0], "path", in->options[OPT_TO],
			   "operation", transfer.id, NULL);
	r = target ? fl_client_upload(in->client, "POST", target, "application/json",
				      &transfer.stream, ret, err)
		   : fl_fail(err, FL_SYSTEM, "no memory for a request");
	return transfer_end(&transfer, r, err);
}

int verb_restore(struct invocation *in, struct fl_error *err)
{
	own(fl_answer_done) struct fl_answer bytes = { 0 };
	own_free struct value *answer = NULL;
	own_ref struct ref ref = { 0 };

	if (check_source(in->operands[0], &ref, err) < 0 || restore(in, &bytes, err) < 0)
		return fl_failed(err);
	if (value_parse(bytes.bytes, bytes.length, &answer, err) < 0)
		return fl_wrap(err, "it is restored, but the daemon's answer");
	if (option_given(in, OPT_JSON))
		print_json(answer);
	else
		print_restoration(in, answer);
	return 0;
}
