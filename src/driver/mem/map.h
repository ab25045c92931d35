#pragma once

/*
 * What the memory driver is made of: a map from a name to bytes.  Names are
 * searched one after the other; it is for tests.  Zero is the empty map.
 */

#include "base/text.h"

struct map {
	struct item {
		char *key;
		struct text value;
	} * items;
	size_t count;
};

void map_done(struct map *map);

/* Borrowed until the map changes; NULL when there is none. */
struct text *map_get(const struct map *map, const char *key);
/* The same, but adds an empty one. */
struct text *map_get_or_add(struct map *map, const char *key);
void map_set(struct map *map, const char *key, const void *bytes, size_t length);
/* A missing key is fine. */
void map_remove(struct map *map, const char *key);
/* Adds everything that is in `from`. */
void map_copy(struct map *map, const struct map *from);
/* The length of all values. */
size_t map_bytes(const struct map *map);
