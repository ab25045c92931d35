#include "api/encode-value.h"

#include <stdio.h>

#include "base/clock.h"
#include "model/snapname.h"

void encode_text_or_null(struct json *json, const char *key, const char *value)
{
	json_put_string(json, key, value && value[0] ? value : NULL);
}

void encode_id(struct json *json, const char *key, uint64_t id)
{
	char text[SNAPID_TEXT];

	json_put_string(json, key, id ? snapid_format(id, text) : NULL);
}

void encode_size(struct json *json, const char *key, uint64_t size)
{
	json_put_int(json, key, size > INT64_MAX ? INT64_MAX : (int64_t)size);
}

void encode_size_or_null(struct json *json, const char *key, uint64_t size)
{
	if (size)
		encode_size(json, key, size);
	else
		json_put_null(json, key);
}

void encode_seconds(struct json *json, const char *key, int64_t duration)
{
	char text[40];

	snprintf(text, sizeof(text), "%.6f", (double)duration / CLOCK_SECOND);
	json_put_raw(json, key, text);
}

void encode_pairs(struct json *json, const char *key, const struct metadata *metadata)
{
	json_put_object(json, key);
	for (size_t i = 0; i < metadata->count; i++)
		json_put_string(json, metadata->pairs[i].key, metadata->pairs[i].value);
	json_end(json);
}
