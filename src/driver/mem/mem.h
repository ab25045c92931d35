#pragma once

/*
 * The reference driver: trees as maps from path to contents, in memory.  It is
 * what the contract means, in the fewest lines; the engine's tests run on it.
 * It has no files, so tree_open answers FL_UNSUPPORTED; the two functions here
 * stand for a process that writes to a tree and one that reads it.
 *
 * Pools live in a table of the process, by spec->path, and survive close() and
 * open(), as a disk does.
 */

#include "driver/driver.h"

extern const struct driver mem_driver;

/* Writes a file in a head or a retired tree; NULL contents remove it. */
must_check int mem_write(struct pool *pool, const struct tree *tree, const char *path,
			 const char *contents, struct fl_error *err);
/* FL_NOT_FOUND when the tree or the file is missing.  `ret` is heap. */
must_check int mem_read(struct pool *pool, const struct tree *tree, const char *path, char **ret,
			struct fl_error *err);
/* Forgets every pool, as a new machine. */
void mem_reset(void);
