#include "api/encode.h"

#include <math.h>
#include <stdio.h>

#include "api/encode-value.h"
#include "model/snapname.h"

static void add_amount(struct json *json, const char *key, const struct amount *amount)
{
	if (amount->known)
		encode_size(json, key, amount->bytes);
	else
		json_put_null(json, key);
}

static void add_metadata(struct json *json, const struct metadata *metadata)
{
	encode_pairs(json, "metadata", metadata);
}

static void add_origin(struct json *json, const struct origin *origin)
{
	if (!origin->ref[0]) {
		json_put_null(json, "origin");
		return;
	}
	json_put_object(json, "origin");
	json_put_string(json, "ref", origin->ref);
	encode_id(json, "snapshot", origin->snapshot);
	json_end(json);
}

static void add_names(struct json *json, const char *key, char (*names)[NAME_TEXT], size_t count)
{
	json_put_array(json, key);
	for (size_t i = 0; i < count; i++)
		json_put_string(json, NULL, names[i]);
	json_end(json);
}

static void add_pins(struct json *json, unsigned pins)
{
	json_put_array(json, "pins");
	for (unsigned i = 0; i < PIN_COUNT; i++)
		if (pins & 1u << i)
			json_put_string(json, NULL, pin_names[i]);
	json_end(json);
}

void encode_volume(struct json *json, const char *key, const struct volume *volume)
{
	json_put_object(json, key);
	json_put_uuid(json, "uuid", &volume->uuid);
	json_put_string(json, "name", volume->name);
	json_put_string(json, "owner", volume->owner);
	encode_size(json, "epoch", volume->epoch);
	json_put_string(json, "description", volume->description ? volume->description : "");
	add_metadata(json, &volume->metadata);
	encode_text_or_null(json, "mount_path", volume->mount_path);
	encode_size_or_null(json, "quota", volume->quota);
	json_put_object(json, "usage");
	add_amount(json, "allocated", &volume->allocated);
	json_end(json);
	add_origin(json, &volume->origin);
	json_put_time(json, "created", volume->created);
	add_names(json, "branches", volume->branches, volume->branch_count);
	json_end(json);
}

static void add_branch_ref(struct json *json, const struct branch *branch)
{
	char ref[REF_SHORT];

	if (branch->local)
		snprintf(ref, sizeof(ref), "%s/%s", branch->volume, branch->name);
	else
		snprintf(ref, sizeof(ref), "%s/%s/%s", branch->instance, branch->volume,
			 branch->name);
	json_put_string(json, "ref", ref);
}

void encode_branch(struct json *json, const char *key, const struct branch *branch)
{
	json_put_object(json, key);
	add_branch_ref(json, branch);
	json_put_uuid(json, "uuid", &branch->uuid);
	json_put_string(json, "volume", branch->volume);
	json_put_string(json, "name", branch->name);
	json_put_string(json, "instance", branch->instance);
	json_put_bool(json, "local", branch->local);
	encode_text_or_null(json, "path", branch->path);
	json_put_bool(json, "mounted", branch->mounted);
	if (branch->changed_since)
		json_put_time(json, "head_changed_since", branch->changed_since);
	else
		json_put_null(json, "head_changed_since");
	encode_text_or_null(json, "snapshot_failure", branch->snapshot_failure);
	encode_id(json, "tip", branch->tip);
	add_origin(json, &branch->origin);
	encode_size(json, "snapshots", branch->snapshots);
	json_put_object(json, "usage");
	add_amount(json, "allocated", &branch->allocated);
	add_amount(json, "live", &branch->live);
	add_amount(json, "history", &branch->history);
	json_end(json);
	json_put_time(json, "created", branch->created);
	encode_pairs(json, "policy", &branch->policy);
	json_end(json);
}

static void add_snapshot_ref(struct json *json, const struct snapshot *snapshot)
{
	char ref[REF_SHORT], id[SNAPID_TEXT];

	snprintf(ref, sizeof(ref), "%s%s%s/%s@{%s}", snapshot->writer,
		 snapshot->writer[0] ? "/" : "", snapshot->volume, snapshot->branch,
		 snapid_format(snapshot->id, id));
	json_put_string(json, "ref", ref);
}

/* Infinite: of what is as young as can be. */
static void add_score(struct json *json, double score)
{
	char text[32];

	snprintf(text, sizeof(text), "%.6g", score);
	if (isfinite(score))
		json_put_raw(json, "score", text);
	else
		json_put_null(json, "score");
}

static void add_why(struct json *json, const struct snapshot *snapshot)
{
	if (snapshot->stay == STAY_UNKNOWN) {
		json_put_null(json, "why");
		return;
	}
	json_put_object(json, "why");
	json_put_string(json, "stay", stay_names[snapshot->stay]);
	add_score(json, snapshot->score);
	json_end(json);
}

static void add_storage_name(struct json *json, const struct snapshot *snapshot)
{
	const struct snapname name = { snapshot->instance_uuid, snapshot->time };
	char text[SNAPNAME_TEXT];

	json_put_string(json, "storage_name", snapname_format(&name, text));
}

void encode_snapshot(struct json *json, const char *key, const struct snapshot *snapshot)
{
	json_put_object(json, key);
	encode_id(json, "id", snapshot->id);
	add_snapshot_ref(json, snapshot);
	add_storage_name(json, snapshot);
	json_put_string(json, "volume", snapshot->volume);
	json_put_string(json, "branch", snapshot->branch);
	json_put_string(json, "instance", snapshot->instance);
	json_put_string(json, "host", snapshot->host);
	json_put_time(json, "time", snapshot->time);
	encode_size(json, "sequence", snapshot->sequence);
	encode_id(json, "parent", snapshot->parent);
	json_put_string(json, "reason", reason_names[snapshot->reason]);
	encode_text_or_null(json, "name", snapshot->name);
	encode_text_or_null(json, "message", snapshot->message);
	add_names(json, "tags", snapshot->tags, snapshot->tag_count);
	add_metadata(json, &snapshot->metadata);
	add_pins(json, snapshot->pins);
	json_put_null(json, "size_of_change");
	json_put_bool(json, "began", snapshot->began);
	add_why(json, snapshot);
	json_end(json);
}

void encode_tag(struct json *json, const char *key, const struct tag *tag)
{
	char ref[REF_SHORT];

	snprintf(ref, sizeof(ref), "%s@%s", tag->name, tag->volume);
	json_put_object(json, key);
	json_put_string(json, "ref", ref);
	json_put_string(json, "name", tag->name);
	json_put_string(json, "volume", tag->volume);
	encode_id(json, "snapshot", tag->snapshot);
	json_put_time(json, "time", tag->snapshot_time);
	json_put_time(json, "created", tag->created);
	json_end(json);
}

void encode_stash(struct json *json, const char *key, const struct stash *stash)
{
	char ref[REF_SHORT];

	snprintf(ref, sizeof(ref), "stash/%u@%s", stash->number, stash->volume);
	json_put_object(json, key);
	json_put_int(json, "number", stash->number);
	json_put_string(json, "ref", ref);
	json_put_string(json, "volume", stash->volume);
	json_put_string(json, "branch", stash->branch);
	encode_id(json, "snapshot", stash->snapshot);
	encode_id(json, "target", stash->target);
	json_put_time(json, "created", stash->created);
	json_put_bool(json, "held", stash->held);
	json_end(json);
}

void encode_policy(struct json *json, const char *key, const struct policy_report *report)
{
	json_put_object(json, key);
	json_put_string(json, "ref", report->ref);
	json_put_array(json, "settings");
	for (size_t i = 0; i < POLICY_KEYS; i++) {
		json_put_object(json, NULL);
		json_put_string(json, "key", policy_rows[i].name);
		json_put_string(json, "value", report->settings[i].value);
		json_put_string(json, "source", policy_source_names[report->settings[i].source]);
		json_put_string(json, "description", policy_rows[i].description);
		json_put_string(json, "takes", policy_rows[i].takes);
		json_end(json);
	}
	json_end(json);
	json_end(json);
}

void encode_thinned(struct json *json, const char *key, const struct thinned *thinned)
{
	json_put_object(json, key);
	json_put_string(json, "ref", thinned->ref);
	encode_id(json, "id", thinned->id);
	json_put_time(json, "time", thinned->time);
	add_score(json, thinned->score);
	json_put_bool(json, "held", thinned->held);
	json_end(json);
}

void encode_trash_item(struct json *json, const char *key, const struct trash_item *item)
{
	json_put_object(json, key);
	json_put_uuid(json, "uuid", &item->uuid);
	json_put_string(json, "ref", item->ref);
	json_put_string(json, "kind", item->volume ? "volume" : "branch");
	json_put_time(json, "destroyed", item->destroyed);
	json_put_time(json, "expires", item->expires);
	json_end(json);
}
