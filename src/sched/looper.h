#pragma once

/*
 * A thread that does one thing again and again: when its last turn said that the next is
 * wanted, or at once when somebody wakes it.  For the caretaker and the restarter.  The other
 * threads here wait for something else too, at a descriptor: the snapshotter for changes,
 * container-care for an engine's events, system-care for the ends of processes.
 */

#include <stdint.h>

#include "base/error.h"
#include "base/own.h"

struct looper;

/*
 * `turn`: one turn; returns the nanoseconds until the next.  The first is at once.  `name` is for
 * messages; both are borrowed.
 */
must_check int looper_open(const char *name, int64_t (*turn)(void *arg), void *arg,
			   struct looper **ret, struct fl_error *err);
/* `looper`: a struct looper.  Any thread. */
void looper_wake(void *looper);
/* Ends the thread after the turn that it is in.  NULL is fine. */
void looper_close(struct looper *looper);
