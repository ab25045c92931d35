#pragma once

/*
 * A request that takes the daemon long: meanwhile its operation is asked how far it is, which is
 * shown, and Ctrl-C cancels it.
 */

#include "cli/body.h"
#include "cli/command.h"
#include "lib/value.h"

/*
 * POST of `body` with an "operation" of our choice.  After a signal the operation is cancelled and
 * its end awaited; then it does not return, but ends by that signal: the shell is to see it (130
 * for SIGINT).
 */
must_check int await_post(struct invocation *in, const char *path, struct body *body,
			  struct value **ret, struct fl_error *err);
