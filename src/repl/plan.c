/*
 * Both sides' lists have the same order, the newest first along the target's past,
 * so that one walk beside each other finds the newest snapshot that both have.  All
 * that is newer S has alone: what is wanted of it goes over, each made from the one before.
 *
 * What is older R has passed by.  A snapshot there that was tagged since goes over aside, after all
 * that is new, which has no need to wait for it, and made back from the target: that one both sides
 * have by then, and go on building upon.
 *
 * What remains is what R's pointer says.  It stands on a position, and S may have thinned
 * the snapshot there; so it is looked up among the lines, not among the snapshots:
 *
 *	in the target's past			the pointer moves forward
 *	in a line that another one followed,	the writer went back from there: the pointer
 *	or that of another branch		follows
 *	in the branch's last line, but beyond	S never had it, or has lost it (it was restored
 *	the target; in none at all		from an older copy): R is ahead
 *
 * Each line begins later than all before it, so a line that R knows and S does not, says
 * the last of these as well, wherever the pointer stands.  That also tells a third one's
 * older copy of a branch from its writer.
 */

#include "repl/plan.h"

#include <stdio.h>

#include "base/clock.h"

const char *const plan_outcome_names[PLAN_OUTCOMES] = {
	[PLAN_NO_SOURCE] = "no source",	  [PLAN_FULL] = "full",
	[PLAN_UP_TO_DATE] = "up to date", [PLAN_FORWARD] = "fast-forward",
	[PLAN_REWIND] = "rewind",	  [PLAN_AHEAD] = "remote ahead",
	[PLAN_DIVERGED] = "diverged",	  [PLAN_NO_COMMON] = "no common",
	[PLAN_NAME_TAKEN] = "name taken",
};

void plan_done(struct plan *plan)
{
	free(plan->steps);
	*plan = (struct plan){ 0 };
}

static bool lies_in(const struct stretch *stretch, const struct position *position)
{
	return position->time >= stretch->from && position->time <= stretch->to &&
	       uuid_equal(&position->branch, &stretch->branch);
}

/* Where both lists are: a stretch, and of R's times the next, and the end of this stretch's. */
struct beside {
	const struct have *have;
	const struct stretch *past;
	size_t stretch, at, end;
};

/* On to the stretch that `position` lies in; false: it lies in none of the rest. */
static bool go_to(struct beside *beside, const struct position *position)
{
	while (beside->stretch < beside->have->count &&
	       !lies_in(&beside->past[beside->stretch], position)) {
		beside->at = beside->end;
		if (++beside->stretch < beside->have->count)
			beside->end += beside->have->counts[beside->stretch];
	}
	return beside->stretch < beside->have->count;
}

static bool is_there(struct beside *beside, const struct position *position)
{
	const int64_t *times = beside->have->times;

	if (!go_to(beside, position))
		return false;
	while (beside->at < beside->end && times[beside->at] > position->time)
		beside->at++;
	return beside->at < beside->end && times[beside->at] == position->time;
}

static struct beside begin_beside(const struct have *have, const struct stretch *past)
{
	return (struct beside){ .have = have,
				.past = past,
				.end = have->count ? have->counts[0] : 0 };
}

/* The newest of S's snapshots that R has; their count: none. */
static size_t find_common(const struct plan_source *source, const struct have *have,
			  const struct stretch *past)
{
	struct beside beside = begin_beside(have, past);
	size_t i = 0;

	while (i < source->count && !is_there(&beside, &source->snapshots[i].position))
		i++;
	return i;
}

/* Does R tell all that it has?  And no driver's own form is sure to know the way back. */
static bool takes_asides(const struct have *have)
{
	size_t count = 0;

	for (size_t i = 0; i < have->count; i++)
		count += have->counts[i];
	return count < OFFER_TIMES && (have->forms & (1u << FORM_DELTA));
}

/* Of what is older than what both have; see the top. */
static void make_asides(const struct plan_source *source, const struct have *have,
			const struct stretch *past, struct plan *ret)
{
	struct beside beside = begin_beside(have, past);

	if (!source->pointer || !takes_asides(have))
		return;
	for (size_t i = ret->ours + 1; i < source->count; i++) {
		const struct plan_snapshot *snapshot = &source->snapshots[i];

		if (!snapshot->tagged || snapshot->others || is_there(&beside, &snapshot->position))
			continue;
		*array_add(ret->steps, ret->count) = (struct plan_step){
			.snapshot = snapshot->position,
			.base = source->snapshots[0].position,
			.aside = true,
		};
	}
}

/* All that is wanted of the first `newer`, the oldest of them first. */
static void make_steps(const struct plan_source *source, size_t newer, struct plan *ret)
{
	struct position base = ret->common;

	for (size_t i = newer; i-- > 0;) {
		const struct plan_snapshot *snapshot = &source->snapshots[i];
		bool on_the_way = source->pointer && !snapshot->others &&
				  (source->every || snapshot->worth);

		if (i > 0 && !on_the_way)
			continue;
		*array_add(ret->steps, ret->count) =
			(struct plan_step){ .snapshot = snapshot->position, .base = base };
		base = snapshot->position;
	}
}

static bool is_in_past(const struct position *position, const struct stretch *past, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (lies_in(&past[i], position))
			return true;
	return false;
}

/* Did S have it once, and leave it behind?  See the top. */
static bool is_left_behind(const struct plan_source *source, const struct position *tip,
			   const struct lineage *lineage)
{
	const struct line *line = lineage_find(lineage, &tip->branch, tip->time);

	if (line && (line != lineage_find(lineage, &tip->branch, INT64_MAX) ||
		     !uuid_equal(&tip->branch, &source->branch)))
		return true;
	for (size_t i = 0; i < lineage->count; i++)
		if (position_equal(&lineage->lines[i].parent, tip))
			return true;
	return false;
}

static bool knows_later_line(const struct plan_source *source, const struct have *have,
			     const struct lineage *lineage)
{
	const struct line *last = lineage_find(lineage, &source->branch, INT64_MAX);

	return have->line > (last ? last->start : 0);
}

/* What R's pointer, which stands somewhere, has to do. */
static enum plan_outcome follow(const struct plan_source *source, const struct have *have,
				const struct stretch *past, size_t past_count,
				const struct lineage *lineage, const struct plan *plan)
{
	bool there = plan->ours == 0;

	if (knows_later_line(source, have, lineage))
		return PLAN_AHEAD;
	if (there && position_equal(&have->tip, &source->snapshots[0].position))
		return PLAN_UP_TO_DATE;
	if (is_in_past(&have->tip, past, past_count))
		return PLAN_FORWARD;
	return is_left_behind(source, &have->tip, lineage) ? PLAN_REWIND : PLAN_AHEAD;
}

static bool has_other_owner(const struct plan_source *source, const struct have *have)
{
	return have->epoch > source->epoch ||
	       (have->epoch == source->epoch && !uuid_equal(&have->owner, &source->owner));
}

static bool lacks_tip(const struct plan_source *source, const struct have *have)
{
	if (position_is_none(&have->tip))
		return false;
	for (size_t i = 0; i < source->count; i++)
		if (position_equal(&source->snapshots[i].position, &have->tip))
			return false;
	return true;
}

/* Of a volume that both have. */
static enum plan_outcome choose(const struct plan_source *source, const struct have *have,
				const struct stretch *past, size_t past_count,
				const struct lineage *lineage, const struct plan *plan)
{
	bool common = !position_is_none(&plan->common);
	bool tip = !position_is_none(&have->tip);
	enum plan_outcome outcome = PLAN_FORWARD;

	if (has_other_owner(source, have))
		return PLAN_DIVERGED;
	if (source->pointer && tip)
		outcome = follow(source, have, past, past_count, lineage, plan);
	else if (!source->pointer && plan->ours == 0)
		outcome = PLAN_UP_TO_DATE;
	if (common || outcome == PLAN_AHEAD)
		return outcome;
	if (!tip)
		return PLAN_FULL;
	return source->anew ? outcome : PLAN_NO_COMMON;
}

static bool sends(enum plan_outcome outcome)
{
	return outcome == PLAN_FULL || outcome == PLAN_FORWARD || outcome == PLAN_REWIND;
}

/* The branch stands on a snapshot of another one's, which R does not have. */
static bool stands_on_others(const struct plan_source *source, const struct plan *plan)
{
	return source->pointer && plan->ours > 0 && source->snapshots[0].others;
}

void plan_make(const struct plan_source *source, const struct have *have,
	       const struct stretch *past, size_t past_count, const struct lineage *lineage,
	       struct plan *ret)
{
	struct plan plan = { .outcome = PLAN_FULL, .own = source->own };

	plan.ours = find_common(source, have, past);
	if (plan.ours < source->count)
		plan.common = source->snapshots[plan.ours].position;
	plan.theirs = lacks_tip(source, have);
	if (source->count == 0)
		plan.outcome = PLAN_NO_SOURCE;
	else if (have->volume == HAVE_OTHER_VOLUME)
		plan.outcome = PLAN_NAME_TAKEN;
	else if (have->volume == HAVE_VOLUME)
		plan.outcome = choose(source, have, past, past_count, lineage, &plan);
	if (sends(plan.outcome) && stands_on_others(source, &plan))
		plan.outcome = PLAN_NO_SOURCE;
	if (sends(plan.outcome))
		make_steps(source, plan.ours, &plan);
	if (sends(plan.outcome) || plan.outcome == PLAN_UP_TO_DATE)
		make_asides(source, have, past, &plan);
	*ret = plan;
}

/* "both have what is older than 2026-...; 3 are newer here", for a person to decide upon. */
static const char *tell_common(const struct plan *plan, char text[static 160])
{
	char time[CLOCK_TEXT];

	if (position_is_none(&plan->common))
		snprintf(text, 160, "no snapshot is on both sides");
	else
		snprintf(text, 160,
			 "the newest snapshot on both sides is of %s, %zu newer ones are here%s",
			 clock_format(plan->common.time, time), plan->ours,
			 plan->theirs ? ", others there" : "");
	return text;
}

static int refuse_no_source(const struct plan *plan, const char *what, const char *peer,
			    struct fl_error *err)
{
	fl_fail(err, FL_NOT_FOUND, "'%s' has no snapshot to send", what);
	if (plan->ours > 0)
		fl_fail(err, FL_NOT_FOUND,
			"'%s' has no snapshot of its own to send, and '%s' lacks the one that it "
			"began from, which is another instance's",
			what, peer);
	return fl_hint(err, "take one: flocker snapshot %s", what);
}

/* Who sends an older copy of another's branch has nothing to say that R does not know better. */
static int refuse_older(const char *what, const char *peer, struct fl_error *err)
{
	fl_fail(err, FL_DIVERGED,
		"what was to be sent of '%s' is older than what '%s' has: snapshots or a rollback "
		"of it are missing there",
		what, peer);
	return fl_hint(err, "fetch it from who writes it, or from one that has heard of it since");
}

/*
 * R may have the only copy of what S has lost, so S can't just go on.  No rollback at S helps:
 * what it took before that would still lie in the line that it has lost.
 */
static int refuse_ahead(const struct plan *plan, const char *what, const char *peer,
			struct fl_error *err)
{
	char common[160];

	if (!plan->own)
		return refuse_older(what, peer, err);
	fl_fail(err, FL_DIVERGED,
		"'%s' has snapshots or a rollback of '%s' that its writer has not, as when that "
		"was restored from an older copy: %s",
		peer, what, tell_common(plan, common));
	return fl_hint(err, PLAN_RESTORED_HINT, peer, what, what);
}

static int refuse_diverged(const struct plan *plan, const char *what, const char *peer,
			   struct fl_error *err)
{
	char common[160];

	fl_fail(err, FL_DIVERGED, "'%s' has another owner by what '%s' knows: %s", what, peer,
		tell_common(plan, common));
	return fl_hint(err,
		       "fetch it from there to see who owns it; what only this side has can be "
		       "kept as a branch");
}

int plan_check(const struct plan *plan, const char *what, const char *peer, struct fl_error *err)
{
	switch (plan->outcome) {
	case PLAN_NO_SOURCE:
		return refuse_no_source(plan, what, peer, err);
	case PLAN_NAME_TAKEN:
		fl_fail(err, FL_EXISTS, "on '%s' another volume is called as that of '%s'", peer,
			what);
		return fl_hint(err, "give it another name there, with --as");
	case PLAN_NO_COMMON:
		fl_fail(err, FL_DIVERGED, "'%s' and its copy on '%s' have no snapshot in common",
			what, peer);
		return fl_hint(err,
			       "--anew sends all of it once more; what is on '%s' stays there, as "
			       "a stash",
			       peer);
	case PLAN_AHEAD:
		return refuse_ahead(plan, what, peer, err);
	case PLAN_DIVERGED:
		return refuse_diverged(plan, what, peer, err);
	default:
		return 0;
	}
}
