/*
 * What is offered: whether it may come in, and what of it is here.
 */

#include <string.h>

#include "base/text.h"
#include "engine/arrive-rows.h"
#include "engine/past.h"
#include "repl/plan.h"

/* --- the offer, as rows ------------------------------------------------------------------ */

static char *text_or_null(const char *text)
{
	return text && text[0] ? xstrdup(text) : NULL;
}

static struct volume_row volume_of(const struct offer_volume *offered)
{
	struct volume_row row = {
		.uuid = offered->uuid,
		.owner = offered->owner,
		.epoch = offered->epoch,
		.description = text_or_null(offered->description),
		.mount_path = text_or_null(offered->mount_path),
		.origin = offered->origin,
		.created = offered->created,
	};

	memcpy(row.name, offered->as[0] ? offered->as : offered->name, NAME_TEXT);
	metadata_copy(&offered->metadata, &row.metadata);
	return row;
}

static void fill_facts(const struct offer *offer, const struct offer_branch *branch,
		       struct facts *ret)
{
	*ret = (struct facts){
		.volume = volume_of(&offer->volume),
		.branch = {
			.uuid = branch->uuid,
			.volume = offer->volume.uuid,
			.instance = branch->instance,
			.origin = branch->origin,
			.created = branch->created,
		},
	};
	memcpy(ret->branch.name, branch->name, NAME_TEXT);
	memcpy(ret->instance_name, branch->instance_name, NAME_TEXT);
	for (size_t i = 0; i < offer->line_count; i++)
		if (uuid_equal(&offer->lines[i].branch, &branch->uuid))
			*array_add(ret->lines, ret->line_count) = offer->lines[i];
}

static struct arrival *arrival_new(struct engine *engine, const struct arrive_from *from,
				   const struct offer *offer)
{
	struct arrival *arrival = xcalloc(1, sizeof(*arrival));

	*arrival = (struct arrival){
		.engine = engine,
		.peer = from->peer,
		.fetched = from->fetched,
		.late = retention_late(engine, offer->target.time),
		.target = offer->target,
		.pointer = offer->pointer,
	};
	snprintf(arrival->peer_name, NAME_TEXT, "%s", from->name ? from->name : "");
	memcpy(arrival->owner_name, offer->volume.owner_name, NAME_TEXT);
	arrival->branches = xcalloc(offer->branch_count, sizeof(*arrival->branches));
	for (size_t i = 0; i < offer->branch_count; i++)
		fill_facts(offer, &offer->branches[i], &arrival->branches[arrival->count++]);
	return arrival;
}

/* --- may it come in? ------------------------------------------------------------------------ */

static int check_sender(struct engine *engine, const struct arrive_from *from,
			const struct offer *offer, struct fl_error *err)
{
	const struct offer_branch *branch = &offer->branches[0];

	if (uuid_equal(&from->peer, &engine->instance))
		return fl_fail(err, FL_INVALID, "'%s' can't send to itself", engine->name);
	if (uuid_equal(&branch->instance, &engine->instance))
		return fl_fail(err, FL_NOT_OWNER,
			       "%s/%s belongs to '%s', and nobody else writes it",
			       offer->volume.name, branch->name, engine->name);
	if (from->fetched || uuid_equal(&branch->instance, &from->peer))
		return 0;
	fl_fail(err, FL_NOT_OWNER, "%s/%s/%s belongs to '%s': '%s' can't push it",
		branch->instance_name, offer->volume.name, branch->name, branch->instance_name,
		from->name ? from->name : "");
	return fl_hint(err, "fetch it instead");
}

/* Whoever of the two hosts reads it: "here" would be the other one for the sender. */
static int fail_diverged(const struct engine *engine, const struct volume_row *row,
			 const struct arrive_from *from, const struct offer_volume *offered,
			 struct fl_error *err)
{
	const char *here = engine->name, *there = from->name ? from->name : "";

	fl_fail(err, FL_DIVERGED,
		"volume '%s' has epoch %" PRIu64 " on '%s' and %" PRIu64
		" on '%s', and its owners differ",
		row->name, row->epoch, here, offered->epoch, there);
	if (row->epoch == offered->epoch || uuid_equal(&row->owner, &offered->owner))
		fl_fail(err, FL_DIVERGED,
			"volume '%s' has epoch %" PRIu64 " on '%s' and %" PRIu64 " on '%s'",
			row->name, row->epoch, here, offered->epoch, there);
	return fl_hint(err, "see who owns it: flocker show %s", row->name);
}

/*
 * The volume has another owner there, by a later epoch.  Anybody can say so, and would with that
 * drop the owner's tags here and keep its pushes out: so it counts when it was asked for here.
 */
static int fail_unasked(const struct engine *engine, const struct volume_row *row,
			const struct arrive_from *from, struct fl_error *err)
{
	fl_fail(err, FL_DIVERGED, "volume '%s' has another owner on '%s' than '%s' says", row->name,
		engine->name, from->name ? from->name : "");
	return fl_hint(err,
		       "if it has changed hands: flocker fetch from the new owner; see who owns "
		       "it: flocker show %s",
		       row->name);
}

/* The same volume is known here. */
static int check_known(struct engine *engine, const struct volume_row *row,
		       const struct arrive_from *from, const struct offer_volume *offered,
		       struct fl_error *err)
{
	bool same = uuid_equal(&row->owner, &offered->owner);

	if (row->destroyed) {
		fl_fail(err, FL_EXISTS, "'%s' has volume '%s' in its trash", engine->name,
			row->name);
		return fl_hint(err, "flocker trash restore %s, or flocker trash empty %s",
			       row->name, row->name);
	}
	if (offered->epoch < row->epoch || (offered->epoch == row->epoch && !same) ||
	    (!same && uuid_equal(&row->owner, &engine->instance)))
		return fail_diverged(engine, row, from, offered, err);
	if (!same && !from->fetched)
		return fail_unasked(engine, row, from, err);
	if (offered->as[0] && strcmp(offered->as, row->name) != 0) {
		fl_fail(err, FL_EXISTS, "'%s' has the volume already, as '%s'", engine->name,
			row->name);
		return fl_hint(err, "without --as it goes there");
	}
	return 0;
}

static int check_volume(struct engine *engine, struct tx *tx, const struct arrive_from *from,
			const struct offer_volume *offered, struct fl_error *err)
{
	const char *name = offered->as[0] ? offered->as : offered->name;
	own_volume_row struct volume_row row = { 0 }, other = { 0 };
	int r = tx_volume_get(tx, &offered->uuid, &row, err);

	if (r == 0)
		return check_known(engine, &row, from, offered, err);
	if (r != -FL_NOT_FOUND || name_check("volume", name, err) < 0)
		return fl_failed(err);
	r = tx_volume_find(tx, name, &other, err);
	if (r == -FL_NOT_FOUND)
		return 0;
	if (r < 0)
		return r;
	fl_fail(err, FL_EXISTS, "'%s' has another volume called '%s'", engine->name, name);
	return fl_hint(err, "give it another name there: --as NAME");
}

static int check_branch(struct tx *tx, const struct offer_branch *branch, const struct uuid *volume,
			struct fl_error *err)
{
	struct branch_row row;
	int r = tx_branch_get(tx, &branch->uuid, &row, err);

	if (r < 0)
		return r == -FL_NOT_FOUND ? 0 : r;
	if (uuid_equal(&row.volume, volume) && uuid_equal(&row.instance, &branch->instance))
		return 0;
	return fl_fail(err, FL_CORRUPT, "the offer's branch '%s' is another's here", branch->name);
}

static int check_branches(struct tx *tx, const struct offer *offer, struct fl_error *err)
{
	for (size_t i = 0; i < offer->branch_count; i++)
		if (check_branch(tx, &offer->branches[i], &offer->volume.uuid, err) < 0)
			return fl_failed(err);
	return 0;
}

static const struct offer_branch *branch_of(const struct offer *offer, const struct uuid *uuid)
{
	for (size_t i = 0; i < offer->branch_count; i++)
		if (uuid_equal(&offer->branches[i].uuid, uuid))
			return &offer->branches[i];
	return &offer->branches[0];
}

static int fail_lost(struct engine *engine, struct tx *tx, const struct offer *offer,
		     const struct offer_branch *branch, struct fl_error *err)
{
	own_volume_row struct volume_row row = { 0 };
	char name[REF_SHORT];

	if (tx_volume_get(tx, &offer->volume.uuid, &row, err) < 0)
		return fl_failed(err);
	snprintf(name, sizeof(name), "%s/%s/%s", branch->instance_name, row.name, branch->name);
	fl_fail(err, FL_DIVERGED,
		"'%s' knows a rollback of '%s' that is missing in what is sent, as when its writer "
		"was restored from an older copy",
		engine->name, name);
	return fl_hint(err, PLAN_RESTORED_HINT, engine->name, name, name);
}

/*
 * A line that is known here begins within a stretch that is one line there: its writer has
 * lost it.  What was taken since would come to lie in it, behind what it never followed.
 */
static int check_past(struct engine *engine, struct tx *tx, const struct offer *offer,
		      struct fl_error *err)
{
	for (size_t i = 0; i < offer->past_count; i++) {
		const struct stretch *stretch = &offer->past[i];
		struct line line;
		int r = tx_line_at(tx, &stretch->branch, stretch->to, &line, err);

		if (r < 0 && r != -FL_NOT_FOUND)
			return r;
		if (r == 0 && line.start > stretch->from)
			return fail_lost(engine, tx, offer, branch_of(offer, &stretch->branch),
					 err);
	}
	return 0;
}

/* What the decoder has seen to as well, but for who calls this otherwise. */
static int check_shape(const struct arrival *arrival, struct fl_error *err)
{
	for (size_t i = 0; i < arrival->count; i++) {
		const struct facts *facts = &arrival->branches[i];

		if (name_check("branch", facts->branch.name, err) < 0)
			return fl_failed(err);
		if (facts->line_count == 0 || facts->lines[0].start != 1)
			return fl_fail(err, FL_CORRUPT,
				       "the offer says nothing of the past of '%s'",
				       facts->branch.name);
	}
	return 0;
}

int arrive_prepare(struct engine *engine, const struct arrive_from *from, const struct offer *offer,
		   struct arrival **ret, struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_arrival struct arrival *arrival = NULL;
	own_tx struct tx *tx = NULL;

	if (offer->branch_count == 0)
		return fl_fail(err, FL_CORRUPT, "the offer names no branch");
	if (gate_enter(engine, &inside, err) < 0 || check_sender(engine, from, offer, err) < 0)
		return fl_failed(err);
	arrival = arrival_new(engine, from, offer);
	if (check_shape(arrival, err) < 0 || check_mount_path(offer->volume.mount_path, err) < 0 ||
	    tx_begin(engine->catalog, &tx, err) < 0 ||
	    check_volume(engine, tx, from, &offer->volume, err) < 0 ||
	    check_branches(tx, offer, err) < 0 || check_past(engine, tx, offer, err) < 0)
		return fl_failed(err);
	*ret = take_ptr(arrival);
	return 0;
}

/* --- what there is of it ------------------------------------------------------------------- */

static int add_time(void *arg, const struct snapshot_row *row, struct fl_error *err)
{
	struct have *have = arg;
	size_t count = 0;

	for (size_t i = 0; i < have->count; i++)
		count += have->counts[i];
	*array_add(have->times, count) = row->position.time;
	have->counts[have->count - 1]++;
	return 0;
}

static int fill_times(struct tx *tx, const struct offer *offer, struct have *have,
		      struct fl_error *err)
{
	have->counts = xcalloc(offer->past_count + 1, sizeof(*have->counts));
	for (size_t i = 0; i < offer->past_count; i++) {
		have->count++;
		if (tx_snapshot_each(tx, &offer->past[i], SIZE_MAX, add_time, have, err) < 0)
			return fl_failed(err);
	}
	return 0;
}

/* Where the pointer stands, and by which line. */
static int fill_pointer(struct tx *tx, const struct uuid *branch, struct have *have,
			struct fl_error *err)
{
	struct line line;
	int r = tx_line_at(tx, branch, INT64_MAX, &line, err);

	if (r < 0)
		return r == -FL_NOT_FOUND ? 0 : r;
	have->line = line.start;
	return head_position(tx, branch, &have->tip, err);
}

static int fill_have(struct tx *tx, const struct offer *offer, struct have *have,
		     struct fl_error *err)
{
	const struct offer_volume *offered = &offer->volume;
	own_volume_row struct volume_row row = { 0 }, other = { 0 };
	int r = tx_volume_get(tx, &offered->uuid, &row, err);

	if (r == -FL_NOT_FOUND) {
		r = tx_volume_find(tx, offered->as[0] ? offered->as : offered->name, &other, err);
		have->volume = r == 0 ? HAVE_OTHER_VOLUME : HAVE_NO_VOLUME;
		have->other = other.uuid;
		return r == -FL_NOT_FOUND ? 0 : r;
	}
	if (r < 0)
		return r;
	have->volume = HAVE_VOLUME;
	have->epoch = row.epoch;
	have->owner = row.owner;
	if (fill_pointer(tx, &offer->branches[0].uuid, have, err) < 0)
		return fl_failed(err);
	return fill_times(tx, offer, have, err);
}

static void free_lists(struct have *have)
{
	free(have->times);
	free(have->counts);
}

int arrive_have(struct engine *engine, const struct offer *offer, struct have *ret,
		struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own(free_lists) struct have have = { 0 };
	own_tx struct tx *tx = NULL;

	if (gate_enter(engine, &inside, err) < 0 || tx_begin(engine->catalog, &tx, err) < 0 ||
	    fill_have(tx, offer, &have, err) < 0)
		return fl_failed(err);
	*ret = have;
	have = (struct have){ 0 };
	return 0;
}
