#pragma once

/* What rollback and stash share: both replace a head, both can make a branch. */

#include "lib/value.h"

#include "cli/command.h"

/* What was done, where the stash is, how to undo it, who still sees the old contents. */
void print_rollback(const struct invocation *in, struct value *answer);

/* Makes the branch `name` from `from` (NULL: the live trunk) and prints its path. */
must_check int create_branch(struct invocation *in, const char *name, const char *from,
			     struct fl_error *err);
