#include "engine/listing.h"

#include <string.h>

#include "engine/internal.h"
#include "engine/past.h"

struct listing {
	struct engine *engine;
	struct tx *tx;
	struct listed *listed;
};

static int add_tip(struct tx *tx, struct listed_branch *branch, struct fl_error *err)
{
	own_snapshot_row struct snapshot_row tip = { 0 };
	int r;

	if (head_position(tx, &branch->uuid, &branch->tip, err) < 0 ||
	    tx_branch_snapshots(tx, &branch->uuid, &branch->snapshots, err) < 0)
		return fl_failed(err);
	if (position_is_none(&branch->tip))
		return 0;
	r = tx_snapshot_get(tx, &branch->tip, &tip, err);
	if (r == 0)
		branch->tip_id = tip.id;
	return r == -FL_NOT_FOUND ? 0 : r;
}

static int add_branch(void *arg, const struct branch_row *row, struct fl_error *err)
{
	const struct listing *listing = arg;
	struct listed_volume *volume = &listing->listed->volumes[listing->listed->count - 1];
	struct listed_branch *branch = array_add(volume->branches, volume->branch_count);

	branch->uuid = row->uuid;
	branch->instance = row->instance;
	memcpy(branch->name, row->name, NAME_TEXT);
	answer_instance(listing->engine, listing->tx, &row->instance, branch->instance_name);
	return add_tip(listing->tx, branch, err);
}

static int add_volume(void *arg, const struct volume_row *row, struct fl_error *err)
{
	struct listing *listing = arg;
	struct listed_volume *volume = array_add(listing->listed->volumes, listing->listed->count);

	volume->uuid = row->uuid;
	volume->owner = row->owner;
	volume->epoch = row->epoch;
	memcpy(volume->name, row->name, NAME_TEXT);
	answer_instance(listing->engine, listing->tx, &row->owner, volume->owner_name);
	return tx_branch_each(listing->tx, &row->uuid, false, add_branch, listing, err);
}

static int list_one(struct listing *listing, const char *name, struct fl_error *err)
{
	own_volume_row struct volume_row row = { 0 };
	int r = tx_volume_find(listing->tx, name, &row, err);

	if (r < 0)
		return r == -FL_NOT_FOUND ? 0 : r;
	return add_volume(listing, &row, err);
}

int listing_make(struct engine *engine, const char *volume, struct listed *ret,
		 struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_listed struct listed listed = { 0 };
	own_tx struct tx *tx = NULL;
	struct listing listing = { .engine = engine, .listed = &listed };

	if (gate_enter(engine, &inside, err) < 0 || tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	listing.tx = tx;
	if (volume[0] ? list_one(&listing, volume, err) < 0
		      : tx_volume_each(tx, "", SIZE_MAX, add_volume, &listing, err) < 0)
		return fl_failed(err);
	*ret = listed;
	listed = (struct listed){ 0 };
	return 0;
}

int listing_send(const struct listed *listed, struct channel *channel, struct fl_error *err)
{
	own_text struct text text = { 0 };
	struct listed_at at = { 0 };
	bool more;

	do {
		text_clear(&text);
		more = listed_encode(listed, &at, &text);
		if (channel_send(channel, WIRE_VOLUMES, 0, text.bytes, text.length, err) < 0)
			return fl_failed(err);
	} while (more);
	return 0;
}

static int receive(struct channel *channel, struct listed *ret, struct fl_error *err)
{
	own_listed struct listed listed = { 0 };
	struct frame frame;
	bool more = true;

	while (more)
		if (channel_expect(channel, WIRE_VOLUMES, 0, &frame, err) < 0 ||
		    listed_decode(frame.payload, frame.length, &listed, &more, err) < 0)
			return fl_failed(err);
	*ret = listed;
	listed = (struct listed){ 0 };
	return 0;
}

int listing_ask(struct engine *engine, const struct peer_row *peer, const char *volume,
		struct listed *ret, struct fl_error *err)
{
	own_text struct text request = { 0 };
	struct contact contact = { 0 };
	int r;

	wire_put_text(&request, volume);
	if (reach_open(engine->reach, peer, VERB_LIST, &request, &contact, err) < 0)
		return fl_failed(err);
	r = receive(contact.channel, ret, err);
	contact_close(&contact, r < 0 ? err : NULL);
	return r;
}
