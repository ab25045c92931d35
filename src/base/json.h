#pragma once

/*
 * A streaming JSON writer (RFC 8259).  It keeps no tree: each call appends to
 * a text, and commas and nesting are looked after.  Strings that are not valid
 * UTF-8 (file names may be anything) are written with each bad byte as U+FFFD,
 * so that the output is always valid.  Parsing is jansson's work, where bytes
 * come in.
 *
 *	json_put_object(&j, NULL);
 *	json_put_string(&j, "name", volume->name);
 *	json_put_array(&j, "branches");
 *	json_put_string(&j, NULL, "trunk");		in an array: no key
 *	json_end(&j);
 *	json_end(&j);
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"
#include "base/uuid.h"

#define JSON_DEPTH 32

struct json {
	struct text *out; /* borrowed */
	int depth;
	char close[JSON_DEPTH];	     /* what ends each open level */
	bool filled[JSON_DEPTH + 1]; /* something stands at this level already */
};

void json_init(struct json *json, struct text *out);
void json_put_object(struct json *json, const char *key);
void json_put_array(struct json *json, const char *key);
void json_end(struct json *json);
/* A NULL value is written as null. */
void json_put_string(struct json *json, const char *key, const char *value);
void json_put_int(struct json *json, const char *key, int64_t value);
void json_put_bool(struct json *json, const char *key, bool value);
void json_put_null(struct json *json, const char *key);
/* The zero UUID is written as null. */
void json_put_uuid(struct json *json, const char *key, const struct uuid *uuid);
/* Nanoseconds UTC, written as RFC 3339 with nine digits; 0 is written as null. */
void json_put_time(struct json *json, const char *key, int64_t time);
/* A value that is JSON already. */
void json_put_raw(struct json *json, const char *key, const char *value);
