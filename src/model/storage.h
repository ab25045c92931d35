#pragma once

/*
 * What a pool can be in, and which drivers keep one and what these can: the words that
 * the command, the API and the pool's own files have for it.
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

/* What not every driver can, or not each in the same way; docs/drivers.md explains them. */
enum ability {
	ABILITY_SNAPSHOT, /* native: at once, sharing blocks; emulated: each file is touched */
	ABILITY_BROWSE, /* snapshots lie there as directories; emulated: each is mounted when asked
			   for */
	ABILITY_DIFF,	/* native: at the cost of what differs; emulated: both trees are walked */
	ABILITY_QUOTA,
	ABILITY_GROW,
	ABILITY_COMPRESS,
	ABILITY_SEND, /* snapshots move to other pools; native: as the file system's own streams;
			 emulated: both trees are read */
	ABILITIES,
};

enum support {
	SUPPORT_NO,
	SUPPORT_EMULATED, /* by Flocker, at a greater cost */
	SUPPORT_NATIVE,	  /* by the file system itself */
	SUPPORTS,
};

/* What a snapshot is on its way from one pool to another; the numbers go over the wire. */
enum stream_form {
	FORM_DELTA = 1,	 /* commands that any file system can carry out (delta/command.h) */
	FORM_ZFS = 2,	 /* as zfs(8) sends it */
	FORM_MEMORY = 3, /* tests */
};

extern const char *const ability_names[ABILITIES];
extern const char *const support_names[SUPPORTS];

struct storage_driver {
	const char *name;
	const char *description; /* a few words */
};

/*
 * The drivers that can be asked for, the default first; ends with one without a
 * name.  src/driver/driver.c has them all, with one more for tests.
 */
extern const struct storage_driver storage_drivers[];
