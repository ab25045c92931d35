#pragma once

/* What rollback and stash share: both replace a head, both can make a branch. */

#include "cli/body.h"
#include "cli/command.h"

/*
 * Has the daemon replace a head and prints what was done, where the stash is,
 * how to undo it, and who still sees the old contents.
 */
must_check int replace_head(struct invocation *in, const char *path, struct body *body,
			    struct fl_error *err);

/* --live and --force, which exclude each other: what becomes of the branch's containers. */
must_check int check_containers(const struct invocation *in, struct fl_error *err);
void body_containers(struct body *body, const struct invocation *in);

/* Makes the branch `name` from `from` (NULL: the live trunk) and prints its path. */
must_check int create_branch(struct invocation *in, const char *name, const char *from,
			     struct fl_error *err);
