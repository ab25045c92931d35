#include "cli/command.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "base/utf8.h"
#include "cli/hint.h"

/*
 * Options may stand anywhere, also before the command, and a command has one
 * or two words.  So the words are read twice: first only to find the command,
 * passing over options (a value belongs to the option before it, as any command
 * that knows the option says), then all of them with that command's options.
 */

void invocation_done(struct invocation *in)
{
	fl_client_close(in->client);
	free(in->operands);
	free(in->settings);
	free(in->rules);
	free(in->addresses);
	*in = (struct invocation){ 0 };
}

const struct command *command_find(const char *name)
{
	for (const struct command *c = commands; c->name; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

bool command_is_family(const char *word)
{
	size_t length = strlen(word);

	for (const struct command *c = commands; c->name; c++)
		if (strncmp(c->name, word, length) == 0 && c->name[length] == ' ')
			return true;
	return false;
}

/* --- options -------------------------------------------------------------- */

static const struct option *find_in(const struct option *options, const char *name, size_t length,
				    char letter)
{
	for (const struct option *o = options; o && o->name; o++) {
		if (letter && o->letter == letter)
			return o;
		if (!letter && strlen(o->name) == length && memcmp(o->name, name, length) == 0)
			return o;
	}
	return NULL;
}

const struct option *option_find(const struct command *command, const struct spelling *s)
{
	const struct option *found = find_in(global_options, s->name, s->length, s->letter);

	if (found)
		return found;
	if (command)
		return find_in(command->options, s->name, s->length, s->letter);
	for (const struct command *c = commands; c->name && !found; c++)
		found = find_in(c->options, s->name, s->length, s->letter);
	return found;
}

bool word_is_option(const char *word)
{
	return word[0] == '-' && word[1] != '\0';
}

struct spelling option_spell(const char *word)
{
	const char *equals = strchr(word, '=');

	if (word[1] != '-')
		return (struct spelling){ word + 1, 1, word[1], word[2] ? word + 2 : NULL };
	if (equals)
		return (struct spelling){ word + 2, (size_t)(equals - word) - 2, 0, equals + 1 };
	return (struct spelling){ word + 2, strlen(word) - 2, 0, NULL };
}

/* --- the first reading: which command -------------------------------------- */

/* A value in brackets may be left out: the end, or another option, follows then. */
static bool lacks_value(const struct option *option, int argc, char **argv, int at)
{
	return option->value[0] == '[' && (at >= argc || argv[at][0] == '-');
}

static const char *skip_options(int argc, char **argv, int *at)
{
	while (*at < argc) {
		const char *word = argv[(*at)++];
		const struct option *option;
		struct spelling s;

		if (strcmp(word, "--") == 0)
			return *at < argc ? argv[(*at)++] : NULL;
		if (!word_is_option(word))
			return word;
		s = option_spell(word);
		option = option_find(NULL, &s);
		if (option && option->value && !s.value && !lacks_value(option, argc, argv, *at))
			(*at)++;
	}
	return NULL;
}

static int fail_family(const char *word, struct fl_error *err)
{
	own_text struct text list = { 0 };
	size_t length = strlen(word);

	for (const struct command *c = commands; c->name; c++)
		if (strncmp(c->name, word, length) == 0 && c->name[length] == ' ')
			text_add_format(&list, "%s%s", list.length ? ", " : "",
					c->name + length + 1);
	fl_fail(err, FL_INVALID, "'%s' needs one of: %s", word, text_get(&list));
	return fl_hint(err, "'flocker help %s' explains them", word);
}

/* Finds the command, or the family of a word that stands alone, and how many words it took. */
static int find_command(int argc, char **argv, struct invocation *in, size_t *ret_words,
			struct fl_error *err)
{
	int at = 1;
	const char *first = skip_options(argc, argv, &at);
	const char *second;
	char pair[2 * WORD_TEXT];

	*ret_words = 0;
	if (!first)
		return 0;
	if (command_is_family(first)) {
		second = skip_options(argc, argv, &at);
		snprintf(pair, sizeof(pair), "%.60s %.60s", first, second ? second : "");
		in->command = command_find(pair);
		*ret_words = 2;
		if (in->command)
			return 0;
		if (second && !command_find(first))
			return fail_unknown(pair, err);
	}
	in->command = command_find(first);
	*ret_words = 1;
	if (in->command)
		return 0;
	if (!command_is_family(first))
		return fail_unknown(first, err);
	in->family = first;
	return 0;
}

/* --- the second reading: everything ------------------------------------------ */

static int fail_option(const struct command *command, const struct spelling *s,
		       struct fl_error *err)
{
	const char *dashes = s->letter ? "-" : "--";

	if (command && option_find(NULL, s))
		fl_fail(err, FL_INVALID, "'flocker %s' takes no option %s%.*s", command->name,
			dashes, (int)s->length, s->name);
	else
		fl_fail(err, FL_INVALID, "there is no option %s%.*s", dashes, (int)s->length,
			s->name);
	return hint_option(command, s, err);
}

/* "-it" is "-i -t" where -i takes no value.  The last of them, which may take one. */
static struct spelling take_bundle(struct invocation *in, struct spelling s)
{
	const struct option *o = option_find(in->command, &s);

	while (o && !o->value && s.letter && s.value) {
		in->options[o->id] = "";
		s = (struct spelling){ s.value, 1, s.value[0], s.value[1] ? s.value + 1 : NULL };
		o = option_find(in->command, &s);
	}
	return s;
}

/* False: it may be given once. */
static bool take_repeated(struct invocation *in, enum option_id id, const char *value)
{
	if (id == OPT_SET)
		in->settings[in->setting_count++] = value;
	else if (id == OPT_POLICY)
		in->rules[in->rule_count++] = value;
	else if (id == OPT_ADDRESS)
		in->addresses[in->address_count++] = value;
	else
		return false;
	return true;
}

static int take_option(struct invocation *in, int argc, char **argv, int *at, struct fl_error *err)
{
	struct spelling s = take_bundle(in, option_spell(argv[(*at)++]));
	const struct option *o = option_find(in->command, &s);
	const char *value = s.value;

	if (!o || (!in->command && find_in(global_options, s.name, s.length, s.letter) == NULL))
		return fail_option(in->command, &s, err);
	if (!o->value && value) {
		fl_fail(err, FL_INVALID, "option --%s takes no value", o->name);
		return hint_usage(in->command, err);
	}
	if (o->value && !value && !lacks_value(o, argc, argv, *at)) {
		if (*at >= argc) {
			fl_fail(err, FL_INVALID, "option --%s needs a %s", o->name, o->value);
			return hint_usage(in->command, err);
		}
		value = argv[(*at)++];
	}
	if (take_repeated(in, o->id, value))
		return 0;
	if (o->value && in->options[o->id])
		return fl_fail(err, FL_INVALID, "option --%s is given twice", o->name);
	in->options[o->id] = value ? value : "";
	return 0;
}

static int check_operands(const struct invocation *in, struct fl_error *err)
{
	const struct command *command = in->command;

	if (option_given(in, OPT_HELP) || option_given(in, OPT_VERSION))
		return 0;
	if (in->family)
		return fail_family(in->family, err);
	if (!command)
		return 0;
	if (in->operand_count < command->least)
		fl_fail(err, FL_INVALID, "'flocker %s' needs %s", command->name, command->operands);
	else if (in->operand_count > command->most)
		fl_fail(err, FL_INVALID, "'flocker %s' has no use for '%.100s'", command->name,
			in->operands[command->most]);
	else
		return 0;
	return hint_operands(in, err);
}

static int read_words(struct invocation *in, int argc, char **argv, size_t skip,
		      struct fl_error *err)
{
	bool options_end = false;
	int r;

	for (int at = 1; at < argc;) {
		if (!options_end && strcmp(argv[at], "--") == 0) {
			options_end = true;
			at++;
		} else if (!options_end && word_is_option(argv[at])) {
			r = take_option(in, argc, argv, &at, err);
			if (r < 0)
				return r;
		} else if (skip > 0) {
			skip--;
			at++;
		} else {
			in->operands[in->operand_count++] = argv[at++];
		}
	}
	return check_operands(in, err);
}

int command_parse(int argc, char **argv, struct invocation *ret, struct fl_error *err)
{
	size_t words;
	int r;

	*ret = (struct invocation){
		.operands = xcalloc((size_t)argc + 1, sizeof(char *)),
		.settings = xcalloc((size_t)argc + 1, sizeof(char *)),
		.rules = xcalloc((size_t)argc + 1, sizeof(char *)),
		.addresses = xcalloc((size_t)argc + 1, sizeof(char *)),
	};
	/* Whatever goes to the daemon goes as JSON, which cannot say anything else. */
	for (int i = 1; i < argc; i++)
		if (!utf8_is_valid(argv[i]))
			return fl_fail(err, FL_INVALID, "word %d of the command is not UTF-8", i);
	/* How an error is shown must be known before anything can be wrong. */
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--json") == 0)
			ret->options[OPT_JSON] = "";
	r = find_command(argc, argv, ret, &words, err);
	if (r < 0)
		return r;
	return read_words(ret, argc, argv, words, err);
}

void command_synopsis(const struct command *command, struct text *ret)
{
	text_add_format(ret, "flocker %s", command->name);
	if (*command->operands)
		text_add_format(ret, " %s", command->operands);
	for (const struct option *o = command->options; o && o->name; o++) {
		if (!o->help)
			continue;
		if (o->letter)
			text_add_format(ret, " [-%c%s%s]", o->letter, o->value ? " " : "",
					o->value ? o->value : "");
		else
			text_add_format(ret, " [--%s%s%s]%s", o->name, o->value ? " " : "",
					o->value ? o->value : "",
					option_repeats(o->id) ? "..." : "");
	}
}
