#pragma once

/*
 * Trees that were half received when their transfer ended, or the daemon did: another transfer of
 * the same snapshot goes on with them (the second way of repl/wire.h).
 *
 * Such a tree is staging/<uuid>.  Of each there are two files in the state directory:
 * receiving/<uuid>.json says what it is to become, and is written before the first byte comes;
 * receiving/<uuid>.point is how far it came, which flocker-tree keeps (delta/point.h).  That file
 * is locked by who makes the tree, the program included, so one that outlives its daemon for a
 * moment is not joined by another.
 *
 * They count for one run of the machine, and are worth nothing after it.  One waits for
 * HALFWAY_KEPT, HALFWAY_MOST of them at most, and none where space is short (space.c).
 * Its base needs no pin of its own: it is what both sides have pinned for each other, and if it
 * goes all the same, the sender's plan is another one.
 *
 * That one stays, and that it goes, is an event ("half-received").  Who destroys the branch here,
 * or removes the peer, drops it.
 *
 * A branch is received by one at a time (under-way.h), so there is one for it at most.  Any thread.
 */

#include "base/clock.h"
#include "base/uuid.h"
#include "delta/point.h"
#include "model/lineage.h"
#include "model/nouns.h"

#define HALFWAY_KEPT (24 * CLOCK_HOUR)
#define HALFWAY_MOST 16

struct engine;

struct halfway {
	struct uuid tree;     /* staging/<this> */
	struct uuid peer;     /* the instance that it came from; none other goes on with it */
	struct uuid branch;   /* that was offered */
	char name[REF_SHORT]; /* of the branch, for people: "h1/mydata/trunk" */
	struct position target, base;
	int64_t since; /* clock_boot(), when it was begun */
};

/* Makes both files; `*ret_point` is the second, locked.  What there was of the branch goes. */
must_check int halfway_begin(struct engine *engine, struct halfway *halfway, int *ret_point,
			     struct fl_error *err);
/* What there is of the branch from this peer, that nobody works on. */
bool halfway_find(struct engine *engine, const struct uuid *branch, const struct uuid *peer,
		  struct halfway *ret, struct delta_point *ret_point);
/* Its second file, locked.  FL_NOT_FOUND, FL_BUSY: it is gone, or somebody works on it. */
must_check int halfway_take(struct engine *engine, const struct uuid *tree, int *ret_point,
			    struct fl_error *err);
/* Can another transfer go on with it?  Of one that the caller has locked. */
bool halfway_is_good(struct engine *engine, const struct uuid *tree);
/* The files; the tree has become something else, or is gone. */
void halfway_forget(struct engine *engine, const struct uuid *tree);

/* At start, of a tree in staging: is it one of them? */
bool halfway_stays(struct engine *engine, const struct uuid *tree);
/* After that: files without a tree go. */
void halfway_sweep(struct engine *engine);
/* Those whose time is over go; how long until the next one's is. */
int64_t care_for_halfway(struct engine *engine);
/* What nobody works on and is of this branch, this peer, goes; NULL: whichever. */
void halfway_drop(struct engine *engine, const struct uuid *branch, const struct uuid *peer);
/* The oldest goes, with its tree; false: there is none that nobody works on. */
bool halfway_give_up(struct engine *engine);
