/*
 * Rows as nouns: what the verbs answer with.
 */

#include <string.h>

#include "base/text.h"
#include "engine/internal.h"
#include "engine/past.h"
#include "engine/quota.h"

#define INSTANCE "instance." /* settings: the names of those that were heard of */

void answer_instance(struct engine *engine, struct tx *tx, const struct uuid *uuid,
		     char name[static NAME_TEXT])
{
	own_text struct text known = { 0 };
	char key[sizeof(INSTANCE) + UUID_TEXT] = INSTANCE, text[UUID_TEXT];
	struct fl_error err;

	if (uuid_equal(uuid, &engine->instance)) {
		snprintf(name, NAME_TEXT, "%s", engine->name);
		return;
	}
	strcat(key, uuid_format(uuid, text));
	if (tx_setting_get(tx, key, &known, &err) == 0)
		snprintf(name, NAME_TEXT, "%.*s", NAME_MAX_LENGTH, text_get(&known));
	else
		snprintf(name, NAME_TEXT, "%s", text);
}

int instance_find(struct engine *engine, struct tx *tx, const char *name, struct uuid *ret,
		  struct fl_error *err)
{
	own_text struct text uuid = { 0 };
	struct fl_error unused;

	if (strcmp(name, engine->name) == 0) {
		*ret = engine->instance;
		return 0;
	}
	if (uuid_parse(name, ret, &unused) == 0) /* one whose name is not known is called so */
		return 0;
	if (tx_setting_find(tx, INSTANCE, name, &uuid, err) == 0)
		return uuid_parse(text_get(&uuid), ret, err);
	if (err->code != FL_NOT_FOUND)
		return fl_failed(err);
	fl_fail(err, FL_NOT_FOUND, "no instance called '%s' is known here", name);
	return fl_hint(err, "this one is '%s'; leave the name away for its own branches",
		       engine->name);
}

int instance_remember(struct tx *tx, const struct uuid *uuid, const char *name,
		      struct fl_error *err)
{
	char key[sizeof(INSTANCE) + UUID_TEXT] = INSTANCE, text[UUID_TEXT];

	if (name[0] == '\0')
		return 0;
	strcat(key, uuid_format(uuid, text));
	return tx_setting_set(tx, key, name, err);
}

void name_tell_apart(char name[static NAME_TEXT], const struct uuid *uuid)
{
	char text[UUID_TEXT], apart[NAME_TEXT];

	snprintf(apart, sizeof(apart), "%.54s-%.8s", name, uuid_format(uuid, text));
	memcpy(name, apart, NAME_TEXT);
}

int instance_hear(struct engine *engine, struct tx *tx, const struct hearsay *heard,
		  struct fl_error *err)
{
	char name[NAME_TEXT], known[NAME_TEXT], text[UUID_TEXT];
	struct uuid other;
	int r;

	if (heard->called[0] == '\0' || uuid_equal(heard->uuid, &engine->instance))
		return 0;
	answer_instance(engine, tx, heard->uuid, known);
	if (strcmp(known, uuid_format(heard->uuid, text)) != 0 && !heard->own_word)
		return 0;
	name_sanitize(heard->called, name);
	r = instance_find(engine, tx, name, &other, err);
	if (r < 0 && r != -FL_NOT_FOUND)
		return r;
	if (r == 0 && !uuid_equal(&other, heard->uuid))
		name_tell_apart(name, heard->uuid);
	return strcmp(name, known) == 0 ? 0 : instance_remember(tx, heard->uuid, name, err);
}

struct naming {
	const struct engine *engine;
	struct volume *volume;
};

/* Its own: what others have is told by the list of branches, with whose it is. */
static int add_branch_name(void *arg, const struct branch_row *row, struct fl_error *err)
{
	const struct naming *naming = arg;
	struct volume *volume = naming->volume;

	if (is_remote(naming->engine, row))
		return 0;
	memcpy(array_add(volume->branches, volume->branch_count), row->name, NAME_TEXT);
	return 0;
}

int answer_volume(struct engine *engine, struct tx *tx, const struct volume_row *row,
		  struct volume *ret, struct fl_error *err)
{
	struct naming naming = { engine, ret };

	*ret = (struct volume){
		.uuid = row->uuid,
		.owner_uuid = row->owner,
		.epoch = row->epoch,
		.description = xstrdup(row->description ? row->description : ""),
		.mount_path = row->mount_path ? xstrdup(row->mount_path) : NULL,
		.quota = row->quota,
		.origin = row->origin,
		.created = row->created,
	};
	memcpy(ret->name, row->name, NAME_TEXT);
	metadata_copy(&row->metadata, &ret->metadata);
	answer_instance(engine, tx, &row->owner, ret->owner);
	ret->allocated = quota_told(engine, ACCOUNT_GROUP, &row->uuid);
	if (tx_branch_each(tx, &row->uuid, false, add_branch_name, &naming, err) == 0)
		return 0;
	volume_done(ret);
	*ret = (struct volume){ 0 };
	return fl_failed(err);
}

/* The newest snapshot that exists in an ancestry; `*ret` 0 when there is none. */
static int newest_in(struct tx *tx, const struct position *position, bool itself, uint64_t *ret,
		     struct fl_error *err)
{
	own_free struct stretch *stretches = NULL;
	size_t count;

	*ret = 0;
	if (past_of(tx, position, &stretches, &count, err) < 0)
		return fl_failed(err);
	for (size_t i = 0; i < count; i++) {
		own_snapshot_row struct snapshot_row row = { 0 };
		int r = tx_snapshot_nth(tx, &stretches[i], i == 0 && !itself ? 1 : 0, &row, NULL,
					err);

		if (r == 0)
			*ret = row.id;
		if (r != -FL_NOT_FOUND)
			return r;
	}
	return 0;
}

static int tip_of(struct tx *tx, const struct branch_row *branch, uint64_t *ret,
		  struct fl_error *err)
{
	struct position tip;

	if (head_position(tx, &branch->uuid, &tip, err) < 0)
		return fl_failed(err);
	return newest_in(tx, &tip, true, ret, err);
}

int answer_branch(struct engine *engine, struct tx *tx, const struct volume_row *volume,
		  const struct branch_row *row, struct branch *ret, struct fl_error *err)
{
	*ret = (struct branch){
		.uuid = row->uuid,
		.local = uuid_equal(&row->instance, &engine->instance),
		.mounted = row->mounted,
		.origin = row->origin,
		.created = row->created,
	};
	if (ret->local)
		ret->allocated = quota_told(engine, ACCOUNT_BRANCH, &row->uuid);
	if (tip_of(tx, row, &ret->tip, err) < 0 ||
	    tx_branch_snapshots(tx, &row->uuid, &ret->snapshots, err) < 0 ||
	    tx_branch_policy_get(tx, &row->uuid, &ret->policy, err) < 0)
		return fl_failed(err);
	memcpy(ret->volume, volume->name, NAME_TEXT);
	memcpy(ret->name, row->name, NAME_TEXT);
	answer_instance(engine, tx, &row->instance, ret->instance);
	if (row->mounted && (driver_of(engine)->capabilities & DRIVER_CAN_EXPOSE))
		ret->path = link_path(engine, volume->name, row->name);
	answer_unsaved(engine, ret);
	return 0;
}

static int add_tag_name(void *arg, const struct tag_row *row, struct fl_error *err)
{
	struct snapshot *snapshot = arg;

	memcpy(array_add(snapshot->tags, snapshot->tag_count), row->name, NAME_TEXT);
	return 0;
}

static int fill_names(struct engine *engine, struct tx *tx, const struct volume_row *volume,
		      const struct snapshot_row *row, struct snapshot *ret, struct fl_error *err)
{
	struct branch_row branch;

	if (tx_branch_get(tx, &row->position.branch, &branch, err) < 0)
		return fl_failed(err);
	memcpy(ret->volume, volume->name, NAME_TEXT);
	memcpy(ret->branch, branch.name, NAME_TEXT);
	if (is_remote(engine, &branch))
		answer_instance(engine, tx, &branch.instance, ret->writer);
	answer_instance(engine, tx, &row->storage.instance, ret->instance);
	return 0;
}

int answer_snapshot(struct engine *engine, struct tx *tx, const struct volume_row *volume,
		    const struct snapshot_row *row, struct snapshot *ret, struct fl_error *err)
{
	struct snapshot snapshot = {
		.id = row->id,
		.branch_uuid = row->position.branch,
		.instance_uuid = row->storage.instance,
		.time = row->position.time,
		.sequence = row->sequence,
		.reason = row->reason,
		.message = row->message ? xstrdup(row->message) : NULL,
	};

	memcpy(snapshot.host, row->host, NAME_TEXT);
	memcpy(snapshot.name, row->name, NAME_TEXT);
	metadata_copy(&row->metadata, &snapshot.metadata);
	if (fill_names(engine, tx, volume, row, &snapshot, err) < 0 ||
	    newest_in(tx, &row->position, false, &snapshot.parent, err) < 0 ||
	    tx_tag_each(tx, &volume->uuid, &row->position, add_tag_name, &snapshot, err) < 0 ||
	    tx_snapshot_pins(tx, &row->position, &snapshot.pins, err) < 0) {
		snapshot_done(&snapshot);
		return fl_failed(err);
	}
	if (snapshot_is_linked(engine, volume->name, row->id))
		snapshot.pins |= PIN_MOUNT;
	*ret = snapshot;
	return 0;
}

/* A position's id; 0 for one that is gone. */
static int id_at(struct tx *tx, const struct position *position, uint64_t *ret,
		 struct fl_error *err)
{
	own_snapshot_row struct snapshot_row row = { 0 };
	int r = tx_snapshot_get(tx, position, &row, err);

	*ret = r == 0 ? row.id : 0;
	return r == -FL_NOT_FOUND ? 0 : r;
}

int answer_tag(struct tx *tx, const struct volume_row *volume, const struct tag_row *row,
	       struct tag *ret, struct fl_error *err)
{
	*ret = (struct tag){ .snapshot_time = row->snapshot.time, .created = row->created };
	memcpy(ret->name, row->name, NAME_TEXT);
	memcpy(ret->volume, volume->name, NAME_TEXT);
	return id_at(tx, &row->snapshot, &ret->snapshot, err);
}

struct held_search {
	const struct stash_row *stash;
	bool found;
};

static int match_retired(void *arg, const struct retired_row *row, struct fl_error *err)
{
	struct held_search *search = arg;

	search->found |= row->stash == search->stash->number &&
			 uuid_equal(&row->volume, &search->stash->volume);
	return 0;
}

int answer_stash(struct engine *engine, struct tx *tx, const struct volume_row *volume,
		 const struct stash_row *row, struct stash *ret, struct fl_error *err)
{
	struct held_search search = { .stash = row };
	struct branch_row branch;

	*ret = (struct stash){
		.number = row->number,
		.target = row->target_id,
		.created = row->created,
	};
	if (tx_branch_get(tx, &row->branch, &branch, err) < 0 ||
	    id_at(tx, &row->snapshot, &ret->snapshot, err) < 0 ||
	    tx_retired_each(tx, match_retired, &search, err) < 0)
		return fl_failed(err);
	memcpy(ret->volume, volume->name, NAME_TEXT);
	memcpy(ret->branch, branch.name, NAME_TEXT);
	ret->held = search.found;
	return 0;
}
