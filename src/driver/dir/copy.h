#pragma once

/*
 * Copies the contents of one directory into another, empty one on the same file
 * system: files with their holes, hard links among each other, symbolic links,
 * FIFOs, sockets and devices; with owners, modes, times, ACLs and extended
 * attributes.  Several threads.
 *
 * Of a live tree: each file is as it was at one moment (with FICLONE), or is
 * copied again when it changed meanwhile (a few times); the tree as a whole is
 * not of one moment.  What was removed before its turn came is not in the copy.
 * Nothing else is left out: what cannot be copied fails the call, by name.
 */

#include <stdbool.h>

#include "base/error.h"
#include "base/own.h"

struct print;

struct copy {
	int from, to;	     /* directories; borrowed */
	bool share;	     /* the file system has FICLONE */
	bool live;	     /* others write to `from` meanwhile */
	struct print *print; /* of `from`, as it was copied; NULL: not wanted */
};

must_check int copy_tree(const struct copy *copy, struct fl_error *err);
