/*
 * Intents to delete: what has left the catalogue leaves the pool.
 */

#include <string.h>

#include "base/text.h"
#include "engine/internal.h"

static int forget(struct tx *tx, void *arg, struct fl_error *err)
{
	return tx_intent_delete(tx, arg, err);
}

int intent_forget(struct engine *engine, const struct uuid *operation, struct fl_error *err)
{
	struct uuid copy = *operation;

	sync_soon(engine);
	/* Lazily: carrying out a deletion twice is harmless. */
	return catalog_write(engine->catalog, CATALOG_LAZY, forget, &copy, err);
}

/* The body: the branch and the place of its head in retired/. */
int delete_branch_intend(struct tx *tx, const struct branch_row *branch, struct intent_row *ret,
			 struct fl_error *err)
{
	struct text body = { 0 };
	char uuid[UUID_TEXT], retired[UUID_TEXT];

	*ret = (struct intent_row){ .operation = uuid_new(), .verb = "delete-branch" };
	text_add_format(&body, "%s/%s", uuid_format(&branch->uuid, uuid),
			uuid_format(&branch->retired, retired));
	ret->body = text_take(&body);
	return tx_intent_insert(tx, ret, err);
}

struct deletion {
	struct uuid branch;
	struct uuid retired;
	struct tree *trees;
	size_t count;
};

static int parse_body(const char *body, struct deletion *ret, struct fl_error *err)
{
	char branch[UUID_TEXT];

	snprintf(branch, sizeof(branch), "%s", body);
	if (strlen(body) != 2 * UUID_TEXT - 1 || uuid_parse(branch, &ret->branch, err) < 0 ||
	    uuid_parse(body + UUID_TEXT, &ret->retired, err) < 0)
		return fl_fail(err, FL_CORRUPT,
			       "the note of an interrupted deletion can't be read");
	return 0;
}

static int collect_tree(void *arg, const struct tree *tree, const struct tree_info *info,
			struct fl_error *err)
{
	struct deletion *deletion = arg;
	const struct uuid *mine = tree->kind == TREE_RETIRED ? &deletion->retired
							     : &deletion->branch;

	if (tree->kind == TREE_STAGING || !uuid_equal(&tree->uuid, mine))
		return 0;
	deletion->trees = xrealloc(deletion->trees, deletion->count + 1, sizeof(*deletion->trees));
	deletion->trees[deletion->count++] = *tree;
	return 0;
}

int delete_branch_finish(struct engine *engine, const struct intent_row *intent,
			 struct fl_error *err)
{
	const struct driver *driver = driver_of(engine);
	struct deletion deletion = { 0 };
	own_free struct tree *trees = NULL;
	int r;

	if (parse_body(intent->body, &deletion, err) < 0)
		return fl_failed(err);
	r = driver->list(engine->pool, collect_tree, &deletion, err);
	trees = deletion.trees;
	for (size_t i = 0; r == 0 && i < deletion.count; i++)
		r = driver->tree_delete(engine->pool, &trees[i], err);
	if (r < 0 || driver->facts_delete(engine->pool, &deletion.branch, err) < 0)
		return fl_failed(err);
	return intent_forget(engine, &intent->operation, err);
}
