#include "cli/command.h"

#include <fcntl.h>

#include "base/fsat.h"
#include "base/text.h"
#include "cli/hint.h"
#include "tests/check.h"

static struct fl_error err;

/* Splits at spaces; "_" stands for a space in a word.  The words last until the next call. */
static int parse(const char *line, struct invocation *ret)
{
	static char words[1024];
	static char *argv[64];
	int argc = 0;
	char *rest = words;

	snprintf(words, sizeof(words), "flocker %s", line);
	for (char *word; (word = strsep(&rest, " "));)
		if (*word)
			argv[argc++] = word;
	for (char *c = words; c < words + sizeof(words); c++)
		if (*c == '_')
			*c = ' ';
	argv[argc] = NULL;
	return command_parse(argc, argv, ret, &err);
}

static void refused(const char *line, const char *text, const char *hint)
{
	own_invocation struct invocation in = { 0 };

	if (parse(line, &in) != -FL_INVALID)
		check_failed(__FILE__, __LINE__, "accepted", line);
	if (!strstr(err.text, text))
		check_failed(__FILE__, __LINE__, err.text, text);
	if (!strstr(err.hint, hint))
		check_failed(__FILE__, __LINE__, err.hint, hint);
}

static void options_stand_anywhere(void)
{
	static const char *const lines[] = {
		"--json --root /x snapshot a b --name n -m two_words --set k=v --set l=w",
		"snapshot --set k=v a --name=n -mtwo_words --set=l=w --json b --root=/x",
		"--name n -m two_words snapshot --root /x --json --set k=v --set l=w -- a b",
	};

	for (size_t i = 0; i < array_size(lines); i++) {
		own_invocation struct invocation in = { 0 };

		check_ok(parse(lines[i], &in));
		check_string("snapshot", in.command->name);
		check(in.operand_count == 2 && in.setting_count == 2);
		check_string("a", in.operands[0]);
		check_string("b", in.operands[1]);
		check_string("k=v", in.settings[0]);
		check_string("l=w", in.settings[1]);
		check_string("n", in.options[OPT_NAME]);
		check_string("two words", in.options[OPT_MESSAGE]);
		check_string("/x", in.options[OPT_ROOT]);
		check(option_given(&in, OPT_JSON) && !option_given(&in, OPT_SOCKET));
	}
}

static void two_words_are_a_command(void)
{
	own_invocation struct invocation in = { 0 };

	check_ok(parse("stash --json restore --as new stash/1@v", &in));
	check_string("stash restore", in.command->name);
	check(in.operand_count == 1);
	check_string("stash/1@v", in.operands[0]);
}

static void after_two_dashes_all_are_operands(void)
{
	own_invocation struct invocation in = { 0 };

	check_ok(parse("destroy -- --json -x", &in));
	check(in.operand_count == 2 && !option_given(&in, OPT_JSON));
	check_string("--json", in.operands[0]);
}

static void a_bare_option_of_one_command_has_a_value_in_another(void)
{
	own_invocation struct invocation in = { 0 };

	check_ok(parse("unset a --description key", &in));
	check(in.operand_count == 2 && option_given(&in, OPT_DESCRIPTION));
}

static void nothing_is_no_command(void)
{
	own_invocation struct invocation in = { 0 };

	check_ok(parse("--version", &in));
	check(!in.command && option_given(&in, OPT_VERSION));
}

static void what_is_wrong_is_said(void)
{
	refused("snapshto a", "no command 'snapshto'", "did you mean 'flocker snapshot'?");
	refused("stash lsit v", "no command 'stash lsit'", "did you mean 'flocker stash list'?");
	refused("xyzzy", "no command 'xyzzy'", "'flocker help'");
	refused("umount a", "no command 'umount'", "'flocker unmount'");
	refused("stash pop", "no command 'stash pop'", "'flocker stash restore'");
	refused("create a --form b", "no option --form", "did you mean --from?");
	refused("create a --desc b", "no option --desc", "did you mean --description?");
	refused("--verison", "no option --verison", "did you mean --version?");
	refused("-V", "no option -V", "did you mean --version?");
	refused("log a@{2h ago}", "no use for 'ago}'", "quote what has a space: 'a@{2h ago}'");
	refused("log a@{b} c}", "no use for 'c}'", "usage: flocker log");
	refused("rollback a b", "no use for 'b'", "flocker rollback 'a@{b}'");
	refused("rollback a b@a", "no use for 'b@a'", "flocker rollback a --to 'b@a'");
	refused("qqq", "no command 'qqq'", "'flocker help'");
	refused("a-word-that-is-longer-than-any-that-could-be-a-slip-of-the-finger-here",
		"no command", "'flocker help'");
	refused("lsit", "no command 'lsit'", "did you mean 'flocker list'?");
	refused("jobs", "no command 'jobs'", "that is 'flocker operations'");
	refused("rm a", "no command 'rm'", "that is 'flocker destroy' here");
	refused("pool", "create, show, drivers, grow, recover, adopt", "flocker help pool");
	refused("create", "needs NAME", "usage: flocker create NAME");
	refused("create a b", "no use for 'b'", "usage: flocker create NAME");
	refused("create a --sparse", "takes no option --sparse", "usage: flocker create");
	refused("create a --nonsense", "no option --nonsense", "usage: flocker create");
	refused("create a -x", "no option -x", "usage: flocker create");
	refused("create a --from", "--from needs a REF", "usage: flocker create");
	refused("create a --from b --from c", "--from is given twice", "");
	refused("list --json=yes", "--json takes no value", "");
	refused("--sparse", "no option --sparse", "flocker help");
	refused("create \xff", "not UTF-8", "");
}

static void json_is_known_even_when_the_rest_is_wrong(void)
{
	own_invocation struct invocation in = { 0 };

	check(parse("nonsense --nonsense --json", &in) < 0);
	check(option_given(&in, OPT_JSON));
}

static void help_is_given_without_operands(void)
{
	own_invocation struct invocation in = { 0 };

	check_ok(parse("rename -h", &in));
	check(option_given(&in, OPT_HELP));
	invocation_done(&in);
	check_ok(parse("pool --help", &in));
	check(!in.command && option_given(&in, OPT_HELP));
	check_string("pool", in.family);
}

/* What the parser and the help assume of the table. */
static void the_table_is_sound(void)
{
	for (const struct command *c = commands; c->name; c++) {
		bool letters[128] = { false }, ids[OPTIONS] = { false };

		check(command_find(c->name) == c && c->run &&
		      (c->group || strcmp(c->name, "complete") == 0) && c->summary);
		check(c->least <= c->most && (c->most == 0) == (*c->operands == '\0'));
		for (const struct option *o = c->options; o && o->name; o++) {
			check(!ids[o->id] && (!o->letter || !letters[(int)o->letter]));
			ids[o->id] = true;
			letters[(int)o->letter] = true;
			for (const struct option *g = global_options; g->name; g++)
				check(strcmp(g->name, o->name) != 0 && g->id != o->id);
		}
	}
}

static void check_hint(const char *line, const char *hint, const char *shown)
{
	own_invocation struct invocation in = { 0 };
	own_text struct text out = { 0 };
	int r = parse(line, &in);

	check(r == 0 || r == -FL_INVALID);
	add_hint(&out, &in, hint);
	check_string(shown, text_get(&out));
}

static void a_hint_leads_to_the_same_daemon(void)
{
	check_hint("list --root /x", "flocker list shows them; 'flocker pool show' too",
		   "flocker --root /x list shows them; 'flocker --root /x pool show' too");
	check_hint("list --socket /a_b", "take one: flocker snapshot a",
		   "take one: flocker --socket '/a b' snapshot a");
	check_hint("list --root /x", "start it: flockerd --root /x; flocker help; flocker(1)",
		   "start it: flockerd --root /x; flocker help; flocker(1)");
	check_hint("list --root /x", "usage: flocker list", "usage: flocker list");
	check_hint("--root /x", "that is 'flocker list' here", "that is 'flocker list' here");
	check_hint("list", "flocker list shows them", "flocker list shows them");
	check_hint("list --root /x", "flocker ", "flocker ");
	check_hint("list --root /x", "there: flocker list shows them",
		   "there: flocker list shows them");
}

static void synopses_fit_into_a_hint(void)
{
	for (const struct command *c = commands; c->name; c++) {
		own_text struct text synopsis = { 0 };

		command_synopsis(c, &synopsis);
		check(synopsis.length < sizeof(err.hint) - strlen("usage: "));
	}
}

/* flocker(1) has "*STATUS*" and below it "*CODE*" for each, and no others. */
static void the_manual_page_has_every_exit_status(void)
{
	own_text struct text page = { 0 };
	size_t count = 0;
	char *list, *end;

	check_ok(fsat_read(AT_FDCWD, SOURCE_ROOT "/man/flocker.1.scd", 256 * 1024, &page, &err));
	list = strstr(text_get(&page), "\n# EXIT STATUS\n");
	check(list);
	end = strstr(list, "\n# ENVIRONMENT\n");
	check(end);
	*end = '\0';
	for (char *p = list; (p = strstr(p, "\n\n*")); p++)
		count++;
	check(count == FL_CODES);
	for (int code = FL_OK + 1; code < FL_CODES; code++) {
		char wanted[60];

		snprintf(wanted, sizeof(wanted), "\n*%d*\n\t*%s*", fl_codes[code].exit,
			 fl_codes[code].name);
		if (!strstr(list, wanted))
			check_string(wanted, "missing in the page");
	}
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(options_stand_anywhere),
				  CHECK(two_words_are_a_command),
				  CHECK(after_two_dashes_all_are_operands),
				  CHECK(a_bare_option_of_one_command_has_a_value_in_another),
				  CHECK(nothing_is_no_command),
				  CHECK(what_is_wrong_is_said),
				  CHECK(json_is_known_even_when_the_rest_is_wrong),
				  CHECK(help_is_given_without_operands),
				  CHECK(the_table_is_sound),
				  CHECK(a_hint_leads_to_the_same_daemon),
				  CHECK(synopses_fit_into_a_hint),
				  CHECK(the_manual_page_has_every_exit_status),
				  CHECK_END,
			  });
}
