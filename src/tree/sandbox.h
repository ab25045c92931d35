#pragma once

/*
 * What the program gives up before it looks at a byte that somebody else wrote.
 * After sandbox_enter() an error in a parser reaches the tree on descriptor 3
 * and little else: no other files, programs, networks, mounts or processes.  Where
 * a directory is read beside it, it can be neither left nor changed.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/own.h"

struct sandbox {
	bool writes;	 /* the tree is made, not read */
	bool devices;	 /* device nodes are made */
	bool late;	 /* the tree is not there yet: its descriptor comes by base/handover.h */
	int highest;	 /* the descriptors up to this one stay open */
	int source;	 /* the descriptor of a directory that is only read; 0: there is none */
	bool own_source; /* it lies in the pool: it is read where it is if it cannot be cut off */
	uint64_t memory; /* how many bytes of it there may be */
};

/*
 * Makes the directory on descriptor `root` the root.  Needs to be root itself.  A `late` one is
 * waited for after all that can be done without it.
 */
must_check int sandbox_enter(const struct sandbox *sandbox, int root, struct fl_error *err);
