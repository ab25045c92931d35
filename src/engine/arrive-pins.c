/*
 * Pins of who receives.
 *
 * What was taken is pinned for the sender before it hears of it, and the base that the step was
 * made from stays pinned, too: the sender moves its own pin to what was taken only when it
 * hears.  When the next step comes, or the end, it has, and the older one is let go.  So
 * there is always one snapshot that both have and both keep.
 *
 * What the owner has tagged is pinned once more, from then on until its tags come with the end:
 * they keep it from being thinned.  Such a pin has an `operation`, and outlives a transfer that is
 * cut off: the next one does not bring the snapshot once more, but its tag.
 */

#include "engine/arrive-rows.h"

struct leftovers {
	const struct arrival *arrival;
	struct pin_row *rows;
	size_t count;
};

static int collect_all(void *arg, const struct pin_row *row, struct fl_error *err)
{
	struct leftovers *left = arg;

	if (row->kind == PIN_PEER)
		*array_add(left->rows, left->count) = *row;
	return 0;
}

static int collect(void *arg, const struct pin_row *row, struct fl_error *err)
{
	struct leftovers *left = arg;

	if (row->kind == PIN_PEER &&
	    !position_equal(&row->snapshot, &left->arrival->row.position) &&
	    !position_equal(&row->snapshot, &left->arrival->base))
		*array_add(left->rows, left->count) = *row;
	return 0;
}

static struct pin_row pin_of(const struct arrival *arrival, const struct position *snapshot)
{
	return (struct pin_row){
		.kind = PIN_PEER,
		.peer = arrival->peer,
		.served = arrival->branches[0].branch.uuid,
		.snapshot = *snapshot,
		.since = clock_now(),
	};
}

/* Of the pins of the same kind as `pin`, which may be none that there is. */
static int let_go(struct tx *tx, const struct arrival *arrival, const struct pin_row *pin,
		  int (*which)(void *arg, const struct pin_row *row, struct fl_error *err),
		  struct fl_error *err)
{
	const struct pin_filter filter = { .peer = &pin->peer,
					   .served = &pin->served,
					   .operation = &pin->operation };
	struct leftovers left = { .arrival = arrival };
	own_free struct pin_row *rows = NULL;
	int r = tx_pin_each(tx, &filter, which, &left, err);

	rows = left.rows;
	for (size_t i = 0; r == 0 && i < left.count; i++)
		r = tx_pin_delete(tx, &rows[i], err);
	return r;
}

static struct pin_row pin_for_tag(const struct arrival *arrival, const struct position *snapshot)
{
	struct pin_row pin = pin_of(arrival, snapshot);

	pin.operation = pin.served;
	return pin;
}

/* Until arrive_pin_end(). */
static int await_tag(struct tx *tx, const struct arrival *arrival, struct fl_error *err)
{
	const struct pin_row pin = pin_for_tag(arrival, &arrival->row.position);

	if (!arrival->tagged || !uuid_equal(&arrival->peer, &arrival->branches[0].volume.owner))
		return 0;
	return tx_pin_set(tx, &pin, err);
}

int arrive_pin_step(struct tx *tx, const struct arrival *arrival, struct fl_error *err)
{
	const struct pin_row pin = pin_of(arrival, &arrival->row.position);

	if (tx_pin_set(tx, &pin, err) < 0 || await_tag(tx, arrival, err) < 0)
		return fl_failed(err);
	/* All of it was sent: what was in common before is so until the end. */
	return position_is_none(&arrival->base) ? 0 : let_go(tx, arrival, &pin, collect, err);
}

int arrive_pin_end(struct tx *tx, const struct arrival *arrival, struct fl_error *err)
{
	const struct pin_row pin = pin_of(arrival, &arrival->target);
	own_snapshot_row struct snapshot_row row = { 0 };
	const struct pin_row awaiting = pin_for_tag(arrival, &arrival->target);
	int r = let_go(tx, arrival, &awaiting, collect_all, err);

	if (r == 0)
		r = tx_snapshot_get(tx, &arrival->target, &row, err);
	if (r < 0)
		return r == -FL_NOT_FOUND ? 0 : r;
	return tx_pin_move(tx, &pin, err);
}
