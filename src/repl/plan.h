#pragma once

/*
 * The planner: what is to be sent, from what both sides have.  Pure; its outcomes
 * are a table in its test.
 *
 * It never asks anyone to destroy.  Where what R has and what S has do not fit, it
 * says so by a word, and a person decides.
 */

#include "repl/offer.h"

enum plan_outcome {
	PLAN_NO_SOURCE,	 /* "no source": S has no snapshot to send, or for its branch none but
			    others' that R lacks: refused */
	PLAN_FULL,	 /* "full": R has nothing of it */
	PLAN_UP_TO_DATE, /* "up to date" */
	PLAN_FORWARD,	 /* "fast-forward": R's tip is in the past of what is sent, or R has no tip
			    but a snapshot to begin from */
	PLAN_REWIND,	 /* "rewind": the writer went back; R's pointer follows, and its old tip is
			    put aside as a stash */
	PLAN_AHEAD,	 /* "remote ahead": R has a tip or a line of the branch that S never had, or
			    has lost: refused */
	PLAN_DIVERGED,	 /* "diverged": R knows a later epoch, or another owner at the same:
			    refused */
	PLAN_NO_COMMON,	 /* "no common": R has the branch, but no snapshot that both have:
			    refused, but for `anew` */
	PLAN_NAME_TAKEN, /* "name taken": another volume is called so there: refused */
	PLAN_OUTCOMES,
};
extern const char *const plan_outcome_names[PLAN_OUTCOMES];

/* A snapshot of S in the past of the target. */
struct plan_snapshot {
	struct position position;
	bool worth;  /* has a name or a tag: sent on the way */
	bool tagged; /* S wrote it, and tagged it as the volume's owner: sent wherever R has come to
		      */
	bool others; /* R takes it from its writer alone: never sent for a branch of S */
};

struct plan_source {
	struct plan_snapshot *snapshots; /* borrowed: the past of the target, itself included, the
					    newest first; those that exist */
	size_t count;
	struct uuid branch; /* that is sent */
	uint64_t epoch;	    /* of the volume at S */
	struct uuid owner;
	bool own;     /* S writes that branch: nobody can have heard of it later */
	bool pointer; /* a branch's pointer moves; else a snapshot is sent for itself, and nothing
			 on the way to it */
	bool every;   /* send all on the way */
	bool anew;    /* without a common snapshot: send all of it once more */
};

struct plan_step {
	struct position snapshot;
	struct position base; /* none: all of it */
	bool aside; /* older than what both have: made from the target, and nothing from it */
};

struct plan {
	enum plan_outcome outcome;
	struct plan_step *steps; /* heap: in the order in which they are sent, what goes aside
				    last.  Without that none of a forward or a rewind: all is there,
				    the pointer alone moves; and none of what is up to date */
	size_t count;
	struct position common; /* the newest that both have; none */
	size_t ours;		/* snapshots of S newer than that */
	bool own;		/* plan_source */
	bool theirs;		/* R's tip is not among those of S in the past of the target */
};
void plan_done(struct plan *plan);
#define own_plan own(plan_done)

/*
 * `have` as have_check() let it pass for an offer whose past is `past[0..past_count-1]`.
 * `lineage`: the lines of the offer, sorted, to tell R's tip that S has thinned from one that S
 * never had.  In time proportional to the lists.
 */
void plan_make(const struct plan_source *source, const struct have *have,
	       const struct stretch *past, size_t past_count, const struct lineage *lineage,
	       struct plan *ret);

/* What to do when the writer has lost what its peer has: of printf(), with the peer and twice the
 * branch. */
#define PLAN_RESTORED_HINT                                                                         \
	"on '%s', keep what it has: flocker create NEW --from %s; then flocker destroy %s there: " \
	"the next push or fetch brings all of it"

/* 0 for what can be carried out; FL_DIVERGED, FL_EXISTS, FL_NOT_FOUND with the reason and what to
 * do.  `what`: the branch's full name, `peer`: R's. */
must_check int plan_check(const struct plan *plan, const char *what, const char *peer,
			  struct fl_error *err);
