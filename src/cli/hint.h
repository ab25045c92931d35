#pragma once

/*
 * Hints: what the user can do next, beyond the usage.  What a word that is no
 * command or option may have meant, and how commands in a hint are typed so that
 * they lead to the same daemon.
 */

#include "cli/command.h"

/* There is no such command: FL_INVALID, with the one that is nearest, or what it is called here. */
must_check int fail_unknown(const char *typed, struct fl_error *err);
/* The usage of the command, or where all of them are listed (NULL). */
must_check int hint_usage(const struct command *command, struct fl_error *err);
/* Of an option that the command (or NULL, none) does not have: the one that is nearest, too. */
must_check int hint_option(const struct command *command, const struct spelling *s,
			   struct fl_error *err);
/* Of operands that are too few or too many. */
must_check int hint_operands(const struct invocation *in, struct fl_error *err);

/* Adds a hint for people to type: its commands get the options that lead to the same daemon. */
void add_hint(struct text *out, const struct invocation *in, const char *hint);
