#pragma once

/*
 * Mounts in the mount namespaces of other processes.
 *
 * A namespace is entered by a thread that gives up the directories it shares with
 * the daemon's others (setns(2) asks for that), does one errand there, and ends: no
 * other thread is ever in a namespace that somebody else made.  Every path there is hostile.
 * Whoever may mount in it may have put a symbolic link, another file system, or a server that
 * never answers on the way to any place, at any moment.  So places are only looked up in
 * what the kernel has in memory (RESOLVE_CACHED; what leads to a mount always is), through no
 * symbolic link, as descriptors that nothing is read through, and are told by the
 * number of the mount that is expected there.  An errand opens nothing else, and calls nobody who
 * might.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/text.h"

/*
 * Runs `errand` in the mount namespace of a process, and waits for it.  FL_NOT_FOUND: the
 * process has ended.  FL_DENIED.
 */
must_check int mount_inside(pid_t process, int (*errand)(void *arg, struct fl_error *err),
			    void *arg, struct fl_error *err);

/*
 * In an errand: the mount table of the namespace, in the form of /proc/PID/mountinfo.  `proc`: our
 * own /proc, from before.
 */
must_check int mount_inside_table(int proc, struct text *ret, struct fl_error *err);

/* A place in the namespace that the errand is in. */
struct mount_place {
	int parent;	  /* its directory; -1: it is the root of everything */
	int fd;		  /* itself, as a path only */
	const char *name; /* in its directory; borrowed from the path */
	bool directory;
};

#define MOUNT_PLACE_NONE               \
	{                              \
		.parent = -1, .fd = -1 \
	}
void mount_place_done(struct mount_place *place);
#define own_mount_place own(mount_place_done)

/*
 * The root of the mount with this number (the first field of its line in the table), at
 * `path`.  FL_BUSY: another mount is there, or the way there is not to be trusted.
 */
must_check int mount_place_find(const char *path, uint64_t mount, struct mount_place *ret,
				struct fl_error *err);

/* --- mounts that are attached to nothing ---------------------------------------------- */

/* The options of one mount, as MOUNT_ATTR_ bits: of the sixth field in the table.  FL_UNSUPPORTED:
 * it has one that no other mount can be given. */
must_check int mount_options_parse(const char *text, uint64_t *ret, struct fl_error *err);
/* A file or directory as it is seen by the daemon, as a mount of its own with exactly these
 * options, and no propagation. */
must_check int mount_clone(int fd, uint64_t options, int *ret_fd, struct fl_error *err);
/* What is mounted at a place, and within. */
must_check int mount_clone_all(const struct mount_place *place, int *ret_fd, struct fl_error *err);

/* Puts such a mount there, on top of what is there, as a path below `dir`. */
must_check int mount_attach(int mount, int dir, const char *path, struct fl_error *err);
/* Puts it beneath the mount whose root the place is: nobody sees it yet.  FL_UNSUPPORTED. */
must_check int mount_attach_beneath(int mount, const struct mount_place *place,
				    struct fl_error *err);
/* Takes the mount away whose root the place is; who has files open in it keeps them. */
must_check int mount_detach(const struct mount_place *place, uint64_t mount, struct fl_error *err);
