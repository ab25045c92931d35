#include "api/encode.h"

#include "api/encode-value.h"

void encode_hook(struct json *json, const char *key, const struct hook_report *report)
{
	json_put_object(json, key);
	json_put_string(json, "ref", report->ref);
	json_put_string(json, "name", report->name);
	encode_pairs(json, "settings", &report->settings);
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
	encode_size_or_null(json, "pid", (uint64_t)report->pid);
	if (report->started)
		json_put_time(json, "started", report->started);
	else
		json_put_null(json, "started");
	if (report->exit_status >= 0)
		json_put_int(json, "exit_status", report->exit_status);
	else
		json_put_null(json, "exit_status");
	encode_size(json, "restarts", report->restarts);
	json_put_string(json, "last_words", report->last_words);
	encode_pairs(json, "settings", &report->settings);
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
