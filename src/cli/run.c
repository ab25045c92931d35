#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/fsat.h"
#include "base/spawn.h"
#include "cli/diff.h"
#include "cli/talk.h"
#include "cli/verbs.h"

/*
 * run: a command between two snapshots.
 *
 * Standard output is the command's.  What is said of it comes after it, on
 * standard error.
 */

static int check_branch(const char *text, struct fl_error *err)
{
	own_ref struct ref ref = { 0 };

	if (take_ref(text, &ref, err) < 0)
		return fl_failed(err);
	if ((ref.kind == REF_VOLUME || ref.kind == REF_BRANCH) && ref.point == POINT_NONE)
		return 0;
	fl_fail(err, FL_INVALID, "'%s' names a past, which nothing can change", text);
	return fl_hint(err, "give a volume or a branch: %s", ref.volume);
}

/* Where the command runs: with the caller's rights, as are all of them. */
static int open_place(struct invocation *in, int *ret, struct fl_error *err)
{
	own_free struct value *branch = NULL;

	if (talk(in, "GET", "/v1/branch", in->operands[0], NULL, &branch, err) < 0)
		return fl_failed(err);
	if (fsat_open_named(field(branch, "path"), O_PATH | O_DIRECTORY, ret, err) == 0)
		return 0;
	return err->code == FL_NOT_FOUND
		       ? fl_hint(err, "make it visible: flocker mount %s", in->operands[0])
		       : fl_failed(err);
}

/* The command's name alone goes into the catalogue: what else was typed may be secret. */
static int take_snapshot(struct invocation *in, const char *when, struct text *ret_ref,
			 struct fl_error *err)
{
	own_free struct value *list = NULL;
	own_body struct body *body = body_new();
	own_text struct text message = { 0 };
	const char *slash = strrchr(in->operands[1], '/');

	text_add_format(&message, "%s %s", when, slash ? slash + 1 : in->operands[1]);
	body_array(body, "refs");
	body_string(body, NULL, in->operands[0]);
	body_end(body);
	body_string(body, "message", text_get(&message));
	if (talk(in, "POST", "/v1/snapshots", NULL, body, &list, err) < 0)
		return fl_failed(err);
	text_add_string(ret_ref, field(value_first(value_get(list, "items")), "ref"));
	return 0;
}

/* The daemon closes a connection on which nothing moves, and a command may take days. */
static void hang_up(struct invocation *in)
{
	fl_client_close(in->client);
	in->client = NULL;
}

static void print_undo(const struct invocation *in, const char *before)
{
	own_text struct text command = { 0 };

	add_command(&command, in);
	text_add_string(&command, " rollback ");
	add_shell_word(&command, in->operands[0]);
	text_add_string(&command, " --to ");
	add_shell_word(&command, before);
	printf("undo: %s\n", text_get(&command));
}

static int tell_changes(struct invocation *in, const char *before, const char *after,
			struct fl_error *err)
{
	own_free struct value *list = NULL;
	struct value *items;

	if (talk_to(in, "GET", fl_target("/v1/diff", "ref", before, "to", after, NULL), NULL, &list,
		    err) < 0)
		return fl_wrap(err, "what the command changed is not known");
	items = value_get(list, "items");
	if (option_given(in, OPT_JSON)) {
		print_json(items);
		return 0;
	}
	if (diff_print(items, !value_first(items), err) < 0)
		return fl_failed(err);
	if (value_first(items))
		print_undo(in, before);
	return 0;
}

int verb_run(struct invocation *in, struct fl_error *err)
{
	own_text struct text before = { 0 }, after = { 0 };
	own_fd int place = -1;

	if (check_branch(in->operands[0], err) < 0 || open_place(in, &place, err) < 0 ||
	    take_snapshot(in, "before", &before, err) < 0)
		return fl_failed(err);
	hang_up(in);
	fflush(stdout);
	if (spawn_command(in->operands + 1, place, &in->status, err) < 0)
		return fl_hint(err, "the snapshot '%s' was taken before", text_get(&before));
	signal(SIGPIPE,
	       SIG_IGN); /* the status is the command's, whether or not somebody reads on */
	if (dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		return fl_fail_errno(err, "cannot write to standard error");
	printing_init(!option_given(in, OPT_NO_COLOR));
	if (take_snapshot(in, "after", &after, err) < 0)
		return fl_wrap(err,
			       "taking the snapshot after the command (the one before it is '%s')",
			       text_get(&before));
	return tell_changes(in, text_get(&before), text_get(&after), err);
}
