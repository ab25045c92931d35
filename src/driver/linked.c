#include "driver/linked.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/text.h"

#define FIRST 64

void linked_done(struct linked_files *inodes)
{
	for (size_t i = 0; i < inodes->capacity; i++) {
		if (inodes->slots[i])
			free(inodes->slots[i]->path);
		free(inodes->slots[i]);
	}
	free(inodes->slots);
}

/* Where it is, or where it would be.  Neighbours go far apart: the constant is 2^64 divided by the
 * golden ratio. */
static struct linked_file **slot_of(const struct linked_files *inodes, ino_t number)
{
	size_t at = (size_t)(((uint64_t)number * UINT64_C(0x9e3779b97f4a7c15)) >> 32);

	for (;; at++) {
		struct linked_file **slot = &inodes->slots[at & (inodes->capacity - 1)];

		if (!*slot || (*slot)->number == number)
			return slot;
	}
}

static void grow(struct linked_files *inodes)
{
	struct linked_files bigger = { .capacity = inodes->capacity ? inodes->capacity * 2 : FIRST,
				       .count = inodes->count };

	bigger.slots = xcalloc(bigger.capacity, sizeof(struct linked_file *));
	for (size_t i = 0; i < inodes->capacity; i++)
		if (inodes->slots[i])
			*slot_of(&bigger, inodes->slots[i]->number) = inodes->slots[i];
	free(inodes->slots);
	*inodes = bigger;
}

struct linked_file *linked_get(struct linked_files *inodes, ino_t number)
{
	struct linked_file **slot;

	if (inodes->count * 2 >= inodes->capacity)
		grow(inodes);
	slot = slot_of(inodes, number);
	if (!*slot) {
		*slot = xcalloc(1, sizeof(**slot));
		(*slot)->number = number;
		inodes->count++;
	}
	return *slot;
}
