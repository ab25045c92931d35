#include "driver/mem/pool.h"

#include <string.h>

#include "driver/mem/mem.h"

#define SIZE_DEFAULT (UINT64_C(64) << 20)
#define SIZE_LEAST (UINT64_C(1) << 20)

pthread_mutex_t mem_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct store *stores;

static struct store *find_store(const char *path)
{
	struct store *store = stores;

	while (store && strcmp(store->path, path) != 0)
		store = store->next;
	return store;
}

int mem_fail_read_only(const char *path, struct fl_error *err)
{
	errno = EROFS;
	return fl_fail_errno(err, "%s", path);
}

int mem_check_writable(struct pool *pool, struct fl_error *err)
{
	if (((struct mem_pool *)pool)->read_only)
		return mem_fail_read_only(pool->spec.path, err);
	return 0;
}

int mem_create(const struct pool_spec *spec, const struct pool_identity *identity,
	       struct fl_error *err)
{
	uint64_t size = spec->size ? spec->size : SIZE_DEFAULT;
	own_lock(guard, &mem_mutex);
	struct store *store;

	if (spec->kind != POOL_MEMORY)
		return fl_fail(err, FL_UNSUPPORTED, "a pool of the kind '%s' in memory",
			       pool_kind_names[spec->kind]);
	if (size < SIZE_LEAST)
		return fl_fail(err, FL_INVALID, "%s: a pool needs at least 1 MiB", spec->path);
	if (find_store(spec->path))
		return fl_fail(err, FL_EXISTS, "%s: holds a pool already", spec->path);
	store = xcalloc(1, sizeof(*store));
	store->path = xstrdup(spec->path);
	store->identity = *identity;
	store->size = size;
	store->next = stores;
	stores = store;
	return 0;
}

int mem_open(const struct pool_spec *spec, struct pool **ret, struct fl_error *err)
{
	own_lock(guard, &mem_mutex);
	struct store *store = find_store(spec->path);
	struct mem_pool *mem;

	if (!store)
		return fl_fail(err, FL_NOT_FOUND, "%s: no pool", spec->path);
	if (store->identity.format > POOL_FORMAT)
		return fl_fail(err, FL_INVALID, "%s: the pool has a newer format", spec->path);
	if (store->open)
		return fl_fail(err, FL_BUSY, "%s: the pool is open already", spec->path);
	store->open = true;
	mem = xcalloc(1, sizeof(*mem));
	mem->pool = (struct pool){ &mem_driver, *spec, store->identity, 1 };
	mem->store = store;
	*ret = &mem->pool;
	return 0;
}

void mem_close(struct pool *pool)
{
	own_lock(guard, &mem_mutex);

	if (!pool)
		return;
	mem_store(pool)->open = false;
	free(pool);
}

int mem_identify(struct pool *pool, const struct pool_identity *identity, struct fl_error *err)
{
	own_lock(guard, &mem_mutex);

	if (mem_check_writable(pool, err) < 0)
		return fl_failed(err);
	mem_store(pool)->identity = *identity;
	pool->identity = *identity;
	return 0;
}

int mem_stats(struct pool *pool, struct pool_stats *ret, struct fl_error *err)
{
	own_lock(guard, &mem_mutex);
	const struct store *store = mem_store(pool);
	struct pool_stats stats = { .size = store->size };

	stats.used = store_used(store);
	stats.free = stats.used < stats.size ? stats.size - stats.used : 0;
	stats.read_only = ((struct mem_pool *)pool)->read_only;
	strcpy(stats.health, stats.read_only ? "read-only" : "ok");
	*ret = stats;
	return 0;
}

int mem_grow(struct pool *pool, uint64_t size, struct fl_error *err)
{
	own_lock(guard, &mem_mutex);

	if (size && size < mem_store(pool)->size)
		return fl_fail(err, FL_INVALID, "%s: a pool cannot shrink", pool->spec.path);
	if (size)
		mem_store(pool)->size = size;
	return 0;
}

int mem_sync(struct pool *pool, struct fl_error *err)
{
	return 0;
}

int mem_set_read_only(struct pool *pool, bool read_only, struct fl_error *err)
{
	own_lock(guard, &mem_mutex);

	((struct mem_pool *)pool)->read_only = read_only;
	return 0;
}

void mem_reset(void)
{
	own_lock(guard, &mem_mutex);

	while (stores) {
		struct store *store = stores;

		stores = store->next;
		store_free(store);
	}
}
