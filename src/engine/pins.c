#include "engine/pins.h"

#include <string.h>

#include "base/text.h"
#include "engine/internal.h"

void pin_report_list_done(struct pin_report_list *list)
{
	free(list->items);
	*list = (struct pin_report_list){ 0 };
}

/* --- telling --------------------------------------------------------------------------- */

struct listing {
	struct engine *engine;
	struct tx *tx;
	bool all;
	bool whole; /* of `target` the volume */
	struct target target;
	struct pin_report_list list;
};

static void listing_done(struct listing *listing)
{
	target_done(&listing->target);
	pin_report_list_done(&listing->list);
}

/* What the branch is called; FL_NOT_FOUND when it is gone. */
static int name_branch(const struct listing *listing, const struct uuid *branch, struct target *ret,
		       struct fl_error *err)
{
	struct target target = { 0 };

	if (tx_branch_get(listing->tx, branch, &target.branch, err) < 0 ||
	    tx_volume_get(listing->tx, &target.branch.volume, &target.volume, err) < 0)
		return fl_failed(err);
	if (is_remote(listing->engine, &target.branch))
		answer_instance(listing->engine, listing->tx, &target.branch.instance,
				target.instance);
	*ret = target;
	return 0;
}

static int name_snapshot(const struct listing *listing, const struct pin_row *row,
			 struct pin_report *report, struct fl_error *err)
{
	own_target struct target target = { 0 };
	int r = name_branch(listing, &row->snapshot.branch, &target, err);

	if (r == 0)
		r = tx_snapshot_get(listing->tx, &row->snapshot, &target.snapshot, err);
	if (r < 0)
		return r == -FL_NOT_FOUND ? 0 : r;
	target.is_snapshot = true;
	report->id = target.snapshot.id;
	target_format(&target, report->snapshot);
	return 0;
}

/* Does it serve what was asked about, or hold a snapshot of that? */
static bool is_asked(const struct listing *listing, const struct branch_row *branch)
{
	if (listing->whole)
		return uuid_equal(&branch->volume, &listing->target.volume.uuid);
	return uuid_equal(&branch->uuid, &listing->target.branch.uuid);
}

static int matches(const struct listing *listing, const struct pin_row *row, bool *ret,
		   struct fl_error *err)
{
	const struct uuid *const branches[] = { &row->served, &row->snapshot.branch };

	*ret = listing->all;
	for (size_t i = 0; !*ret && i < array_size(branches); i++) {
		struct branch_row branch;
		int r = tx_branch_get(listing->tx, branches[i], &branch, err);

		if (r < 0 && r != -FL_NOT_FOUND)
			return r;
		*ret = r == 0 && is_asked(listing, &branch);
	}
	return 0;
}

static int add_report(void *arg, const struct pin_row *row, struct fl_error *err)
{
	struct listing *listing = arg;
	own_target struct target target = { 0 };
	struct pin_report *report;
	char uuid[UUID_TEXT];
	bool asked;
	int r = matches(listing, row, &asked, err);

	if (r < 0 || !asked)
		return r;
	report = array_add(listing->list.items, listing->list.count);
	*report = (struct pin_report){
		.kind = row->kind,
		.peer_uuid = row->peer,
		.time = row->snapshot.time,
		.since = row->since,
	};
	if (row->kind == PIN_TRANSFER)
		report->operation = row->operation;
	answer_instance(listing->engine, listing->tx, &row->peer, report->peer);
	r = name_branch(listing, &row->served, &target, err);
	if (r == 0)
		target_format(&target, report->branch);
	else if (r == -FL_NOT_FOUND)
		snprintf(report->branch, REF_SHORT, "%s", uuid_format(&row->served, uuid));
	else
		return r;
	return name_snapshot(listing, row, report, err);
}

/* For whom something is kept; it need not be a peer any more. */
static int find_instance(struct engine *engine, struct tx *tx, const char *name, struct uuid *ret,
			 struct fl_error *err)
{
	int r = instance_find(engine, tx, name, ret, err);

	if (r != -FL_NOT_FOUND)
		return r;
	fl_fail(err, FL_NOT_FOUND, "nothing is kept for '%s': no instance is known by that name",
		name);
	return fl_hint(err, "flocker pins shows what is kept, and for whom");
}

int engine_pins(struct engine *engine, const struct ref *ref, const char *peer,
		struct pin_report_list *ret, struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_tx struct tx *tx = NULL;
	own(listing_done) struct listing listing = { .engine = engine, .all = !ref };
	struct pin_filter filter = { 0 };
	struct uuid instance;

	if ((ref && check_form(ref, FORM_VOLUME | FORM_BRANCH, "pins", err) < 0) ||
	    gate_enter(engine, &inside, err) < 0 || tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	listing.tx = tx;
	listing.whole = ref && ref->kind == REF_VOLUME;
	if (peer)
		filter.peer = &instance;
	if ((ref && resolve(engine, tx, ref, &listing.target, err) < 0) ||
	    (peer && find_instance(engine, tx, peer, &instance, err) < 0) ||
	    tx_pin_each(tx, &filter, add_report, &listing, err) < 0)
		return fl_failed(err);
	*ret = listing.list;
	listing.list = (struct pin_report_list){ 0 };
	return 0;
}

/* --- letting go ------------------------------------------------------------------------- */

struct unpinning {
	const struct target *target;
	bool whole; /* its volume */
	struct uuid peer;
	struct pin_row *rows; /* heap */
	size_t count;
	struct tx *tx; /* while they are looked for */
};

static void unpinning_done(struct unpinning *unpinning)
{
	free(unpinning->rows);
}

static int collect(void *arg, const struct pin_row *row, struct fl_error *err)
{
	struct unpinning *unpinning = arg;
	const struct target *target = unpinning->target;
	struct branch_row branch;
	int r;

	if (row->kind != PIN_PEER)
		return 0;
	r = tx_branch_get(unpinning->tx, &row->served, &branch, err);
	if (r < 0)
		return r == -FL_NOT_FOUND ? 0 : r;
	if (unpinning->whole ? uuid_equal(&branch.volume, &target->volume.uuid)
			     : uuid_equal(&branch.uuid, &target->branch.uuid))
		*array_add(unpinning->rows, unpinning->count) = *row;
	return 0;
}

static int find_rows(struct engine *engine, struct unpinning *unpinning, const char *peer,
		     struct fl_error *err)
{
	const struct pin_filter filter = { .peer = &unpinning->peer };
	own_tx struct tx *tx = NULL;
	char name[REF_SHORT];

	if (tx_begin(engine->catalog, &tx, err) < 0 ||
	    find_instance(engine, tx, peer, &unpinning->peer, err) < 0)
		return fl_failed(err);
	unpinning->tx = tx;
	if (tx_pin_each(tx, &filter, collect, unpinning, err) < 0)
		return fl_failed(err);
	if (unpinning->count > 0)
		return 0;
	target_format(unpinning->target, name);
	fl_fail(err, FL_NOT_FOUND, "nothing of %s is kept for '%s'",
		unpinning->whole ? unpinning->target->volume.name : name, peer);
	return fl_hint(err, "flocker pins shows what is kept, and for whom");
}

/* ", 12.0 MiB": what all of a snapshot takes; "" where that can't be told. */
static void tell_size(struct engine *engine, const struct position *at, struct text *out)
{
	own_snapshot_row struct snapshot_row row = { 0 };
	own_tx struct tx *tx = NULL;
	struct fl_error err;
	struct tree tree;
	char readable[SIZE_TEXT];
	uint64_t bytes;

	if (!(driver_of(engine)->capabilities & DRIVER_CAN_LIMIT) ||
	    tx_begin(engine->catalog, &tx, &err) < 0 || tx_snapshot_get(tx, at, &row, &err) < 0)
		return;
	tree = snapshot_tree(&row);
	if (driver_of(engine)->occupied(engine->pool, &tree, &bytes, &err) == 0)
		text_add_format(out, ", %s", size_text(bytes, readable));
}

static int fail_costly(struct engine *engine, const struct unpinning *unpinning, const char *peer,
		       struct fl_error *err)
{
	const struct position *at = &unpinning->rows[unpinning->count - 1].snapshot;
	own_text struct text size = { 0 };
	char id[SNAPID_TEXT], time[CLOCK_TEXT], name[REF_SHORT];
	own_snapshot_row struct snapshot_row row = { 0 };
	own_tx struct tx *tx = NULL;
	int r;

	target_format(unpinning->target, name);
	tell_size(engine, at, &size);
	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	r = tx_snapshot_get(tx, at, &row, err);
	if (r < 0 && r != -FL_NOT_FOUND)
		return r;
	fl_fail(err, FL_BUSY,
		"the next transfer of %s with '%s' begins from snapshot %.8s of %s; once that is "
		"thinned, it sends everything%s",
		unpinning->whole ? unpinning->target->volume.name : name, peer,
		r == 0 ? snapid_format(row.id, id) : "(gone)", time_text(at->time, time),
		text_get(&size));
	return fl_hint(err, "to let go of it nevertheless: --force");
}

static int delete_rows(struct tx *tx, void *arg, struct fl_error *err)
{
	const struct unpinning *unpinning = arg;

	for (size_t i = 0; i < unpinning->count; i++)
		if (tx_pin_delete(tx, &unpinning->rows[i], err) < 0)
			return fl_failed(err);
	return 0;
}

int engine_unpin(struct engine *engine, const struct ref *ref, const char *peer, bool force,
		 struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_claim struct claim claim = { 0 };
	own(unpinning_done) struct unpinning unpinning = { .whole = ref->kind == REF_VOLUME };

	if (check_form(ref, FORM_VOLUME | FORM_BRANCH, "unpin", err) < 0 ||
	    gate_enter(engine, &inside, err) < 0 ||
	    claim_take(engine, ref, 1, CLAIM_SHAPE, &claim, err) < 0)
		return fl_failed(err);
	unpinning.target = &claim.targets[0];
	if (find_rows(engine, &unpinning, peer, err) < 0)
		return fl_failed(err);
	if (!force)
		return fail_costly(engine, &unpinning, peer, err);
	if (catalog_write_deletion(engine, delete_rows, &unpinning, err) < 0)
		return fl_failed(err);
	thin_soon(engine, true);
	return 0;
}

/* --- at start ------------------------------------------------------------------------------ */

struct leftover {
	struct pin_row *rows; /* heap */
	size_t count;
};

static int collect_leftover(void *arg, const struct pin_row *row, struct fl_error *err)
{
	struct leftover *left = arg;

	if (row->kind == PIN_TRANSFER)
		*array_add(left->rows, left->count) = *row;
	return 0;
}

static int drop_leftovers(struct tx *tx, void *arg, struct fl_error *err)
{
	const struct pin_filter all = { 0 };
	struct leftover left = { 0 };
	own_free struct pin_row *rows = NULL;
	int r = tx_pin_each(tx, &all, collect_leftover, &left, err);

	rows = left.rows;
	for (size_t i = 0; r == 0 && i < left.count; i++)
		r = tx_pin_delete(tx, &rows[i], err);
	return r;
}

void pins_recover(struct engine *engine)
{
	struct fl_error err;

	if (catalog_write(engine->catalog, CATALOG_LAZY, drop_leftovers, NULL, &err) < 0)
		log_warning("snapshots stay pinned for transfers that were cut off", "error=\"%s\"",
			    err.text);
}
