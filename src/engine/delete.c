/*
 * Intents to delete: what has left the catalogue leaves the pool.
 */

#include <string.h>

#include "base/text.h"
#include "engine/internal.h"

void intent_carried_out(struct engine *engine, const struct uuid *operation)
{
	pthread_mutex_lock(&engine->care_mutex);
	*array_add(engine->carried_out, engine->carried_out_count) = *operation;
	pthread_mutex_unlock(&engine->care_mutex);
	sync_soon(engine);
}

struct forgetting {
	struct uuid *operations;
	size_t count;
};

static int forget(struct tx *tx, void *arg, struct fl_error *err)
{
	const struct forgetting *forgetting = arg;

	for (size_t i = 0; i < forgetting->count; i++)
		if (tx_intent_delete(tx, &forgetting->operations[i], err) < 0 &&
		    err->code != FL_NOT_FOUND)
			return fl_failed(err);
	return 0;
}

static size_t count_carried_out(struct engine *engine)
{
	own_lock(guard, &engine->care_mutex);

	return engine->carried_out_count;
}

static struct forgetting take_carried_out(struct engine *engine)
{
	own_lock(guard, &engine->care_mutex);
	struct forgetting forgetting = { take_ptr(engine->carried_out), engine->carried_out_count };

	engine->carried_out_count = 0;
	return forgetting;
}

int intents_settle(struct engine *engine, struct fl_error *err)
{
	size_t count;

	if (count_carried_out(engine) == 0)
		return 0;
	if (driver_of(engine)->sync(engine->pool, err) < 0)
		return fl_failed(err);
	return intents_forget(engine, &count, err);
}

int intents_forget(struct engine *engine, size_t *ret_count, struct fl_error *err)
{
	struct forgetting forgetting = take_carried_out(engine);
	int r = 0;

	/* Lazily: carrying out a deletion twice is harmless. */
	if (forgetting.count > 0)
		r = catalog_write(engine->catalog, CATALOG_LAZY, forget, &forgetting, err);
	free(forgetting.operations);
	*ret_count = forgetting.count;
	return r;
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
	*array_add(deletion->trees, deletion->count) = *tree;
	return 0;
}

int delete_branch_finish(struct engine *engine, const struct intent_row *intent,
			 struct fl_error *err)
{
	const struct driver *driver = driver_of(engine);
	struct deletion deletion = { 0 };
	own_free struct tree *trees = NULL;
	bool deferred = false;
	int r;

	if (parse_body(intent->body, &deletion, err) < 0)
		return fl_failed(err);
	r = driver->list(engine->pool, collect_tree, &deletion, err);
	trees = deletion.trees;
	for (size_t i = 0; r == 0 && i < deletion.count; i++) {
		if (reading_defers(engine, &trees[i]))
			deferred = true;
		else
			r = driver->tree_delete(engine->pool, &trees[i], err);
	}
	if (r == 0 && deferred)
		return 0;
	if (r < 0 || driver->facts_delete(engine->pool, &deletion.branch, err) < 0)
		return fl_failed(err);
	intent_carried_out(engine, &intent->operation);
	return 0;
}
