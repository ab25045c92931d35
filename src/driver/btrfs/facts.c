#include "driver/btrfs/pool.h"
#include "driver/kept.h"

int btrfs_facts_write(struct pool *pool, const struct uuid *branch, const char *text,
		      struct fl_error *err)
{
	return kept_facts_write(btrfs_pool(pool)->root, branch, text, err);
}

int btrfs_facts_read(struct pool *pool, const struct uuid *branch, struct text *ret,
		     struct fl_error *err)
{
	return kept_facts_read(btrfs_pool(pool)->root, branch, ret, err);
}

int btrfs_facts_list(struct pool *pool,
		     int (*each)(void *arg, const struct uuid *branch, struct fl_error *err),
		     void *arg, struct fl_error *err)
{
	return kept_facts_list(btrfs_pool(pool)->root, each, arg, err);
}

int btrfs_facts_delete(struct pool *pool, const struct uuid *branch, struct fl_error *err)
{
	return kept_facts_delete(btrfs_pool(pool)->root, branch, err);
}

int btrfs_file_write(struct pool *pool, const char *name, const void *bytes, size_t length,
		     struct fl_error *err)
{
	return kept_file_write(btrfs_pool(pool)->root, name, bytes, length, err);
}

int btrfs_file_append(struct pool *pool, const char *name, const void *bytes, size_t length,
		      struct fl_error *err)
{
	return kept_file_append(btrfs_pool(pool)->root, name, bytes, length, err);
}

int btrfs_file_read(struct pool *pool, const char *name, struct text *ret, struct fl_error *err)
{
	return kept_file_read(btrfs_pool(pool)->root, name, ret, err);
}
