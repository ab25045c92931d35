#include <string.h>

#include "driver/kept.h"
#include "driver/mem/pool.h"

#define FACTS_LIMIT (16 << 20)

static int write_value(struct pool *pool, struct map *map, const char *key, const void *bytes,
		       size_t length, struct fl_error *err)
{
	own_lock(guard, &mem_mutex);

	if (mem_check_writable(pool, err) < 0)
		return fl_failed(err);
	map_set(map, key, bytes, length);
	return 0;
}

static int read_value(const struct map *map, const char *key, struct text *ret,
		      struct fl_error *err)
{
	own_lock(guard, &mem_mutex);
	const struct text *value = map_get(map, key);

	if (!value)
		return fl_fail(err, FL_NOT_FOUND, "%s", key);
	text_clear(ret);
	text_add(ret, text_get(value), value->length);
	return 0;
}

int mem_facts_write(struct pool *pool, const struct uuid *branch, const char *facts,
		    struct fl_error *err)
{
	char key[UUID_TEXT];

	if (strlen(facts) > FACTS_LIMIT)
		return fl_fail(err, FL_INVALID, "facts of more than 16 MiB");
	return write_value(pool, &mem_store(pool)->facts, uuid_format(branch, key), facts,
			   strlen(facts), err);
}

int mem_facts_read(struct pool *pool, const struct uuid *branch, struct text *ret,
		   struct fl_error *err)
{
	char key[UUID_TEXT];

	return read_value(&mem_store(pool)->facts, uuid_format(branch, key), ret, err);
}

/* The branches that have facts, and those that have snapshots alone. */
static struct map copy_branches(struct store *store)
{
	own_lock(guard, &mem_mutex);
	struct map branches = { 0 };
	char key[UUID_TEXT];

	for (size_t i = 0; i < store->facts.count; i++)
		map_get_or_add(&branches, store->facts.items[i].key);
	for (size_t i = 0; i < store->tree_count; i++)
		if (store->trees[i].name.kind == TREE_SNAPSHOT)
			map_get_or_add(&branches, uuid_format(&store->trees[i].name.uuid, key));
	return branches;
}

int mem_facts_list(struct pool *pool,
		   int (*each)(void *arg, const struct uuid *branch, struct fl_error *err),
		   void *arg, struct fl_error *err)
{
	own(map_done) struct map branches = copy_branches(mem_store(pool));
	struct uuid branch;
	int r = 0;

	for (size_t i = 0; i < branches.count && r >= 0; i++) {
		r = uuid_parse(branches.items[i].key, &branch, err);
		if (r == 0)
			r = each(arg, &branch, err);
	}
	return r < 0 ? r : 0;
}

int mem_facts_delete(struct pool *pool, const struct uuid *branch, struct fl_error *err)
{
	own_lock(guard, &mem_mutex);
	char key[UUID_TEXT];

	if (mem_check_writable(pool, err) < 0)
		return fl_failed(err);
	if (store_has_snapshots(mem_store(pool), branch))
		return fl_fail(err, FL_BUSY, "branch %s has snapshots", uuid_format(branch, key));
	map_remove(&mem_store(pool)->facts, uuid_format(branch, key));
	return 0;
}

int mem_file_write(struct pool *pool, const char *name, const void *bytes, size_t length,
		   struct fl_error *err)
{
	if (kept_file_check(name, err) < 0)
		return fl_failed(err);
	return write_value(pool, &mem_store(pool)->files, name, bytes, length, err);
}

int mem_file_append(struct pool *pool, const char *name, const void *bytes, size_t length,
		    struct fl_error *err)
{
	own_lock(guard, &mem_mutex);

	if (kept_file_check(name, err) < 0 || mem_check_writable(pool, err) < 0)
		return fl_failed(err);
	text_add(map_get_or_add(&mem_store(pool)->files, name), bytes, length);
	return 0;
}

int mem_file_read(struct pool *pool, const char *name, struct text *ret, struct fl_error *err)
{
	if (kept_file_check(name, err) < 0)
		return fl_failed(err);
	return read_value(&mem_store(pool)->files, name, ret, err);
}
