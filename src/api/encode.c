#include "api/encode.h"

#include "api/encode-value.h"

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
	encode_size(json, "done_bytes", operation->done_bytes);
	encode_size_or_null(json, "total_bytes", operation->total_bytes);
	json_put_time(json, "started", operation->started);
	json_put_time(json, "ended", operation->ended);
	if (operation->error.code == FL_OK) {
		json_put_null(json, "error");
	} else {
		begin_error(json, &operation->error);
		encode_text_or_null(json, "hint", operation->error.hint);
		json_end(json);
	}
	json_end(json);
}

void encode_event(struct json *json, const char *key, const struct event *event)
{
	json_put_object(json, key);
	encode_size(json, "number", event->number);
	json_put_time(json, "time", event->time);
	json_put_string(json, "kind", event->kind);
	encode_text_or_null(json, "object", event->object);
	encode_text_or_null(json, "message", event->text);
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
	encode_text_or_null(json, "object", err->object);
	encode_text_or_null(json, "hint", err->hint);
	json_put_string(json, "operation", operation);
	json_end(json);
	json_end(json);
}
