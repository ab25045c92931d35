/*
 * A plan's other mode: the policy is not asked, and what goes is chosen one by
 * one, by who compares the plans of many branches (space.c).
 *
 * A peek writes the next victim behind those that were taken, where the taking
 * finds it.
 */

#include "engine/thin.h"

void thin_plan_squeeze(struct thin_plan *plan, bool young)
{
	thinning_free(plan->order);
	plan->order = thinning_new(plan->points, plan->count, plan->now,
				   young ? 0 : plan->policy.limits.keep_all);
	plan->victim_count = 0;
}

bool thin_plan_peek(struct thin_plan *plan, double *ret_score)
{
	struct victim *next = &plan->victims[plan->victim_count];

	if (!thinning_peek(plan->order, &next->index, &next->score))
		return false;
	*ret_score = next->score;
	return true;
}

void thin_plan_take(struct thin_plan *plan)
{
	thinning_drop(plan->order);
	plan->victim_count++;
}

void thin_plan_pass_over(struct thin_plan *plan)
{
	for (size_t i = 0; i < plan->victim_count; i++)
		plan->points[plan->victims[i].index].pinned = true;
}
