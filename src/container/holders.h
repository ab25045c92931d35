#pragma once

/*
 * Who uses a tree, decided from what the kernel knows and never from counting
 * calls: descriptors, working and root directories, programs and mappings of
 * all processes and their threads, and mounts of the tree in all mount
 * namespaces.
 *
 * A tree is told by the device number of its files (each Btrfs subvolume and
 * each ZFS dataset has its own) and, for mounts, by an option that mountinfo
 * shows ("subvolid=257"); or, where trees share a device, by the inodes of its
 * files and by its path within the file system.  A file that somebody makes in
 * such a tree while the call runs may be missed.  The calling process is left out: it looks after
 * its own descriptors.  Needs root to see other users' processes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/own.h"
#include "container/inodes.h"

struct held_tree {
	dev_t device;	   /* 0: never matches */
	const char *mount; /* an option in mountinfo, a part of the root's path there if it begins
			      with a slash; "": never matches */
	const struct inodes *inodes; /* borrowed; NULL: never matches */
};

struct holders_query {
	const struct held_tree *trees;
	size_t count;
	/*
	 * A mount point of the same file system: mounts of others do not count, but
	 * for a tree that is a file system of its own: any mount of it does, outside of
	 * what begins with a dot beside this mount point, where such trees are shown.
	 * NULL, or no mount point (nothing is exposed): mounts are not looked at,
	 * unless a tree has inodes.
	 */
	const char *beside;
	/* Look at mappings and programs too: slower, about 0.1 ms per process. */
	bool mappings;
	/*
	 * Where a tree is mounted in a mount namespace, `each` is called for every process in that,
	 * and not only for the first that is found, which may have ended by then; but for none of
	 * those in the host's namespace, or in ours: there a mount says nothing of who uses it.
	 */
	bool everyone;
};

/*
 * Calls `each` once for every process that uses one of the trees; `what` says
 * how.  Stops at a negative answer and returns it.  Processes that end
 * meanwhile are passed over, and those that the kernel hides: other users' when
 * not root, and those that refuse even root with CAP_SYS_PTRACE.  What could not
 * be looked at for another reason (FL_DENIED for root without CAP_SYS_PTRACE,
 * FL_SYSTEM when out of descriptors or memory) fails the call: its silence never
 * means "unused".
 */
must_check int holders_find(const struct holders_query *query,
			    int (*each)(void *arg, pid_t pid, const char *command, const char *what,
					struct fl_error *err),
			    void *arg, struct fl_error *err);
