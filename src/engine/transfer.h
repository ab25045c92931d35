#pragma once

/*
 * push, fetch and pull (DESIGN section 9).
 *
 * Each is an operation that can be looked at and cancelled, and blocks until it ends.  A link that
 * is cut is made again, and the transfer goes on where it was, for as long as TRANSFER_PATIENCE
 * without a byte of progress.  What is under way in the other direction, because a peer asked
 * for it, is an operation too ("send", "receive").
 */

#include "engine/engine.h"
#include "repl/plan.h"

#define TRANSFER_PATIENCE (2 * CLOCK_MINUTE)

struct transfer_options {
	const struct ref *ref;
	const char *peer; /* its name; fetch, pull: NULL = the instance in `ref` */
	const char *as;	  /* what the volume is to be called where it goes; NULL = the
			     same */
	bool every;	  /* all snapshots on the way, not only those with names or tags */
	bool anew;	  /* all contents, where no snapshot is common */
	uint64_t limit;	  /* bytes a second; 0 = the peer's */
	const struct uuid *operation; /* its id, chosen by the caller; NULL = a new one */
};

struct transfer {
	char ref[REF_SHORT]; /* in full: "h1/mydata/trunk" */
	char peer[NAME_TEXT];
	enum plan_outcome outcome;
	uint64_t snapshots; /* that were sent */
	uint64_t bytes;	    /* of their streams */
	uint64_t wire;	    /* of these, as they went over the link */
	uint64_t resumed;   /* how often it was taken up again after a cut */
	int64_t took;	    /* ns */
	uint32_t stash;	    /* fetch: what was the tip here, as the writer went back; 0 = none */
	bool moved;	    /* pull: a branch of this instance went forward with it */
	struct operation operation;
};

/*
 * An own branch (of its live contents a snapshot is taken, if they are not in the last one), a
 * snapshot of it, or a tag, to a peer.  FL_DIVERGED, FL_EXISTS (the name is taken there), FL_BUSY
 * (it is being sent there), FL_NOT_OWNER, FL_UNREACHABLE, FL_NO_SPACE (there).
 */
must_check int engine_push(struct engine *engine, const struct transfer_options *options,
			   struct transfer *ret, struct fl_error *err);

/*
 * What a peer has of a branch ("h1/mydata/trunk", "h1/mydata" is its trunk), of a snapshot of it,
 * or of a tag, becomes a remote branch here, or what it was moves on.  What is here already goes by
 * the name that its volume has here; all else, and what `as` is given for, by the name there.  A
 * POINT of any kind is for the peer to resolve.
 */
must_check int engine_fetch(struct engine *engine, const struct transfer_options *options,
			    struct transfer *ret, struct fl_error *err);

/*
 * The same, and an own branch that began there and has nothing of its own since (`ref` names that
 * one: "mydata/work") moves forward to what came; FL_DIVERGED when it has.
 */
must_check int engine_pull(struct engine *engine, const struct transfer_options *options,
			   struct transfer *ret, struct fl_error *err);
