/*
 * tag and untag.  Tagging a live head takes a snapshot of it first.
 */

#include <string.h>

#include "engine/hooks.h"
#include "engine/note.h"

struct tagging {
	struct tag_row row;
	const struct snapshot_row *taken; /* for it, not in the catalogue yet; or NULL */
};

static int insert_tag(struct tx *tx, void *arg, struct fl_error *err)
{
	const struct tagging *tagging = arg;

	if (tagging->taken && tx_snapshot_insert(tx, tagging->taken, err) < 0)
		return fl_failed(err);
	return tx_tag_insert(tx, &tagging->row, err);
}

static int check_free(struct engine *engine, const struct volume_row *volume, const char *name,
		      struct fl_error *err)
{
	own_tx struct tx *tx = NULL;
	struct tag_row row;
	char time[CLOCK_TEXT];
	int r;

	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	r = tx_tag_find(tx, &volume->uuid, name, &row, err);
	if (r == -FL_NOT_FOUND)
		return 0;
	if (r < 0)
		return r;
	fl_fail(err, FL_EXISTS, "volume '%s' has a tag called '%s' already, at the snapshot of %s",
		volume->name, name, time_text(row.snapshot.time, time));
	return fl_hint(err, "a tag does not move; take it away first: flocker untag %s@%s", name,
		       volume->name);
}

static int tag_target(struct engine *engine, const char *name, const struct target *target,
		      struct hooking *hooks, struct tag *ret, struct fl_error *err)
{
	const struct snapshot_options options = { .reason = REASON_TAG, .hooks = hooks };
	own_snapshot_row struct snapshot_row taken = { 0 };
	own_tx struct tx *tx = NULL;
	struct tagging tagging = { .row = { .volume = target->volume.uuid,
					    .created = clock_now() } };

	snprintf(tagging.row.name, sizeof(tagging.row.name), "%s", name);
	if (target->is_snapshot) {
		tagging.row.snapshot = target->snapshot.position;
	} else {
		if (snapshot_take(engine, &target->branch, &options, &taken, err) < 0)
			return fl_failed(err);
		tagging.taken = &taken;
		tagging.row.snapshot = taken.position;
	}
	if (catalog_write(engine->catalog, CATALOG_DURABLE, insert_tag, &tagging, err) < 0) {
		if (tagging.taken)
			snapshot_abort(engine, &taken);
		return fl_failed(err);
	}
	note_refresh(engine, &tagging.row.snapshot);
	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	return answer_tag(tx, &target->volume, &tagging.row, ret, err);
}

static int tag_claimed(struct engine *engine, const struct ref *tag, const struct ref *target,
		       struct hooking *hooks, struct tag *ret, struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_claim struct claim claim = { 0 };

	if (gate_enter(engine, &inside, err) < 0 ||
	    claim_take(engine, target, 1, CLAIM_FROM, &claim, err) < 0 ||
	    refuse_not_owner(engine, &claim.targets[0].volume, "tags", err) < 0 ||
	    check_free(engine, &claim.targets[0].volume, tag->tag, err) < 0)
		return fl_failed(err);
	return tag_target(engine, tag->tag, &claim.targets[0], hooks, ret, err);
}

int engine_tag(struct engine *engine, const struct ref *tag, const struct ref *target,
	       struct tag *ret, struct fl_error *err)
{
	struct ref trunk = ref_of_volume(tag);
	struct hooking hooking;
	int r;

	target = target ? target : &trunk;
	if (check_form(tag, FORM_TAG, "tag", err) < 0 || name_check("tag", tag->tag, err) < 0 ||
	    check_form(target, FORM_ANY, "tag", err) < 0)
		return fl_failed(err);
	if (strcmp(tag->volume, target->volume) != 0)
		return fl_fail(err, FL_INVALID,
			       "a tag of '%s' can't point into another volume ('%s')", tag->volume,
			       target->volume);
	if (hooks_begin(engine, target, 1, HOOK_SNAPSHOT, REASON_TAG, &hooking, err) < 0)
		return fl_failed(err);
	r = tag_claimed(engine, tag, target, &hooking, ret, err);
	hooks_end(&hooking, r == 0);
	return r;
}

struct untagging {
	const struct target *target;
	const char *name;
	struct tag_row row; /* as it was */
};

static int delete_tag(struct tx *tx, void *arg, struct fl_error *err)
{
	struct untagging *untagging = arg;
	const struct uuid *volume = &untagging->target->volume.uuid;

	if (tx_tag_find(tx, volume, untagging->name, &untagging->row, err) < 0)
		return fl_failed(err);
	return tx_tag_delete(tx, volume, untagging->name, err);
}

int engine_untag(struct engine *engine, const struct ref *tag, struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_claim struct claim claim = { 0 };
	struct untagging untagging = { .name = tag->tag };
	struct ref volume = ref_of_volume(tag);

	/* Of the volume, not of the snapshot: a tag whose snapshot is lost can still be taken away.
	 */
	if (check_form(tag, FORM_TAG, "untag", err) < 0 || gate_enter(engine, &inside, err) < 0 ||
	    claim_take(engine, &volume, 1, CLAIM_SHAPE, &claim, err) < 0 ||
	    refuse_not_owner(engine, &claim.targets[0].volume, "tags", err) < 0)
		return fl_failed(err);
	untagging.target = &claim.targets[0];
	if (catalog_write_deletion(engine, delete_tag, &untagging, err) == 0) {
		note_refresh(engine, &untagging.row.snapshot);
		return 0;
	}
	return err->code == FL_NOT_FOUND ? fail_no_tag(tag->volume, tag->tag, err) : fl_failed(err);
}
