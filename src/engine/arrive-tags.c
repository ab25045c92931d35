/*
 * Tags are the owner's: what it says replaces what is here, as far as their snapshots are here.
 */

#include <string.h>

#include "engine/arrive-rows.h"

void arrive_mark(struct arrival *arrival, const struct position *position)
{
	*array_add(arrival->marked, arrival->marked_count) = *position;
}

struct tags {
	struct tag_row *rows; /* by name */
	size_t count;
};

static void tags_done(struct tags *tags)
{
	free(tags->rows);
}

static int collect_tag(void *arg, const struct tag_row *row, struct fl_error *err)
{
	struct tags *tags = arg;

	*array_add(tags->rows, tags->count) = *row;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct offer_tag *)a)->name, ((const struct offer_tag *)b)->name);
}

static const struct offer_tag *find_tag(const struct finish *finish, const char *name)
{
	struct offer_tag wanted;

	snprintf(wanted.name, sizeof(wanted.name), "%s", name);
	if (finish->tag_count == 0)
		return NULL;
	return bsearch(&wanted, finish->tags, finish->tag_count, sizeof(wanted), by_name);
}

static int drop_tags(struct tx *tx, struct arrival *arrival, const struct tags *tags,
		     struct fl_error *err)
{
	for (size_t i = 0; i < tags->count; i++) {
		const struct tag_row *row = &tags->rows[i];
		const struct offer_tag *tag = find_tag(arrival->finish, row->name);

		if (tag && position_equal(&tag->snapshot, &row->snapshot))
			continue;
		arrive_mark(arrival, &row->snapshot);
		if (tx_tag_delete(tx, &row->volume, row->name, err) < 0)
			return fl_failed(err);
	}
	return 0;
}

static int put_tag(struct tx *tx, struct arrival *arrival, const struct offer_tag *tag,
		   struct fl_error *err)
{
	struct tag_row row = {
		.volume = arrival->branches[0].volume.uuid,
		.snapshot = tag->snapshot,
		.created = tag->created,
	};
	own_snapshot_row struct snapshot_row snapshot = { 0 };
	struct branch_row branch;
	int r = tx_snapshot_get(tx, &tag->snapshot, &snapshot, err);

	if (r == 0)
		r = tx_branch_get(tx, &tag->snapshot.branch, &branch, err);
	if (r < 0)
		return r == -FL_NOT_FOUND ? 0 : r;
	memcpy(row.name, tag->name, NAME_TEXT);
	if (!uuid_equal(&branch.volume, &row.volume))
		return 0;
	r = tx_tag_insert(tx, &row, err);
	if (r == 0)
		arrive_mark(arrival, &row.snapshot);
	return r == -FL_EXISTS ? 0 : r; /* it is the same: all others were dropped */
}

int arrive_tags(struct tx *tx, struct arrival *arrival, struct fl_error *err)
{
	const struct volume_row *volume = &arrival->branches[0].volume;
	const struct finish *finish = arrival->finish;
	own(tags_done) struct tags tags = { 0 };

	if (!finish->owner || !uuid_equal(&arrival->peer, &volume->owner))
		return 0;
	if (tx_tag_each(tx, &volume->uuid, NULL, collect_tag, &tags, err) < 0 ||
	    drop_tags(tx, arrival, &tags, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < finish->tag_count; i++)
		if (put_tag(tx, arrival, &finish->tags[i], err) < 0)
			return fl_failed(err);
	return 0;
}
