#pragma once

/*
 * Snapshots of several branches at one instant (snapshot_options.together).
 *
 * The processes that use the branches' heads are found, whatever has brought them there, and
 * with them the control groups that they are in: those of containers, of user systems, of
 * services.  These stand still (container/freeze.h) while the snapshots are taken, so that
 * none of them writes to one branch after its snapshot and to another before.  Processes that
 * can't be made to stand still are named in the report: they have no group of their own, or
 * share it with what must go on.  Whoever begins to use a branch in these very moments may be
 * missed; and what a process has handed to the kernel before, and has not been told of
 * (asynchronous writes), may still go on.
 *
 * Groups stand still for as short as can be.  What takes time comes before: hooks, finding
 * processes, the guard's start; and what was written is brought to the disk twice, first all of it,
 * then the little that was written meanwhile, because a snapshot has to wait for what its branch
 * has not written out yet.
 */

#include <stdint.h>

#include "container/cgroup.h"
#include "engine/engine.h"

#define TOGETHER_KEY "flocker.together"		  /* the same id in the metadata of each */
#define TOGETHER_COUNT "flocker.together-count"	  /* how many there were */
#define TOGETHER_UNHELD "flocker.together-unheld" /* processes that were not held, if any */
#define TOGETHER_ID 17				  /* 16 hexadecimal digits and NUL */

struct together_group {
	char *path;	       /* heap: in its hierarchy */
	char id[CONTAINER_ID]; /* of the container whose group it is; "": of none */
	char *name;	       /* heap: the container's, else the last part of the path */
	bool was_frozen;       /* by somebody else: it stays so */
};

struct together_unheld {
	pid_t pid;
	char command[32];
	const char *why;
};

struct together {
	char id[TOGETHER_ID];
	int64_t stilled; /* ns until all stood still */
	int64_t held;	 /* ns until all went on */
	struct together_group *groups;
	size_t group_count;
	struct together_unheld *unheld;
	size_t unheld_count;
};

void together_done(struct together *together);
#define own_together own(together_done)

/* --- for snapshot.c ----------------------------------------------------------------- */

struct claim;
struct holding;

/* Finds who is to stand still and gets all ready, without a lock; fills `report`, which stays. */
must_check int together_begin(struct engine *engine, const struct ref *refs, size_t count,
			      struct together *report, struct holding **ret, struct fl_error *err);
/* What each of the snapshots says of it, added to `ret`. */
must_check int together_note(const struct together *report, size_t count, struct metadata *ret,
			     struct fl_error *err);
/*
 * Behind the gate and with the claim: they stand still on success.  FL_BUSY: a group does not, or
 * the branches are others by now.  Then, as before together_hold(), nothing stands still.
 */
must_check int together_hold(struct holding *holding, const struct claim *claim,
			     struct fl_error *err);
/* Names of containers, for people: an engine that does not answer soon leaves their ids. */
void together_name(struct engine *engine, struct together *report);
/* They go on, after every together_hold() that succeeded.  FL_BUSY: some did before. */
must_check int together_release(struct holding *holding, struct fl_error *err);
void together_end(struct holding *holding);
OWN_FREEP(holding, together_end)
#define own_holding own(holding_freep)
