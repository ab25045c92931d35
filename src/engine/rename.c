/*
 * rename: of volumes, branches and tags.  Identity is the UUID, so only names
 * in the catalogue, the facts and the links change; nothing in the pool moves.
 */

#include <string.h>

#include "engine/birth.h"
#include "engine/hooks.h"
#include "engine/note.h"
#include "engine/systems.h"
#include "engine/users.h"

struct renaming {
	struct target *target;
	const char *tag; /* the old name, for a tag */
	const char *name;
	struct position tagged; /* what the tag points at */
};

static int write_volume(struct tx *tx, void *arg, struct fl_error *err)
{
	struct renaming *renaming = arg;

	return tx_volume_update(tx, &renaming->target->volume, err);
}

static int rename_volume(struct engine *engine, struct renaming *renaming, struct fl_error *err)
{
	struct volume_row *row = &renaming->target->volume;
	char old[NAME_TEXT];

	if (system_refuse_volume(engine, row, err) < 0)
		return fl_failed(err);
	memcpy(old, row->name, NAME_TEXT);
	snprintf(row->name, sizeof(row->name), "%s", renaming->name);
	/* Before anything is touched; two renames to one name at once meet in the catalogue. */
	if (birth_volume_free(engine, row->name, err) < 0 ||
	    links_rename_volume(engine, old, row->name, err) < 0)
		return fl_failed(err);
	if (catalog_write(engine->catalog, CATALOG_DURABLE, write_volume, renaming, err) < 0) {
		struct fl_error undo;

		if (links_rename_volume(engine, row->name, old, &undo) < 0)
			log_warning("links keep the new name until the next start", "error=\"%s\"",
				    undo.text);
		return fl_failed(err);
	}
	facts_refresh(engine, &renaming->target->branch.uuid);
	data_containers_look(engine, row->mount_path);
	return 0;
}

static int write_branch(struct tx *tx, void *arg, struct fl_error *err)
{
	struct renaming *renaming = arg;

	return tx_branch_update(tx, &renaming->target->branch, err);
}

static int rename_branch(struct engine *engine, struct renaming *renaming, struct fl_error *err)
{
	const struct volume_row *volume = &renaming->target->volume;
	struct branch_row *row = &renaming->target->branch;
	struct fl_error warning;
	char old[NAME_TEXT], object[REF_SHORT];

	if (strcmp(row->name, TRUNK) == 0)
		return fl_fail(err, FL_INVALID, "%s/trunk keeps its name: it is the volume itself",
			       volume->name);
	memcpy(old, row->name, NAME_TEXT);
	snprintf(object, sizeof(object), "%s/%s", volume->name, row->name);
	if (system_refuse(engine, &row->uuid, object, err) < 0)
		return fl_failed(err);
	snprintf(row->name, sizeof(row->name), "%s", renaming->name);
	if (birth_branch_free(engine, volume, row->name, err) < 0 ||
	    catalog_write(engine->catalog, CATALOG_DURABLE, write_branch, renaming, err) < 0)
		return fl_failed(err);
	/* The rename holds from here; a link that can't follow now follows at the next start. */
	if ((row->mounted && link_branch(engine, volume->name, row, &warning) < 0) ||
	    unlink_branch(engine, volume->name, old, &warning) < 0)
		log_warning("a link keeps its old name", "error=\"%s\"", warning.text);
	facts_refresh(engine, &row->uuid);
	data_containers_look(engine, volume->mount_path);
	return 0;
}

static int write_tag(struct tx *tx, void *arg, struct fl_error *err)
{
	struct renaming *renaming = arg;
	struct tag_row row;

	if (tx_tag_find(tx, &renaming->target->volume.uuid, renaming->tag, &row, err) < 0 ||
	    tx_tag_delete(tx, &row.volume, row.name, err) < 0)
		return fl_failed(err);
	snprintf(row.name, sizeof(row.name), "%s", renaming->name);
	renaming->tagged = row.snapshot;
	return tx_tag_insert(tx, &row, err);
}

static int check_name(const struct ref *ref, const char *name, struct fl_error *err)
{
	switch (ref->kind) {
	case REF_VOLUME:
		return name_check("volume", name, err);
	case REF_BRANCH:
		return name_check("branch", name, err);
	default:
		return name_check("tag", name, err);
	}
}

/* Containers know a branch by its name. */
static int check_containers(struct engine *engine, const struct ref *ref, const char *name,
			    struct fl_error *err)
{
	if (ref->kind == REF_TAG)
		return 0;
	if (refuse_if_contained(engine, ref, err) < 0)
		return fl_failed(err);
	return refuse_if_data_taken_of(engine, ref, name, NULL, err);
}

/* A volume's name does not travel, but for the first time (arrive.h). */
static int refuse_others(struct engine *engine, const struct ref *ref, const struct target *target,
			 struct fl_error *err)
{
	if (ref->kind == REF_BRANCH)
		return refuse_remote(engine, target, err);
	if (ref->kind == REF_TAG)
		return refuse_not_owner(engine, &target->volume, "tags", err);
	if (refuse_not_owner(engine, &target->volume, "name", err) == 0)
		return 0;
	if (err->code == FL_NOT_OWNER) {
		err->hint[0] = '\0';
		fl_add_hint(err, "what it is called here was settled when it first came, as by "
				 "flocker fetch --as; renamed there, it keeps its name here");
	}
	return fl_failed(err);
}

int engine_rename(struct engine *engine, const struct ref *ref, const char *name,
		  struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_locks struct lock_set locks = { 0 };
	own_claim struct claim claim = { 0 };
	struct renaming renaming = { .tag = ref->tag, .name = name };
	const char *names[] = { ref->volume, name };
	struct ref claimed = ref->kind == REF_TAG ? ref_of_volume(ref) : *ref;

	if (check_form(ref, FORM_VOLUME | FORM_BRANCH | FORM_TAG, "rename", err) < 0 ||
	    check_name(ref, name, err) < 0 || check_containers(engine, ref, name, err) < 0 ||
	    gate_enter(engine, &inside, err) < 0)
		return fl_failed(err);
	/* Of branches and tags the volume's own lock is enough. */
	if (ref->kind == REF_VOLUME)
		lock_take_names(&engine->locks, names, array_size(names), &locks);
	if (claim_take(engine, &claimed, 1, CLAIM_SHAPE, &claim, err) < 0)
		return fl_failed(err);
	renaming.target = &claim.targets[0];
	if (refuse_others(engine, ref, renaming.target, err) < 0)
		return fl_failed(err);
	policies_look_anew(engine);
	hooks_look_anew(engine);
	if (ref->kind == REF_VOLUME)
		return rename_volume(engine, &renaming, err);
	if (ref->kind == REF_BRANCH)
		return rename_branch(engine, &renaming, err);
	if (catalog_write(engine->catalog, CATALOG_DURABLE, write_tag, &renaming, err) == 0) {
		note_refresh(engine, &renaming.tagged);
		return 0;
	}
	return err->code == FL_NOT_FOUND ? fail_no_tag(ref->volume, ref->tag, err) : fl_failed(err);
}
