#pragma once

/*
 * What a pool lies on: an image file behind a loop device, a block device, or a
 * directory of a Btrfs that others use too.  Holding a medium is having the
 * pool for this process alone.  Used by btrfs, and by zfs for pools in files.
 */

#include <stdbool.h>

#include "driver/driver.h"

struct medium {
	int lock;		/* the file, device or directory itself, flock()ed; -1 */
	int loop;		/* the loop device over the file; -1 */
	char path[POOL_PATH];	/* without symbolic links */
	char source[POOL_PATH]; /* what is mounted */
};

#define MEDIUM_NONE                    \
	{                              \
		.lock = -1, .loop = -1 \
	}

void medium_done(struct medium *medium);

/* Opens what spec->path names and locks it.  FL_NOT_FOUND, FL_INVALID for a wrong type, FL_BUSY. */
must_check int medium_open(const struct pool_spec *spec, struct medium *ret, struct fl_error *err);
/* The same for a file or directory that is not there yet.  FL_EXISTS. */
must_check int medium_make(const struct pool_spec *spec, struct medium *ret, struct fl_error *err);

/* POOL_FILE: attaches the loop device, or finds the one that is; else nothing.  Repeatable. */
must_check int medium_attach(const struct pool_spec *spec, struct medium *medium,
			     struct fl_error *err);
/* Lets the loop device go. */
void medium_detach(struct medium *medium);

/*
 * POOL_FILE: makes the file `size` bytes long, with all blocks reserved unless
 * sparse.  FL_NO_SPACE; a failure leaves it as it was.
 */
must_check int medium_enlarge(const struct pool_spec *spec, const struct medium *medium,
			      uint64_t size, struct fl_error *err);

/*
 * What a file or device holds, by its signatures: "ext4", "gpt partition table",
 * or "" for nothing known.
 */
#define MEDIUM_CONTENTS 64
must_check int medium_contents(const struct medium *medium, char text[static MEDIUM_CONTENTS],
			       struct fl_error *err);

/* Another fact that the signature tells ("LABEL", "UUID"); FL_INVALID when it does not. */
#define MEDIUM_LABEL 256
must_check int medium_label(const struct medium *medium, const char *fact,
			    char text[static MEDIUM_LABEL], struct fl_error *err);

/* The fields about the file system below a POOL_FILE. */
must_check int medium_stats(const struct pool_spec *spec, const struct medium *medium,
			    struct pool_stats *stats, struct fl_error *err);
/* For drivers that have another medium: takes the lock on what a pool lies on.  FL_BUSY. */
must_check int medium_lock(int fd, const char *path, struct fl_error *err);
