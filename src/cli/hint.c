#include "cli/hint.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/talk.h"
#include "cli/verbs.h"

/* --- commands ------------------------------------------------------------- */

static size_t distance_to(const char *typed, const struct command *command)
{
	const char *second = strchr(command->name, ' ');
	size_t whole = text_distance(typed, command->name);
	size_t alone = second ? text_distance(typed, second + 1) : SIZE_MAX;

	return alone < whole ? alone + 1 : whole;
}

/* The command nearest to what was typed, if no more than a third of that is different. */
static const char *nearest_command(const char *typed)
{
	size_t best = strlen(typed) / 3 + 1;
	const char *name = NULL;

	for (const struct command *c = commands; c->name; c++) {
		size_t distance = distance_to(typed, c);

		if (distance < best && c->group) {
			best = distance;
			name = c->name;
		}
	}
	return name;
}

/* What people know from elsewhere, and what it is here. */
static const struct foreign {
	const char *word, *here;
} foreign[] = {
	{ "backup", "'flocker snapshot' keeps what is now; 'flocker export' writes an archive" },
	{ "attach", "of user systems: flocker system exec -it SYSTEM -- sh" },
	{ "checkout", "'flocker rollback' goes back; 'flocker mount' shows a snapshot" },
	{ "clone", "'flocker branch' makes a branch, 'flocker create --from' a volume" },
	{ "commit", "that is 'flocker snapshot' here" },
	{ "copy", "'flocker branch' makes a branch, 'flocker create --from' a volume" },
	{ "delete", "that is 'flocker destroy' here" },
	{ "df", "'flocker pool show' tells of the pool, 'flocker list' of the volumes" },
	{ "du", "'flocker list' tells what volumes take, 'flocker show' what one branch takes" },
	{ "exec", "that is 'flocker system exec' here, in user systems" },
	{ "history", "that is 'flocker log' here" },
	{ "info", "that is 'flocker show' here" },
	{ "init", "'flocker pool create' makes the pool, 'flocker create' a volume" },
	{ "inspect", "that is 'flocker show' here" },
	{ "jobs", "that is 'flocker operations' here" },
	{ "mv", "that is 'flocker rename' here" },
	{ "quota", "write: flocker set VOLUME --quota SIZE; 'flocker show VOLUME' shows it" },
	{ "remove", "that is 'flocker destroy' here" },
	{ "reset", "that is 'flocker rollback' here" },
	{ "restore", "'flocker rollback' goes back to a snapshot; 'flocker stash restore' and "
		     "'flocker trash restore' bring back what was put aside" },
	{ "revert", "that is 'flocker rollback' here" },
	{ "rm", "that is 'flocker destroy' here" },
	{ "snapshots", "that is 'flocker log' here" },
	{ "stash apply", "that is 'flocker stash restore' here" },
	{ "stash pop", "that is 'flocker stash restore' here; 'flocker stash drop' forgets one" },
	{ "start", "that is 'flocker system start' here" },
	{ "stop", "that is 'flocker system stop' here" },
	{ "switch", "each branch is a directory: 'flocker branches' shows where" },
	{ "system attach", "that is 'flocker system exec -it SYSTEM -- sh' here" },
	{ "system delete", "that is 'flocker system destroy' here" },
	{ "system enter", "that is 'flocker system exec -it SYSTEM -- sh' here" },
	{ "system info", "that is 'flocker system show' here" },
	{ "system inspect", "that is 'flocker system show' here" },
	{ "system log", "that is 'flocker system console' here" },
	{ "system logs", "that is 'flocker system console' here" },
	{ "system remove", "that is 'flocker system destroy' here" },
	{ "system rm", "that is 'flocker system destroy' here" },
	{ "system run",
	  "'flocker system start' starts it, 'flocker system exec' runs a command in it" },
	{ "system shell", "that is 'flocker system exec -it SYSTEM -- sh' here" },
	{ "system status", "that is 'flocker system show' here" },
	{ "system unset", "write: flocker system set SYSTEM SETTING=" },
	{ "umount", "that is 'flocker unmount' here" },
	{ "undelete", "that is 'flocker trash restore' here" },
	{ "undo", "that is 'flocker rollback' here; of a rollback 'flocker stash restore', "
		  "of a destroy 'flocker trash restore'" },
	{ "volume", "'flocker create' makes one, 'flocker list' lists them" },
	{ "volumes", "that is 'flocker list' here" },
};

int fail_unknown(const char *typed, struct fl_error *err)
{
	const char *near = nearest_command(typed);

	fl_fail(err, FL_INVALID, "there is no command '%.60s'", typed);
	for (size_t i = 0; i < array_size(foreign); i++)
		if (strcmp(foreign[i].word, typed) == 0)
			return fl_hint(err, "%s", foreign[i].here);
	if (near)
		return fl_hint(err, "did you mean 'flocker %s'?", near);
	return fl_hint(err, "'flocker help' shows all commands");
}

int hint_usage(const struct command *command, struct fl_error *err)
{
	own_text struct text synopsis = { 0 };

	if (!command)
		return fl_hint(err, "'flocker help' shows all commands");
	command_synopsis(command, &synopsis);
	return fl_hint(err, "usage: %s", text_get(&synopsis));
}

/* --- options and operands ---------------------------------------------------- */

/* Keeps the nearer one; what is half another word is not near. */
static void consider(const struct option *options, const char *typed, size_t *best,
		     const char **ret)
{
	for (const struct option *o = options; o && o->name; o++) {
		size_t distance = text_distance(typed, o->name);
		bool begins = strlen(typed) > 2 && strncmp(typed, o->name, strlen(typed)) == 0;

		if (begins)
			distance = 1;
		if (distance < *best) {
			*best = distance;
			*ret = o->name;
		}
	}
}

int hint_option(const struct command *command, const struct spelling *s, struct fl_error *err)
{
	own_text struct text typed = { 0 };
	size_t best = s->length / 3 + 1;
	const char *near = NULL;

	if (s->letter == 'v' || s->letter == 'V')
		return fl_hint(err, "did you mean --version?");
	text_add(&typed, s->name, s->length);
	if (command && !s->letter)
		consider(command->options, text_get(&typed), &best, &near);
	if (!s->letter)
		consider(global_options, text_get(&typed), &best, &near);
	return near ? fl_hint(err, "did you mean --%s?", near) : hint_usage(command, err);
}

/* REF@{2h ago} without quotes is two words: which begins one, and which ends it? */
static bool is_torn(const struct invocation *in, size_t at)
{
	const char *first = in->operands[at - 1], *second = in->operands[at];

	return strstr(first, "@{") && !strchr(first, '}') && !strchr(second, '{') && second[0] &&
	       second[strlen(second) - 1] == '}';
}

/* "rollback BRANCH WHERE", which is another program's grammar. */
static int hint_rollback(const char *branch, const char *where, struct fl_error *err)
{
	own_ref struct ref ref = { 0 };
	struct fl_error unused;

	if (ref_parse(where, &ref, &unused) == 0 && ref_is_snapshot(&ref))
		return fl_hint(err, "write: flocker rollback %.100s --to '%.100s'", branch, where);
	return fl_hint(err, "write: flocker rollback '%.100s@{%.100s}'", branch, where);
}

int hint_operands(const struct invocation *in, struct fl_error *err)
{
	for (size_t i = 1; i < in->operand_count; i++)
		if (is_torn(in, i))
			return fl_hint(err, "quote what has a space: '%.100s %.100s'",
				       in->operands[i - 1], in->operands[i]);
	if (in->operand_count == 2 && in->command->run == verb_rollback)
		return hint_rollback(in->operands[0], in->operands[1], err);
	return hint_usage(in->command, err);
}

/* --- hints as they are shown --------------------------------------------------- */

/* Is a command of a daemon named here?  "flocker" alone is the program; help needs no daemon. */
static bool names_command(const char *words)
{
	char word[WORD_TEXT];
	size_t length = strcspn(words, " ',;:?");

	if (length == 0 || length >= sizeof(word))
		return false;
	snprintf(word, sizeof(word), "%.*s", (int)length, words);
	return strcmp(word, "help") != 0 && (command_find(word) || command_is_family(word));
}

void add_hint(struct text *out, const struct invocation *in, const char *hint)
{
	static const char program[] = "flocker ";
	const size_t length = sizeof(program) - 1;
	own_text struct text whole = { 0 };

	/* A usage, and a command line that names no command, are not about a daemon; what is to be
	 * done on another host is not about this one. */
	bool plain = !in->command || strncmp(hint, "usage: ", 7) == 0 ||
		     strncmp(hint, FL_THERE, sizeof(FL_THERE) - 1) == 0;

	for (const char *at = hint; *at; at++) {
		bool begins = at == hint || strchr(" '(", at[-1]);

		if (!plain && begins && strncmp(at, program, length) == 0 &&
		    names_command(at + length)) {
			add_command(&whole, in);
			at += length - 2; /* the space comes next */
		} else {
			text_add(&whole, at, 1);
		}
	}
	add_clean(out, text_get(&whole));
}
