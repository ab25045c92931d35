#include "api/encode.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* An empty string stands for "none" in the nouns. */
static void add_string(struct json *json, const char *key, const char *value)
{
	json_put_string(json, key, value && value[0] ? value : NULL);
}

static void add_id(struct json *json, const char *key, uint64_t id)
{
	char text[SNAPID_TEXT];

	json_put_string(json, key, id ? snapid_format(id, text) : NULL);
}

static void add_size(struct json *json, const char *key, uint64_t size)
{
	json_put_int(json, key, size > INT64_MAX ? INT64_MAX : (int64_t)size);
}

/* Of what 0 means that there is none. */
static void add_size_or_null(struct json *json, const char *key, uint64_t size)
{
	if (size)
		add_size(json, key, size);
	else
		json_put_null(json, key);
}

static void add_amount(struct json *json, const char *key, const struct amount *amount)
{
	if (amount->known)
		add_size(json, key, amount->bytes);
	else
		json_put_null(json, key);
}

static void add_pairs(struct json *json, const char *key, const struct metadata *metadata)
{
	json_put_object(json, key);
	for (size_t i = 0; i < metadata->count; i++)
		json_put_string(json, metadata->pairs[i].key, metadata->pairs[i].value);
	json_end(json);
}

static void add_metadata(struct json *json, const struct metadata *metadata)
{
	add_pairs(json, "metadata", metadata);
}

static void add_origin(struct json *json, const struct origin *origin)
{
	if (!origin->ref[0]) {
		json_put_null(json, "origin");
		return;
	}
	json_put_object(json, "origin");
	json_put_string(json, "ref", origin->ref);
	add_id(json, "snapshot", origin->snapshot);
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
	add_size(json, "epoch", volume->epoch);
	json_put_string(json, "description", volume->description ? volume->description : "");
	add_metadata(json, &volume->metadata);
	add_string(json, "mount_path", volume->mount_path);
	add_size_or_null(json, "quota", volume->quota);
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
	add_string(json, "path", branch->path);
	json_put_bool(json, "mounted", branch->mounted);
	if (branch->changed_since)
		json_put_time(json, "head_changed_since", branch->changed_since);
	else
		json_put_null(json, "head_changed_since");
	add_string(json, "snapshot_failure", branch->snapshot_failure);
	add_id(json, "tip", branch->tip);
	add_origin(json, &branch->origin);
	add_size(json, "snapshots", branch->snapshots);
	json_put_object(json, "usage");
	add_amount(json, "allocated", &branch->allocated);
	add_amount(json, "live", &branch->live);
	add_amount(json, "history", &branch->history);
	json_end(json);
	json_put_time(json, "created", branch->created);
	add_pairs(json, "policy", &branch->policy);
	json_end(json);
}

static void add_snapshot_ref(struct json *json, const struct snapshot *snapshot)
{
	char ref[REF_SHORT], id[SNAPID_TEXT];

	snprintf(ref, sizeof(ref), "%s/%s@{%s}", snapshot->volume, snapshot->branch,
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

void encode_snapshot(struct json *json, const char *key, const struct snapshot *snapshot)
{
	json_put_object(json, key);
	add_id(json, "id", snapshot->id);
	add_snapshot_ref(json, snapshot);
	json_put_string(json, "volume", snapshot->volume);
	json_put_string(json, "branch", snapshot->branch);
	json_put_string(json, "instance", snapshot->instance);
	json_put_string(json, "host", snapshot->host);
	json_put_time(json, "time", snapshot->time);
	add_size(json, "sequence", snapshot->sequence);
	add_id(json, "parent", snapshot->parent);
	json_put_string(json, "reason", reason_names[snapshot->reason]);
	add_string(json, "name", snapshot->name);
	add_string(json, "message", snapshot->message);
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
	add_id(json, "snapshot", tag->snapshot);
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
	add_id(json, "snapshot", stash->snapshot);
	add_id(json, "target", stash->target);
	json_put_time(json, "created", stash->created);
	json_put_bool(json, "held", stash->held);
	json_end(json);
}

void encode_hook(struct json *json, const char *key, const struct hook_report *report)
{
	json_put_object(json, key);
	json_put_string(json, "ref", report->ref);
	json_put_string(json, "name", report->name);
	add_pairs(json, "settings", &report->settings);
	json_put_string(json, "container", report->container[0] ? report->container : NULL);
	json_put_int(json, "timeout", report->timeout / CLOCK_SECOND);
	json_put_bool(json, "required", report->required);
	json_put_string(json, "trouble", report->trouble);
	json_end(json);
}

void encode_system(struct json *json, const char *key, const struct system_report *report)
{
	json_put_object(json, key);
	json_put_string(json, "ref", report->ref);
	json_put_bool(json, "wanted", report->wanted);
	json_put_string(json, "state", system_state_names[report->state]);
	add_size_or_null(json, "pid", (uint64_t)report->pid);
	if (report->started)
		json_put_time(json, "started", report->started);
	else
		json_put_null(json, "started");
	if (report->exit_status >= 0)
		json_put_int(json, "exit_status", report->exit_status);
	else
		json_put_null(json, "exit_status");
	add_size(json, "restarts", report->restarts);
	json_put_string(json, "last_words", report->last_words);
	add_pairs(json, "settings", &report->settings);
	json_end(json);
}

void encode_hook_offer(struct json *json, const char *key, const struct hook_offer *offer)
{
	json_put_object(json, key);
	json_put_string(json, "name", offer->name);
	json_put_string(json, "path", offer->path);
	json_put_bool(json, "shipped", offer->shipped);
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
	add_id(json, "id", thinned->id);
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

void encode_holders(struct json *json, const struct holders *holders)
{
	size_t shown = holders->count < HOLDERS ? holders->count : HOLDERS;

	json_put_array(json, "holders");
	for (size_t i = 0; i < shown; i++) {
		json_put_object(json, NULL);
		json_put_int(json, "pid", holders->items[i].pid);
		json_put_string(json, "command", holders->items[i].command);
		add_string(json, "container", holders->items[i].container);
		json_put_string(json, "what", holders->items[i].what);
		json_end(json);
	}
	json_end(json);
	add_size(json, "holder_count", holders->count);
}

static void encode_around_item(struct json *json, const struct around_item *item)
{
	bool failed = item->outcome == AROUND_PENDING || item->outcome == AROUND_KEPT;

	json_put_object(json, NULL);
	json_put_string(json, "name", item->name);
	if (item->pid)
		json_put_int(json, "pid", item->pid);
	else
		json_put_null(json, "pid");
	json_put_string(json, "path", item->path);
	json_put_string(json, "outcome", around_outcome_names[item->outcome]);
	json_put_string(json, "why", failed ? item->why.text : NULL);
	json_end(json);
}

static void add_around(struct json *json, const struct around_report *report)
{
	json_put_object(json, "containers");
	json_put_string(json, "mode", around_mode_names[report->mode]);
	json_put_int(json, "stop_ms", report->stop / (CLOCK_SECOND / 1000));
	json_put_int(json, "swap_ms", report->swap / (CLOCK_SECOND / 1000));
	json_put_int(json, "start_ms", report->start / (CLOCK_SECOND / 1000));
	json_put_array(json, "items");
	for (size_t i = 0; i < report->count; i++)
		encode_around_item(json, &report->items[i]);
	json_end(json);
	json_end(json);
}

void encode_rollback(struct json *json, const char *key, const struct rollback *rollback)
{
	json_put_object(json, key);
	encode_branch(json, "branch", &rollback->branch);
	encode_stash(json, "stash", &rollback->stash);
	encode_holders(json, &rollback->holders);
	add_around(json, &rollback->around);
	json_end(json);
}

void encode_restoration(struct json *json, const char *key, const struct restoration *restoration)
{
	json_put_object(json, key);
	encode_branch(json, "branch", &restoration->branch);
	encode_stash(json, "stash", &restoration->stash);
	json_put_string(json, "path", restoration->path);
	json_put_bool(json, "replaced", restoration->replaced);
	json_put_string(json, "kept", restoration->kept);
	json_end(json);
}

void encode_pool(struct json *json, const char *key, const struct pool_report *pool)
{
	json_put_object(json, key);
	json_put_string(json, "driver", pool->spec.driver);
	json_put_string(json, "kind", pool_kind_names[pool->spec.kind]);
	json_put_string(json, "path", pool->spec.path);
	json_put_bool(json, "sparse", pool->spec.sparse);
	json_put_bool(json, "compress", pool->spec.compress);
	json_put_uuid(json, "uuid", &pool->identity.pool);
	json_put_uuid(json, "instance", &pool->identity.instance);
	add_size(json, "size", pool->stats.size);
	add_size(json, "used", pool->stats.used);
	add_size(json, "free", pool->stats.free);
	if (pool->spec.kind == POOL_FILE)
		add_size(json, "host_free", pool->stats.host_free);
	else
		json_put_null(json, "host_free");
	json_put_bool(json, "read_only", pool->stats.read_only);
	json_put_bool(json, "quota", pool->stats.quota);
	json_put_bool(json, "share", pool->stats.share);
	json_put_string(json, "health", pool->stats.health);
	json_end(json);
}

void encode_driver(struct json *json, const char *key, const struct driver_report *report)
{
	const struct driver *driver = report->driver;
	const struct fl_error *trouble = &report->trouble;

	json_put_object(json, key);
	json_put_string(json, "name", report->words->name);
	json_put_string(json, "description", report->words->description);
	json_put_array(json, "kinds");
	for (int kind = 0; kind < POOL_KINDS; kind++)
		if (driver->kinds & 1U << kind)
			json_put_string(json, NULL, pool_kind_names[kind]);
	json_end(json);
	json_put_object(json, "abilities");
	for (enum ability ability = 0; ability < ABILITIES; ability++)
		json_put_string(json, ability_names[ability],
				support_names[driver_supports(driver, ability)]);
	json_end(json);
	json_put_bool(json, "available", trouble->code == FL_OK);
	json_put_string(json, "reason", trouble->code == FL_OK ? NULL : trouble->text);
	json_put_string(json, "hint", trouble->hint[0] ? trouble->hint : NULL);
	json_end(json);
}

static void add_choices(struct json *json, const char *const *choices)
{
	if (!choices) {
		json_put_null(json, "choices");
		return;
	}
	json_put_array(json, "choices");
	for (; *choices; choices++)
		json_put_string(json, NULL, *choices);
	json_end(json);
}

void encode_setting(struct json *json, const char *key, const struct config_setting *setting)
{
	json_put_object(json, key);
	json_put_string(json, "key", setting->row->name);
	json_put_string(json, "value", setting->value);
	json_put_string(json, "default", setting->initial);
	json_put_string(json, "override", setting->override);
	json_put_bool(json, "set", setting->set);
	json_put_bool(json, "restart", setting->row->restart);
	json_put_bool(json, "pending", setting->pending);
	json_put_string(json, "type", config_type_names[setting->row->type]);
	add_choices(json, setting->row->choices);
	json_put_string(json, "description", setting->row->description);
	json_end(json);
}

/* What every error says; the caller adds what it knows besides, and ends the object. */
static void begin_error(struct json *json, const struct fl_error *err)
{
	json_put_object(json, "error");
	json_put_string(json, "code", fl_codes[err->code].name);
	json_put_string(json, "message", err->text);
}

void encode_operation(struct json *json, const char *key, const struct operation *operation)
{
	json_put_object(json, key);
	json_put_uuid(json, "id", &operation->id);
	json_put_string(json, "verb", operation->verb);
	json_put_string(json, "object", operation->object);
	json_put_string(json, "state", operation_state_names[operation->state]);
	add_size(json, "done_bytes", operation->done_bytes);
	add_size_or_null(json, "total_bytes", operation->total_bytes);
	json_put_time(json, "started", operation->started);
	json_put_time(json, "ended", operation->ended);
	if (operation->error.code == FL_OK) {
		json_put_null(json, "error");
	} else {
		begin_error(json, &operation->error);
		add_string(json, "hint", operation->error.hint);
		json_end(json);
	}
	json_end(json);
}

void encode_recovery(struct json *json, const char *key, const struct recovery *recovery)
{
	json_put_object(json, key);
	add_size(json, "volumes", recovery->volumes);
	add_size(json, "branches", recovery->branches);
	add_size(json, "snapshots", recovery->snapshots);
	add_size(json, "tags", recovery->tags);
	add_size(json, "stashes", recovery->stashes);
	json_put_bool(json, "backup_used", recovery->backup_used);
	json_put_bool(json, "backup_complete", recovery->backup_complete);
	json_put_bool(json, "notes_used", recovery->notes_used);
	json_end(json);
}

/* --- changes ---------------------------------------------------------------------- */

static const char *type_name(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "file";
	case S_IFDIR:
		return "directory";
	case S_IFLNK:
		return "symlink";
	case S_IFIFO:
		return "fifo";
	case S_IFSOCK:
		return "socket";
	case S_IFBLK:
		return "block device";
	default:
		return "character device";
	}
}

/* Of a file, which may well say 1970. */
static void add_modified(struct json *json, int64_t time)
{
	char text[CLOCK_TEXT];

	json_put_string(json, "modified", clock_format(time, text));
}

static void add_side(struct json *json, const char *key, const struct change_side *side)
{
	if (side->mode == 0) {
		json_put_null(json, key);
		return;
	}
	json_put_object(json, key);
	json_put_string(json, "type", type_name(side->mode));
	json_put_int(json, "mode", side->mode & 07777);
	add_size(json, "size", side->size);
	json_put_int(json, "uid", side->uid);
	json_put_int(json, "gid", side->gid);
	add_modified(json, side->modified);
	json_end(json);
}

void encode_change(struct json *json, const char *key, const struct change *change)
{
	json_put_object(json, key);
	json_put_string(json, "kind", change_kind_names[change->kind]);
	json_put_string(json, "path", change->path);
	json_put_string(json, "from", change->from);
	json_put_array(json, "what");
	for (unsigned i = 0; i < CHANGE_WHATS; i++)
		if (change->what & 1U << i)
			json_put_string(json, NULL, change_what_names[i]);
	json_end(json);
	add_side(json, "before", &change->before);
	add_side(json, "after", &change->after);
	json_end(json);
}

void encode_event(struct json *json, const char *key, const struct event *event)
{
	json_put_object(json, key);
	add_size(json, "number", event->number);
	json_put_time(json, "time", event->time);
	json_put_string(json, "kind", event->kind);
	add_string(json, "object", event->object);
	add_string(json, "message", event->text);
	json_end(json);
}

void encode_file(struct json *json, const char *key, const struct file *file)
{
	json_put_object(json, key);
	json_put_string(json, "name", file->name);
	json_put_string(json, "type", type_name(file->mode));
	json_put_int(json, "mode", file->mode & 07777);
	add_size(json, "size", file->size);
	json_put_int(json, "uid", file->uid);
	json_put_int(json, "gid", file->gid);
	add_modified(json, file->modified);
	json_put_string(json, "target", file->target);
	json_end(json);
}

/* A snapshot at an end of a version; null where only the live file is it. */
static void add_moment(struct json *json, const char *key, uint64_t id, int64_t time)
{
	if (!id) {
		json_put_null(json, key);
		return;
	}
	json_put_object(json, key);
	add_id(json, "id", id);
	json_put_time(json, "time", time);
	json_end(json);
}

void encode_file_version(struct json *json, const char *key, const struct file_version *version)
{
	json_put_object(json, key);
	add_moment(json, "oldest", version->oldest, version->oldest_time);
	add_moment(json, "newest", version->newest, version->newest_time);
	add_size(json, "snapshots", version->snapshots);
	json_put_bool(json, "live", version->live);
	encode_file(json, "file", &version->file);
	json_end(json);
}

void encode_list_begin(struct json *json)
{
	json_put_object(json, NULL);
	json_put_array(json, "items");
}

void encode_list_end(struct json *json, const char *next)
{
	json_end(json);
	json_put_string(json, "next", next);
	json_end(json);
}

void encode_error(struct json *json, const struct fl_error *err, const char *operation)
{
	json_put_object(json, NULL);
	begin_error(json, err);
	add_string(json, "object", err->object);
	add_string(json, "hint", err->hint);
	json_put_string(json, "operation", operation);
	json_end(json);
	json_end(json);
}

/* --- the audit log ------------------------------------------------------------------- */

static void add_known(struct json *json, const char *key, int64_t value)
{
	if (value < 0)
		json_put_null(json, key);
	else
		json_put_int(json, key, value);
}

void encode_audit_record(struct json *json, const char *key, const struct audit_record *record)
{
	json_put_object(json, key);
	json_put_int(json, "number", (int64_t)record->number);
	json_put_string(json, "time", record->time);
	add_known(json, "uid", record->uid);
	add_known(json, "pid", record->pid);
	json_put_string(json, "request", record->request);
	json_put_string(json, "verb", record->verb);
	json_put_string(json, "object", record->object);
	json_put_string(json, "outcome", record->outcome);
	json_put_string(json, "message", record->message);
	json_put_string(json, "previous", record->previous);
	json_put_string(json, "hash", record->hash);
	json_end(json);
}

void encode_audit_report(struct json *json, const char *key, const struct audit_report *report)
{
	json_put_object(json, key);
	json_put_int(json, "records", (int64_t)report->records);
	add_size_or_null(json, "first", report->first);
	add_size_or_null(json, "last", report->last);
	json_put_int(json, "unrecorded", (int64_t)report->unrecorded);
	json_put_bool(json, "intact", report->intact);
	if (report->intact) {
		json_put_null(json, "problem");
	} else {
		json_put_object(json, "problem");
		json_put_int(json, "number", (int64_t)report->problem_number);
		json_put_string(json, "text", report->problem);
		json_end(json);
	}
	json_end(json);
}
