#include "engine/sending-pins.h"

#include "engine/common-pins.h"

static struct common_pins common_of(const struct sending_pins *pins)
{
	const struct offer *offer = pins->offer;
	struct common_pins common = { .peer = pins->peer, .served = offer->branches[0].uuid };

	if (!offer->pointer)
		common.alone = offer->volume.uuid;
	return common;
}

/* Who fetches need not be a peer here; a pin says for whom it is. */
static int pin_common(struct tx *tx, const struct sending_pins *pins, const struct position *at,
		      struct fl_error *err)
{
	const struct hearsay heard = { &pins->peer, pins->peer_name, true };
	const struct common_pins common = common_of(pins);

	if (instance_hear(pins->engine, tx, &heard, err) < 0)
		return fl_failed(err);
	return common_pin(tx, &common, at, err);
}

/* --- before anything is sent ----------------------------------------------------------------- */

struct setting {
	const struct sending_pins *pins;
	const struct plan *plan;
};

/* It may be gone since the source was opened: then the pin would hold nothing. */
static int hold_step(struct tx *tx, const struct sending_pins *pins, const struct position *at,
		     struct fl_error *err)
{
	const struct pin_row pin = { .kind = PIN_TRANSFER,
				     .peer = pins->peer,
				     .served = pins->offer->branches[0].uuid,
				     .operation = pins->offer->transfer,
				     .snapshot = *at,
				     .since = clock_now() };
	own_snapshot_row struct snapshot_row row = { 0 };

	if (tx_snapshot_get(tx, at, &row, err) < 0)
		return fl_wrap(err, "what was to be sent has gone meanwhile");
	return tx_pin_set(tx, &pin, err);
}

static int write_holds(struct tx *tx, void *arg, struct fl_error *err)
{
	const struct setting *setting = arg;
	const struct plan *plan = setting->plan;

	for (size_t i = 0; i < plan->count; i++)
		if (hold_step(tx, setting->pins, &plan->steps[i].snapshot, err) < 0)
			return fl_failed(err);
	if (plan->count == 0 || position_is_none(&plan->common))
		return 0;
	return hold_step(tx, setting->pins, &plan->common, err);
}

static int write_common(struct tx *tx, void *arg, struct fl_error *err)
{
	const struct setting *setting = arg;

	if (pin_common(tx, setting->pins, &setting->plan->common, err) < 0)
		return fl_wrap(err, "what '%s' has, too, has gone meanwhile",
			       setting->pins->peer_name);
	return 0;
}

/* As a rule it is since the last transfer, and all of these are durable: no need to wait. */
static int is_common_set(const struct setting *setting, bool *ret, struct fl_error *err)
{
	const struct common_pins common = common_of(setting->pins);
	own_tx struct tx *tx = NULL;

	if (tx_begin(setting->pins->engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	return common_is_pinned(tx, &common, &setting->plan->common, ret, err);
}

static int set_common(struct setting *setting, struct fl_error *err)
{
	struct catalog *catalog = setting->pins->engine->catalog;
	bool set;

	if (position_is_none(&setting->plan->common))
		return 0;
	if (is_common_set(setting, &set, err) < 0)
		return fl_failed(err);
	return set ? 0 : catalog_write(catalog, CATALOG_DURABLE, write_common, setting, err);
}

int sending_pins_set(const struct sending_pins *pins, const struct plan *plan, struct fl_error *err)
{
	struct setting setting = { pins, plan };

	if (plan->count > 0 &&
	    catalog_write(pins->engine->catalog, CATALOG_LAZY, write_holds, &setting, err) < 0)
		return fl_failed(err);
	return set_common(&setting, err);
}

/* --- as the peer takes it --------------------------------------------------------------------- */

struct taking {
	const struct sending_pins *pins;
	const struct position *taken, *base;
};

/* Without its base, another transfer has moved on meanwhile, and knows better what may go. */
static int write_taken(struct tx *tx, void *arg, struct fl_error *err)
{
	const struct taking *taking = arg;
	const struct common_pins common = common_of(taking->pins);
	bool based = false;

	if ((!position_is_none(taking->base) &&
	     common_is_pinned(tx, &common, taking->base, &based, err) < 0) ||
	    pin_common(tx, taking->pins, taking->taken, err) < 0)
		return fl_failed(err);
	return based ? common_keep(tx, &common, taking->taken, taking->taken, err) : 0;
}

int sending_pins_taken(const struct sending_pins *pins, const struct position *taken,
		       const struct position *base, struct fl_error *err)
{
	struct taking taking = { pins, taken, base };

	return catalog_write(pins->engine->catalog, CATALOG_DURABLE, write_taken, &taking, err);
}

/* The same of the target. */
static int write_through(struct tx *tx, void *arg, struct fl_error *err)
{
	const struct sending_pins *pins = arg;
	const struct position *target = &pins->offer->target;
	const struct common_pins common = common_of(pins);
	bool pinned;

	if (common_is_pinned(tx, &common, target, &pinned, err) < 0)
		return fl_failed(err);
	return pinned ? common_keep(tx, &common, target, target, err) : 0;
}

void sending_pins_through(const struct sending_pins *pins)
{
	struct sending_pins of = *pins;
	struct fl_error err;

	if (catalog_write(pins->engine->catalog, CATALOG_LAZY, write_through, &of, &err) < 0)
		log_warning("a peer's older pins stay until the next transfer", "error=\"%s\"",
			    err.text);
}

/* --- the end ---------------------------------------------------------------------------------- */

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
