#pragma once

/*
 * The dir driver: trees are plain directories, in a directory of any file
 * system.  It needs nothing of the kernel but directories and renames, and no
 * root; what it costs is that every snapshot and every clone copies each file
 * of the tree, by reference where the file system can share blocks (XFS, Btrfs,
 * some more: then no bytes are copied, but every file is touched), else byte by
 * byte (pool_stats.share tells which).
 *
 *	POOL/heads/<branch>/files	the live tree
 *	POOL/heads/<branch>/record	what the driver knows of it
 *	POOL/scratch/<number>		half-made and half-removed trees
 *
 * and so for snaps/, staging/ and retired/.  A tree and its record lie in one
 * directory, and it is that directory which is renamed and exchanged: so a tree
 * always is what its record says.  The record has the tree's id (random, never
 * given again), the tree that it is a copy of, and its print (print.h), by which
 * changed_since() tells without reading contents whether anything was written;
 * it is trusted only within one run of the machine, for after a power cut
 * contents may be newer than times of change, and not on tmpfs, where stores
 * through mappings move no time.
 *
 * Nothing becomes visible before it is whole: a copy is made in scratch/,
 * brought to the disk by one syncfs() and renamed into its place, whose
 * directory is synced.  syncfs() writes out what others wrote to the same file
 * system too; but an fsync() for each file would be a journal commit for each,
 * a hundred thousand instead of one.  What a crash leaves in scratch/ the next
 * open() removes.
 *
 * A snapshot is read-only for the driver's users: a daemon that may mount reads
 * its trees through a private mount that is read-only, and shows them through
 * another one.  Without that right they are ordinary files whose modes are
 * those of the original, for modes are content: whoever could write to the
 * original could write to the snapshot, if the snapshot's path is known to him.
 *
 * A snapshot of a tree that is being written is not of one instant: see copy.h.
 */

#include "driver/driver.h"

extern const struct driver dir_driver;

/* Does a pool of this driver lie there? */
bool dir_is_pool(const struct pool_spec *spec);
