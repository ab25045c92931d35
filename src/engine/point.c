#include "engine/point.h"

#include <string.h>

#include "engine/past.h"

#define CANDIDATES 8 /* ids that a message names */

static int find_name(const struct past *past, const char *name, struct snapshot_row *ret,
		     struct fl_error *err)
{
	int r = tx_snapshot_get_name(past->tx, &past->target->branch.uuid, name, ret, err);

	for (size_t i = 0; r == -FL_NOT_FOUND && i < past->count; i++) {
		const struct stretch *stretch = &past->stretches[i];

		r = tx_snapshot_get_name(past->tx, &stretch->branch, name, ret, err);
		/* Of another branch's snapshots only those before this one began are its own past.
		 */
		if (r == 0 &&
		    (ret->position.time < stretch->from || ret->position.time > stretch->to)) {
			snapshot_row_done(ret);
			r = -FL_NOT_FOUND;
		}
	}
	if (r != -FL_NOT_FOUND)
		return r;
	fl_fail(err, FL_NOT_FOUND, "%s has no snapshot called '%s'", past->branch, name);
	return fl_hint(err, "flocker log %s lists them", past->branch);
}

struct candidates {
	struct position first;
	size_t count;
	struct text text;
};

static void candidates_done(struct candidates *candidates)
{
	text_done(&candidates->text);
}

static int add_candidate(void *arg, const struct snapshot_row *row, struct fl_error *err)
{
	struct candidates *candidates = arg;
	char id[SNAPID_TEXT], time[CLOCK_TEXT];

	if (candidates->count++ == 0)
		candidates->first = row->position;
	text_add_format(&candidates->text, "%s%s (%s)", candidates->text.length ? ", " : "",
			snapid_format(row->id, id), time_text(row->position.time, time));
	return 0;
}

/* The ids that begin with the digits lie in one range of numbers. */
static void prefix_range(const char *digits, uint64_t *low, uint64_t *high)
{
	size_t missing = 16 - strlen(digits);
	uint64_t value = strtoull(digits, NULL, 16);

	*low = missing == 0 ? value : value << (4 * missing);
	*high = missing == 0 ? value : *low | ((UINT64_C(1) << (4 * missing)) - 1);
}

static int find_id(const struct past *past, const char *digits, struct snapshot_row *ret,
		   struct fl_error *err)
{
	own(candidates_done) struct candidates candidates = { 0 };
	uint64_t low, high;

	prefix_range(digits, &low, &high);
	if (tx_snapshot_each_id(past->tx, &past->target->volume.uuid, low, high, CANDIDATES,
				add_candidate, &candidates, err) < 0)
		return fl_failed(err);
	if (candidates.count == 0) {
		fl_fail(err, FL_NOT_FOUND, "no snapshot of %s has an id beginning with %s",
			past->target->volume.name, digits);
		return fl_hint(err, "flocker log %s lists them", past->branch);
	}
	if (candidates.count > 1) {
		fl_fail(err, FL_INVALID, "%s is the beginning of several ids: %s", digits,
			text_get(&candidates.text));
		return fl_hint(err, "type more digits");
	}
	return tx_snapshot_get(past->tx, &candidates.first, ret, err);
}

static int find_id_or_name(const struct past *past, const char *word, struct snapshot_row *ret,
			   struct fl_error *err)
{
	struct fl_error other;
	int r = find_id(past, word, ret, err);

	if (r == -FL_NOT_FOUND && find_name(past, word, ret, &other) == 0)
		return 0;
	return r;
}

int point_resolve(struct engine *engine, struct tx *tx, const struct ref *ref,
		  struct target *target, struct fl_error *err)
{
	own_past struct past past = { 0 };
	struct snapshot_row *row = &target->snapshot;
	int r;

	if (past_load(tx, target, &past, err) < 0)
		return fl_failed(err);
	switch (ref->point) {
	case POINT_NONE:
		return 0;
	case POINT_LATEST:
		r = past_back(&past, 0, row, err);
		break;
	case POINT_BACK:
		r = past_back(&past, (uint64_t)ref->number, row, err);
		break;
	case POINT_TIME:
		r = past_at(&past, ref->number, row, err);
		break;
	case POINT_AGO:
		r = past_ago(engine, &past, ref->number, row, err);
		break;
	case POINT_NAME:
		r = find_name(&past, ref->name, row, err);
		break;
	default:
		r = find_id_or_name(&past, ref->name, row, err);
		break;
	}
	target->is_snapshot = r == 0;
	return r;
}
