/*
 * OFFER and HAVE.
 *
 *	OFFER	transfer (uuid)
 *		the volume: uuid, name, as, owner (uuid), its name, epoch (u64), description, mount
 *		  path, metadata (a list of key and value), origin (ref, id), created (i64)
 *		branches (list): uuid, instance (uuid), its name, name, origin, created, and its
 *		  lines (list): start (i64), parent (position)
 *		target (position), whether the pointer moves there (flag)
 *
 *	HAVE	volume (u8: enum have_volume), other (uuid), epoch (u64), owner (uuid)
 *		tip (position), line (i64), forms (u32),
 *		grain (u32), number (u64)
 *		for each stretch of the past (list): the times of what is there (list of i64)
 *		live (optional): step (position), frames (u64), chain value
 *		halfway (optional): target and base (positions), point (u32 length and bytes)
 */

#include "repl/offer.h"

#include <string.h>

#include "repl/fields.h"

#define BRANCH_LEAST (16 + 16 + 2 + 2 + 10 + 8 + 4)
#define LINE_LEAST (8 + FIELD_POSITION)

static void volume_release(struct offer_volume *volume)
{
	free(volume->description);
	free(volume->mount_path);
	metadata_done(&volume->metadata);
}

void offer_done(struct offer *offer)
{
	volume_release(&offer->volume);
	free(offer->branches);
	free(offer->lines);
	free(offer->past);
	*offer = (struct offer){ 0 };
}

/* Does the ancestry whose oldest stretch is this one really end there? */
static bool ends(const struct lineage *lineage, const struct stretch *oldest)
{
	const struct line *line = lineage_find(lineage, &oldest->branch, oldest->from);

	return !line || position_is_none(&line->parent) ||
	       !lineage_find(lineage, &line->parent.branch, line->parent.time);
}

int offer_make_past(struct offer *offer, struct fl_error *err)
{
	struct lineage lineage = { offer->lines, offer->line_count };

	free(offer->past);
	offer->past = xcalloc(offer->line_count, sizeof(*offer->past));
	offer->past_count = lineage_ancestry(&lineage, &offer->target, offer->past,
					     offer->line_count);
	if (offer->past_count == 0)
		return fl_fail(err, FL_CORRUPT, "what is offered lies in none of its lines");
	if (!ends(&lineage, &offer->past[offer->past_count - 1]))
		return fl_fail(err, FL_CORRUPT, "the past of what is offered has no beginning");
	return 0;
}

int offer_check(const struct offer *offer, struct fl_error *err)
{
	if (offer->branch_count > OFFER_BRANCHES)
		return fl_fail(err, FL_UNSUPPORTED,
			       "its past goes through %zu branches; %d can be sent",
			       offer->branch_count, OFFER_BRANCHES);
	if (offer->line_count > OFFER_LINES)
		return fl_fail(err, FL_UNSUPPORTED,
			       "its past begins anew %zu times; %d can be sent", offer->line_count,
			       OFFER_LINES);
	return 0;
}

static void put_volume(struct text *out, const struct offer_volume *volume)
{
	wire_put_uuid(out, &volume->uuid);
	wire_put_text(out, volume->name);
	wire_put_text(out, volume->as);
	wire_put_uuid(out, &volume->owner);
	wire_put_text(out, volume->owner_name);
	wire_put_u64(out, volume->epoch);
	wire_put_text(out, volume->description);
	wire_put_text(out, volume->mount_path);
	field_put_metadata(out, &volume->metadata);
	field_put_origin(out, &volume->origin);
	wire_put_i64(out, volume->created);
}

static void read_volume(struct wire_view *view, struct offer_volume *ret)
{
	ret->uuid = wire_uuid(view);
	field_name(view, ret->name, false);
	field_name(view, ret->as, true);
	ret->owner = wire_uuid(view);
	field_name(view, ret->owner_name, true);
	ret->epoch = wire_u64(view);
	ret->description = field_words(view);
	ret->mount_path = field_words(view);
	field_metadata(view, &ret->metadata);
	field_origin(view, &ret->origin);
	ret->created = wire_i64(view);
	if (uuid_is_none(&ret->uuid))
		field_trouble(view, "a volume without a UUID");
	if (ret->epoch > INT64_MAX)
		field_trouble(view, "an epoch that is none");
}

/* The lines of one branch in a sorted array: from `*first` on, `*count` of them. */
static void find_lines(const struct offer *offer, const struct uuid *branch, size_t *first,
		       size_t *count)
{
	struct lineage lineage = { offer->lines, offer->line_count };
	const struct line *last = lineage_find(&lineage, branch, INT64_MAX);
	size_t end = last ? (size_t)(last - offer->lines) + 1 : 0;

	for (*first = end; *first > 0; (*first)--)
		if (!uuid_equal(&offer->lines[*first - 1].branch, branch))
			break;
	*count = end - *first;
}

static void put_branch(struct text *out, const struct offer *offer,
		       const struct offer_branch *branch)
{
	size_t first, count;

	wire_put_uuid(out, &branch->uuid);
	wire_put_uuid(out, &branch->instance);
	wire_put_text(out, branch->instance_name);
	wire_put_text(out, branch->name);
	field_put_origin(out, &branch->origin);
	wire_put_i64(out, branch->created);
	find_lines(offer, &branch->uuid, &first, &count);
	wire_put_u32(out, (uint32_t)count);
	for (size_t i = first; i < first + count; i++) {
		wire_put_i64(out, offer->lines[i].start);
		field_put_position(out, &offer->lines[i].parent);
	}
}

/* They must stand in order, so that a line stands once. */
static void read_lines(struct wire_view *view, const struct uuid *branch, struct offer *ret)
{
	size_t count = field_count(view, LINE_LEAST, OFFER_LINES - ret->line_count);
	int64_t before = 0;

	for (size_t i = 0; i < count && !view->trouble; i++) {
		struct line *line = array_add(ret->lines, ret->line_count);

		line->branch = *branch;
		line->start = wire_i64(view);
		line->parent = field_position(view);
		if (line->start <= before)
			field_trouble(view, "lines that are not in order");
		before = line->start;
	}
}

/* There are few. */
static bool stands_before(const struct offer *offer, const struct offer_branch *branch)
{
	for (const struct offer_branch *other = offer->branches; other < branch; other++)
		if (uuid_equal(&other->uuid, &branch->uuid))
			return true;
	return false;
}

static void read_branch(struct wire_view *view, bool first, struct offer *ret)
{
	struct offer_branch *branch = array_add(ret->branches, ret->branch_count);

	branch->uuid = wire_uuid(view);
	branch->instance = wire_uuid(view);
	field_name(view, branch->instance_name, true);
	field_name(view, branch->name, !first);
	field_origin(view, &branch->origin);
	branch->created = wire_i64(view);
	if (uuid_is_none(&branch->uuid) || uuid_is_none(&branch->instance))
		field_trouble(view, "a branch without a UUID");
	if (stands_before(ret, branch))
		field_trouble(view, "a branch stands twice in it");
	read_lines(view, &branch->uuid, ret);
}

static void read_branches(struct wire_view *view, struct offer *ret)
{
	size_t count = field_count(view, BRANCH_LEAST, OFFER_BRANCHES);

	if (count == 0)
		field_trouble(view, "no branch is in it");
	for (size_t i = 0; i < count && !view->trouble; i++)
		read_branch(view, i == 0, ret);
	lineage_sort(ret->lines, ret->line_count);
}

void offer_encode(const struct offer *offer, struct text *out)
{
	wire_put_uuid(out, &offer->transfer);
	put_volume(out, &offer->volume);
	wire_put_u32(out, (uint32_t)offer->branch_count);
	for (size_t i = 0; i < offer->branch_count; i++)
		put_branch(out, offer, &offer->branches[i]);
	field_put_position(out, &offer->target);
	wire_put_flag(out, offer->pointer);
}

int offer_decode(const void *bytes, size_t length, struct offer *ret, struct fl_error *err)
{
	struct wire_view view = wire_view(bytes, length);
	own_offer struct offer offer = { .transfer = wire_uuid(&view) };

	read_volume(&view, &offer.volume);
	read_branches(&view, &offer);
	offer.target = field_place(&view);
	offer.pointer = wire_flag(&view);
	if (uuid_is_none(&offer.transfer))
		field_trouble(&view, "a transfer without a UUID");
	if (wire_end(&view, "an offer", err) < 0 || offer_make_past(&offer, err) < 0)
		return fl_failed(err);
	*ret = offer;
	offer = (struct offer){ 0 };
	return 0;
}

void have_done(struct have *have)
{
	free(have->times);
	free(have->counts);
	text_done(&have->point);
	*have = (struct have){ 0 };
}

struct position have_newest(const struct have *have, const struct stretch *past)
{
	for (size_t i = 0; i < have->count; i++)
		if (have->counts[i] > 0)
			return (struct position){ past[i].branch, have->times[0] };
	return (struct position){ 0 };
}

int have_check(const struct have *have, const struct stretch *past, size_t past_count,
	       struct fl_error *err)
{
	const int64_t *time = have->times;

	if (have->volume == HAVE_VOLUME && have->count != past_count)
		return fl_fail(err, FL_CORRUPT, "an answer about %zu stretches of %zu", have->count,
			       past_count);
	for (size_t i = 0; i < have->count; i++)
		for (size_t n = 0; n < have->counts[i]; n++, time++)
			if (*time < past[i].from || *time > past[i].to)
				return fl_fail(err, FL_CORRUPT,
					       "an answer with a snapshot that was not asked for");
	return 0;
}

/* Of each stretch the newest come first, so what is too much is the oldest of all. */
static void put_times(struct text *out, const struct have *have)
{
	size_t left = OFFER_TIMES, first = 0;

	wire_put_u32(out, (uint32_t)have->count);
	for (size_t i = 0; i < have->count; first += have->counts[i++]) {
		size_t count = have->counts[i] < left ? have->counts[i] : left;

		wire_put_u32(out, (uint32_t)count);
		for (size_t n = first; n < first + count; n++)
			wire_put_i64(out, have->times[n]);
		left -= count;
	}
}

static void read_stretch(struct wire_view *view, size_t *all, size_t *ret_count, struct have *ret)
{
	size_t count = field_count(view, 8, OFFER_TIMES - *all);
	int64_t before = INT64_MAX;

	*ret_count = count;
	for (size_t i = 0; i < count && !view->trouble; i++) {
		int64_t *time = array_add(ret->times, *all);

		*time = wire_i64(view);
		if (*time <= 0 || *time >= before)
			field_trouble(view, "times that are not in order");
		before = *time;
	}
}

static void read_times(struct wire_view *view, struct have *ret)
{
	size_t count = field_count(view, 4, OFFER_LINES), all = 0;

	ret->counts = xcalloc(count, sizeof(*ret->counts));
	ret->count = count;
	for (size_t i = 0; i < count; i++)
		read_stretch(view, &all, &ret->counts[i], ret);
}

static void put_cut_off(struct text *out, const struct have *have)
{
	wire_put_flag(out, have->live);
	if (have->live) {
		field_put_position(out, &have->live_step);
		wire_put_u64(out, have->live_frames);
		wire_put_bytes(out, have->live_chain, WIRE_CHAIN);
	}
	wire_put_flag(out, have->halfway);
	if (have->halfway) {
		field_put_position(out, &have->half_target);
		field_put_position(out, &have->half_base);
		wire_put_u32(out, (uint32_t)have->point.length);
		wire_put_bytes(out, text_get(&have->point), have->point.length);
	}
}

static void read_cut_off(struct wire_view *view, struct have *ret)
{
	size_t length;

	ret->live = wire_flag(view);
	if (ret->live) {
		ret->live_step = field_place(view);
		ret->live_frames = wire_u64(view);
		wire_bytes(view, ret->live_chain, WIRE_CHAIN);
	}
	ret->halfway = wire_flag(view);
	if (ret->halfway) {
		ret->half_target = field_place(view);
		ret->half_base = field_position(view);
		length = field_count(view, 1, OFFER_POINT);
		wire_bytes(view, text_reserve(&ret->point, length), length);
		ret->point.bytes[length] = '\0';
		ret->point.length = length;
	}
}

void have_encode(const struct have *have, struct text *out)
{
	wire_put_u8(out, (uint8_t)have->volume);
	wire_put_uuid(out, &have->other);
	wire_put_u64(out, have->epoch);
	wire_put_uuid(out, &have->owner);
	field_put_position(out, &have->tip);
	wire_put_i64(out, have->line);
	wire_put_u32(out, have->forms);
	wire_put_u32(out, have->grain);
	wire_put_u64(out, have->number);
	put_times(out, have);
	put_cut_off(out, have);
}

/* Who has no such volume has no snapshot of it; it may have been cut off from its first. */
static bool fits_volume(const struct have *have)
{
	if (have->volume > HAVE_OTHER_VOLUME || have->line < 0)
		return false;
	return have->volume == HAVE_VOLUME ||
	       (have->count == 0 && have->line == 0 && position_is_none(&have->tip));
}

int have_decode(const void *bytes, size_t length, struct have *ret, struct fl_error *err)
{
	struct wire_view view = wire_view(bytes, length);
	own_have struct have have = { .volume = (enum have_volume)wire_u8(&view) };

	have.other = wire_uuid(&view);
	have.epoch = wire_u64(&view);
	have.owner = wire_uuid(&view);
	have.tip = field_position(&view);
	have.line = wire_i64(&view);
	have.forms = wire_u32(&view);
	have.grain = field_grain(&view);
	have.number = wire_u64(&view);
	read_times(&view, &have);
	read_cut_off(&view, &have);
	if (!fits_volume(&have))
		field_trouble(&view, "it contradicts itself");
	if (wire_end(&view, "an answer to an offer", err) < 0)
		return fl_failed(err);
	*ret = have;
	have = (struct have){ 0 };
	return 0;
}
