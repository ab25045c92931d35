#include "engine/arrive.h"

#include <string.h>

#include "base/text.h"
#include "engine/arrive-rows.h"
#include "engine/note.h"

void arrival_clear(struct arrival *arrival)
{
	for (size_t i = 0; i < arrival->count; i++)
		facts_done(&arrival->branches[i]);
	free(arrival->branches);
	snapshot_row_done(&arrival->row);
	free(arrival->marked);
	*arrival = (struct arrival){ 0 };
}

void arrival_free(struct arrival *arrival)
{
	if (!arrival)
		return;
	arrival_clear(arrival);
	free(arrival);
}

/* --- a step --------------------------------------------------------------------------------- */

static const struct facts *branch_of(const struct arrival *arrival, const struct uuid *uuid)
{
	for (size_t i = 0; i < arrival->count; i++)
		if (uuid_equal(&arrival->branches[i].branch.uuid, uuid))
			return &arrival->branches[i];
	return NULL;
}

static int check_step(const struct arrival *arrival, const struct step *step, struct fl_error *err)
{
	const struct facts *facts = branch_of(arrival, &step->snapshot.branch);

	if (!facts || step->snapshot.time != step->storage.time || step->snapshot.time < 1)
		return fl_fail(err, FL_CORRUPT, "a snapshot came that was not offered");
	if (is_remote(arrival->engine, &facts->branch) &&
	    (arrival->fetched || uuid_equal(&facts->branch.instance, &arrival->peer)))
		return step->name[0] ? ref_check_snapshot_name(step->name, err) : 0;
	return fl_fail(err, FL_NOT_OWNER,
		       "a snapshot of %s/%s/%s came, and '%s' did not write that branch",
		       facts->instance_name, facts->volume.name, facts->branch.name,
		       arrival->peer_name);
}

static void take_step(struct arrival *arrival, const struct uuid *operation,
		      const struct step *step)
{
	struct snapshot_row *row = &arrival->row;

	snapshot_row_done(row);
	*row = (struct snapshot_row){
		.position = step->snapshot,
		.storage = step->storage,
		.id = snapname_id(&step->storage),
		.sequence = step->sequence,
		.reason = step->reason,
		.message = step->message && step->message[0] ? xstrdup(step->message) : NULL,
	};
	name_sanitize(step->host, row->host);
	memcpy(row->name, step->name, NAME_TEXT);
	metadata_copy(&step->metadata, &row->metadata);
	arrival->operation = *operation;
	arrival->base = step->base;
	arrival->tagged = step->tagged;
	arrival->has_row = true;
}

static int write_intent(struct tx *tx, void *arg, struct fl_error *err)
{
	return tx_intent_insert(tx, arg, err);
}

static int forget_intent(struct tx *tx, void *arg, struct fl_error *err)
{
	return tx_intent_delete(tx, arg, err);
}

/*
 * The tree goes first: while the intent is there, a tree in its place would be taken for good.
 * One that was there before (`ours` false) came from elsewhere, and may be all that there is of it.
 */
static void take_back(struct arrival *arrival, const struct tree *tree, bool ours)
{
	struct engine *engine = arrival->engine;
	struct fl_error err;

	if ((ours && driver_of(engine)->tree_delete(engine->pool, tree, &err) < 0) ||
	    catalog_write_deletion(engine, forget_intent, &arrival->operation, &err) < 0)
		log_warning("what did not arrive stays in the pool until the next start",
			    "error=\"%s\"", err.text);
}

static int is_here(struct engine *engine, const struct position *position, bool *ret,
		   struct fl_error *err)
{
	own_snapshot_row struct snapshot_row row = { 0 };
	own_tx struct tx *tx = NULL;
	int r;

	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	r = tx_snapshot_get(tx, position, &row, err);
	*ret = r == 0;
	return r == -FL_NOT_FOUND ? 0 : r;
}

/* Only its rows are to be written: another transfer brought it, or this one did before. */
static int settle_known(struct arrival *arrival, struct fl_error *err)
{
	struct intent_row intent = arrive_intend(arrival);
	int r = catalog_write(arrival->engine->catalog, CATALOG_DURABLE, write_intent, &intent,
			      err);

	intent_row_done(&intent);
	if (r == 0)
		r = catalog_write(arrival->engine->catalog, CATALOG_DURABLE, arrive_rows, arrival,
				  err);
	return r;
}

/* A note that is to come with the snapshot is given to the tree before (driver.h). */
static int note_staging(struct arrival *arrival, const struct tree *staging, struct fl_error *err)
{
	const struct driver *driver = driver_of(arrival->engine);
	own_text struct text note = { 0 };

	if (!(driver->capabilities & DRIVER_CAN_NOTE))
		return 0;
	note_encode(&arrival->row, &note);
	if (driver->note_write(arrival->engine->pool, staging, text_get(&note), err) < 0)
		return fl_failed(err);
	return driver->sync(arrival->engine->pool, err);
}

static int settle_tree(struct arrival *arrival, struct fl_error *err)
{
	const struct tree staging = tree_staging(&arrival->operation);
	const struct tree tree = snapshot_tree(&arrival->row);
	struct engine *engine = arrival->engine;
	own_intent_row struct intent_row intent = arrive_intend(arrival);
	own_locks struct lock_set place = { 0 };

	if (note_staging(arrival, &staging, err) < 0 ||
	    deletion_make_way(engine, &tree, &place, err) < 0 ||
	    catalog_write(engine->catalog, CATALOG_DURABLE, write_intent, &intent, err) < 0)
		return fl_failed(err);
	if (driver_of(engine)->staging_commit(engine->pool, &arrival->operation, &tree, err) < 0)
		take_back(arrival, &tree, err->code != FL_EXISTS);
	else if (catalog_write(engine->catalog, CATALOG_DURABLE, arrive_rows, arrival, err) < 0)
		take_back(arrival, &tree, true);
	else
		return 0;
	return fl_failed(err);
}

void arrive_settled(struct arrival *arrival)
{
	struct engine *engine = arrival->engine;

	for (size_t i = 0; i < arrival->count; i++)
		if (is_remote(engine, &arrival->branches[i].branch))
			facts_refresh(engine, &arrival->branches[i].branch.uuid);
	for (size_t i = 0; i < arrival->marked_count; i++)
		note_refresh(engine, &arrival->marked[i]);
	arrival->marked_count = 0;
	thin_soon(engine, false);
	care_soon(engine);
}

static void tell(const struct arrival *arrival)
{
	const struct facts *first = &arrival->branches[0];
	struct engine *engine = arrival->engine;
	char object[REF_SHORT], text[64] = "", id[SNAPID_TEXT];

	snprintf(object, sizeof(object), "%s/%s/%s", first->instance_name, first->volume.name,
		 first->branch.name);
	if (arrival->has_row) {
		snprintf(text, sizeof(text), "%s", snapid_format(arrival->row.id, id));
		events_add_routine(&engine->events, "received", object, text);
	}
	if (!arrival->stash)
		return;
	snprintf(text, sizeof(text), "stash %" PRIu32, arrival->stash);
	events_add(&engine->events, "rewound", object, text);
}

static void lock_volume(struct arrival *arrival, struct lock_set *ret)
{
	struct lock_want want = { LOCK_VOLUME, true, arrival->branches[0].volume.uuid };

	lock_take(&arrival->engine->locks, &want, 1, ret);
}

static void sweep(struct engine *engine, const struct uuid *operation)
{
	const struct tree staging = tree_staging(operation);
	struct fl_error err;

	if (driver_of(engine)->tree_delete(engine->pool, &staging, &err) < 0)
		log_warning("a received tree stays until the next start", "error=\"%s\"", err.text);
}

static int settle(struct arrival *arrival, struct fl_error *err)
{
	own_locks struct lock_set names = { 0 };
	own_locks struct lock_set locks = { 0 };
	const char *name[] = { arrival->branches[0].volume.name };
	bool here = false;

	lock_take_names(&arrival->engine->locks, name, 1, &names);
	lock_volume(arrival, &locks);
	if (is_here(arrival->engine, &arrival->row.position, &here, err) < 0)
		return fl_failed(err);
	return here ? settle_known(arrival, err) : settle_tree(arrival, err);
}

int arrive_snapshot(struct arrival *arrival, const struct uuid *operation, const struct step *step,
		    struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	int r;

	if (gate_enter(arrival->engine, &inside, err) < 0)
		return fl_failed(err);
	r = check_step(arrival, step, err);
	if (r == 0) {
		take_step(arrival, operation, step);
		r = settle(arrival, err);
	}
	sweep(arrival->engine, operation);
	if (r < 0)
		return r;
	arrive_settled(arrival);
	tell(arrival);
	return 0;
}

/* --- the end ------------------------------------------------------------------------------------
 */

int arrive_finish(struct arrival *arrival, const struct finish *finish, uint32_t *ret_stash,
		  struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_locks struct lock_set locks = { 0 };
	bool here = false;
	int r;

	if (gate_enter(arrival->engine, &inside, err) < 0)
		return fl_failed(err);
	lock_volume(arrival, &locks);
	if (is_here(arrival->engine, &arrival->target, &here, err) < 0)
		return fl_failed(err);
	if (!here)
		return fl_fail(err, FL_CORRUPT, "'%s' is through, and what it offered did not come",
			       arrival->peer_name);
	arrival->finish = finish;
	arrival->has_row = false;
	r = catalog_write(arrival->engine->catalog, CATALOG_DURABLE, arrive_rows, arrival, err);
	arrival->finish = NULL;
	if (r < 0)
		return r;
	if (ret_stash)
		*ret_stash = arrival->aside;
	arrive_settled(arrival);
	tell(arrival);
	return 0;
}
