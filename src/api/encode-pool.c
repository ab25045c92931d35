#include "api/encode.h"

#include "api/encode-value.h"

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
	encode_size(json, "size", pool->stats.size);
	encode_size(json, "used", pool->stats.used);
	encode_size(json, "free", pool->stats.free);
	if (pool->spec.kind == POOL_FILE)
		encode_size(json, "host_free", pool->stats.host_free);
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

void encode_recovery(struct json *json, const char *key, const struct recovery *recovery)
{
	json_put_object(json, key);
	encode_size(json, "volumes", recovery->volumes);
	encode_size(json, "branches", recovery->branches);
	encode_size(json, "snapshots", recovery->snapshots);
	encode_size(json, "tags", recovery->tags);
	encode_size(json, "stashes", recovery->stashes);
	json_put_bool(json, "backup_used", recovery->backup_used);
	json_put_bool(json, "backup_complete", recovery->backup_complete);
	json_put_bool(json, "notes_used", recovery->notes_used);
	json_end(json);
}

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
	encode_size_or_null(json, "first", report->first);
	encode_size_or_null(json, "last", report->last);
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
