#pragma once

/*
 * What a pool can be in, and which drivers keep one: the words that the
 * command, the API and the pool's own files have for it.
 */

#include <stdbool.h>

enum pool_kind {
	POOL_FILE,	/* a file system in a file */
	POOL_DEVICE,	/* on a disk or partition */
	POOL_DIRECTORY, /* in a directory */
	POOL_DATASET,	/* below a dataset of ZFS: the path is its name */
	POOL_MEMORY,	/* tests */
	POOL_KINDS,
};

extern const char *const pool_kind_names[POOL_KINDS];

/* False for a name that is none of them. */
bool pool_kind_parse(const char *name, enum pool_kind *ret);

struct storage_driver {
	const char *name;
	const char *description; /* a few words */
};

/*
 * The drivers that can be asked for, the default first; ends with one without a
 * name.  src/driver/driver.c has them all, with one more for tests.
 */
extern const struct storage_driver storage_drivers[];
