#pragma once

/*
 * The Btrfs driver: heads and snapshots are subvolumes.  Snapshots by ioctl,
 * lists by one search of the root tree; the `btrfs` program is never run, and
 * mkfs.btrfs only by create.
 */

#include "driver/driver.h"

extern const struct driver btrfs_driver;

/* Can a POOL_DIRECTORY be there: on Btrfs, and by a process that may mount? */
bool btrfs_suits(const struct pool_spec *spec);
