#include "driver/mem/map.h"

#include <string.h>

struct text *map_get(const struct map *map, const char *key)
{
	for (size_t i = 0; i < map->count; i++)
		if (strcmp(map->items[i].key, key) == 0)
			return &map->items[i].value;
	return NULL;
}

struct text *map_get_or_add(struct map *map, const char *key)
{
	struct text *value = map_get(map, key);
	struct item *item;

	if (value)
		return value;
	item = array_add(map->items, map->count);
	item->key = xstrdup(key);
	return &item->value;
}

void map_set(struct map *map, const char *key, const void *bytes, size_t length)
{
	struct text *value = map_get_or_add(map, key);

	text_clear(value);
	text_add(value, bytes, length);
}

void map_remove(struct map *map, const char *key)
{
	for (size_t i = 0; i < map->count; i++) {
		if (strcmp(map->items[i].key, key) != 0)
			continue;
		free(map->items[i].key);
		text_done(&map->items[i].value);
		map->items[i] = map->items[--map->count];
		return;
	}
}

void map_copy(struct map *map, const struct map *from)
{
	for (size_t i = 0; i < from->count; i++)
		map_set(map, from->items[i].key, text_get(&from->items[i].value),
			from->items[i].value.length);
}

void map_done(struct map *map)
{
	for (size_t i = 0; i < map->count; i++) {
		free(map->items[i].key);
		text_done(&map->items[i].value);
	}
	free(map->items);
	*map = (struct map){ 0 };
}

size_t map_bytes(const struct map *map)
{
	size_t bytes = 0;

	for (size_t i = 0; i < map->count; i++)
		bytes += map->items[i].value.length;
	return bytes;
}
