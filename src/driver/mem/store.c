#include "driver/mem/store.h"

#include "base/clock.h"

struct mem_tree *store_find_tree(const struct store *store, const struct tree *name)
{
	for (size_t i = 0; i < store->tree_count; i++)
		if (tree_equal(&store->trees[i].name, name))
			return &store->trees[i];
	return NULL;
}

struct mem_tree *store_get_tree(const struct store *store, const struct tree *name,
				struct fl_error *err)
{
	struct mem_tree *tree = store_find_tree(store, name);
	char text[TREE_TEXT];

	if (!tree)
		fl_fail(err, FL_NOT_FOUND, "%s", tree_format(name, text));
	return tree;
}

int store_check_free(const struct store *store, const struct tree *name, struct fl_error *err)
{
	char text[TREE_TEXT];

	if (store_find_tree(store, name))
		return fl_fail(err, FL_EXISTS, "%s", tree_format(name, text));
	return 0;
}

int store_add_tree(struct store *store, const struct tree *name, const struct tree *from,
		   struct fl_error *err)
{
	struct mem_tree tree = { .name = *name, .info.created = clock_now() };
	const struct mem_tree *source = from ? store_get_tree(store, from, err) : NULL;

	if ((from && !source) || store_check_free(store, name, err) < 0)
		return fl_failed(err);
	tree.info.id = ++store->last_id;
	tree.version = source ? source->version : ++store->last_version;
	if (source)
		map_copy(&tree.files, &source->files);
	*array_add(store->trees, store->tree_count) = tree;
	return 0;
}

bool store_has_snapshots(const struct store *store, const struct uuid *branch)
{
	for (size_t i = 0; i < store->tree_count; i++)
		if (store->trees[i].name.kind == TREE_SNAPSHOT &&
		    uuid_equal(&store->trees[i].name.uuid, branch))
			return true;
	return false;
}

void store_delete_tree(struct store *store, struct mem_tree *tree)
{
	map_done(&tree->files);
	free(tree->note);
	*tree = store->trees[--store->tree_count];
}

void store_free(struct store *store)
{
	while (store->tree_count > 0)
		store_delete_tree(store, store->trees);
	map_done(&store->facts);
	map_done(&store->files);
	free(store->trees);
	free(store->path);
	free(store);
}

uint64_t store_used(const struct store *store)
{
	uint64_t used = map_bytes(&store->facts) + map_bytes(&store->files);

	for (size_t i = 0; i < store->tree_count; i++)
		used += map_bytes(&store->trees[i].files);
	return used;
}
