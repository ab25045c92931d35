#include <assert.h>
#include <string.h>

#include "driver/mem/pool.h"

/* --- making, renaming ------------------------------------------------------ */

static int make_tree(struct pool *pool, const struct tree *name, const struct tree *from,
		     struct fl_error *err)
{
	own_lock(guard, &mem_mutex);

	if (mem_check_writable(pool, err) < 0)
		return fl_failed(err);
	return store_add_tree(mem_store(pool), name, from, err);
}

int mem_head_create(struct pool *pool, const struct uuid *branch, struct fl_error *err)
{
	const struct tree head = tree_head(branch);

	return make_tree(pool, &head, NULL, err);
}

int mem_staging_create(struct pool *pool, const struct uuid *operation, const struct uuid *branch,
		       struct fl_error *err)
{
	const struct tree staging = tree_staging(operation);

	return make_tree(pool, &staging, NULL, err);
}

int mem_staging_clone(struct pool *pool, const struct uuid *operation, const struct uuid *branch,
		      const struct tree *from, struct fl_error *err)
{
	const struct tree staging = tree_staging(operation);

	return make_tree(pool, &staging, from, err);
}

int mem_head_clone(struct pool *pool, const struct uuid *branch, const struct tree *from,
		   struct fl_error *err)
{
	const struct tree head = tree_head(branch);

	return make_tree(pool, &head, from, err);
}

int mem_snapshot(struct pool *pool, const struct tree *source, const struct tree *target,
		 struct fl_error *err)
{
	assert(target->kind == TREE_SNAPSHOT || target->kind == TREE_STAGING);
	return make_tree(pool, target, source, err);
}

static int set_note(struct mem_tree *tree, const char *note)
{
	free(tree->note);
	tree->note = note ? xstrdup(note) : NULL;
	return 0;
}

int mem_snapshot_noted(struct pool *pool, const struct tree *source, const struct tree *target,
		       const char *note, struct fl_error *err)
{
	if (mem_snapshot(pool, source, target, err) < 0)
		return fl_failed(err);
	own_lock(guard, &mem_mutex);
	return set_note(store_find_tree(mem_store(pool), target), note);
}

int mem_note_write(struct pool *pool, const struct tree *name, const char *note,
		   struct fl_error *err)
{
	own_lock(guard, &mem_mutex);
	struct mem_tree *tree;

	if (mem_check_writable(pool, err) < 0)
		return fl_failed(err);
	tree = store_get_tree(mem_store(pool), name, err);
	return tree ? set_note(tree, note) : fl_failed(err);
}

int mem_head_swap(struct pool *pool, const struct uuid *branch, const struct tree *from,
		  const struct uuid *operation, struct fl_error *err)
{
	const struct tree head = tree_head(branch), retired = tree_retired(operation);
	struct store *store = mem_store(pool);
	own_lock(guard, &mem_mutex);
	struct mem_tree *old;

	if (mem_check_writable(pool, err) < 0)
		return fl_failed(err);
	if (store_find_tree(store, &retired)) /* done by an earlier call */
		return 0;
	old = store_get_tree(store, &head, err);
	if (!old || !store_get_tree(store, from, err))
		return fl_failed(err);
	old->name = retired;
	return store_add_tree(store, &head, from, err);
}

/* `from` becomes `to`; where `to` stands already and `from` does not, an earlier call did it. */
static int rename_tree(struct pool *pool, const struct tree *from, const struct tree *to,
		       struct fl_error *err)
{
	struct store *store = mem_store(pool);
	own_lock(guard, &mem_mutex);
	struct mem_tree *tree;

	if (mem_check_writable(pool, err) < 0)
		return fl_failed(err);
	if (!store_find_tree(store, from) && store_find_tree(store, to))
		return 0;
	tree = store_get_tree(store, from, err);
	if (!tree || store_check_free(store, to, err) < 0)
		return fl_failed(err);
	tree->name = *to;
	return 0;
}

int mem_head_retire(struct pool *pool, const struct uuid *branch, const struct uuid *operation,
		    struct fl_error *err)
{
	const struct tree head = tree_head(branch), retired = tree_retired(operation);

	return rename_tree(pool, &head, &retired, err);
}

int mem_head_restore(struct pool *pool, const struct tree *from, const struct uuid *branch,
		     struct fl_error *err)
{
	const struct tree head = tree_head(branch);

	return rename_tree(pool, from, &head, err);
}

int mem_staging_commit(struct pool *pool, const struct uuid *operation, const struct tree *target,
		       struct fl_error *err)
{
	const struct tree staging = tree_staging(operation);

	return rename_tree(pool, &staging, target, err);
}

int mem_tree_delete(struct pool *pool, const struct tree *name, struct fl_error *err)
{
	own_lock(guard, &mem_mutex);
	struct store *store = mem_store(pool);
	struct mem_tree *tree = store_find_tree(store, name);

	if (mem_check_writable(pool, err) < 0)
		return fl_failed(err);
	if (!tree)
		return 0;
	store_delete_tree(store, tree);
	return 0;
}

/* --- what there is ----------------------------------------------------------- */

int mem_tree_info(struct pool *pool, const struct tree *name, struct tree_info *ret,
		  struct fl_error *err)
{
	own_lock(guard, &mem_mutex);
	const struct mem_tree *tree = store_get_tree(mem_store(pool), name, err);

	if (!tree)
		return fl_failed(err);
	*ret = tree->info;
	return 0;
}

int mem_tree_open(struct pool *pool, const struct tree *name, int *ret_fd, struct fl_error *err)
{
	own_lock(guard, &mem_mutex);

	if (!store_get_tree(mem_store(pool), name, err))
		return fl_failed(err);
	return fl_fail(err, FL_UNSUPPORTED, "a tree in memory has no files to open");
}

int mem_changed_since(struct pool *pool, const struct tree *name, const struct tree *since,
		      bool *ret, struct fl_error *err)
{
	own_lock(guard, &mem_mutex);
	const struct mem_tree *tree = store_get_tree(mem_store(pool), name, err);
	const struct mem_tree *snapshot = tree ? store_get_tree(mem_store(pool), since, err) : NULL;

	if (!snapshot)
		return fl_failed(err);
	*ret = tree->version != snapshot->version;
	return 0;
}

static struct mem_tree *copy_names(struct store *store, size_t *ret_count)
{
	own_lock(guard, &mem_mutex);
	struct mem_tree *copy = xcalloc(store->tree_count + 1, sizeof(*copy));

	for (size_t i = 0; i < store->tree_count; i++)
		copy[i] = (struct mem_tree){ store->trees[i].name, store->trees[i].info };
	*ret_count = store->tree_count;
	return copy;
}

int mem_list(struct pool *pool,
	     int (*each)(void *arg, const struct tree *tree, const struct tree_info *info,
			 struct fl_error *err),
	     void *arg, struct fl_error *err)
{
	size_t count;
	own_free struct mem_tree *trees = copy_names(mem_store(pool), &count);
	int r = 0;

	for (size_t i = 0; i < count && r >= 0; i++)
		r = each(arg, &trees[i].name, &trees[i].info, err);
	return r < 0 ? r : 0;
}

static struct mem_tree *copy_notes(struct store *store, size_t *ret_count)
{
	own_lock(guard, &mem_mutex);
	struct mem_tree *copy = xcalloc(store->tree_count + 1, sizeof(*copy));

	*ret_count = 0;
	for (size_t i = 0; i < store->tree_count; i++)
		if (store->trees[i].note)
			copy[(*ret_count)++] = (struct mem_tree){
				.name = store->trees[i].name, .note = xstrdup(store->trees[i].note)
			};
	return copy;
}

int mem_note_each(struct pool *pool,
		  int (*each)(void *arg, const struct tree *tree, const char *note,
			      struct fl_error *err),
		  void *arg, struct fl_error *err)
{
	size_t count;
	own_free struct mem_tree *notes = copy_notes(mem_store(pool), &count);
	int r = 0;

	for (size_t i = 0; i < count; i++) {
		if (r >= 0)
			r = each(arg, &notes[i].name, notes[i].note, err);
		free(notes[i].note);
	}
	return r < 0 ? r : 0;
}
