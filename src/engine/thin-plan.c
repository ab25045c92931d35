/*
 * The plan for a branch: made in one read transaction, from one statement, all
 * snapshots of the branch with their times and pins.  model/thinning.h says what
 * goes and in which order, model/stay.h why the rest stays.
 */

#include <math.h>
#include <string.h>

#include "engine/thin.h"
#include "model/stay.h"

void thin_plan_free(struct thin_plan *plan)
{
	if (!plan)
		return;
	free(plan->rows);
	free(plan->points);
	free(plan->stays);
	free(plan->scores);
	free(plan->victims);
	thinning_free(plan->order);
	free(plan);
}

/* --- the plan ---------------------------------------------------------------------- */

static int add_row(void *arg, const struct kept_row *row, struct fl_error *err)
{
	struct thin_plan *plan = arg;

	*array_add(plan->rows, plan->count) = *row;
	return 0;
}

static void pin_linked(struct engine *engine, const char *volume, struct thin_plan *plan)
{
	if (!any_snapshot_is_linked(engine, volume))
		return;
	for (size_t i = 0; i < plan->count; i++)
		if (snapshot_is_linked(engine, volume, plan->rows[i].id))
			plan->rows[i].pins |= PIN_MOUNT;
}

/* Copies of others' snapshots go by this instance's policies, too.  In the trash nothing is
 * thinned. */
static int load_rows(struct engine *engine, struct tx *tx, struct thin_plan *plan,
		     struct fl_error *err)
{
	own_volume_row struct volume_row volume = { 0 };
	struct branch_row branch;

	if (tx_branch_get(tx, &plan->branch, &branch, err) < 0 ||
	    tx_volume_get(tx, &branch.volume, &volume, err) < 0 ||
	    policy_of(engine, tx, &plan->branch, &plan->policy, err) < 0)
		return fl_failed(err);
	plan->volume = volume.uuid;
	memcpy(plan->volume_name, volume.name, NAME_TEXT);
	memcpy(plan->branch_name, branch.name, NAME_TEXT);
	if (is_remote(engine, &branch)) {
		answer_instance(engine, tx, &branch.instance, plan->writer);
		strcat(plan->writer, "/");
	}
	if (branch.destroyed)
		return 0;
	if (tx_snapshot_each_kept(tx, &plan->branch, add_row, plan, err) < 0)
		return fl_failed(err);
	pin_linked(engine, volume.name, plan);
	return 0;
}

static void fill_points(struct thin_plan *plan)
{
	for (size_t i = 0; i < plan->count; i++)
		plan->points[i] = (struct thinning_point){ plan->rows[i].stamp,
							   plan->rows[i].pins != 0 };
	thinning_order_times(plan->points, plan->count, plan->now);
}

static void choose(struct thin_plan *plan, size_t cap)
{
	struct thinning *thinning = thinning_new(plan->points, plan->count, plan->now,
						 plan->policy.limits.keep_all);
	struct victim victim;

	while (thinning_next(thinning, &plan->policy.limits, &victim.index, &victim.score)) {
		plan->capped = plan->victim_count == cap;
		if (plan->capped)
			break;
		thinning_drop(thinning);
		plan->stays[victim.index] = STAY_NOT;
		plan->scores[victim.index] = victim.score;
		plan->victims[plan->victim_count++] = victim;
	}
	thinning_free(thinning);
}

int thin_plan_new(struct engine *engine, struct tx *tx, const struct uuid *branch, size_t cap,
		  struct thin_plan **ret, struct fl_error *err)
{
	own_thin_plan struct thin_plan *plan = xcalloc(1, sizeof(*plan));

	plan->branch = *branch;
	plan->now = retention_now(engine);
	if (load_rows(engine, tx, plan, err) < 0)
		return fl_failed(err);
	plan->points = xcalloc(plan->count + 1, sizeof(*plan->points));
	plan->stays = xcalloc(plan->count + 1, sizeof(*plan->stays));
	plan->scores = xcalloc(plan->count + 1, sizeof(*plan->scores));
	plan->victims = xcalloc(plan->count + 1, sizeof(*plan->victims));
	fill_points(plan);
	stay_judge(plan->points, plan->count, plan->now, plan->policy.limits.keep_all,
		   &plan->policy.calendar, plan->stays);
	for (size_t i = 0; i < plan->count; i++)
		plan->scores[i] = INFINITY;
	choose(plan, cap);
	stay_score(plan->points, plan->count, plan->now, plan->stays, plan->scores);
	*ret = take_ptr(plan);
	return 0;
}

enum thin_rest thin_plan_rest(const struct thin_plan *plan)
{
	const struct thinning_limits *limits = &plan->policy.limits;
	size_t left = plan->count - plan->victim_count;

	if (plan->capped)
		return THIN_MORE;
	return left > 2 && (limits->resolution > 0 || (limits->count && left > limits->count))
		       ? THIN_LATER
		       : THIN_DONE;
}
