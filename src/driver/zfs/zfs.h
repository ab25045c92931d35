#pragma once

/*
 * The ZFS driver: a head is a dataset, a snapshot is a ZFS snapshot.  Works on
 * OpenZFS, and on zfs-fuse, which has less.
 *
 * ZFS binds more than the contract does: a dataset can't be renamed without
 * unmounting it, a snapshot lives inside its dataset, and one that has clones
 * can't go.  So the name that ZFS knows a thing by never changes its meaning and
 * the name of the contract is a user property, set in the same call that makes
 * the thing:
 *
 *	POOL/DATASET			flocker:pool = the identity
 *	POOL/DATASET/state		files of the engine, and facts
 *	POOL/DATASET/v.ID		flocker:account = groups/UUID: a volume (quota.c)
 *	POOL/DATASET/v.ID/UUID.ID	flocker:tree = heads/BRANCH, retired/OPERATION, ...
 *	POOL/DATASET/UUID.ID		the same, of what counts for no volume
 *	POOL/DATASET/received/UUID.ID	without one: where streams are received
 *	...@NAME.ID			flocker:tree = snaps/BRANCH/NAME
 *
 * ID is tree_info.id: 63 random bits, so no two things ever want one name and a
 * promotion, which moves snapshots, meets no clash.  Renaming a tree is one
 * `zfs set`, and nobody who has a file open notices.  Only what has the property as
 * its own ("local") is ours: not what inherits or received it.
 *
 * A swap is one `zfs clone` with the property heads/BRANCH+OPERATION: of several
 * datasets that say they are the head of a branch, the one made last is, and the
 * one before it is retired/OPERATION, which is then written down there too.
 *
 * A dataset that is deleted while snapshots lie in it becomes "hidden": that is
 * the deletion.  reap.c then promotes a clone, to which the snapshots move, and
 * destroys it.  A snapshot that is deleted while clones need it is left to
 * `zfs destroy -d`, which destroys it with the last of them.
 *
 * What comes as a stream from elsewhere has no property before it is committed, and a place of
 * its own: receive.c.
 *
 * What the engine knows of branches and snapshots is carried in properties of theirs, too:
 * carry.h.
 *
 * What exists is read once, when the pool is opened, and then known.
 */

#include "driver/driver.h"

extern const struct driver zfs_driver;
