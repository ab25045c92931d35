#pragma once

/*
 * Thinning of one branch: a plan, by its policy (thin-plan.c) or for want of
 * space (thin-squeeze.c), and carrying it out (thin-run.c).
 * For src/engine alone.
 *
 * A plan is what is to go and why the rest stays, as it was in the transaction
 * in which it was made.  Carrying it out leaves what has come to be needed
 * since.  A plan belongs to one thread.
 */

#include "engine/internal.h"
#include "model/thinning.h"

struct victim {
	size_t index;
	double score;
};

struct thin_plan {
	struct uuid volume, branch;
	char volume_name[NAME_TEXT], branch_name[NAME_TEXT];
	char writer[NAME_TEXT + 1]; /* "h1/": whose branch it is; "" = this instance's */
	struct policy policy;
	int64_t now;
	struct kept_row *rows; /* oldest first */
	struct thinning_point *points;
	enum stay *stays;
	double *scores; /* INFINITY where it has none */
	size_t count;
	struct victim *victims;
	size_t victim_count;
	bool capped;
	struct thinning *order; /* thin-squeeze.c's: what is chosen from; else NULL */
};

/*
 * By the branch's policy; `cap`: at most so many go.  A branch that is another's,
 * or in the trash, has nothing to be thinned.  Heap; thin_plan_free().
 */
must_check int thin_plan_new(struct engine *engine, struct tx *tx, const struct uuid *branch,
			     size_t cap, struct thin_plan **ret, struct fl_error *err);
void thin_plan_free(struct thin_plan *plan);
OWN_FREEP(thin_plan, thin_plan_free)
#define own_thin_plan own(thin_plan_freep)

/* Is there more to do without new snapshots: now, because of the cap, or when time has passed? */
enum thin_rest { THIN_DONE, THIN_LATER, THIN_MORE };
enum thin_rest thin_plan_rest(const struct thin_plan *plan);

/* --- for want of space: more than the policy says; of a plan with the cap 0 ---------- */

/* Begins, with none taken; `young`: what is younger than keep-all may go too. */
void thin_plan_squeeze(struct thin_plan *plan, bool young);
/* The score of the next that may go; false: there is none. */
bool thin_plan_peek(struct thin_plan *plan, double *ret_score);
/* The one that thin_plan_peek() told of just now goes; there has to be one. */
void thin_plan_take(struct thin_plan *plan);
/* None of those that were taken went: they are pinned from now on.  Before it begins again. */
void thin_plan_pass_over(struct thin_plan *plan);

/* --- carrying it out ------------------------------------------------------------------- */

/* Adds what went, and what is in use and stays, to the list. */
must_check int thin_plan_run(struct engine *engine, const struct thin_plan *plan,
			     struct thinned_list *list, struct fl_error *err);
/* Adds what thin_plan_run() would add now, and does nothing. */
must_check int thin_plan_try(struct engine *engine, const struct thin_plan *plan,
			     struct thinned_list *list, struct fl_error *err);
