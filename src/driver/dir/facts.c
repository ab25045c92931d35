#include "driver/dir/pool.h"
#include "driver/kept.h"

int dir_facts_write(struct pool *pool, const struct uuid *branch, const char *text,
		    struct fl_error *err)
{
	return kept_facts_write(dir_pool(pool)->root, branch, text, err);
}

int dir_facts_read(struct pool *pool, const struct uuid *branch, struct text *ret,
		   struct fl_error *err)
{
	return kept_facts_read(dir_pool(pool)->root, branch, ret, err);
}

int dir_facts_list(struct pool *pool,
		   int (*each)(void *arg, const struct uuid *branch, struct fl_error *err),
		   void *arg, struct fl_error *err)
{
	return kept_facts_list(dir_pool(pool)->root, each, arg, err);
}

int dir_facts_delete(struct pool *pool, const struct uuid *branch, struct fl_error *err)
{
	return kept_facts_delete(dir_pool(pool)->root, branch, err);
}

int dir_file_write(struct pool *pool, const char *name, const void *bytes, size_t length,
		   struct fl_error *err)
{
	return kept_file_write(dir_pool(pool)->root, name, bytes, length, err);
}

int dir_file_append(struct pool *pool, const char *name, const void *bytes, size_t length,
		    struct fl_error *err)
{
	return kept_file_append(dir_pool(pool)->root, name, bytes, length, err);
}

int dir_file_read(struct pool *pool, const char *name, struct text *ret, struct fl_error *err)
{
	return kept_file_read(dir_pool(pool)->root, name, ret, err);
}
