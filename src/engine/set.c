/*
 * set and unset: description, mount path, quota and metadata of volumes; name,
 * message and metadata of snapshots.
 */

#include <string.h>

#include "engine/internal.h"
#include "engine/note.h"
#include "engine/quota.h"

#define DESCRIPTION 4096
#define MESSAGE 4096
#define MOUNT_PATH 4095 /* PATH_MAX without the NUL */

static int check_text(const char *what, const char *text, size_t limit, struct fl_error *err)
{
	if (strlen(text) > limit)
		return fl_fail(err, FL_INVALID, "the %s has %zu bytes; the most is %zu", what,
			       strlen(text), limit);
	for (const char *p = text; *p; p++)
		if (((unsigned char)*p < 0x20 && *p != '\n' && *p != '\t') || *p == 0x7f)
			return fl_fail(err, FL_INVALID,
				       "the %s holds a control character (byte %d at position %td)",
				       what, *p, p - text + 1);
	return 0;
}

int check_description(const char *description, struct fl_error *err)
{
	return check_text("description", description, DESCRIPTION, err);
}

int check_message(const char *message, struct fl_error *err)
{
	return check_text("message", message, MESSAGE, err);
}

/* A path that a container sees is what it says. */
static bool has_dot_component(const char *path)
{
	for (const char *p = path; *p;) {
		size_t length;

		p += strspn(p, "/");
		length = strcspn(p, "/");
		if ((length == 1 && p[0] == '.') || (length == 2 && p[0] == '.' && p[1] == '.'))
			return true;
		p += length;
	}
	return false;
}

int check_mount_path(const char *path, struct fl_error *err)
{
	if (path[0] == '\0')
		return 0;
	if (path[0] != '/')
		return fl_fail(err, FL_INVALID, "the mount path '%.100s' is not absolute", path);
	if (strchr(path, '\n') || strchr(path, '\t') || strchr(path, ':'))
		return fl_fail(err, FL_INVALID,
			       "the mount path '%.100s' holds a line break, a tab or a colon",
			       path);
	if (has_dot_component(path))
		return fl_fail(err, FL_INVALID,
			       "the mount path '%.100s' has a component '.' or '..'", path);
	return check_text("mount path", path, MOUNT_PATH, err);
}

static void replace_text(char **place, const char *text)
{
	if (!text)
		return;
	free(*place);
	*place = text[0] ? xstrdup(text) : NULL;
}

static int change_metadata(struct metadata *metadata, const struct set_options *options,
			   struct fl_error *err)
{
	for (size_t i = 0; options->metadata && i < options->metadata->count; i++)
		if (metadata_set(metadata, options->metadata->pairs[i].key,
				 options->metadata->pairs[i].value, err) < 0)
			return fl_failed(err);
	for (size_t i = 0; i < options->unset_count; i++)
		if (metadata_set(metadata, options->unset[i], NULL, err) < 0)
			return fl_failed(err);
	return 0;
}

static int write_volume(struct tx *tx, void *arg, struct fl_error *err)
{
	return tx_volume_update(tx, arg, err);
}

static int change_volume(struct volume_row *row, const struct set_options *options,
			 struct fl_error *err)
{
	if (options->quota)
		row->quota = *options->quota;
	if (options->name || options->message)
		return fl_fail(err, FL_INVALID,
			       "a name or a message can be set on a snapshot; to give a volume "
			       "another name: flocker rename");
	if (options->description && check_description(options->description, err) < 0)
		return fl_failed(err);
	if (options->mount_path && check_mount_path(options->mount_path, err) < 0)
		return fl_failed(err);
	replace_text(&row->description, options->description);
	replace_text(&row->mount_path, options->mount_path);
	return change_metadata(&row->metadata, options, err);
}

int engine_set_volume(struct engine *engine, const struct ref *ref,
		      const struct set_options *options, struct volume *ret, struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_claim struct claim claim = { 0 };
	own_tx struct tx *tx = NULL;
	struct target *target;
	uint64_t former;

	if (check_form(ref, FORM_VOLUME, "set", err) < 0 ||
	    (options->mount_path &&
	     refuse_if_data_taken_of(engine, ref, NULL, options->mount_path, err) < 0) ||
	    gate_enter(engine, &inside, err) < 0 ||
	    claim_take(engine, ref, 1, CLAIM_SHAPE, &claim, err) < 0)
		return fl_failed(err);
	target = &claim.targets[0];
	if (refuse_not_owner(engine, &target->volume, "description and metadata", err) < 0)
		return fl_failed(err);
	former = target->volume.quota;
	if (change_volume(&target->volume, options, err) < 0 ||
	    (options->quota && quota_change(engine, &target->volume, err) < 0))
		return fl_failed(err);
	if (catalog_write(engine->catalog, CATALOG_DURABLE, write_volume, &target->volume, err) <
	    0) {
		if (options->quota)
			quota_put_back(engine, &target->volume, former);
		return fl_failed(err);
	}
	facts_refresh(engine, &target->branch.uuid);
	if (options->mount_path)
		data_containers_look(engine, ANY_PATH);
	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	return answer_volume(engine, tx, &target->volume, ret, err);
}

static int write_snapshot(struct tx *tx, void *arg, struct fl_error *err)
{
	return tx_snapshot_annotate(tx, arg, err);
}

static int change_snapshot(struct snapshot_row *row, const struct set_options *options,
			   struct fl_error *err)
{
	if (options->description || options->mount_path || options->quota)
		return fl_fail(err, FL_INVALID,
			       "a snapshot has no description, no mount path and no quota; it has "
			       "a name, a "
			       "message and metadata");
	if (options->name && options->name[0] && ref_check_snapshot_name(options->name, err) < 0)
		return fl_failed(err);
	if (options->message && check_message(options->message, err) < 0)
		return fl_failed(err);
	if (options->name)
		snprintf(row->name, sizeof(row->name), "%s", options->name);
	replace_text(&row->message, options->message);
	return change_metadata(&row->metadata, options, err);
}

int engine_set_snapshot(struct engine *engine, const struct ref *ref,
			const struct set_options *options, struct snapshot *ret,
			struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_claim struct claim claim = { 0 };
	own_tx struct tx *tx = NULL;
	struct target *target;

	if (check_form(ref, FORM_SNAPSHOT, "set", err) < 0 ||
	    gate_enter(engine, &inside, err) < 0 ||
	    claim_take(engine, ref, 1, CLAIM_SHAPE, &claim, err) < 0)
		return fl_failed(err);
	target = &claim.targets[0];
	if (refuse_remote(engine, target, err) < 0 ||
	    change_snapshot(&target->snapshot, options, err) < 0 ||
	    catalog_write(engine->catalog, CATALOG_DURABLE, write_snapshot, &target->snapshot,
			  err) < 0)
		return fl_failed(err);
	note_refresh(engine, &target->snapshot.position);
	if (tx_begin(engine->catalog, &tx, err) < 0)
		return fl_failed(err);
	return answer_snapshot(engine, tx, &target->volume, &target->snapshot, ret, err);
}
