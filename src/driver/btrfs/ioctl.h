#pragma once

/*
 * The kernel's Btrfs calls that the driver uses, with errors in our form.
 * Nothing here knows of pools and layouts.
 */

#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/own.h"

/* Of the subvolume that `fd` lies in. */
must_check int subvol_info(int fd, struct btrfs_ioctl_get_subvol_info_args *ret,
			   struct fl_error *err);
/* `group`: the quota group that the new subvolume is in from its first moment on; 0 = none. */
must_check int subvol_create(int dir, const char *name, uint64_t group, struct fl_error *err);
/* A writable copy of the subvolume whose root directory `source` is.  Durable when it returns. */
must_check int subvol_clone(int source, int dir, const char *name, uint64_t group,
			    struct fl_error *err);
/* The same, read-only and in no group. */
must_check int subvol_snapshot(int source, int dir, const char *name, struct fl_error *err);
/* Its read-only flag; `fd` is a descriptor of its root directory.  Repeatable. */
must_check int subvol_set_read_only(int fd, bool read_only, struct fl_error *err);
/* One with subvolumes inside fails by ENOTEMPTY (inside_delete()).  Missing is success; FL_BUSY
 * while it is being sent. */
must_check int subvol_delete(int dir, const char *name, struct fl_error *err);

/*
 * Calls `each` for the items of a tree from `first` to `last`
 * (objectids; of each all items of the types between the two); stops at its
 * first answer that is not 0 and returns it.  `item` is not aligned.
 */
struct root_range {
	uint64_t tree; /* BTRFS_..._TREE_OBJECTID; 0: of the subvolume that `fd` lies in */
	uint64_t first, last;
	uint32_t first_type, last_type;
	size_t buffer;	/* bytes fetched at once */
	uint64_t since; /* only what lies in blocks written in this transaction or later */
};
must_check int root_search(int fd, const struct root_range *range,
			   int (*each)(void *arg, const struct btrfs_ioctl_search_header *header,
				       const void *item, struct fl_error *err),
			   void *arg, struct fl_error *err);

/* A reference from a subvolume to one inside it. */
struct subvol_reference {
	uint64_t parent, child;
	uint64_t directory; /* inode in the parent */
	char name[BTRFS_VOL_NAME_MAX + 1];
};
/* From a ROOT_REF or ROOT_BACKREF item; false when it is malformed. */
bool subvol_reference_decode(const struct btrfs_ioctl_search_header *header, const void *item,
			     struct subvol_reference *ret);

/* The place of the subvolume `id`; `ret->child` 0 when it has none: it was deleted. */
must_check int subvol_place(int fd, uint64_t id, struct subvol_reference *ret,
			    struct fl_error *err);

/* The first subvolume inside the subvolume `id`; `ret->child` 0 when there is none. */
must_check int subvol_first_inside(int fd, uint64_t id, struct subvol_reference *ret,
				   struct fl_error *err);
/* Its path from the root of the subvolume that holds it. */
must_check int subvol_reference_path(
	int fd, const struct subvol_reference *reference,
	char path[static BTRFS_INO_LOOKUP_PATH_MAX + BTRFS_VOL_NAME_MAX], struct fl_error *err);
