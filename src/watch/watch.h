#pragma once

/*
 * The kernel's word that files are being changed: a group of fanotify with one
 * mark, on a whole file system.  What it does not tell, and what does, is in
 * docs/watching.md.
 *
 * The group is one descriptor for as long as it lives, whatever is marked.  One
 * thread drains it; any may wait for it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/own.h"

struct watch {
	int group; /* readable when something was changed; -1: there is none */
};

#define WATCH_NONE ((struct watch){ -1 })

/* FL_UNSUPPORTED or FL_DENIED where the kernel has no such groups, or not for this process. */
must_check int watch_open(struct watch *ret, struct fl_error *err);
void watch_close(struct watch *watch);

/*
 * From now on changes are told of the file system that `root`, a directory at
 * its top, lies in; the mark stays when the descriptor closes.
 */
must_check int watch_mark(const struct watch *watch, int root, struct fl_error *err);
/* Of nothing any more. */
void watch_unmark(const struct watch *watch);

/*
 * Calls `each` with the handle of a file for everything that is queued.
 * `*ret_lost`: something was changed that nobody will tell of: the queue was
 * full.
 */
must_check int watch_drain(const struct watch *watch,
			   void (*each)(void *arg, int type, const uint8_t *handle, size_t length),
			   void *arg, bool *ret_lost, struct fl_error *err);
