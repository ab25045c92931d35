#pragma once

/*
 * The files and directories of a tree by their inode numbers: how a tree is
 * told from others where no device does it.  It takes a stat of each.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/own.h"

struct inodes {
	dev_t device;
	ino_t *numbers; /* sorted */
	size_t count;
};

void inodes_done(struct inodes *inodes);
/* All below the directory `root`, and that. */
must_check int inodes_collect(int root, struct inodes *ret, struct fl_error *err);
bool inodes_hold(const struct inodes *inodes, dev_t device, ino_t number);
