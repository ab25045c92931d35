#pragma once

/*
 * The one grammar for the names of volumes, branches, tags, snapshots and
 * instances: [A-Za-z0-9][A-Za-z0-9_.-]{0,62} (DESIGN section 2).
 */

#include <stdbool.h>

#include "base/error.h"
#include "base/own.h"

#define NAME_MAX_LENGTH 63
#define NAME_TEXT (NAME_MAX_LENGTH + 1)
#define CONTAINER_TEXT \
	256 /* bytes of what a container is called, with NUL; engines have its grammar */

/*
 * FL_INVALID with the exact reason: empty, too long, bad first character, bad
 * character (which, where).  `what` ("volume", "branch", ...) starts the text.
 */
must_check int name_check(const char *what, const char *name, struct fl_error *err);

/* Makes a name of any string: bad characters become '-', too long is cut, nothing left is "host".
 */
void name_sanitize(const char *string, char name[static NAME_TEXT]);

/*
 * `text` as it may stand in a message: control characters and what is not UTF-8
 * become '?', and what does not fit ends in "...".  Returns `shown`.
 */
#define NAME_SHOWN 84
char *name_show(const char *text, char shown[static NAME_SHOWN]);
