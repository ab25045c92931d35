#pragma once

/*
 * What directories get when everything in them is made: writing an entry into
 * a directory changes its time, and a default ACL would be inherited.  The
 * records lie in a file without a name in the tree that is made, so that
 * millions of directories need no memory; it vanishes with the program.
 */

#include <stdio.h>

#include "tree/attrs.h"

struct spool {
	FILE *file; /* NULL until the first record */
};

void spool_done(struct spool *spool);

/* `dir` is any directory of the tree. */
must_check int spool_add(struct spool *spool, int dir, const char *path, const struct attrs *attrs,
			 struct fl_error *err);

/* Calls `each` for every record in order; its first failure ends that. */
must_check int spool_each(struct spool *spool,
			  int (*each)(void *arg, const char *path, const struct attrs *attrs,
				      struct fl_error *err),
			  void *arg, struct fl_error *err);
