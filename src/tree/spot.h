#pragma once

/*
 * Where in a tree the paths of a delta lead, which may be hostile: beneath the root, through no
 * symbolic link, "..", or mount point, and through nothing that is not there.  The last
 * directory stays open, as the next path mostly leads into it too.
 */

#include <stdbool.h>

#include "base/error.h"
#include "base/own.h"
#include "base/text.h"

struct spots {
	int root; /* borrowed */
	int dir;  /* the directory at `parent`, or -1 */
	struct text parent;
	bool hands_on; /* what is made in it gets more than it was told: an ACL, a group */
};

/* An entry `name` of `dir`.  Both are good until the next spot_find(). */
struct spot {
	int dir;
	const char *name; /* points into the path */
};

void spots_init(struct spots *spots, int root);
void spots_done(struct spots *spots);

/* FL_INVALID: no path that leads to something beneath the root ("" is the root itself). */
must_check int spot_check(const char *path, struct fl_error *err);

/* `path` is checked, and not "".  Nothing is said of whether there is such an entry. */
must_check int spot_find(struct spots *spots, const char *path, struct spot *ret,
			 struct fl_error *err);

/* Whether `path` is `of` or lies beneath it. */
bool path_lies_in(const char *path, const char *of);

/* What is at `path` goes, becomes another, or hands on something else. */
void spots_forget(struct spots *spots, const char *path);
