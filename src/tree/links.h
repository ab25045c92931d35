#pragma once

/*
 * Which name a file with several names was met under first.  A file is known
 * by device, inode and birth, and forgotten when all its names were met, so that
 * the table holds only what is still open.  By its birth, because one that is
 * removed after it was met gives its inode to the next that is made.
 */

#include <stddef.h>

#include "tree/walk.h"

struct link;

struct links {
	struct link *slots; /* a hash table with open addressing; a slot without a path is free */
	size_t capacity;    /* a power of two, or 0 */
	size_t count;
};

void links_done(struct links *links);

/*
 * The path that the file was met under before, or NULL when `path` is the
 * first; that one is remembered.  Heap, the caller's.
 */
char *links_meet(struct links *links, const struct walk_entry *entry, const char *path);
