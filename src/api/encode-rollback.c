#include "api/encode.h"

#include "api/encode-value.h"

void encode_holders(struct json *json, const struct holders *holders)
{
	size_t shown = holders->count < HOLDERS ? holders->count : HOLDERS;

	json_put_array(json, "holders");
	for (size_t i = 0; i < shown; i++) {
		json_put_object(json, NULL);
		json_put_int(json, "pid", holders->items[i].pid);
		json_put_string(json, "command", holders->items[i].command);
		encode_text_or_null(json, "container", holders->items[i].container);
		json_put_string(json, "what", holders->items[i].what);
		json_end(json);
	}
	json_end(json);
	encode_size(json, "holder_count", holders->count);
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
