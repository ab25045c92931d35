#pragma once

/* A table of files with several names, by their inodes' numbers in one tree.  For portable.c. */

#include <stddef.h>
#include <sys/types.h>

#include "base/own.h"

struct linked_file {
	ino_t number;
	ino_t heir; /* the other tree's file that it belongs together with; 0: none */
	char *path; /* heap: where it is; NULL: nowhere yet */
};

struct linked_files {
	struct linked_file **slots; /* a power of two of them, half of them free */
	size_t capacity, count;
};

void linked_done(struct linked_files *inodes);

/* The inode's entry, added if there is none; good as long as the table. */
struct linked_file *linked_get(struct linked_files *inodes, ino_t number);
