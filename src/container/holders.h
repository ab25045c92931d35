#pragma once

/*
 * Who uses a tree, decided from what the kernel knows and never from counting
 * calls: descriptors, working and root directories, programs and mappings of
 * all processes, and mounts of the tree in all mount namespaces.
 *
 * A tree is told by the device number of its files (each Btrfs subvolume and
 * each ZFS dataset has its own) and, for mounts, by an option that mountinfo
 * shows ("subvolid=257").  The calling process is left out: it looks after its own
 * descriptors.  Needs root to see other users' processes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/own.h"

struct held_tree {
	dev_t device;	   /* 0: never matches */
	const char *mount; /* an option in mountinfo; "": never matches */
};

struct holders_query {
	const struct held_tree *trees;
	size_t count;
	const char
		*beside; /* a mount point of the same file system; mounts of others don't count */
	bool mappings;	 /* look at mappings and programs too: slower (about 0.1 ms per process) */
};

/*
 * Calls `each` once for every process that uses one of the trees; `what` says
 * how.  Stops at a negative answer and returns it.  Processes that end
 * meanwhile are passed over.
 */
must_check int holders_find(const struct holders_query *query,
			    int (*each)(void *arg, pid_t pid, const char *command, const char *what,
					struct fl_error *err),
			    void *arg, struct fl_error *err);
