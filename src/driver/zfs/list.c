#include "base/log.h"
#include "driver/zfs/pool.h"

/* Telling what there is, from the index. */

static struct tree_info info_of(const struct item *item)
{
	return (struct tree_info){
		.id = item->id,
		.device = item->device,
		.created = item->created,
	};
}

/*
 * The device is known once a dataset was mounted.  A snapshot is not mounted for
 * that: nobody changes it, so nobody asks who might.
 */
int zfs_tree_info(struct pool *pool, const struct tree *tree, struct tree_info *ret,
		  struct fl_error *err)
{
	struct zfs_pool *p = zfs_pool(pool);
	own_shape(shape, read_shape(p));
	own_places(guard, p);
	struct item *item = item_get(p, tree, err);
	struct fl_error in_use;
	int mount;

	if (!item)
		return fl_failed(err);
	if (!item->home && item->device == 0 && place_get(p, item, &mount, &in_use) < 0)
		log_warning("a dataset cannot be mounted", "dataset=%s error=%s", item->name,
			    in_use.text);
	*ret = info_of(item);
	return 0;
}

struct listing {
	struct tree tree;
	struct tree_info info;
};

static struct listing *copy_trees(struct zfs_pool *pool, size_t *ret_count)
{
	own_lock(guard, &pool->mutex);
	struct listing *copy = xcalloc(pool->index.count + 1, sizeof(*copy));
	size_t count = 0;

	for (size_t i = 0; i < pool->index.count; i++) {
		const struct item *item = pool->index.items[i];

		if (!item->hidden)
			copy[count++] = (struct listing){ item->tree, info_of(item) };
	}
	*ret_count = count;
	return copy;
}

int zfs_list(struct pool *pool,
	     int (*each)(void *arg, const struct tree *tree, const struct tree_info *info,
			 struct fl_error *err),
	     void *arg, struct fl_error *err)
{
	size_t count = 0;
	own_free struct listing *trees = copy_trees(zfs_pool(pool), &count);
	int r = 0;

	for (size_t i = 0; i < count && r >= 0; i++)
		r = each(arg, &trees[i].tree, &trees[i].info, err);
	return r < 0 ? r : 0;
}
