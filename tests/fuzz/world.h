#pragma once

/*
 * What a fuzz target may change that unpacks or applies something as flocker-archive and
 * flocker-tree do, but without their sandbox: whatever that would hold back must not even be tried.
 * A file system of its own, in memory and visible nowhere:
 *
 *	tree/		what is made or changed
 *	base/file	what may be read
 *	canary/file	what must not change
 *
 * Its root is the root of the thread that works, so that absolute paths and ".." have only the
 * other two to reach.  Afterwards nothing new may lie beside the three or in the others, and
 * neither file may have changed (a further link, an attribute, a byte: each sets its ctime).
 *
 * Used by one thread.  What goes wrong aborts.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/error.h"

struct world {
	int root, tree, base;
	struct watched {
		int fd;
		struct stat before;
	} canary, source;
};

/* What is tried in it: 0, or the negative code of `err`. */
typedef int world_work(void *arg, struct fl_error *err);

void require(bool condition);

void world_open(struct world *ret);
void world_close(struct world *world);
/* An empty tree again. */
void world_renew(struct world *world);
/*
 * Runs `work` with the descriptors that flocker-tree has: the input as 0, the tree as
 * PLACE_ROOT_FD, base/ as TREE_SOURCE_FD, and reports that go nowhere.  Answers what it answered,
 * after a look at all that it must not have touched.
 */
int world_run(struct world *world, const uint8_t *input, size_t size, world_work *work, void *arg);
/* Whatever the tree holds is of no kind that these forbid. */
void world_check_tree(const struct world *world, bool devices, bool setuid);
