/*
 * The transaction in which what came becomes known.
 *
 * Age.  Copies are thinned here, so how old they are must go by this host's retention clock,
 * and what their names say goes by another host's, which may be a day ahead or
 * behind.  The two are never compared.  What is sure is that none of what is offered was made
 * after the offer came.  So the newest of it, the target, counts as made at that moment, and the
 * others as much before it as their own writer's clock says: their distances stay as they are,
 * and with them the order in which thinning takes them away.  A copy may count as younger than it
 * is, by as long as it was on its way (the branch of an idle writer, the longest); it never
 * counts as older, so nothing goes too soon, and from then on it ages like any other, so nothing
 * stays for ever.  Within a branch ages never contradict the order: a snapshot counts as no
 * older than the one before it, and one that comes for itself, later than its successors, as
 * much older than the next of them as their times differ.
 */

#include <string.h>

#include "engine/arrive-rows.h"
#include "engine/note.h"
#include "engine/past.h"

static bool is_word_of(const struct arrival *arrival, const struct uuid *whose)
{
	return uuid_equal(&arrival->peer, whose);
}

/* --- names of instances ------------------------------------------------------------------ */

static int remember(struct tx *tx, const struct arrival *arrival, const struct uuid *uuid,
		    const char *called, struct fl_error *err)
{
	return instance_hear(arrival->engine, tx,
			     &(struct hearsay){ uuid, called, is_word_of(arrival, uuid) }, err);
}

/* --- the volume ------------------------------------------------------------------------ */

static int update_volume(struct tx *tx, const struct volume_row *row,
			 const struct volume_row *offered, struct fl_error *err)
{
	struct volume_row changed = *offered; /* borrows */

	memcpy(changed.name, row->name, NAME_TEXT);
	changed.destroyed = 0;
	changed.last_stash = row->last_stash;
	changed.quota = row->quota;
	changed.late = row->late;
	return tx_volume_update(tx, &changed, err);
}

static int put_volume(struct tx *tx, const struct arrival *arrival, struct fl_error *err)
{
	const struct volume_row *offered = &arrival->branches[0].volume;
	own_volume_row struct volume_row row = { 0 };
	int r = tx_volume_get(tx, &offered->uuid, &row, err);

	if (r == -FL_NOT_FOUND)
		return tx_volume_insert(tx, offered, err);
	if (r < 0)
		return r;
	if (row.destroyed)
		return fl_fail(err, FL_BUSY, "volume '%s' was destroyed here meanwhile", row.name);
	if (!is_word_of(arrival, &offered->owner) ||
	    uuid_equal(&row.owner, &arrival->engine->instance))
		return 0;
	return update_volume(tx, &row, offered, err);
}

/* --- branches ---------------------------------------------------------------------------- */

/* Its writer has another of that name by now: that one lost it there. */
static int give_way(struct tx *tx, const struct branch_row *offered, struct fl_error *err)
{
	struct branch_row other;
	int r = tx_branch_find(tx, &offered->volume, &offered->instance, offered->name, &other,
			       err);

	if (r == -FL_NOT_FOUND || (r == 0 && uuid_equal(&other.uuid, &offered->uuid)))
		return 0;
	if (r < 0)
		return r;
	name_tell_apart(other.name, &other.uuid);
	return tx_branch_update(tx, &other, err);
}

static int put_branch(struct tx *tx, const struct arrival *arrival, const struct facts *facts,
		      bool *ret_new, struct fl_error *err)
{
	struct branch_row row;
	int r = tx_branch_get(tx, &facts->branch.uuid, &row, err);
	bool word = is_word_of(arrival, &facts->branch.instance);

	*ret_new = r == -FL_NOT_FOUND;
	if (r < 0 && r != -FL_NOT_FOUND)
		return r;
	if ((*ret_new || word) && give_way(tx, &facts->branch, err) < 0)
		return fl_failed(err);
	if (*ret_new)
		return tx_branch_insert(tx, &facts->branch, err);
	if (!word)
		return 0;
	memcpy(row.name, facts->branch.name, NAME_TEXT);
	row.origin = facts->branch.origin;
	row.created = facts->branch.created;
	return tx_branch_update(tx, &row, err);
}

/* --- lines ------------------------------------------------------------------------------- */

/*
 * Lines are only ever added by their writer, so none is taken away here: who has fewer of them has
 * heard of it earlier, as an offer has that was on its way for long.  One that the writer itself
 * has lost is in nothing that comes (arrive_prepare()).
 */
static int add_lines(struct tx *tx, const struct facts *facts, bool word, struct fl_error *err)
{
	for (size_t i = 0; i < facts->line_count; i++) {
		const struct line *line = &facts->lines[i];
		int r = word ? tx_line_set(tx, line, err) : tx_line_insert(tx, line, err);

		if (r < 0 && r != -FL_EXISTS)
			return r;
	}
	return 0;
}

/* Of a branch of ours nothing comes from outside, also where it is gone. */
static int put_one(struct tx *tx, const struct arrival *arrival, const struct facts *facts,
		   struct fl_error *err)
{
	bool new, word = is_word_of(arrival, &facts->branch.instance);

	if (!is_remote(arrival->engine, &facts->branch))
		return 0;
	if (remember(tx, arrival, &facts->branch.instance, facts->instance_name, err) < 0 ||
	    put_branch(tx, arrival, facts, &new, err) < 0)
		return fl_failed(err);
	return new || word || arrival->fetched ? add_lines(tx, facts, word, err) : 0;
}

/* --- the snapshot ------------------------------------------------------------------------- */

/* The next in its branch; FL_NOT_FOUND. */
static int find_next(struct tx *tx, const struct position *at, struct snapshot_row *ret,
		     struct fl_error *err)
{
	const struct stretch after = { at->branch, at->time + 1, INT64_MAX };
	uint64_t count = 0;
	int r = tx_snapshot_nth(tx, &after, UINT64_MAX, ret, &count, err);

	if (r != -FL_NOT_FOUND || count == 0)
		return r;
	return tx_snapshot_nth(tx, &after, count - 1, ret, NULL, err);
}

static int64_t stamp_of(const struct snapshot_row *row)
{
	return row->position.time - row->late * CLOCK_SECOND;
}

static int date(struct tx *tx, const struct arrival *arrival, struct snapshot_row *row,
		struct fl_error *err)
{
	const struct stretch before = { row->position.branch, 1, row->position.time - 1 };
	own_snapshot_row struct snapshot_row next = { 0 }, last = { 0 };
	int r = find_next(tx, &row->position, &next, err);
	int64_t most;

	if (r < 0 && r != -FL_NOT_FOUND)
		return r;
	row->late = r == 0 ? next.late : arrival->late;
	r = tx_snapshot_nth(tx, &before, 0, &last, NULL, err);
	if (r < 0)
		return r == -FL_NOT_FOUND ? 0 : r;
	most = (row->position.time - stamp_of(&last)) / CLOCK_SECOND;
	if (row->late > most)
		row->late = most;
	return 0;
}

/* Its writer has given the name to this one since. */
static int take_name(struct tx *tx, const struct snapshot_row *row, struct fl_error *err)
{
	own_snapshot_row struct snapshot_row other = { 0 };
	int r;

	if (row->name[0] == '\0')
		return 0;
	r = tx_snapshot_get_name(tx, &row->position.branch, row->name, &other, err);
	if (r < 0)
		return r == -FL_NOT_FOUND ? 0 : r;
	other.name[0] = '\0';
	return tx_snapshot_annotate(tx, &other, err);
}

static int put_snapshot(struct tx *tx, struct arrival *arrival, struct fl_error *err)
{
	struct snapshot_row row = arrival->row; /* borrows */
	own_snapshot_row struct snapshot_row known = { 0 };
	int r = tx_snapshot_get(tx, &row.position, &known, err);

	if (r != -FL_NOT_FOUND)
		return r;
	if (take_name(tx, &row, err) < 0 || date(tx, arrival, &row, err) < 0)
		return fl_failed(err);
	return tx_snapshot_insert(tx, &row, err);
}

/* --- the pointer --------------------------------------------------------------------------- */

static int is_in_past(struct tx *tx, const struct position *position, const struct position *of,
		      bool *ret, struct fl_error *err)
{
	own_free struct stretch *stretches = NULL;
	size_t count;

	*ret = false;
	if (past_of(tx, of, &stretches, &count, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < count; i++)
		*ret |= uuid_equal(&stretches[i].branch, &position->branch) &&
			position->time >= stretches[i].from && position->time <= stretches[i].to;
	return 0;
}

/* What was the tip is not in the past of what is: the writer went back. */
static int put_aside(struct tx *tx, struct arrival *arrival, const struct branch_row *branch,
		     const struct position *old, const struct position *new, struct fl_error *err)
{
	own_snapshot_row struct snapshot_row target = { 0 };
	own_volume_row struct volume_row volume = { 0 };
	struct stash_row stash;
	int r = position_is_none(new) ? 0 : tx_snapshot_get(tx, new, &target, err);

	if ((r < 0 && r != -FL_NOT_FOUND) || tx_volume_get(tx, &branch->volume, &volume, err) < 0)
		return fl_failed(err);
	stash = (struct stash_row){
		.volume = volume.uuid,
		.number = volume.last_stash + 1,
		.branch = branch->uuid,
		.snapshot = *old,
		.target = *new,
		.target_id = target.id,
		.created = clock_now(),
	};
	if (tx_stash_insert(tx, &stash, err) < 0)
		return fl_failed(err);
	if (branch == &arrival->branches[0].branch)
		arrival->stash = arrival->aside = stash.number;
	arrive_mark(arrival, old);
	return 0;
}

static int follow(struct tx *tx, struct arrival *arrival, const struct branch_row *branch,
		  const struct position *old, struct fl_error *err)
{
	own_snapshot_row struct snapshot_row row = { 0 };
	struct position new;
	bool past;
	int r;

	if (position_is_none(old))
		return 0;
	if (head_position(tx, &branch->uuid, &new, err) < 0 ||
	    is_in_past(tx, old, &new, &past, err) < 0)
		return fl_failed(err);
	if (past)
		return 0;
	r = tx_snapshot_get(tx, old, &row, err);
	if (r < 0)
		return r == -FL_NOT_FOUND ? 0 : r;
	return put_aside(tx, arrival, branch, old, &new, err);
}

/* Where the pointers stand before anything is written. */
static int find_tips(struct tx *tx, const struct arrival *arrival, struct position *ret,
		     struct fl_error *err)
{
	for (size_t i = 0; i < arrival->count; i++)
		if (head_position(tx, &arrival->branches[i].branch.uuid, &ret[i], err) < 0)
			return fl_failed(err);
	return 0;
}

/* Each by its writer's lines, also those of branches that are merely in the past of what came. */
static int follow_all(struct tx *tx, struct arrival *arrival, const struct position *old,
		      struct fl_error *err)
{
	for (size_t i = 0; i < arrival->count; i++)
		if (follow(tx, arrival, &arrival->branches[i].branch, &old[i], err) < 0)
			return fl_failed(err);
	return 0;
}

/* --- the whole -------------------------------------------------------------------------------- */

static int put_branches(struct tx *tx, const struct arrival *arrival, struct fl_error *err)
{
	for (size_t i = 0; i < arrival->count; i++)
		if (put_one(tx, arrival, &arrival->branches[i], err) < 0)
			return fl_failed(err);
	return 0;
}

static int put_step(struct tx *tx, struct arrival *arrival, struct fl_error *err)
{
	if (put_snapshot(tx, arrival, err) < 0 || arrive_pin_step(tx, arrival, err) < 0)
		return fl_failed(err);
	return tx_intent_delete(tx, &arrival->operation, err);
}

int arrive_rows(struct tx *tx, void *arg, struct fl_error *err)
{
	struct arrival *arrival = arg;
	const struct facts *first = &arrival->branches[0];
	own_free struct position *old = xcalloc(arrival->count, sizeof(*old));

	arrival->stash = 0;
	if (remember(tx, arrival, &arrival->peer, arrival->peer_name, err) < 0 ||
	    remember(tx, arrival, &first->volume.owner, arrival->owner_name, err) < 0 ||
	    find_tips(tx, arrival, old, err) < 0 || put_volume(tx, arrival, err) < 0 ||
	    put_branches(tx, arrival, err) < 0)
		return fl_failed(err);
	if ((arrival->has_row && put_step(tx, arrival, err) < 0) ||
	    follow_all(tx, arrival, old, err) < 0)
		return fl_failed(err);
	if (!arrival->finish)
		return 0;
	if (arrive_pin_end(tx, arrival, err) < 0)
		return fl_failed(err);
	return arrive_tags(tx, arrival, err);
}
