#pragma once

/*
 * What there is to send of a reference: the offer (repl/offer.h), and what the planner is to
 * know of this side.  Read in one view of the catalogue.
 */

#include "engine/engine.h"
#include "repl/plan.h"

struct source {
	struct offer offer;
	struct plan_snapshot *snapshots; /* heap; `plan.snapshots` borrows it */
	struct plan_source plan;
	char name[REF_SHORT]; /* in full, for people: "h1/mydata/trunk" */
};
void source_done(struct source *source);
#define own_source own(source_done)

struct source_options {
	const struct ref *ref; /* a branch of any instance, a tag, a snapshot */
	const char *as;	       /* what the volume is to be called there; NULL = the same */
	bool every, anew;      /* plan_source */
	bool pushed;	       /* R takes what this instance wrote, and nothing else */
};

/* FL_NOT_FOUND: nothing is there under this name; a branch without a snapshot is no failure. */
must_check int source_open(struct engine *engine, const struct source_options *options,
			   struct source *ret, struct fl_error *err);

/* What goes with `position` in a STEP; of the transfer's volume.  FL_NOT_FOUND: it is gone. */
must_check int source_step(struct engine *engine, const struct position *position, struct step *ret,
			   struct fl_error *err);

/* The volume's tags as this side has them; `owner` false, and none, where it is another's. */
must_check int source_finish(struct engine *engine, const struct uuid *volume, struct finish *ret,
			     struct fl_error *err);
