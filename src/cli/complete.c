#include "cli/complete.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#include "cli/print.h"
#include "cli/verbs.h"
#include "model/policy.h"
#include "model/storage.h"
#include "model/system.h"

/*
 * The words before the cursor are read as command.c reads them, but forgiving:
 * a line that is being written is seldom right.  What is wrong in it is not
 * said, it only offers less.  Then one of five things can stand at the cursor:
 * the value of an option, an option, a command's first word, its second, or an
 * operand.  What a value or an operand may be hangs on the word that the table
 * has for it ("REF", "PATH"); sources[] says where candidates for such a word
 * come from, and a word that is not there has none ("NAME", "SIZE").
 *
 * Standard output gets a line CANDIDATE<tab>DESCRIPTION for each; or the one
 * line ":files<tab>BEFORE" or ":directories<tab>BEFORE", for what shells find
 * better themselves; BEFORE is what stands before the path in the same word.
 *
 * A daemon that is slow must not hold up the prompt: a timer ends the program,
 * with nothing printed, and the shell beeps.
 */

#define DEADLINE_MICROSECONDS 700000
#define PAIR_TEXT 128

void complete_offer(struct completion *c, const char *candidate, const char *description)
{
	if (strncmp(candidate, c->word, strlen(c->word)) != 0)
		return;
	for (size_t i = 0; i < c->typed.operand_count && !c->value; i++)
		if (strcmp(candidate, c->typed.operands[i]) == 0)
			return;
	text_add(&c->found, c->before, (size_t)c->before_length);
	text_add_string(&c->found, candidate);
	text_add(&c->found, "\t", 1);
	add_clean(&c->found, description ? description : "");
	text_add(&c->found, "\n", 1);
}

/* --- what may stand where ------------------------------------------------------------- */

static void offer_shell(struct completion *c, const char *kind)
{
	text_add_format(&c->found, "%s\t%.*s\n", kind, c->before_length, c->before);
}

static void offer_files(struct completion *c)
{
	offer_shell(c, ":files");
}

static void offer_directories(struct completion *c)
{
	offer_shell(c, ":directories");
}

static void offer_drivers(struct completion *c)
{
	for (const struct storage_driver *driver = storage_drivers; driver->name; driver++)
		complete_offer(c, driver->name, driver->description);
}

/* The second words of a family, or a list of them as the description of the first. */
static void offer_family(struct completion *c, const char *family, struct text *list)
{
	size_t length = strlen(family);

	for (const struct command *command = commands; command->name; command++) {
		if (!command->group || strncmp(command->name, family, length) != 0 ||
		    command->name[length] != ' ')
			continue;
		if (list)
			text_add_format(list, "%s%s", list->length ? ", " : "",
					command->name + length + 1);
		else
			complete_offer(c, command->name + length + 1, command->summary);
	}
}

static void offer_commands(struct completion *c)
{
	own_text struct text last = { 0 };

	for (const struct command *command = commands; command->name; command++) {
		own_text struct text first = { 0 }, list = { 0 };
		size_t length = strcspn(command->name, " ");

		if (!command->group)
			continue;
		text_add(&first, command->name, length);
		/* The commands of a family stand together in the table. */
		if (command->name[length] && strcmp(text_get(&first), text_get(&last)) != 0) {
			offer_family(c, text_get(&first), &list);
			complete_offer(c, text_get(&first), text_get(&list));
		}
		if (!command->name[length])
			complete_offer(c, command->name, command->summary);
		text_clear(&last);
		text_add_string(&last, text_get(&first));
	}
}

/* A command as an operand, of "help": one word or two. */
static void offer_command_operand(struct completion *c)
{
	if (c->typed.operand_count == 0)
		offer_commands(c);
	else
		offer_family(c, c->typed.operands[0], NULL);
}

static void offer_rules(struct completion *c)
{
	for (size_t i = 0; i < POLICY_KEYS; i++)
		complete_offer(c, policy_rows[i].name, policy_rows[i].description);
}

static void offer_rules_equals(struct completion *c)
{
	for (size_t i = 0; i < POLICY_KEYS; i++) {
		own_text struct text rule = { 0 };

		text_add_format(&rule, "%s=", policy_rows[i].name);
		complete_offer(c, text_get(&rule), policy_rows[i].takes);
	}
}

static void offer_system_settings(struct completion *c)
{
	for (size_t i = 0; i < SYSTEM_KEYS; i++) {
		bool many = i == SYSTEM_KEY_ENVIRONMENT;
		own_text struct text setting = { 0 };

		text_add_format(&setting, "%s%s", system_rows[i].name, many ? "" : "=");
		complete_offer(c, text_get(&setting), system_rows[i].takes);
	}
}

static void offer_roles(struct completion *c)
{
	complete_offer(c, "node", "a Flocker daemon");
	complete_offer(c, "plugin", "a program that speaks for a container engine");
	complete_offer(c, "admin", "may do all");
	complete_offer(c, "operate", "may change data");
	complete_offer(c, "read", "may look");
	complete_offer(c, "user", "may use what is named");
}

static void offer_nothing(struct completion *c)
{
}

/* By the option, where its word alone does not say it. */
static const struct option_source {
	enum option_id id;
	const char *word; /* the table's, for these alone; NULL: whatever it is */
	void (*offer)(struct completion *c);
} option_sources[] = {
	{ OPT_DIRECTORY, NULL, offer_directories },
	{ OPT_MOUNT_PATH, NULL, offer_nothing }, /* a path inside of containers */
	{ OPT_SET, "KEY=VALUE", offer_nothing },
	{ OPT_TO, NULL, names_targets },
};

/* By the word that the table has for a value or an operand. */
static const struct source {
	const char *word;
	void (*offer)(struct completion *c);
} sources[] = {
	{ "REF", names_refs },
	{ "VOLUME", names_volumes },
	{ "VOLUME/NEW", names_volume_slash },
	{ "TAG@VOLUME", names_tags },
	{ "stash/N@VOLUME", names_stashes },
	{ "ITEM", names_trash },
	{ "SETTING", names_settings },
	{ "HOOK", names_hooks },
	{ "VALUE", names_setting_values },
	{ "ID", names_operations },
	{ "KEY", names_keys },
	{ "KEY=VALUE", names_keys_equals },
	{ "SYSTEM", names_systems },
	{ "PEER", names_peers },
	{ "REMOTE", names_remotes },
	{ "CERTIFICATE", names_certificates },
	{ "ROLE", offer_roles },
	{ "SETTING=VALUE", offer_system_settings },
	{ "RULE", offer_rules },
	{ "RULE=VALUE", offer_rules_equals },
	{ "COMMAND", offer_command_operand },
	{ "DRIVER", offer_drivers },
	{ "PATH", offer_files },
	{ "DEV", offer_files },
	{ "FILE", offer_files },
	{ "DEST", offer_files },
	{ "ARCHIVE", offer_files },
	{ "DIR", offer_directories },
};

static void offer_by_word(struct completion *c, const char *word, size_t length)
{
	for (size_t i = 0; i < array_size(sources); i++)
		if (strlen(sources[i].word) == length && memcmp(sources[i].word, word, length) == 0)
			sources[i].offer(c);
}

static void offer_value(struct completion *c, const struct option *option)
{
	c->value = true;
	for (size_t i = 0; i < array_size(option_sources); i++) {
		const struct option_source *source = &option_sources[i];

		if (source->id != option->id ||
		    (source->word && strcmp(source->word, option->value) != 0))
			continue;
		source->offer(c);
		return;
	}
	offer_by_word(c, option->value, strlen(option->value));
}

static void offer_options(struct completion *c, const struct option *options)
{
	for (const struct option *o = options; o && o->name; o++) {
		char spelling[64];

		if (!o->help || (option_given(&c->typed, o->id) && !option_repeats(o->id)))
			continue;
		snprintf(spelling, sizeof(spelling), "--%s", o->name);
		complete_offer(c, spelling, o->help);
		snprintf(spelling, sizeof(spelling), "-%c", o->letter);
		if (o->letter)
			complete_offer(c, spelling, o->help);
	}
}

/*
 * The word that the command's synopsis has for its next operand, without "[", "..." and "]"; of
 * "REF:PATH" and "REF[:PATH]" the reference, up to its colon.
 */
static void offer_operand(struct completion *c)
{
	const struct command *command = c->typed.command;
	const char *word = command->operands;

	if (c->typed.operand_count >= command->most)
		return;
	for (size_t i = 0; i < c->typed.operand_count; i++) {
		const char *space = strchr(word, ' ');

		if (!space)
			break; /* the last may be repeated */
		word = space + 1;
	}
	word += *word == '[';
	offer_by_word(c, word, strcspn(word, "[:]. "));
}

/* --- reading the line ------------------------------------------------------------------ */

/* How far the words before the cursor have been understood; the result is in the completion. */
struct reading {
	const char *family;	     /* the first word of two */
	const struct option *awaits; /* what the next word is the value of */
	bool options_end;
	bool lost; /* no command begins so */
};

static void read_option(struct completion *c, struct reading *reading, const char *word)
{
	struct spelling s = option_spell(word);
	const struct option *o = option_find(c->typed.command, &s);

	if (!o)
		return;
	c->typed.options[o->id] = s.value ? s.value : "";
	if (o->value && !s.value)
		reading->awaits = o;
}

static void read_word(struct completion *c, struct reading *reading, const char *word)
{
	char pair[PAIR_TEXT];
	const struct command *found;

	if (reading->family) {
		snprintf(pair, sizeof(pair), "%.60s %.60s", reading->family, word);
		reading->family = NULL;
		found = command_find(pair);
		reading->lost = !found && !c->typed.command;
		if (found) {
			c->typed.command = found;
			return;
		}
	}
	if (c->typed.command) {
		c->typed.operands[c->typed.operand_count++] = word;
		return;
	}
	c->typed.command = command_find(word);
	if (command_is_family(word))
		reading->family = word;
	reading->lost = !c->typed.command && !reading->family;
}

static void read_line(struct completion *c, struct reading *reading, const char **words,
		      size_t count)
{
	for (size_t i = 0; i < count && !reading->lost; i++) {
		if (reading->awaits) {
			c->typed.options[reading->awaits->id] = words[i];
			reading->awaits = NULL;
		} else if (!reading->options_end && strcmp(words[i], "--") == 0) {
			reading->options_end = true;
		} else if (!reading->options_end && word_is_option(words[i])) {
			read_option(c, reading, words[i]);
		} else {
			read_word(c, reading, words[i]);
		}
	}
}

/* "--from=my": the option whose value the word at the cursor ends with, or NULL. */
static const struct option *attached_option(struct completion *c)
{
	const struct option *option;
	struct spelling s;

	if (strncmp(c->word, "--", 2) != 0 || !strchr(c->word, '='))
		return NULL;
	s = option_spell(c->word);
	option = option_find(c->typed.command, &s);
	if (!option || !option->value)
		return NULL;
	c->before = c->word;
	c->before_length = (int)(s.value - c->word);
	c->word = s.value;
	return option;
}

static void offer_all(struct completion *c, const struct reading *reading)
{
	const struct option *attached = NULL;

	if (reading->awaits) {
		offer_value(c, reading->awaits);
		return;
	}
	if (!reading->options_end && c->word[0] == '-') {
		attached = attached_option(c);
		if (attached) {
			offer_value(c, attached);
			return;
		}
		offer_options(c, c->typed.command ? c->typed.command->options : NULL);
		offer_options(c, global_options);
		return;
	}
	if (reading->family)
		offer_family(c, reading->family, NULL);
	else if (!c->typed.command)
		offer_commands(c);
	if (c->typed.command)
		offer_operand(c);
}

static void give_up(int signal)
{
	_exit(0);
}

static void set_timer(long microseconds)
{
	struct itimerval timer = { .it_value.tv_usec = microseconds };

	signal(SIGALRM, give_up);
	setitimer(ITIMER_REAL, &timer, NULL);
}

int verb_complete(struct invocation *in, struct fl_error *err)
{
	size_t before = in->operand_count ? in->operand_count - 1 : 0;
	struct completion c = {
		.typed.operands = xcalloc(in->operand_count + 1, sizeof(char *)),
		.word = in->operand_count ? in->operands[before] : "",
		.before = "",
	};
	struct reading reading = { 0 };

	read_line(&c, &reading, in->operands, before);
	if (!reading.lost) {
		set_timer(DEADLINE_MICROSECONDS);
		offer_all(&c, &reading);
		set_timer(0);
	}
	fputs(text_get(&c.found), stdout);
	text_done(&c.found);
	invocation_done(&c.typed);
	return 0;
}
