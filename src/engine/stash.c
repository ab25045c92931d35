/*
 * stashes: numbered anew by each verb that replaces something.
 *
 * stash drop: the pointer goes; its snapshots stay until they are thinned or
 * destroyed like any others.
 */

#include "engine/note.h"
#include "engine/rollback.h"

int stash_add(struct tx *tx, const struct snapshot_row *taken, const struct snapshot_row *target,
	      struct stash_row *ret, struct fl_error *err)
{
	own_volume_row struct volume_row volume = { 0 };

	/* Read here, since two branches of one volume may be rolled back at once. */
	if (tx_volume_get(tx, &ret->volume, &volume, err) < 0)
		return fl_failed(err);
	*ret = (struct stash_row){
		.volume = volume.uuid,
		.number = volume.last_stash + 1,
		.branch = taken->position.branch,
		.snapshot = taken->position,
		.target = target->position,
		.target_id = target->id,
		.created = taken->position.time,
	};
	return tx_stash_insert(tx, ret, err);
}

struct dropping {
	const struct uuid *volume;
	uint32_t number;
	struct stash_row row; /* as it was */
};

static int delete_stash(struct tx *tx, void *arg, struct fl_error *err)
{
	struct dropping *dropping = arg;

	if (tx_stash_find(tx, dropping->volume, dropping->number, &dropping->row, err) < 0)
		return fl_failed(err);
	return tx_stash_delete(tx, dropping->volume, dropping->number, err);
}

int engine_stash_drop(struct engine *engine, const struct ref *stash, struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_claim struct claim claim = { 0 };
	struct dropping dropping = { .number = stash->stash };
	struct ref volume = ref_of_volume(stash);

	if (check_form(stash, FORM_STASH, "stash drop", err) < 0 ||
	    gate_enter(engine, &inside, err) < 0 ||
	    claim_take(engine, &volume, 1, CLAIM_SHAPE, &claim, err) < 0)
		return fl_failed(err);
	dropping.volume = &claim.targets[0].volume.uuid;
	if (catalog_write_deletion(engine, delete_stash, &dropping, err) == 0) {
		note_refresh(engine, &dropping.row.snapshot);
		return 0;
	}
	return err->code == FL_NOT_FOUND ? fail_no_stash(stash->volume, stash->stash, err)
					 : fl_failed(err);
}
