#pragma once

/*
 * Decorators: pools around pools.
 *
 * Each has a driver table of its own whose entries forward to the pool inside
 * (decorator.h).  Closing the outer pool closes the inner one; the inner one's
 * spec and identity are the outer one's.
 */

#include "driver/driver.h"

/* Logs every call at debug level: entry, object, microseconds, outcome. */
struct pool *trace_wrap(struct pool *inner);

/*
 * Fails calls.  One counter over all entries that can fail; the call whose
 * number is `fail_at` (from 1; 0: none) fails with FL_SYSTEM, EIO and the text
 * "fault N", without reaching the inner pool when `before`, else after it has
 * been done there (as when an answer is lost).  The plan is the caller's and
 * outlives the pool.
 */
struct fault_plan {
	unsigned long calls; /* counted so far */
	unsigned long fail_at;
	bool before;
	int fired; /* how often it failed */
};
struct pool *fault_wrap(struct pool *inner, struct fault_plan *plan);

/*
 * Ends the program with SIGKILL at the call number `at` (from 1; 0: never),
 * before or after it.  Only calls that change the pool count.  It is how
 * tests/crash stops a verb at each of its steps.
 */
struct pool *crash_wrap(struct pool *inner, unsigned long at, bool before);

/* The same, as FLOCKER_CRASH_AT=N (before) or FLOCKER_CRASH_AFTER=N says; neither: `inner` itself.
 */
struct pool *crash_wrap_from_environment(struct pool *inner);

/* Takes the outermost decorator off a pool that has one; the pool inside stays open. */
struct pool *unwrap(struct pool *outer);
