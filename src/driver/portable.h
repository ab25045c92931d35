#pragma once

/*
 * Makes a delta (delta/command.h) by reading trees, for drivers whose file system makes
 * none.  Whole: the tree is walked once.  From a base: both are compared, and then walked side by
 * side; of files that differ only the ranges that do are sent.  Files and directories are renamed
 * where the driver's diff() knows them; where it does not, a rename is a removal and an addition.
 *
 * The order of all commands follows from the two trees alone: names are sorted.  Kept are for each
 * change about 150 bytes and its paths, for each file with several names about 100 bytes and a
 * path, for each name in the directory under way and each directory that waits in those above it
 * its name and a pointer, and 256 KiB; never contents, or the names of a whole tree.
 */

#include "driver/driver.h"

/* As send() of driver.h, to `fd`, between two snapshots (base NULL: none) of one pool.  Before
 * the comparison has ended it does not see that nobody reads any more. */
must_check int portable_send(struct pool *pool, const struct tree *base, const struct tree *tree,
			     int fd, struct fl_error *err);

/* The same without diff(): a file is known by its path alone. */
must_check int portable_send_by_path(struct pool *pool, const struct tree *base,
				     const struct tree *tree, int fd, struct fl_error *err);
