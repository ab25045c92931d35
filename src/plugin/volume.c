/*
 * What container engines ask about volumes that are there, and the end of one.
 *
 * The answer to Get decides over data: an engine that hears of an error takes it that there
 * is no such volume, makes a local one of that name, empty, and runs the container
 * on that.  So while the pool can't be opened, or the catalogue not read, every
 * name that could be a volume's is answered as one: the container's start then fails at
 * Mount, which says what is wrong.
 *
 * Nothing here takes a branch's lock but to mount what is not mounted: a rollback that
 * starts containers again holds it, and waits for them.
 */

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "engine/rollback.h"
#include "model/snapname.h"
#include "plugin/verbs.h"

/* --- Status: what `docker volume inspect` shows besides ------------------------------- */

static void put_amount(struct json *json, const char *key, const struct amount *amount)
{
	if (amount->known)
		json_put_int(json, key, (int64_t)amount->bytes);
}

static void put_pairs(struct json *json, const char *key, const struct metadata *pairs)
{
	if (!pairs->count)
		return;
	json_put_object(json, key);
	for (size_t i = 0; i < pairs->count; i++)
		json_put_string(json, pairs->pairs[i].key, pairs->pairs[i].value);
	json_end(json);
}

static void put_text(struct json *json, const char *key, const char *value)
{
	if (value && value[0])
		json_put_string(json, key, value);
}

static void put_volume(struct json *json, const struct volume *volume)
{
	json_put_string(json, "Owner", volume->owner);
	put_text(json, "Description", volume->description);
	put_text(json, "MountPath", volume->mount_path);
	if (volume->quota)
		json_put_int(json, "Quota", (int64_t)volume->quota);
	put_pairs(json, "Metadata", &volume->metadata);
}

static void put_branch(struct json *json, const struct branch *branch)
{
	char ref[REF_SHORT];

	snprintf(ref, sizeof(ref), "%s%s%s/%s", branch->local ? "" : branch->instance,
		 branch->local ? "" : "/", branch->volume, branch->name);
	json_put_string(json, "Branch", ref);
	json_put_string(json, "Instance", branch->instance);
	put_text(json, "From", branch->origin.ref);
	json_put_int(json, "Snapshots", (int64_t)branch->snapshots);
	put_amount(json, "Size", &branch->live);
	put_amount(json, "History", &branch->history);
	if (branch->changed_since)
		json_put_time(json, "UnsavedSince", branch->changed_since);
	put_text(json, "SnapshotFailure", branch->snapshot_failure);
	put_pairs(json, "Policy", &branch->policy);
}

static void put_newest(struct json *json, const struct snapshot *snapshot)
{
	char id[SNAPID_TEXT];

	json_put_object(json, "NewestSnapshot");
	json_put_string(json, "Id", snapid_format(snapshot->id, id));
	json_put_time(json, "Time", snapshot->time);
	json_put_string(json, "Reason", reason_names[snapshot->reason]);
	put_text(json, "Name", snapshot->name);
	json_end(json);
}

/* What can't be told, as it is going just now, is left out. */
static void put_status(const struct asking *asking, const struct branch *branch)
{
	own(snapshot_done) struct snapshot newest = { 0 };
	own(stash_list_done) struct stash_list stashes = { 0 };
	own(volume_done) struct volume volume = { 0 };
	struct ref of = { .kind = REF_VOLUME };
	struct json *json = asking->json;
	struct fl_error err;

	memcpy(of.volume, asking->ref.volume, sizeof(of.volume));
	json_put_object(json, "Status");
	put_branch(json, branch);
	if (engine_volume(asking->engine, &of, &volume, &err) == 0)
		put_volume(json, &volume);
	if (branch->tip && engine_snapshot_show(asking->engine, &asking->ref, &newest, &err) == 0)
		put_newest(json, &newest);
	if (engine_stashes(asking->engine, &of, &stashes, &err) == 0)
		json_put_int(json, "Stashes", (int64_t)stashes.count);
	json_end(json);
}

/* --- Get, List, Path ---------------------------------------------------------------------- */

/* What any volume is; the object stays open. */
static void put_volume_begin(struct json *json, const char *key, const struct branch_place *place)
{
	char name[REF_SHORT];

	json_put_object(json, key);
	json_put_string(json, "Name", volume_name_format(place->volume, place->branch, name));
	json_put_string(json, "Mountpoint", place->path ? place->path : "");
	json_put_time(json, "CreatedAt", place->created);
}

/* After a failure to find it: does that prove that it is not there? */
static bool proves_absence(const struct asking *asking, const struct fl_error *why)
{
	own(volume_list_done) struct volume_list any = { 0 };
	struct fl_error err;

	if (why->code != FL_NOT_FOUND)
		return false;
	return !engine_has_pool(asking->engine) ||
	       engine_volumes(asking->engine, "", 1, &any, &err) == 0;
}

static void put_unknown(const struct asking *asking, const struct fl_error *why)
{
	struct json *json = asking->json;

	log_warning("a volume is claimed, as it is not known which there are",
		    "volume=%s error=\"%s\"", asking->name, why->text);
	json_put_object(json, "Volume");
	json_put_string(json, "Name", asking->name);
	json_put_string(json, "Mountpoint", "");
	json_put_object(json, "Status");
	json_put_string(json, "Trouble", why->text);
	put_text(json, "Hint", why->hint);
	json_end(json);
	json_end(json);
}

int volume_get(struct asking *asking, struct fl_error *err)
{
	own(branch_done) struct branch branch = { 0 };

	if (engine_branch_show(asking->engine, &asking->ref, &branch, err) < 0) {
		if (proves_absence(asking, err))
			return fl_failed(err);
		put_unknown(asking, err);
		return 0;
	}
	put_volume_begin(
		asking->json, "Volume",
		&(struct branch_place){ branch.volume, branch.name, branch.path, branch.created });
	put_status(asking, &branch);
	json_end(asking->json);
	return 0;
}

static void list_volume(void *arg, const struct branch_place *place)
{
	struct asking *asking = arg;

	put_volume_begin(asking->json, NULL, place);
	json_end(asking->json);
}

int volume_list(struct asking *asking, struct fl_error *err)
{
	json_put_array(asking->json, "Volumes");
	/* Without a pool there is none, and nobody is to be told of an error at each listing. */
	if (engine_has_pool(asking->engine) &&
	    engine_branch_places(asking->engine, list_volume, asking, err) < 0)
		return fl_failed(err);
	json_end(asking->json);
	return 0;
}

int volume_path(struct asking *asking, struct fl_error *err)
{
	own(branch_done) struct branch branch = { 0 };

	if (engine_branch_show(asking->engine, &asking->ref, &branch, err) < 0)
		return fl_failed(err);
	json_put_string(asking->json, "Mountpoint", branch.path ? branch.path : "");
	return 0;
}

/* --- Mount, Remove -------------------------------------------------------------------------- */

/* Mounted, and really there. */
static bool is_visible(const struct branch *branch)
{
	return branch->local && branch->path && access(branch->path, F_OK) == 0;
}

int volume_mount(struct asking *asking, struct fl_error *err)
{
	own(branch_done) struct branch branch = { 0 };
	own_free char *mounted = NULL;

	if (engine_branch_show(asking->engine, &asking->ref, &branch, err) < 0)
		return fl_failed(err);
	if (is_visible(&branch)) {
		json_put_string(asking->json, "Mountpoint", branch.path);
		return 0;
	}
	asking->did = "mount";
	if (engine_mount(asking->engine, &asking->ref, &mounted, err) < 0)
		return fl_failed(err);
	json_put_string(asking->json, "Mountpoint", mounted);
	return 0;
}

/* To its engine a branch is another volume, so it does not go with the trunk. */
static int refuse_with_branches(struct asking *asking, struct fl_error *err)
{
	own(volume_done) struct volume volume = { 0 };
	size_t i = 0;

	if (asking->ref.kind != REF_VOLUME)
		return 0;
	if (engine_volume(asking->engine, &asking->ref, &volume, err) < 0)
		return fl_failed(err);
	if (volume.branch_count < 2)
		return 0;
	while (i + 1 < volume.branch_count && strcmp(volume.branches[i], TRUNK) == 0)
		i++;
	fl_fail(err, FL_BUSY, "'%s' has further branches, such as '%s/%s'", asking->name,
		asking->name, volume.branches[i]);
	return fl_hint(err, "remove them first, or the volume with all of them: flocker destroy %s",
		       asking->name);
}

/* What is gone is removed: an engine may not have heard of it. */
int volume_remove(struct asking *asking, struct fl_error *err)
{
	asking->did = "destroy";
	if (refuse_with_branches(asking, err) == 0 &&
	    engine_destroy(asking->engine, &asking->ref, NULL, err) == 0)
		return 0;
	if (!proves_absence(asking, err))
		return fl_failed(err);
	asking->did = NULL;
	return 0;
}
