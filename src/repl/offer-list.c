/*
 * FINISH and VOLUMES: lists that may be longer than a frame.  Each frame has as
 * many elements as fit whatever they hold, and whether another one follows.
 *
 *	FINISH	 more (flag), owner (flag), tags (list): name, snapshot (position), created (i64)
 *	VOLUMES	 more (flag), volumes (list): uuid, name, owner (uuid), its name, epoch (u64), and
 *		 its branches (list): uuid, instance (uuid), its name, name, tip (position), the
 *		 tip's id (u64), snapshots (u64)
 */

#include <string.h>

#include "repl/fields.h"
#include "repl/offer.h"

#define TAG_LEAST (2 + FIELD_POSITION + 8)
#define VOLUME_LEAST (16 + 2 + 16 + 2 + 8 + 4)
#define BRANCH_LEAST (16 + 16 + 2 + 2 + FIELD_POSITION + 8 + 8)

void finish_done(struct finish *finish)
{
	free(finish->tags);
	*finish = (struct finish){ 0 };
}

bool finish_encode(const struct finish *finish, size_t *at, struct text *out)
{
	size_t left = finish->tag_count - *at;
	size_t count = left < OFFER_FRAME_TAGS ? left : OFFER_FRAME_TAGS;

	wire_put_flag(out, count < left);
	wire_put_flag(out, finish->owner);
	wire_put_u32(out, (uint32_t)count);
	for (size_t end = *at + count; *at < end; (*at)++) {
		const struct offer_tag *tag = &finish->tags[*at];

		wire_put_text(out, tag->name);
		field_put_position(out, &tag->snapshot);
		wire_put_i64(out, tag->created);
	}
	return count < left;
}

static void read_tag(struct wire_view *view, struct finish *into)
{
	struct offer_tag *tag = array_add(into->tags, into->tag_count);

	field_name(view, tag->name, false);
	tag->snapshot = field_place(view);
	tag->created = wire_i64(view);
	if (into->tag_count > 1 && strcmp(tag[-1].name, tag->name) >= 0)
		field_trouble(view, "tags that are not in order");
}

int finish_decode(const void *bytes, size_t length, struct finish *into, bool *ret_more,
		  struct fl_error *err)
{
	struct wire_view view = wire_view(bytes, length);
	bool more = wire_flag(&view);
	size_t count;

	into->owner = wire_flag(&view);
	count = field_count(&view, TAG_LEAST, OFFER_TAGS - into->tag_count);
	if (more && count == 0)
		field_trouble(&view, "a list without an end");
	for (size_t i = 0; i < count && !view.trouble; i++)
		read_tag(&view, into);
	if (wire_end(&view, "the end of a transfer", err) < 0)
		return fl_failed(err);
	*ret_more = more;
	return 0;
}

void listed_done(struct listed *listed)
{
	for (size_t i = 0; i < listed->count; i++)
		free(listed->volumes[i].branches);
	free(listed->volumes);
	*listed = (struct listed){ 0 };
}

static void put_branch(struct text *out, const struct listed_branch *branch)
{
	wire_put_uuid(out, &branch->uuid);
	wire_put_uuid(out, &branch->instance);
	wire_put_text(out, branch->instance_name);
	wire_put_text(out, branch->name);
	field_put_position(out, &branch->tip);
	wire_put_u64(out, branch->tip_id);
	wire_put_u64(out, branch->snapshots);
}

/* A volume with those of its branches, from `*at` on, that there is `*room` for. */
static void put_volume(struct text *out, const struct listed_volume *volume, size_t *at,
		       size_t *room)
{
	size_t left = volume->branch_count - *at;
	size_t count = left < *room - 1 ? left : *room - 1;

	wire_put_uuid(out, &volume->uuid);
	wire_put_text(out, volume->name);
	wire_put_uuid(out, &volume->owner);
	wire_put_text(out, volume->owner_name);
	wire_put_u64(out, volume->epoch);
	wire_put_u32(out, (uint32_t)count);
	*room -= 1 + count;
	for (size_t end = *at + count; *at < end; (*at)++)
		put_branch(out, &volume->branches[*at]);
}

bool listed_encode(const struct listed *listed, struct listed_at *at, struct text *out)
{
	own_text struct text volumes = { 0 };
	size_t room = OFFER_FRAME_LISTED;
	uint32_t count = 0;

	for (; at->volume < listed->count && room > 1; count++) {
		const struct listed_volume *volume = &listed->volumes[at->volume];

		put_volume(&volumes, volume, &at->branch, &room);
		if (at->branch == volume->branch_count)
			*at = (struct listed_at){ .volume = at->volume + 1 };
	}
	wire_put_flag(out, at->volume < listed->count);
	wire_put_u32(out, count);
	wire_put_bytes(out, text_get(&volumes), volumes.length);
	return at->volume < listed->count;
}

static void read_branch(struct wire_view *view, struct listed_volume *volume)
{
	struct listed_branch *branch = array_add(volume->branches, volume->branch_count);

	branch->uuid = wire_uuid(view);
	branch->instance = wire_uuid(view);
	field_name(view, branch->instance_name, true);
	field_name(view, branch->name, false);
	branch->tip = field_position(view);
	branch->tip_id = wire_u64(view);
	branch->snapshots = wire_u64(view);
	if (uuid_is_none(&branch->uuid) || uuid_is_none(&branch->instance))
		field_trouble(view, "a branch without a UUID");
}

/* The place for what is read of a volume: the last one, when that goes on. */
static struct listed_volume *place_of(struct listed *into, const struct uuid *uuid)
{
	struct listed_volume *last = into->count ? &into->volumes[into->count - 1] : NULL;

	if (last && uuid_equal(&last->uuid, uuid))
		return last;
	return array_add(into->volumes, into->count);
}

static void read_volume(struct wire_view *view, size_t *room, struct listed *into)
{
	struct uuid uuid = wire_uuid(view);
	struct listed_volume *volume = place_of(into, &uuid);
	size_t count;

	volume->uuid = uuid;
	field_name(view, volume->name, false);
	volume->owner = wire_uuid(view);
	field_name(view, volume->owner_name, true);
	volume->epoch = wire_u64(view);
	count = field_count(view, BRANCH_LEAST, *room);
	for (size_t i = 0; i < count && !view->trouble; i++)
		read_branch(view, volume);
	*room -= count;
	if (uuid_is_none(&uuid))
		field_trouble(view, "a volume without a UUID");
}

/* How many volumes and branches more there may be. */
static size_t room_in(const struct listed *listed)
{
	size_t taken = listed->count;

	for (size_t i = 0; i < listed->count; i++)
		taken += listed->volumes[i].branch_count;
	return taken < OFFER_LISTED ? OFFER_LISTED - taken : 0;
}

int listed_decode(const void *bytes, size_t length, struct listed *into, bool *ret_more,
		  struct fl_error *err)
{
	struct wire_view view = wire_view(bytes, length);
	bool more = wire_flag(&view);
	size_t room = room_in(into), count = field_count(&view, VOLUME_LEAST, room);

	room -= count;
	if (more && count == 0)
		field_trouble(&view, "a list without an end");
	for (size_t i = 0; i < count && !view.trouble; i++)
		read_volume(&view, &room, into);
	if (wire_end(&view, "a list of volumes", err) < 0)
		return fl_failed(err);
	*ret_more = more;
	return 0;
}
