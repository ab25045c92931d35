/*
 * Snapshots that are being read.
 *
 * Who reads a snapshot for long notes it here while a claim protects it, and
 * then drops the claim: nobody waits for a reader.  A deletion takes the
 * snapshot out of the catalogue at once, as ever, but the tree, and the intent
 * to delete it, stay until the last reader is gone; then the caretaker carries
 * it out.  After a crash there are no readers, and the next start does it.
 */

#include <string.h>

#include "engine/internal.h"

struct reading {
	char tree[TREE_TEXT];
	size_t readers;
	bool deleted;
	struct reading *next;
};

/* With the mutex held.  The place that points at it, or the end of the list. */
static struct reading **find(struct engine *engine, const struct tree *tree)
{
	struct reading **at = &engine->readings;
	char text[TREE_TEXT];

	tree_format(tree, text);
	while (*at && strcmp((*at)->tree, text) != 0)
		at = &(*at)->next;
	return at;
}

void reading_begin(struct engine *engine, const struct tree *tree)
{
	own_lock(guard, &engine->care_mutex);
	struct reading **at = find(engine, tree);

	if (!*at) {
		*at = xcalloc(1, sizeof(**at));
		tree_format(tree, (*at)->tree);
	}
	(*at)->readers++;
}

/* Was it the last, and of a tree that is to be deleted? */
static bool leave(struct engine *engine, const struct tree *tree)
{
	own_lock(guard, &engine->care_mutex);
	struct reading **at = find(engine, tree), *reading = *at;

	if (--reading->readers > 0)
		return false;
	engine->deletions_due |= reading->deleted;
	*at = reading->next;
	free(reading);
	return engine->deletions_due;
}

void reading_end(struct engine *engine, const struct tree *tree)
{
	if (leave(engine, tree))
		care_soon(engine);
}

bool reading_defers(struct engine *engine, const struct tree *tree)
{
	own_lock(guard, &engine->care_mutex);
	struct reading *reading = *find(engine, tree);

	if (reading)
		reading->deleted = true;
	return reading != NULL;
}
