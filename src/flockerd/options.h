#pragma once

/* The command line of flockerd. */

#include <stdbool.h>

#include "base/error.h"
#include "base/own.h"

struct options { /* strings are argv's; NULL = not given */
	const char *root;
	const char *socket;
	const char *name;
	const char *mount_root;
	const char *log_level; /* a good one */
	const char *snapshot;
	bool release_plugin;
	bool version;
	bool help;
};

/* FL_INVALID says what is wrong, and the hint how to see what is right. */
must_check int options_parse(int argc, char **argv, struct options *ret, struct fl_error *err);

/* Writes the usage to standard output. */
void options_help(void);
