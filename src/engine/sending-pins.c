#include "engine/sending-pins.h"

static struct pin_row pin_of(const struct sending_pins *pins, enum pin kind,
			     const struct position *snapshot)
{
	struct pin_row pin = { .kind = kind,
			       .peer = pins->peer,
			       .served = pins->offer->branches[0].uuid,
			       .snapshot = *snapshot,
			       .since = clock_now() };

	if (kind == PIN_TRANSFER)
		pin.operation = pins->offer->transfer;
	return pin;
}

/* It may be gone since the source was opened: then the pin would hold nothing. */
static int hold_step(struct tx *tx, const struct pin_row *pin, struct fl_error *err)
{
	struct snapshot_row row = { 0 };

	if (tx_snapshot_get(tx, &pin->snapshot, &row, err) < 0)
		return fl_wrap(err, "what was to be sent has gone meanwhile");
	snapshot_row_done(&row);
	return tx_pin_set(tx, pin, err);
}

struct setting {
	const struct sending_pins *pins;
	const struct plan *plan;
};

static int write_holds(struct tx *tx, void *arg, struct fl_error *err)
{
	const struct setting *setting = arg;
	const struct plan *plan = setting->plan;
	struct pin_row pin;

	for (size_t i = 0; i < plan->count; i++) {
		pin = pin_of(setting->pins, PIN_TRANSFER, &plan->steps[i].snapshot);
		if (hold_step(tx, &pin, err) < 0)
			return fl_failed(err);
	}
	if (position_is_none(&plan->common))
		return 0;
	pin = pin_of(setting->pins, PIN_TRANSFER, &plan->common);
	return tx_pin_set(tx, &pin, err);
}

int sending_pins_set(const struct sending_pins *pins, const struct plan *plan, struct fl_error *err)
{
	struct setting setting = { pins, plan };

	return catalog_write(pins->engine->catalog, CATALOG_LAZY, write_holds, &setting, err);
}

struct moving {
	const struct sending_pins *pins;
	const struct position *taken;
};

static int write_taken(struct tx *tx, void *arg, struct fl_error *err)
{
	const struct moving *moving = arg;
	const struct sending_pins *pins = moving->pins;
	const struct hearsay heard = { &pins->peer, pins->peer_name, true };
	struct pin_row pin = pin_of(pins, PIN_PEER, moving->taken);

	/* Who fetches need not be a peer here; a pin says for whom it is. */
	if (instance_hear(pins->engine, tx, &heard, err) < 0)
		return fl_failed(err);
	return tx_pin_move(tx, &pin, err);
}

int sending_pins_move(const struct sending_pins *pins, const struct position *taken,
		      struct fl_error *err)
{
	struct moving moving = { pins, taken };

	return catalog_write(pins->engine->catalog, CATALOG_DURABLE, write_taken, &moving, err);
}

static int drop_holds(struct tx *tx, void *arg, struct fl_error *err)
{
	const struct sending_pins *pins = arg;

	return tx_pin_delete_operation(tx, &pins->offer->transfer, err);
}

void sending_pins_drop(const struct sending_pins *pins)
{
	struct sending_pins of = *pins;
	struct fl_error err;

	if (catalog_write(pins->engine->catalog, CATALOG_LAZY, drop_holds, &of, &err) < 0)
		log_warning("a transfer's pins stay until the next start", "error=\"%s\"",
			    err.text);
}
