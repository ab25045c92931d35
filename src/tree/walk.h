#pragma once

/*
 * A walk over a tree that is only read: every entry once, a directory before
 * what is in it.  By descriptors, one for each level; symbolic links are never
 * followed and mount points never crossed, whatever somebody renames meanwhile.
 * What is mounted within the tree is left out and logged: a directory there
 * comes as it is but with nothing in it.  An archive has an order; what needs
 * none is walked by base/walk.h, with several threads.
 */

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/own.h"

#define WALK_DEPTH 2048 /* levels of directories; a tree that is made has no more either */

struct walk_entry {
	int dir; /* where it lies */
	const char *name;
	const char *path; /* from the root; the root itself is "".  Good during the call. */
	int fd;		  /* of a file or directory, open for reading; otherwise -1 */
	struct stat st;
};

struct walk_verbs {
	int (*entry)(void *arg, const struct walk_entry *entry, struct fl_error *err);
	/* After all that is in a directory; or NULL. */
	int (*leave)(void *arg, const struct walk_entry *entry, struct fl_error *err);
	bool sorted; /* what is in a directory comes by the bytes of the names */
};

/* An entry that vanishes or changes its kind while it is looked at is FL_BUSY. */
must_check int walk(int root, const struct walk_verbs *verbs, void *arg, struct fl_error *err);
/* Of what the root holds the entry `name` alone, and all that is in that. */
must_check int walk_one(int root, const char *name, const struct walk_verbs *verbs, void *arg,
			struct fl_error *err);

/* Where a symbolic link points. */
must_check int walk_target(const struct walk_entry *entry, char ret[static PATH_MAX],
			   struct fl_error *err);

/* Room in a file from `*from` on: the next data is [*from, *ret_to).  0 when only a hole is left.
 */
must_check int walk_data(int fd, off_t size, off_t *from, off_t *ret_to, struct fl_error *err);
