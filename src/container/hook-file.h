#pragma once

/*
 * Where hooks are, and what may be said about one.
 *
 * A hook is named, and nothing else of it comes from a user: its program is
 * NAME in the administrator's directory, or else in that of the hooks that
 * come with Flocker.  What anybody but root and the daemon's user could have
 * written is not run.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/own.h"
#include "base/text.h"
#include "model/metadata.h"
#include "model/name.h"

#define HOOK_TIMEOUT (30 * INT64_C(1000000000)) /* ns, where nothing else is said */

struct hook_places {
	char *own;     /* the administrator's directory; NULL: there is none */
	char *shipped; /* NULL: there is none */
};

struct hook_file {
	char name[NAME_TEXT];
	char *path; /* heap */
	bool shipped;
};

struct hook_files { /* by name */
	struct hook_file *items;
	size_t count;
};

void hook_file_done(struct hook_file *file);
#define own_hook_file own(hook_file_done)
void hook_files_done(struct hook_files *files);

/* FL_NOT_FOUND with those that there are; FL_DENIED: it can't be trusted, and why. */
must_check int hook_find(const struct hook_places *places, const char *name, struct hook_file *ret,
			 struct fl_error *err);
/* All that hook_find() finds. */
must_check int hook_list(const struct hook_places *places, struct hook_files *ret,
			 struct fl_error *err);

/*
 * A hook that is a shell script, to be given to another shell: its text.  A line of it that
 * reads functions.sh from beside it, as those that come with Flocker do, is replaced by what stands
 * in that file.  FL_UNSUPPORTED: it is no such script, or is longer than HOOK_SCRIPT bytes.
 */
#define HOOK_SHARED "functions.sh"
#define HOOK_SCRIPT 65536
must_check int hook_read_script(const struct hook_file *file, struct text *ret,
				struct fl_error *err);

/*
 * Keys are [a-z][a-z0-9-]*, at most HOOK_KEY - 1 characters: each becomes a variable of
 * the environment.  At most HOOK_SETTINGS of them.  FL_INVALID.
 */
#define HOOK_KEY 32
#define HOOK_SETTINGS 16
must_check int hook_check_settings(const struct metadata *settings, struct fl_error *err);
/* 1 s to 10 min, in ns.  FL_INVALID. */
must_check int hook_check_timeout(int64_t timeout, struct fl_error *err);
