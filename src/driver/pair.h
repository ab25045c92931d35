#pragma once

/*
 * Two files, one of each of two trees, and in what they differ.  For drivers whose file
 * system does not say it by itself.  Any thread; reads only.
 */

#include <sys/stat.h>

#include "base/error.h"
#include "model/change.h"

struct pair {
	int dirs[2]; /* of the earlier and the later tree; borrowed */
	const char *names[2];
	struct stat st[2];
};

/*
 * In what they differ: of enum change_what, 0 for nothing.  Contents are read unless
 * `same` says that they are known to be equal, or both files lie in the same blocks.  Times
 * of change are not believed here: whoever unpacks an archive sets them.
 */
must_check int pair_look(const struct pair *pair, bool same, unsigned *ret, struct fl_error *err);

/* The same where one was put in the other's place: then it is modified in any case, but for a
 * directory, whose names tell. */
must_check int pair_look_replaced(const struct pair *pair, unsigned *ret, struct fl_error *err);

struct change_side change_side_of(const struct stat *st);

/* One of the two as what it is: O_PATH but for files and directories. */
must_check int pair_open_side(const struct pair *pair, int side, int *ret_fd, struct fl_error *err);
