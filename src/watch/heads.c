#include "watch/heads.h"

#include <stdlib.h>

#include "base/text.h"

/* Numbers follow each other, so they are spread by a multiplication (Fibonacci hashing). */
static size_t place_of(const struct heads *heads, uint64_t number)
{
	return (size_t)((number * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (heads->room - 1);
}

/* Where the number is, or the free place where it would be. */
static struct watched *find_place(const struct heads *heads, uint64_t number)
{
	size_t place = place_of(heads, number);

	while (heads->items[place].number != 0 && heads->items[place].number != number)
		place = (place + 1) & (heads->room - 1);
	return &heads->items[place];
}

/* At most half full, so that a search is short. */
static void make_room(struct heads *heads)
{
	struct heads greater = { .count = heads->count,
				 .room = heads->room ? 2 * heads->room : 64 };

	if (2 * heads->count < heads->room)
		return;
	greater.items = xcalloc(greater.room, sizeof(*greater.items));
	for (size_t i = 0; i < heads->room; i++)
		if (heads->items[i].number != 0)
			*find_place(&greater, heads->items[i].number) = heads->items[i];
	free(heads->items);
	*heads = greater;
}

void heads_done(struct heads *heads)
{
	free(heads->items);
	*heads = (struct heads){ 0 };
}

struct watched *heads_find(const struct heads *heads, uint64_t number)
{
	struct watched *found;

	if (heads->room == 0)
		return NULL;
	found = find_place(heads, number);
	return found->number ? found : NULL;
}

struct watched *heads_add(struct heads *heads, uint64_t number)
{
	struct watched *found;

	make_room(heads);
	found = find_place(heads, number);
	if (found->number == 0) {
		found->number = number;
		heads->count++;
	}
	return found;
}
