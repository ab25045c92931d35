/*
 * rollback, and what a stash that is restored shares with it.
 */

#include "cli/rollback.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/diff.h"
#include "cli/talk.h"
#include "cli/verbs.h"
#include "model/nouns.h"

#define CHANGES_SHOWN 10
#define PATIENCE 3000 /* ms, for what has changed */

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

/* What was done to one container. */
static void print_container(struct value *item)
{
	static const struct {
		const char *outcome, *says;
		enum paint paint;
	} outcomes[] = {
		{ "restarted", "was stopped and started again", PAINT_NONE },
		{ "pending", "was stopped and could not be started again yet", PAINT_BAD },
		{ "gone", "was stopped, and somebody removed it", PAINT_BAD },
		{ "replaced", "has the new contents at", PAINT_NONE },
		{ "kept", "still sees the replaced contents at", PAINT_BAD },
	};
	own_text struct text line = { 0 };

	for (size_t i = 0; i < array_size(outcomes); i++) {
		if (strcmp(outcomes[i].outcome, field(item, "outcome")) != 0)
			continue;
		text_add_format(&line, "%s", field(item, "name"));
		if (field_int(item, "pid"))
			text_add_format(&line, " (%lld)", (long long)field_int(item, "pid"));
		text_add_format(&line, " %s", outcomes[i].says);
		if (*field(item, "path"))
			text_add_format(&line, " %s", field(item, "path"));
		if (*field(item, "why"))
			text_add_format(&line, ": %s", field(item, "why"));
		print_painted(outcomes[i].paint, text_get(&line));
		putchar('\n');
	}
}

static void print_containers(struct value *containers)
{
	struct value *items = value_get(containers, "items");

	value_each(items, item) print_container(item);
	if (value_first(items) && strcmp(field(containers, "mode"), "restart") == 0)
		printf("stopped in %lld ms, replaced in %lld ms, started in %lld ms\n",
		       (long long)field_int(containers, "stop_ms"),
		       (long long)field_int(containers, "swap_ms"),
		       (long long)field_int(containers, "start_ms"));
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
	print_containers(value_get(answer, "containers"));
	print_holders(answer);
}

int replace_head(struct invocation *in, const char *path, struct body *body, struct fl_error *err)
{
	own_free struct value *answer = NULL;
	int r;

	in->slow = "what uses the branch may take long to stop";
	r = talk(in, "POST", path, NULL, body, &answer, err);

	if (r < 0)
		return r;
	if (option_given(in, OPT_JSON))
		print_json(answer);
	else
		print_rollback(in, answer);
	return 0;
}

int check_containers(const struct invocation *in, struct fl_error *err)
{
	if (!option_given(in, OPT_LIVE) || !option_given(in, OPT_FORCE))
		return 0;
	fl_fail(err, FL_INVALID, "--live and --force exclude each other");
	return fl_hint(err,
		       "--live gives containers the new contents as they run; --force leaves them "
		       "on the old ones");
}

void body_containers(struct body *body, const struct invocation *in)
{
	if (option_given(in, OPT_LIVE))
		body_string(body, "containers", "live");
	else if (option_given(in, OPT_FORCE))
		body_string(body, "containers", "leave");
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

/* --- what will be undone ------------------------------------------------------------ */

static void print_target(const char *branch, struct value *snapshot)
{
	char id[PRINT_TEXT], time[PRINT_TEXT], ago[PRINT_TEXT];
	const char *name = field(snapshot, "name");

	print_painted(PAINT_NAME, branch);
	printf(" goes back to snapshot ");
	print_painted(PAINT_ID, field_short_id(snapshot, "id", id));
	printf(" of %s, %s", field_when(snapshot, "time", time),
	       print_ago(field_time(snapshot, "time"), ago));
	if (*name) {
		printf(": ");
		print_painted(PAINT_NAME, name);
	}
	putchar('\n');
}

/*
 * What differs, on a connection of its own: where that takes too long for somebody
 * in a hurry, nobody waits for it, and the next request goes on the other.
 */
static int ask_changes(const struct invocation *in, const char *snapshot, const char *branch,
		       struct value **ret, struct fl_error *err)
{
	own_invocation struct invocation apart = { .command = in->command };
	own_free char *target = fl_target("/v1/diff", "ref", snapshot, "to", branch, NULL);

	apart.options[OPT_ROOT] = in->options[OPT_ROOT];
	apart.options[OPT_SOCKET] = in->options[OPT_SOCKET];
	if (talk_connect(&apart, err) < 0 ||
	    talk_send(&apart, "GET", take_ptr(target), NULL, err) < 0)
		return fl_failed(err);
	if (!fl_client_wait(apart.client, PATIENCE))
		return fl_fail(err, FL_BUSY, "the comparison takes more than %d seconds",
			       PATIENCE / 1000);
	return talk_receive(&apart, ret, err);
}

/* That it can't be told is no reason not to go back. */
static void print_changes(const struct invocation *in, const char *snapshot, const char *branch)
{
	own_free struct value *list = NULL;
	struct fl_error why;
	int r = ask_changes(in, snapshot, branch, &list, &why);

	if (r == 0) {
		printf("undone is what has changed since then:\n");
		r = diff_preview(value_get(list, "items"), CHANGES_SHOWN, &why);
	}
	if (r < 0)
		printf("what has changed since then is not known: %s\n", why.text);
}

/* Those of `items` that are of the branch and run: as `runs` says, and called as `key` says. */
static void add_running(struct text *names, struct value *items, const struct ref *ref,
			const char *runs, const char *key)
{
	const char *branch = ref->kind == REF_BRANCH ? ref->branch : TRUNK, *last = "";
	own_text struct text whole = { 0 };

	text_add_format(&whole, "%s/%s", ref->volume, branch);
	value_each(items, item)
	{
		struct value *running = value_get(item, runs);
		const char *name = field(item, key);

		if (strcmp(field(item, "ref"), text_get(&whole)) != 0 || !running ||
		    value_is(running, VALUE_FALSE) || value_is(running, VALUE_NULL) ||
		    strcmp(name, last) == 0) // one container, at two places
			continue;
		text_add_format(names, "%s%s", text_get(names)[0] ? ", " : "", name);
		last = name;
	}
}

/* Who has to know before: their service is interrupted. */
static int print_stopped(struct invocation *in, const char *branch, struct fl_error *err)
{
	own_free struct value *users = NULL, *systems = NULL;
	own_text struct text names = { 0 };
	own_ref struct ref ref = { 0 };

	if (option_given(in, OPT_LIVE) || option_given(in, OPT_FORCE))
		return 0;
	if (take_ref(branch, &ref, err) < 0 ||
	    talk(in, "GET", "/v1/users", branch, NULL, &users, err) < 0 ||
	    talk(in, "GET", "/v1/systems", NULL, NULL, &systems, err) < 0)
		return fl_failed(err);
	add_running(&names, value_get(users, "containers"), &ref, "running", "name");
	add_running(&names, value_get(systems, "items"), &ref, "pid", "ref");
	if (text_get(&names)[0])
		printf("stopped for it, and started again: %s\n", text_get(&names));
	return 0;
}

static int ask(struct fl_error *err)
{
	own_free char *line = NULL;
	size_t room = 0;

	printf("what is there now is stashed first. Go back? [y/N] ");
	fflush(stdout);
	if (getline(&line, &room, stdin) > 0 && (line[0] == 'y' || line[0] == 'Y'))
		return 0;
	return fl_fail_cancelled(err, "nothing was changed");
}

/* `ret_to` becomes the snapshot that was shown: by then "10m ago" may be another one. */
static int confirm(struct invocation *in, const char *branch, const char *to, struct text *ret_to,
		   struct fl_error *err)
{
	own_free struct value *snapshot = NULL;

	if (talk(in, "GET", "/v1/snapshot", to, NULL, &snapshot, err) < 0)
		return fl_failed(err);
	text_add_string(ret_to, field(snapshot, "ref"));
	print_target(branch, snapshot);
	print_changes(in, text_get(ret_to), branch);
	if (print_stopped(in, branch, err) < 0)
		return fl_failed(err);
	return ask(err);
}

/* A person is there to answer; --json is for programs. */
static bool is_to_ask(const struct invocation *in)
{
	return !option_given(in, OPT_YES) && !option_given(in, OPT_JSON) && printing.terminal &&
	       isatty(STDIN_FILENO);
}

int verb_rollback(struct invocation *in, struct fl_error *err)
{
	own_body struct body *body = body_new();
	own_text struct text branch = { 0 }, shown = { 0 };
	const char *to = NULL;
	int r = check_containers(in, err);

	if (r == 0)
		r = take_target(in, &branch, &to, err);
	if (r == 0 && is_to_ask(in)) {
		r = confirm(in, text_get(&branch), to, &shown, err);
		to = text_get(&shown);
	}
	if (r < 0)
		return r;
	body_string(body, "ref", text_get(&branch));
	body_string(body, "to", to);
	body_containers(body, in);
	return replace_head(in, "/v1/rollbacks", body, err);
}
