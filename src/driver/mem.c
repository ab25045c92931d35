/*
 * The reference driver
 *
 * A store is what a disk would hold; it stays in the table of the process when
 * the pool over it is closed.  One mutex guards the table and every store, and
 * no function of the caller runs under it: list() and facts_list() copy first.
 */

#include "driver/mem.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>

#include "base/stream.h"
#include "driver/kept.h"
#include "driver/parcel.h"
#include "driver/store.h"

#define SIZE_DEFAULT (UINT64_C(64) << 20)
#define SIZE_LEAST (UINT64_C(1) << 20)
#define CHUNK 65536
#define FACTS_LIMIT (16 << 20)

struct mem_pool {
	struct pool pool;
	struct store *store;
	bool read_only;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct store *stores;

/* --- pools --------------------------------------------------------------- */

static struct store *find_store(const char *path)
{
	struct store *store = stores;

	while (store && strcmp(store->path, path) != 0)
		store = store->next;
	return store;
}

static struct store *store_of(struct pool *pool)
{
	return ((struct mem_pool *)pool)->store;
}

static int fail_read_only(const char *path, struct fl_error *err)
{
	errno = EROFS;
	return fl_fail_errno(err, "%s", path);
}

static int check_writable(struct pool *pool, struct fl_error *err)
{
	if (((struct mem_pool *)pool)->read_only)
		return fail_read_only(pool->spec.path, err);
	return 0;
}

static int mem_create(const struct pool_spec *spec, const struct pool_identity *identity,
		      struct fl_error *err)
{
	uint64_t size = spec->size ? spec->size : SIZE_DEFAULT;
	own_lock(guard, &mutex);
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

static int mem_open(const struct pool_spec *spec, struct pool **ret, struct fl_error *err)
{
	own_lock(guard, &mutex);
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
	mem->pool = (struct pool){ &mem_driver, *spec, store->identity };
	mem->store = store;
	*ret = &mem->pool;
	return 0;
}

static void mem_close(struct pool *pool)
{
	own_lock(guard, &mutex);

	if (!pool)
		return;
	store_of(pool)->open = false;
	free(pool);
}

static int mem_identify(struct pool *pool, const struct pool_identity *identity,
			struct fl_error *err)
{
	own_lock(guard, &mutex);

	if (check_writable(pool, err) < 0)
		return fl_failed(err);
	store_of(pool)->identity = *identity;
	pool->identity = *identity;
	return 0;
}

static uint64_t used_bytes(const struct store *store)
{
	uint64_t used = map_bytes(&store->facts) + map_bytes(&store->files);

	for (size_t i = 0; i < store->tree_count; i++)
		used += map_bytes(&store->trees[i].files);
	return used;
}

static int mem_stats(struct pool *pool, struct pool_stats *ret, struct fl_error *err)
{
	own_lock(guard, &mutex);
	const struct store *store = store_of(pool);
	struct pool_stats stats = { .size = store->size };

	stats.used = used_bytes(store);
	stats.free = stats.used < stats.size ? stats.size - stats.used : 0;
	stats.read_only = ((struct mem_pool *)pool)->read_only;
	strcpy(stats.health, stats.read_only ? "read-only" : "ok");
	*ret = stats;
	return 0;
}

static int mem_grow(struct pool *pool, uint64_t size, struct fl_error *err)
{
	own_lock(guard, &mutex);

	if (size && size < store_of(pool)->size)
		return fl_fail(err, FL_INVALID, "%s: a pool cannot shrink", pool->spec.path);
	if (size)
		store_of(pool)->size = size;
	return 0;
}

static int mem_sync(struct pool *pool, struct fl_error *err)
{
	return 0;
}

static int mem_set_read_only(struct pool *pool, bool read_only, struct fl_error *err)
{
	own_lock(guard, &mutex);

	((struct mem_pool *)pool)->read_only = read_only;
	return 0;
}

/* --- trees --------------------------------------------------------------- */

static int make_tree(struct pool *pool, const struct tree *name, const struct tree *from,
		     struct fl_error *err)
{
	own_lock(guard, &mutex);

	if (check_writable(pool, err) < 0)
		return fl_failed(err);
	return store_add_tree(store_of(pool), name, from, err);
}

static int mem_head_create(struct pool *pool, const struct uuid *branch, struct fl_error *err)
{
	const struct tree head = tree_head(branch);

	return make_tree(pool, &head, NULL, err);
}

static int mem_staging_create(struct pool *pool, const struct uuid *operation,
			      const struct uuid *branch, struct fl_error *err)
{
	const struct tree staging = tree_staging(operation);

	return make_tree(pool, &staging, NULL, err);
}

static int mem_head_clone(struct pool *pool, const struct uuid *branch, const struct tree *from,
			  struct fl_error *err)
{
	const struct tree head = tree_head(branch);

	return make_tree(pool, &head, from, err);
}

static int mem_snapshot(struct pool *pool, const struct tree *source, const struct tree *target,
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

static int mem_snapshot_noted(struct pool *pool, const struct tree *source,
			      const struct tree *target, const char *note, struct fl_error *err)
{
	if (mem_snapshot(pool, source, target, err) < 0)
		return fl_failed(err);
	own_lock(guard, &mutex);
	return set_note(store_find_tree(store_of(pool), target), note);
}

static int mem_note_write(struct pool *pool, const struct tree *name, const char *note,
			  struct fl_error *err)
{
	own_lock(guard, &mutex);
	struct mem_tree *tree;

	if (check_writable(pool, err) < 0)
		return fl_failed(err);
	tree = store_get_tree(store_of(pool), name, err);
	return tree ? set_note(tree, note) : fl_failed(err);
}

static int mem_head_swap(struct pool *pool, const struct uuid *branch, const struct tree *from,
			 const struct uuid *operation, struct fl_error *err)
{
	const struct tree head = tree_head(branch), retired = tree_retired(operation);
	struct store *store = store_of(pool);
	own_lock(guard, &mutex);
	struct mem_tree *old;

	if (check_writable(pool, err) < 0)
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
	struct store *store = store_of(pool);
	own_lock(guard, &mutex);
	struct mem_tree *tree;

	if (check_writable(pool, err) < 0)
		return fl_failed(err);
	if (!store_find_tree(store, from) && store_find_tree(store, to))
		return 0;
	tree = store_get_tree(store, from, err);
	if (!tree || store_check_free(store, to, err) < 0)
		return fl_failed(err);
	tree->name = *to;
	return 0;
}

static int mem_head_retire(struct pool *pool, const struct uuid *branch,
			   const struct uuid *operation, struct fl_error *err)
{
	const struct tree head = tree_head(branch), retired = tree_retired(operation);

	return rename_tree(pool, &head, &retired, err);
}

static int mem_head_restore(struct pool *pool, const struct tree *from, const struct uuid *branch,
			    struct fl_error *err)
{
	const struct tree head = tree_head(branch);

	return rename_tree(pool, from, &head, err);
}

/* --- from one pool to another ----------------------------------------------- */

static int encode(struct pool *pool, const struct tree *base, const struct tree *name,
		  struct text *out, struct fl_error *err)
{
	own_lock(guard, &mutex);
	const struct mem_tree *tree = store_get_tree(store_of(pool), name, err);
	const struct mem_tree *from = NULL;

	if (tree && base)
		from = store_get_tree(store_of(pool), base, err);
	if (!tree || (base && !from))
		return fl_failed(err);
	parcel_encode(from ? &from->files : NULL, &tree->files, out);
	return 0;
}

static int mem_send(struct pool *pool, const struct tree *base, const struct tree *tree, int fd,
		    struct fl_error *err)
{
	own_text struct text parcel = { 0 };

	if (encode(pool, base, tree, &parcel, err) < 0)
		return fl_failed(err);
	return stream_write(fd, "whoever receives", text_get(&parcel), parcel.length, err);
}

/* No more than the pool could hold. */
static int read_parcel(const struct store *store, int fd, struct text *ret, struct fl_error *err)
{
	size_t n = 1;

	while (n > 0) {
		char *place = text_reserve(ret, CHUNK);

		if (stream_read(fd, "the sender", place, CHUNK, &n, err) < 0)
			return fl_failed(err);
		ret->length += n;
		if (ret->length > store->size)
			return fl_fail(err, FL_NO_SPACE, "%s: more than the pool holds",
				       store->path);
	}
	return 0;
}

/* Complete or not at all: the tree is added when everything was read. */
static int unpack(struct pool *pool, const struct tree *staging, const struct tree *base,
		  const struct text *parcel, struct fl_error *err)
{
	own_lock(guard, &mutex);
	struct store *store = store_of(pool);
	own(map_done) struct map files = { 0 };
	const struct mem_tree *from = NULL;
	struct mem_tree *made;

	if (base && !(from = store_get_tree(store, base, err)))
		return fl_failed(err);
	if (parcel_decode(parcel, from ? &from->files : NULL, &files, err) < 0)
		return fl_failed(err);
	if (used_bytes(store) + map_bytes(&files) > store->size)
		return fl_fail(err, FL_NO_SPACE, "%s: the pool is full", store->path);
	if (store_add_tree(store, staging, NULL, err) < 0)
		return fl_failed(err);
	made = store_find_tree(store, staging);
	made->files = files;
	files = (struct map){ 0 };
	return 0;
}

static int mem_receive(struct pool *pool, const struct uuid *operation, const struct tree *base,
		       int fd, struct fl_error *err)
{
	const struct tree staging = tree_staging(operation);
	own_text struct text parcel = { 0 };

	if (check_writable(pool, err) < 0 || read_parcel(store_of(pool), fd, &parcel, err) < 0)
		return fl_failed(err);
	return unpack(pool, &staging, base, &parcel, err);
}

static int mem_receive_commit(struct pool *pool, const struct uuid *operation,
			      const struct tree *target, struct fl_error *err)
{
	const struct tree staging = tree_staging(operation);

	return rename_tree(pool, &staging, target, err);
}

static int mem_tree_delete(struct pool *pool, const struct tree *name, struct fl_error *err)
{
	own_lock(guard, &mutex);
	struct store *store = store_of(pool);
	struct mem_tree *tree = store_find_tree(store, name);

	if (check_writable(pool, err) < 0)
		return fl_failed(err);
	if (!tree)
		return 0;
	store_delete_tree(store, tree);
	return 0;
}

static int mem_tree_info(struct pool *pool, const struct tree *name, struct tree_info *ret,
			 struct fl_error *err)
{
	own_lock(guard, &mutex);
	const struct mem_tree *tree = store_get_tree(store_of(pool), name, err);

	if (!tree)
		return fl_failed(err);
	*ret = tree->info;
	return 0;
}

static int mem_tree_open(struct pool *pool, const struct tree *name, int *ret_fd,
			 struct fl_error *err)
{
	own_lock(guard, &mutex);

	if (!store_get_tree(store_of(pool), name, err))
		return fl_failed(err);
	return fl_fail(err, FL_UNSUPPORTED, "a tree in memory has no files to open");
}

static int mem_changed_since(struct pool *pool, const struct tree *name, const struct tree *since,
			     bool *ret, struct fl_error *err)
{
	own_lock(guard, &mutex);
	const struct mem_tree *tree = store_get_tree(store_of(pool), name, err);
	const struct mem_tree *snapshot = tree ? store_get_tree(store_of(pool), since, err) : NULL;

	if (!snapshot)
		return fl_failed(err);
	*ret = tree->version != snapshot->version;
	return 0;
}

static struct mem_tree *copy_names(struct store *store, size_t *ret_count)
{
	own_lock(guard, &mutex);
	struct mem_tree *copy = xcalloc(store->tree_count + 1, sizeof(*copy));

	for (size_t i = 0; i < store->tree_count; i++)
		copy[i] = (struct mem_tree){ store->trees[i].name, store->trees[i].info };
	*ret_count = store->tree_count;
	return copy;
}

static int mem_list(struct pool *pool,
		    int (*each)(void *arg, const struct tree *tree, const struct tree_info *info,
				struct fl_error *err),
		    void *arg, struct fl_error *err)
{
	size_t count;
	own_free struct mem_tree *trees = copy_names(store_of(pool), &count);
	int r = 0;

	for (size_t i = 0; i < count && r >= 0; i++)
		r = each(arg, &trees[i].name, &trees[i].info, err);
	return r < 0 ? r : 0;
}

static struct mem_tree *copy_notes(struct store *store, size_t *ret_count)
{
	own_lock(guard, &mutex);
	struct mem_tree *copy = xcalloc(store->tree_count + 1, sizeof(*copy));

	*ret_count = 0;
	for (size_t i = 0; i < store->tree_count; i++)
		if (store->trees[i].note)
			copy[(*ret_count)++] = (struct mem_tree){
				.name = store->trees[i].name, .note = xstrdup(store->trees[i].note)
			};
	return copy;
}

static int mem_note_each(struct pool *pool,
			 int (*each)(void *arg, const struct tree *tree, const char *note,
				     struct fl_error *err),
			 void *arg, struct fl_error *err)
{
	size_t count;
	own_free struct mem_tree *notes = copy_notes(store_of(pool), &count);
	int r = 0;

	for (size_t i = 0; i < count; i++) {
		if (r >= 0)
			r = each(arg, &notes[i].name, notes[i].note, err);
		free(notes[i].note);
	}
	return r < 0 ? r : 0;
}

/* --- what the engine keeps in the pool ------------------------------------ */

static int write_value(struct pool *pool, struct map *map, const char *key, const void *bytes,
		       size_t length, struct fl_error *err)
{
	own_lock(guard, &mutex);

	if (check_writable(pool, err) < 0)
		return fl_failed(err);
	map_set(map, key, bytes, length);
	return 0;
}

static int read_value(const struct map *map, const char *key, struct text *ret,
		      struct fl_error *err)
{
	own_lock(guard, &mutex);
	const struct text *value = map_get(map, key);

	if (!value)
		return fl_fail(err, FL_NOT_FOUND, "%s", key);
	text_clear(ret);
	text_add(ret, text_get(value), value->length);
	return 0;
}

static int mem_facts_write(struct pool *pool, const struct uuid *branch, const char *facts,
			   struct fl_error *err)
{
	char key[UUID_TEXT];

	if (strlen(facts) > FACTS_LIMIT)
		return fl_fail(err, FL_INVALID, "facts of more than 16 MiB");
	return write_value(pool, &store_of(pool)->facts, uuid_format(branch, key), facts,
			   strlen(facts), err);
}

static int mem_facts_read(struct pool *pool, const struct uuid *branch, struct text *ret,
			  struct fl_error *err)
{
	char key[UUID_TEXT];

	return read_value(&store_of(pool)->facts, uuid_format(branch, key), ret, err);
}

/* The branches that have facts, and those that have snapshots alone. */
static struct map copy_branches(struct store *store)
{
	own_lock(guard, &mutex);
	struct map branches = { 0 };
	char key[UUID_TEXT];

	for (size_t i = 0; i < store->facts.count; i++)
		map_get_or_add(&branches, store->facts.items[i].key);
	for (size_t i = 0; i < store->tree_count; i++)
		if (store->trees[i].name.kind == TREE_SNAPSHOT)
			map_get_or_add(&branches, uuid_format(&store->trees[i].name.uuid, key));
	return branches;
}

static int mem_facts_list(struct pool *pool,
			  int (*each)(void *arg, const struct uuid *branch, struct fl_error *err),
			  void *arg, struct fl_error *err)
{
	own(map_done) struct map branches = copy_branches(store_of(pool));
	struct uuid branch;
	int r = 0;

	for (size_t i = 0; i < branches.count && r >= 0; i++) {
		r = uuid_parse(branches.items[i].key, &branch, err);
		if (r == 0)
			r = each(arg, &branch, err);
	}
	return r < 0 ? r : 0;
}

static int mem_facts_delete(struct pool *pool, const struct uuid *branch, struct fl_error *err)
{
	own_lock(guard, &mutex);
	char key[UUID_TEXT];

	if (check_writable(pool, err) < 0)
		return fl_failed(err);
	if (store_has_snapshots(store_of(pool), branch))
		return fl_fail(err, FL_BUSY, "branch %s has snapshots", uuid_format(branch, key));
	map_remove(&store_of(pool)->facts, uuid_format(branch, key));
	return 0;
}

static int mem_file_write(struct pool *pool, const char *name, const void *bytes, size_t length,
			  struct fl_error *err)
{
	if (kept_file_check(name, err) < 0)
		return fl_failed(err);
	return write_value(pool, &store_of(pool)->files, name, bytes, length, err);
}

static int mem_file_append(struct pool *pool, const char *name, const void *bytes, size_t length,
			   struct fl_error *err)
{
	own_lock(guard, &mutex);

	if (kept_file_check(name, err) < 0 || check_writable(pool, err) < 0)
		return fl_failed(err);
	text_add(map_get_or_add(&store_of(pool)->files, name), bytes, length);
	return 0;
}

static int mem_file_read(struct pool *pool, const char *name, struct text *ret,
			 struct fl_error *err)
{
	if (kept_file_check(name, err) < 0)
		return fl_failed(err);
	return read_value(&store_of(pool)->files, name, ret, err);
}

/* --- a process that writes to a tree, and one that reads it ---------------- */

int mem_write(struct pool *pool, const struct tree *name, const char *path, const char *contents,
	      struct fl_error *err)
{
	struct store *store = store_of(pool);
	own_lock(guard, &mutex);
	struct mem_tree *tree;

	if (check_writable(pool, err) < 0)
		return fl_failed(err);
	tree = store_get_tree(store, name, err);
	if (!tree)
		return fl_failed(err);
	if (name->kind == TREE_SNAPSHOT)
		return fail_read_only(path, err);
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
	own_lock(guard, &mutex);
	const struct mem_tree *tree = store_get_tree(store_of(pool), name, err);
	const struct text *value;

	if (!tree)
		return fl_failed(err);
	value = map_get(&tree->files, path);
	if (!value)
		return fl_fail(err, FL_NOT_FOUND, "%s", path);
	*ret = xstrdup(text_get(value));
	return 0;
}

void mem_reset(void)
{
	own_lock(guard, &mutex);

	while (stores) {
		struct store *store = stores;

		stores = store->next;
		store_free(store);
	}
}

const struct driver mem_driver = {
	.name = "mem",
	.capabilities = DRIVER_CAN_GROW | DRIVER_CAN_NOTE | DRIVER_CAN_SEND,
	.kinds = 1 << POOL_MEMORY,
	.create = mem_create,
	.open = mem_open,
	.close = mem_close,
	.identify = mem_identify,
	.stats = mem_stats,
	.grow = mem_grow,
	.sync = mem_sync,
	.set_read_only = mem_set_read_only,
	.head_create = mem_head_create,
	.head_clone = mem_head_clone,
	.head_swap = mem_head_swap,
	.head_retire = mem_head_retire,
	.head_restore = mem_head_restore,
	.staging_create = mem_staging_create,
	.snapshot = mem_snapshot,
	.snapshot_noted = mem_snapshot_noted,
	.note_write = mem_note_write,
	.note_each = mem_note_each,
	.tree_delete = mem_tree_delete,
	.tree_info = mem_tree_info,
	.tree_open = mem_tree_open,
	.changed_since = mem_changed_since,
	.send = mem_send,
	.receive = mem_receive,
	.receive_commit = mem_receive_commit,
	.list = mem_list,
	.facts_write = mem_facts_write,
	.facts_read = mem_facts_read,
	.facts_list = mem_facts_list,
	.facts_delete = mem_facts_delete,
	.file_write = mem_file_write,
	.file_append = mem_file_append,
	.file_read = mem_file_read,
};
