#include "tests/unit/json-reader.h"

#include <jansson.h>
#include <string.h>

bool reader_accepts(const char *text)
{
	json_t *parsed = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

	json_decref(parsed);
	return parsed != NULL;
}

char *reader_member(const char *text, const char *key)
{
	json_t *parsed = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	void *member = json_object_iter(parsed);
	char *value = NULL;

	if (member && json_object_size(parsed) == 1 &&
	    (!key || strcmp(json_object_iter_key(member), key) == 0) &&
	    json_is_string(json_object_iter_value(member)))
		value = strdup(json_string_value(json_object_iter_value(member)));
	json_decref(parsed);
	return value;
}
