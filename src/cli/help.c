#include <stdio.h>
#include <string.h>

#include "cli/hint.h"
#include "cli/talk.h"
#include "cli/verbs.h"

/* All of it is printed from the command table. */

static void print_option(const struct option *o)
{
	char spelling[64];

	snprintf(spelling, sizeof(spelling), "%c%c%s--%s%s%s", o->letter ? '-' : ' ',
		 o->letter ? o->letter : ' ', o->letter ? ", " : "  ", o->name, o->value ? " " : "",
		 o->value ? o->value : "");
	printf("  %-28s %s\n", spelling, o->help);
}

static void print_options(const char *title, const struct option *options)
{
	bool titled = false;

	for (const struct option *o = options; o && o->name; o++) {
		if (!o->help)
			continue;
		if (!titled)
			printf("\n%s:\n", title);
		titled = true;
		print_option(o);
	}
}

static void print_command_line(const struct command *command)
{
	char usage[64];

	snprintf(usage, sizeof(usage), "%s %s", command->name, command->operands);
	printf("  %-28s %s\n", usage, command->summary);
}

void help_command(const struct command *command)
{
	own_text struct text synopsis = { 0 };

	command_synopsis(command, &synopsis);
	printf("usage: %s\n\n%s\n", text_get(&synopsis), command->summary);
	if (command->details)
		printf("\n%s\n", command->details);
	print_options("options", command->options);
	print_options("options of every command", global_options);
}

void help_overview(void)
{
	const char *group = NULL;

	puts("usage: flocker COMMAND [OPTION...]\n\n"
	     "Data volumes with a history: snapshots, branches, tags, and a way back.");
	for (const struct command *c = commands; c->name; c++) {
		if (!c->group)
			continue;
		if (!group || strcmp(group, c->group) != 0)
			printf("\n%s:\n", c->group);
		group = c->group;
		print_command_line(c);
	}
	print_options("Options of every command", global_options);
	puts("\n'flocker help COMMAND' explains one, 'man flocker' all of them.");
}

void help_family(const char *word)
{
	size_t length = strlen(word);

	printf("usage: flocker %s COMMAND [OPTION...]\n\n", word);
	for (const struct command *c = commands; c->name; c++)
		if (strncmp(c->name, word, length) == 0 && c->name[length] == ' ')
			print_command_line(c);
}

static void print_table_options(const struct option *options)
{
	for (const struct option *o = options; o && o->name; o++) {
		if (!o->help)
			continue;
		printf("\t--%s\t%s", o->name, o->value ? o->value : "");
		if (o->letter)
			printf("\t-%c", o->letter);
		putchar('\n');
	}
}

/*
 * The table for programs: a line "NAME<tab>OPERANDS" for each command (first
 * one without a name for what every command takes), below it a line
 * "<tab>--OPTION<tab>VALUE[<tab>-LETTER]" for each of its options.
 */
static void print_table(void)
{
	puts("\t");
	print_table_options(global_options);
	for (const struct command *c = commands; c->name; c++) {
		if (!c->group)
			continue;
		printf("%s\t%s\n", c->name, c->operands);
		print_table_options(c->options);
	}
}

int verb_help(struct invocation *in, struct fl_error *err)
{
	own_text struct text name = { 0 };
	const struct command *command;

	if (option_given(in, OPT_TABLE)) {
		print_table();
		return 0;
	}
	if (in->operand_count == 0) {
		help_overview();
		return 0;
	}
	for (size_t i = 0; i < in->operand_count; i++)
		text_add_format(&name, "%s%s", i ? " " : "", in->operands[i]);
	command = command_find(text_get(&name));
	if (command) {
		help_command(command);
		return 0;
	}
	if (in->operand_count == 1 && command_is_family(in->operands[0])) {
		help_family(in->operands[0]);
		return 0;
	}
	return fail_unknown(text_get(&name), err);
}

/* --- version --------------------------------------------------------------------- */

static void print_daemon_version(struct value *daemon)
{
	struct value *instance = value_get(daemon, "instance");

	printf("flockerd %s, instance %s on %s\n", field(daemon, "version"),
	       field(instance, "name"), field(daemon, "host"));
}

static void put_written(struct body *body, const char *key, const struct value *value)
{
	own_text struct text written = { 0 };

	if (value) {
		size_t length;
		const char *start = value_written(value, &length);

		text_add(&written, start, length);
	}
	body_raw(body, key, value ? text_get(&written) : NULL);
}

static void print_version_json(const struct value *daemon, const struct value *health)
{
	own_body struct body *all = body_new();

	body_string(all, "version", FLOCKER_VERSION);
	put_written(all, "daemon", daemon);
	put_written(all, "health", health);
	puts(body_finish(all));
}

static void print_health(const struct invocation *in, struct value *health)
{
	own_text struct text line = { 0 };

	if (strcmp(field(health, "status"), "degraded") != 0)
		return;
	text_add_string(&line, "degraded: ");
	add_clean(&line, field(health, "reason"));
	if (*field(health, "hint")) {
		text_add_string(&line, "\n  hint: ");
		add_hint(&line, in, field(health, "hint"));
	}
	puts(text_get(&line));
}

/* That no daemon can be reached is part of the answer, not a failure. */
int verb_version(struct invocation *in, struct fl_error *err)
{
	own_free struct value *daemon = NULL, *health = NULL;
	bool reached = talk(in, "GET", "/v1/version", NULL, NULL, &daemon, err) == 0 &&
		       talk(in, "GET", "/v1/health", NULL, NULL, &health, err) == 0;

	if (!reached && err->code != FL_UNREACHABLE && err->code != FL_DENIED)
		return fl_failed(err);
	if (option_given(in, OPT_JSON)) {
		print_version_json(reached ? daemon : NULL, reached ? health : NULL);
		return 0;
	}
	puts("flocker " FLOCKER_VERSION);
	if (reached) {
		print_daemon_version(daemon);
		print_health(in, health);
	} else {
		puts(err->text);
	}
	return 0;
}
