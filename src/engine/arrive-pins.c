/*
 * Pins of who receives: what the sender and we have in common (common-pins.h).
 *
 * What the owner has tagged is pinned once more, from then on until its tags come with the end:
 * they keep it from being thinned.  Such a pin has an `operation`, and outlives a transfer that is
 * cut off: the next one does not bring the snapshot once more, but its tag.
 */

#include "engine/arrive-rows.h"
#include "engine/common-pins.h"

static struct common_pins pins_of(const struct arrival *arrival)
{
	const struct facts *first = &arrival->branches[0];
	struct common_pins pins = { .peer = arrival->peer, .served = first->branch.uuid };

	if (!arrival->pointer)
		pins.alone = first->volume.uuid;
	return pins;
}

/* --- until a tag comes --------------------------------------------------------------------- */

static struct pin_row pin_for_tag(const struct arrival *arrival, const struct position *snapshot)
{
	return (struct pin_row){
		.kind = PIN_PEER,
		.peer = arrival->peer,
		.served = arrival->branches[0].branch.uuid,
		.operation = arrival->branches[0].branch.uuid,
		.snapshot = *snapshot,
		.since = clock_now(),
	};
}

/* Until arrive_pin_end(). */
static int await_tag(struct tx *tx, const struct arrival *arrival, struct fl_error *err)
{
	const struct pin_row pin = pin_for_tag(arrival, &arrival->row.position);

	if (!arrival->tagged || !uuid_equal(&arrival->peer, &arrival->branches[0].volume.owner))
		return 0;
	return tx_pin_set(tx, &pin, err);
}

struct awaiting {
	struct pin_row *rows; /* heap */
	size_t count;
};

static int collect(void *arg, const struct pin_row *row, struct fl_error *err)
{
	struct awaiting *awaiting = arg;

	if (row->kind == PIN_PEER)
		*array_add(awaiting->rows, awaiting->count) = *row;
	return 0;
}

static int await_no_more(struct tx *tx, const struct arrival *arrival, struct fl_error *err)
{
	const struct pin_row pin = pin_for_tag(arrival, &arrival->target);
	const struct pin_filter filter = { .peer = &pin.peer,
					   .served = &pin.served,
					   .operation = &pin.operation };
	struct awaiting awaiting = { 0 };
	own_free struct pin_row *rows = NULL;
	int r = tx_pin_each(tx, &filter, collect, &awaiting, err);

	rows = awaiting.rows;
	for (size_t i = 0; r == 0 && i < awaiting.count; i++)
		r = tx_pin_delete(tx, &rows[i], err);
	return r;
}

/* --- what both have -------------------------------------------------------------------------- */

int arrive_pin_step(struct tx *tx, const struct arrival *arrival, struct fl_error *err)
{
	const struct common_pins pins = pins_of(arrival);
	int r;

	if (common_pin(tx, &pins, &arrival->row.position, err) < 0 ||
	    await_tag(tx, arrival, err) < 0)
		return fl_failed(err);
	if (position_is_none(&arrival->base))
		return 0;
	r = common_pin(tx, &pins, &arrival->base, err);
	if (r < 0)
		return r == -FL_NOT_FOUND ? 0 : r;
	return common_keep(tx, &pins, &arrival->row.position, &arrival->base, err);
}

int arrive_pin_end(struct tx *tx, const struct arrival *arrival, struct fl_error *err)
{
	const struct common_pins pins = pins_of(arrival);
	int r;

	if (await_no_more(tx, arrival, err) < 0)
		return fl_failed(err);
	r = common_pin(tx, &pins, &arrival->target, err);
	if (r < 0)
		return r == -FL_NOT_FOUND ? 0 : r;
	return common_keep(tx, &pins, &arrival->target, &arrival->target, err);
}
