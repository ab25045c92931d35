#pragma once

/*
 * diff of one path: a file or a directory of each tree, instead of all of both.  Where
 * it is called the same in both, the driver tells what differs, cheaply, and what lies
 * elsewhere is left out; else the two places are walked side by side.
 *
 * Borrows the paths; relative, not "".  Users write to live trees: paths are resolved
 * beneath the root, through no symbolic link.
 */

#include <stdbool.h>

#include "base/error.h"
#include "base/own.h"
#include "model/change.h"

struct diff_path {
	const char *paths[2]; /* in the earlier tree, in the later */
	change_each *each;    /* that gets what lies there */
	void *arg;
};

bool diff_path_is_one(const struct diff_path *diff);

/* FL_NOT_FOUND: neither tree (their root directories) has it. */
must_check int diff_path_check(const struct diff_path *diff, const int roots[static 2],
			       struct fl_error *err);

/* A change_each with a struct diff_path: passes on what concerns the path, also that a
 * directory above it was renamed. */
must_check int diff_path_filter(void *arg, const struct change *change, struct fl_error *err);

/* Tells what differs between two places; `live`: others write to them meanwhile. */
must_check int diff_path_compare(const struct diff_path *diff, const int roots[static 2], bool live,
				 struct fl_error *err);
