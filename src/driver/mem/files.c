#include <string.h>

#include "driver/mem/mem.h"
#include "driver/mem/pool.h"

int mem_write(struct pool *pool, const struct tree *name, const char *path, const char *contents,
	      struct fl_error *err)
{
	struct store *store = mem_store(pool);
	own_lock(guard, &mem_mutex);
	struct mem_tree *tree;

	if (mem_check_writable(pool, err) < 0)
		return fl_failed(err);
	tree = store_get_tree(store, name, err);
	if (!tree)
		return fl_failed(err);
	if (name->kind == TREE_SNAPSHOT)
		return mem_fail_read_only(path, err);
	if (contents)
		map_set(&tree->files, path, contents, strlen(contents));
	else
		map_remove(&tree->files, path);
	tree->version = ++store->last_version;
	return 0;
}

int mem_read(struct pool *pool, const struct tree *name, const char *path, char **ret,
	     struct fl_error *err)
{
	own_lock(guard, &mem_mutex);
	const struct mem_tree *tree = store_get_tree(mem_store(pool), name, err);
	const struct text *value;

	if (!tree)
		return fl_failed(err);
	value = map_get(&tree->files, path);
	if (!value)
		return fl_fail(err, FL_NOT_FOUND, "%s", path);
	*ret = xstrdup(text_get(value));
	return 0;
}
