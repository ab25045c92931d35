#pragma once

/*
 * Values that many nouns have, as they stand in JSON; for the files that encode nouns
 * (api/encode.h).
 */

#include <stdint.h>

#include "base/json.h"
#include "model/metadata.h"

/* An empty string stands for "none" in the nouns, and null in JSON; NULL too. */
void encode_text_or_null(struct json *json, const char *key, const char *value);
/* A snapshot's; 0: null. */
void encode_id(struct json *json, const char *key, uint64_t id);
/* Bytes; JSON's numbers end at INT64_MAX. */
void encode_size(struct json *json, const char *key, uint64_t size);
/* Of what 0 means that there is none. */
void encode_size_or_null(struct json *json, const char *key, uint64_t size);
/* A duration in ns, as seconds with six decimals. */
void encode_seconds(struct json *json, const char *key, int64_t duration);
/* An object of strings. */
void encode_pairs(struct json *json, const char *key, const struct metadata *pairs);
