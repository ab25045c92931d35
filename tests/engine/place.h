#pragma once

/*
 * Where the pool of a fixture lies, and how the file "f" gets into its trees: for
 * the driver that FLOCKER_TEST_DRIVER names ("": the reference driver).
 *
 *	mem	in this process
 *	dir	directories, with the rights of nobody
 *	btrfs	a file in memory; mounted where this process alone sees it
 *	zfs	a dataset, beside a private ZFS (tests/with-zfs-fuse)
 */

#include <stdbool.h>

#include "driver/driver.h"

/* A fixture's directory is "/tmp/flocker-engine-test.PID.XXXXXX". */
#define PLACE_PREFIX "flocker-engine-test."

/* Once for each process, before anything else; again is nothing. */
void place_enter(void);
/* Below this new directory; what `spec` says then is empty. */
void place_prepare(const char *directory, struct pool_spec *spec);
/* The same for a second one, while the first is there. */
void place_prepare_beside(const char *directory, struct pool_spec *spec);
/* After the pool was closed, and all others.  Removes the directory, too. */
void place_clear(const char *directory);

/* A verb takes a tenth of a second or more here, not a millisecond. */
bool place_is_slow(void);

/* The file "f" of a tree; FL_NOT_FOUND.  What is read is on the heap. */
must_check int place_write(struct pool *pool, const struct tree *tree, const char *contents,
			   struct fl_error *err);
must_check int place_read(struct pool *pool, const struct tree *tree, char **ret,
			  struct fl_error *err);
