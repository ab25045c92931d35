#include "engine/common-pins.h"

#include "base/clock.h"

static struct pin_filter filter_of(const struct common_pins *pins)
{
	return (struct pin_filter){ .peer = &pins->peer, .served = &pins->served };
}

struct looking {
	const struct common_pins *pins;
	bool found;
};

static int look(void *arg, const struct pin_row *row, struct fl_error *err)
{
	struct looking *looking = arg;

	looking->found |= row->kind == PIN_PEER &&
			  (uuid_is_none(&row->operation) ||
			   uuid_equal(&row->operation, &looking->pins->alone));
	return 0;
}

/* Of what is sent for itself also the branch's own: they are not let go of by it. */
int common_is_pinned(struct tx *tx, const struct common_pins *pins, const struct position *at,
		     bool *ret, struct fl_error *err)
{
	struct looking looking = { .pins = pins };
	struct pin_filter filter = filter_of(pins);

	filter.snapshot = at;
	if (tx_pin_each(tx, &filter, look, &looking, err) < 0)
		return fl_failed(err);
	*ret = looking.found;
	return 0;
}

int common_pin(struct tx *tx, const struct common_pins *pins, const struct position *at,
	       struct fl_error *err)
{
	const struct pin_row pin = { .kind = PIN_PEER,
				     .peer = pins->peer,
				     .served = pins->served,
				     .operation = pins->alone,
				     .snapshot = *at,
				     .since = clock_now() };
	own_snapshot_row struct snapshot_row row = { 0 };
	bool pinned;

	if (tx_snapshot_get(tx, at, &row, err) < 0 ||
	    common_is_pinned(tx, pins, at, &pinned, err) < 0)
		return fl_failed(err);
	return pinned ? 0 : tx_pin_set(tx, &pin, err);
}

struct leftovers {
	const struct common_pins *pins;
	const struct position *keep[2];
	struct pin_row *rows; /* heap */
	size_t count;
};

/* Of the branch's own those of what was sent for itself, too; never what awaits a tag. */
static int collect(void *arg, const struct pin_row *row, struct fl_error *err)
{
	struct leftovers *left = arg;
	const struct common_pins *pins = left->pins;
	bool same = uuid_equal(&row->operation, &pins->alone);

	if (row->kind != PIN_PEER || (!same && !uuid_is_none(&pins->alone)) ||
	    uuid_equal(&row->operation, &pins->served))
		return 0;
	if (same && (position_equal(&row->snapshot, left->keep[0]) ||
		     position_equal(&row->snapshot, left->keep[1])))
		return 0;
	*array_add(left->rows, left->count) = *row;
	return 0;
}

int common_keep(struct tx *tx, const struct common_pins *pins, const struct position *at,
		const struct position *also, struct fl_error *err)
{
	const struct pin_filter filter = filter_of(pins);
	struct leftovers left = { .pins = pins, .keep = { at, also } };
	own_free struct pin_row *rows = NULL;
	int r = tx_pin_each(tx, &filter, collect, &left, err);

	rows = left.rows;
	for (size_t i = 0; r == 0 && i < left.count; i++)
		r = tx_pin_delete(tx, &rows[i], err);
	return r;
}
