#pragma once

/*
 * Puts a new tree in the place of old ones in other mount namespaces: where containers see
 * a branch, they see its new head from one instant to the next.
 *
 * A mount of an old tree, or of a directory or file in it, is covered from below: a mount of the
 * same path in the new tree, with the same options, is put beneath it, with what is
 * mounted within it, and then it is taken away.  Nobody sees the place empty, and none of it
 * needs mount propagation or the container's help (base/mount-inside.h says whose
 * paths those are).  What has files open in the old tree keeps them.
 *
 * The namespace of this process is left alone: what is mounted there is not a container's.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "container/holders.h"

struct remount_old {
	struct held_tree tree; /* `inodes` count for nothing */
	const char *part;      /* what the path of a mount of its root has at its end */
	int root;	       /* of the tree, to read it */
};

struct remount_query {
	const struct remount_old *olds;
	size_t count;
	int head; /* of the new tree's root, in a mount that can be seen */
};

struct remount {
	pid_t pid; /* of one process there */
	uint64_t namespace;
	char command[32];
	const char *path; /* where, as seen there */
	bool replaced;
	const struct fl_error *why; /* else */
};

/*
 * Calls `each` with each mount of an old tree.  One that can't be replaced is no failure of the
 * call, and keeps none of the others.
 */
must_check int remount(const struct remount_query *query,
		       int (*each)(void *arg, const struct remount *result, struct fl_error *err),
		       void *arg, struct fl_error *err);

/* The number of a process's mount namespace; 0: it has ended. */
uint64_t remount_namespace(pid_t pid);
