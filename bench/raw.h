#pragma once

/*
 * The bare file system, to compare with: a Btrfs that was made and mounted as a
 * pool is, and nothing between it and the ioctl.  What fails ends the program.
 */

#include <stdbool.h>

/* Opens the directory `path`. */
int raw_open(const char *path);
void raw_make_directory(int parent, const char *name);
/* A subvolume, unless it is there. */
void raw_make_subvolume(int parent, const char *name);
/* BTRFS_IOC_SNAP_CREATE_V2 of the subvolume `source` into the directory `parent`. */
void raw_snapshot(int source, int parent, const char *name, bool read_only);
/* BTRFS_IOC_SEND, without the contents of files, of what differs between two read-only ones. */
void raw_compare(int earlier, int later);
/* A name for the n-th of `kind`, in a buffer that the next call of this thread uses again. */
const char *raw_name(const char *kind, unsigned n);
/* Writes 4 KiB, different each time, into `directory`/file; nothing is synced. */
void raw_dirty(int directory);
/* A file is made and written in `directory`, which shows that it can be used. */
void raw_use(int directory);
