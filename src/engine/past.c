#include "engine/past.h"

#include "model/lineage.h"

struct family { /* the lines of a past */
	struct line *lines;
	size_t count;
};

static void family_done(struct family *family)
{
	free(family->lines);
}
#define own_family own(family_done)

int head_position(struct tx *tx, const struct uuid *branch, struct position *ret,
		  struct fl_error *err)
{
	struct lineage lineage = { .count = 1 };
	struct line last;
	int64_t newest;
	int r = tx_line_at(tx, branch, INT64_MAX, &last, err);

	*ret = (struct position){ 0 };
	if (r < 0)
		return r == -FL_NOT_FOUND ? 0 : r;
	if (tx_snapshot_floor(tx, branch, INT64_MAX, &newest, err) < 0)
		return fl_failed(err);
	lineage.lines = &last;
	*ret = lineage_head_parent(&lineage, branch, newest);
	return 0;
}

/* Parents are older than what began from them; a catalogue that says otherwise is not followed. */
static int load_past(struct tx *tx, struct position at, struct family *family, struct fl_error *err)
{
	while (!position_is_none(&at)) {
		struct line line;
		int r = tx_line_at(tx, &at.branch, at.time, &line, err);

		if (r < 0)
			return r == -FL_NOT_FOUND ? 0 : r;
		*array_add(family->lines, family->count) = line;
		if (line.parent.time >= at.time)
			return 0;
		at = line.parent;
	}
	return 0;
}

int past_of(struct tx *tx, const struct position *position, struct stretch **ret, size_t *ret_count,
	    struct fl_error *err)
{
	own_family struct family family = { 0 };
	struct lineage lineage;

	*ret = NULL;
	*ret_count = 0;
	if (load_past(tx, *position, &family, err) < 0)
		return fl_failed(err);
	lineage_sort(family.lines, family.count);
	lineage = (struct lineage){ family.lines, family.count };
	*ret = xcalloc(family.count, sizeof(**ret));
	*ret_count = lineage_ancestry(&lineage, position, *ret, family.count);
	return 0;
}

/* --- of a branch ---------------------------------------------------------- */

void past_done(struct past *past)
{
	free(past->stretches);
}

int past_load(struct tx *tx, const struct target *target, struct past *ret, struct fl_error *err)
{
	struct position head;

	*ret = (struct past){ .tx = tx, .target = target };
	target_format(target, ret->branch);
	if (head_position(tx, &target->branch.uuid, &head, err) < 0)
		return fl_failed(err);
	return past_of(tx, &head, &ret->stretches, &ret->count, err);
}

int past_back(const struct past *past, uint64_t back, struct snapshot_row *ret,
	      struct fl_error *err)
{
	uint64_t seen = 0, here;

	for (size_t i = 0; i < past->count; i++) {
		int r = tx_snapshot_nth(past->tx, &past->stretches[i], back - seen, ret, &here,
					err);

		if (r != -FL_NOT_FOUND)
			return r;
		seen += here;
	}
	if (seen == 0) {
		fl_fail(err, FL_NOT_FOUND, "%s has no snapshot yet", past->branch);
		if (past->target->instance[0])
			return fl_hint(err, "flocker fetch brings those that '%s' has",
				       past->target->instance);
		return fl_hint(err, "take one: flocker snapshot %s", past->branch);
	}
	return fl_fail(err, FL_NOT_FOUND,
		       "%s has only %" PRIu64 " snapshot%s: the oldest is @{-%" PRIu64 "}",
		       past->branch, seen, seen == 1 ? "" : "s", seen - 1);
}

int past_oldest(const struct past *past, struct snapshot_row *ret, struct fl_error *err)
{
	uint64_t seen = 0, here;

	for (size_t i = 0; i < past->count; i++) {
		if (tx_snapshot_nth(past->tx, &past->stretches[i], UINT64_MAX, ret, &here, err) !=
		    -FL_NOT_FOUND)
			return fl_failed(err);
		seen += here;
	}
	if (seen == 0)
		return past_back(past, 0, ret, err);
	return past_back(past, seen - 1, ret, err);
}
