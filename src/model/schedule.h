#pragma once

/*
 * When a branch is snapshotted by itself: one step machine per branch.
 *
 * It is told what happens (a change, the beginning and the end of a snapshot)
 * and asked when the next one is due.  Between two calls nothing goes on in it,
 * so a branch in which nothing changes costs nothing.
 *
 * A change makes the branch dirty.  The snapshot is due once the branch has been
 * quiet for `settle`, or `max_lag` after the first change that no snapshot
 * holds, whichever comes first; but not before `min_interval` after the last one
 * began, not within `every`, and not before the rest that `duty` asks for: one
 * that took 20 ms at a duty of 0.5 % is followed by 4 s.  The branch counts as
 * clean from the moment a snapshot begins: what changes while it is being taken
 * makes it dirty again, and one more follows.  One that failed leaves it as dirty
 * as it was and is tried again after 0.1 s, then twice as long each time, up to a
 * minute, give or take a quarter, so that many branches do not come at once.
 *
 * Times are of one monotone clock, ns.  Pure: no I/O, no clock, no locks.
 */

#include <stdbool.h>
#include <stdint.h>

#include "model/policy.h"

#define SCHEDULE_NEVER INT64_MAX

struct schedule {
	bool dirty, running;
	int64_t first_change; /* that no snapshot holds, if dirty */
	int64_t last_change;
	int64_t began;	   /* the last snapshot; SCHEDULE_BEFORE: none yet */
	int64_t earliest;  /* rest and back-off end */
	unsigned failures; /* in a row */
};

#define SCHEDULE_BEFORE INT64_MIN
#define SCHEDULE_NEW ((struct schedule){ .began = SCHEDULE_BEFORE, .earliest = SCHEDULE_BEFORE })

/* Something was written. */
void schedule_changed(struct schedule *schedule, int64_t now);

/* When a snapshot is due; in the past: it is overdue.  SCHEDULE_NEVER while clean or running. */
int64_t schedule_due(const struct schedule *schedule, const struct policy *policy);

/* A snapshot begins, by itself or because somebody asked for one.  Before the call that takes it.
 */
void schedule_began(struct schedule *schedule, int64_t now);

/* It is there. */
void schedule_ended(struct schedule *schedule, const struct policy *policy, int64_t now);

/* It is not.  `chance`: any number, for the jitter. */
void schedule_failed(struct schedule *schedule, int64_t now, uint64_t chance);

/* It was found that nothing had changed: clean, unless something did meanwhile. */
void schedule_clean(struct schedule *schedule);
