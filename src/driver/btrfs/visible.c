#include "base/fsat.h"
#include "base/mount.h"
#include "driver/btrfs/pool.h"
#include "driver/window.h"

#include <fcntl.h>

static int open_source(void *arg, int *ret_fd, struct fl_error *err)
{
	const struct btrfs_pool *pool = arg;

	if (pool->pool.spec.kind == POOL_DIRECTORY)
		return fsat_open_dir(AT_FDCWD, pool->medium.path, ret_fd, err);
	return medium_mount(&pool->pool.spec, &pool->medium, ret_fd, err);
}

int btrfs_expose(struct pool *pool, const char *root, struct fl_error *err)
{
	const struct window_source source = { btrfs_pool(pool)->root, open_source, pool };

	return windows_open(&source, root, err);
}

int btrfs_conceal(struct pool *pool, const char *root, struct fl_error *err)
{
	const struct window_source source = { btrfs_pool(pool)->root, open_source, pool };

	return windows_close(&source, root, err);
}

void btrfs_locate(struct pool *pool, const struct tree *tree, struct text *out)
{
	char path[TREE_TEXT];

	text_add_format(out, ".%s", tree_format(tree, path));
}
