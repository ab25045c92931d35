/*
 * One row per option: the parser and the help are made from the same table, so
 * they can't disagree.
 */

#include "flockerd/options.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

struct option {
	const char *name;
	const char *value; /* what stands for the value in the help; NULL: it takes none */
	size_t offset;	   /* of a const char * in struct options; of a bool without a value */
	const char *help;
};

#define OPTION(name, value, member, help)                           \
	{                                                           \
		name, value, offsetof(struct options, member), help \
	}

static const struct option table[] = {
	OPTION("--root", "DIR", root,
	       "keep everything below DIR: one more instance on this machine"),
	OPTION("--socket", "PATH", socket, "listen there (default /run/flocker/flocker.sock)"),
	OPTION("--name", "NAME", name, "the instance's name (default: from the host's name)"),
	OPTION("--mount-root", "DIR", mount_root, "where branches appear (default /flocker)"),
	OPTION("--log-level", "LEVEL", log_level, "error, warning, info (default) or debug"),
	OPTION("--snapshot", "WHEN", snapshot,
	       "when branches are snapshotted by themselves: change (default), 'every TIME', "
	       "manual"),
	OPTION("--release-plugin", NULL, release_plugin,
	       "end what listens for the volume plugin while no daemon runs, and end"),
	OPTION("--version", NULL, version, "print the version and end"),
	OPTION("--help", NULL, help, "print this and end"),
};

static const struct option *find_option(const char *name, size_t length)
{
	for (size_t i = 0; i < array_size(table); i++)
		if (strlen(table[i].name) == length && memcmp(table[i].name, name, length) == 0)
			return &table[i];
	return NULL;
}

static int fail_usage(struct fl_error *err, const char *what, const char *argument)
{
	fl_fail(err, FL_INVALID, "%s '%.200s'", what, argument);
	return fl_hint(err, "flockerd --help lists the options");
}

static int take_value(const struct option *option, const char *value, struct options *options,
		      struct fl_error *err)
{
	const char **place = (const char **)((char *)options + option->offset);
	enum log_level level;

	if (!value[0])
		return fail_usage(err, "the value is empty: option", option->name);
	if (place == &options->log_level && !log_level_parse(value, &level))
		return fail_usage(err, "there is no log level", value);
	*place = value;
	return 0;
}

/* "--name value" and "--name=value".  Moves `i` on to the last argument that it used. */
static int parse_one(int argc, char **argv, int *i, struct options *options, struct fl_error *err)
{
	const char *argument = argv[*i];
	size_t length = strcspn(argument, "=");
	const struct option *option = find_option(argument, length);

	if (!option)
		return fail_usage(err, "there is no option", argument);
	if (!option->value) {
		if (argument[length])
			return fail_usage(err, "no value is taken by option", option->name);
		*(bool *)((char *)options + option->offset) = true;
		return 0;
	}
	if (argument[length])
		return take_value(option, argument + length + 1, options, err);
	if (*i + 1 == argc)
		return fail_usage(err, "a value is missing: option", option->name);
	return take_value(option, argv[++*i], options, err);
}

int options_parse(int argc, char **argv, struct options *ret, struct fl_error *err)
{
	struct options options = { 0 };
	int r;

	for (int i = 1; i < argc; i++) {
		r = parse_one(argc, argv, &i, &options, err);
		if (r < 0)
			return r;
	}
	*ret = options;
	return 0;
}

void options_help(void)
{
	printf("usage: flockerd [OPTION]...\n\n"
	       "Keeps volumes with a history and serves them to the command 'flocker'.\n"
	       "Runs in the foreground; ends on SIGTERM.\n\n");
	for (size_t i = 0; i < array_size(table); i++) {
		char left[40];

		snprintf(left, sizeof(left), "%s %s", table[i].name,
			 table[i].value ? table[i].value : "");
		printf("  %-22s%s\n", left, table[i].help);
	}
}
