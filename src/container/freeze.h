#pragma once

/*
 * Control groups that stand still for a moment, all of them at once.
 *
 *	freeze_prepare()   opens all that will be written to, and starts the guard
 *	freeze_hold()      freezes all; returns when every process in them stands still
 *	freeze_release()   thaws them, and says whether they stood still all the time
 *
 * Whatever happens they run again FREEZE_LIMIT after they were frozen: the guard, a
 * program of its own (`flocker-keeper thaw`, keeper/thaw.c), thaws them then, and at once
 * when this process dies.  If the guard dies, this process thaws them at once.  Should both be
 * killed in the same instant, a note is left of what stands still (frozen.h).
 *
 * Groups that somebody else has frozen, a container that is paused, are left as they
 * are, before and after.  One that is gone is no failure: nobody runs in it.
 *
 * A `struct freeze` belongs to one thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "container/cgroup.h"

#define FREEZE_PATIENCE CLOCK_SECOND	/* for all of them to stand still */
#define FREEZE_LIMIT (5 * CLOCK_SECOND) /* how long they stand still at most */
#define FREEZE_GROUPS 1024

struct freeze;

struct freeze_options {
	const char *keeper; /* path of the guard's program */
	const char *notes;  /* an absolute directory, made if it is missing; NULL: none are made */
	int64_t patience, limit;
};

struct freeze_times {
	int64_t stilled; /* ns from the first that was frozen until all stood still */
	int64_t held;	 /* ns from the first that was frozen until the last was thawed */
};

/*
 * Nothing is frozen yet, but all is ready.  `groups` (at most FREEZE_GROUPS, each once) must stay
 * for as long as the freeze.
 */
must_check int freeze_prepare(const struct freeze_options *options, const struct cgroup *groups,
			      size_t count, struct freeze **ret, struct fl_error *err);
/*
 * All stand still, or none does: FL_BUSY names the group that did not in time, or says that the
 * guard is gone.  Blocks for up to `patience`.
 */
must_check int freeze_hold(struct freeze *freeze, struct fl_error *err);
/* FL_BUSY: they ran again before this call.  In any case they run now, and `ret` is filled. */
must_check int freeze_release(struct freeze *freeze, struct freeze_times *ret,
			      struct fl_error *err);
/* Was it frozen by somebody else when freeze_hold() came? */
bool freeze_was_frozen(const struct freeze *freeze, size_t group);
/* Thaws what this has frozen. */
void freeze_free(struct freeze *freeze);
OWN_FREEP(freeze, freeze_free)
#define own_freeze own(freeze_freep)
