#pragma once

/*
 * Places in the tree that is made: where an entry goes by its path, which may
 * be hostile.  Paths are relative to the tree's root and plain
 * (place_normalize); what is made is made in a directory that is held open,
 * under a name of one component, and only where nothing is (O_EXCL and its
 * like), so that nothing that lies there is ever followed or written through.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/own.h"
#include "base/text.h"

#define PLACE_ROOT_FD 3

struct places {
	struct text parent; /* the path whose directory `dir` is; valid when dir >= 0 */
	int dir;
};

/* A place: an entry `name` of `dir`.  Both are good until the next place_find(). */
struct place {
	int dir;
	const char *name;
};

void places_init(struct places *places);
void places_done(struct places *places);

/*
 * A path as it stands in an archive without what means nothing ("./", "//", the
 * last "/"); the root itself is "".  Absolute ones, ".." and names that no file
 * system holds are FL_INVALID.
 */
must_check int place_normalize(const char *path, struct text *ret, struct fl_error *err);

/* Directories on the way that are missing are made (0755).  `path` is not the root. */
must_check int place_find(struct places *places, const char *path, struct place *ret,
			  struct fl_error *err);

/* Opens the directory at `path` ("" is the root) to set its attributes. */
must_check int place_open_dir(struct places *places, const char *path, int *ret_fd,
			      struct fl_error *err);

/* These replace what is there, unless it is a directory that holds something. */
must_check int place_make_file(const struct place *place, int *ret_fd, struct fl_error *err);
must_check int place_make_symlink(const struct place *place, const char *target,
				  struct fl_error *err);
must_check int place_make_node(const struct place *place, mode_t mode, dev_t device,
			       struct fl_error *err);
/* A further name for the file at the path `target`.  Its own name: nothing to do. */
must_check int place_make_link(struct places *places, const char *path, const char *target,
			       struct fl_error *err);
/* A directory that is there already stays as it is. */
must_check int place_make_dir(const struct place *place, struct fl_error *err);
