#include "base/stream.h"
#include "driver/mem/parcel.h"
#include "driver/mem/pool.h"

#define CHUNK 65536

static int encode(struct pool *pool, const struct tree *base, const struct tree *name,
		  struct text *out, struct fl_error *err)
{
	own_lock(guard, &mem_mutex);
	const struct mem_tree *tree = store_get_tree(mem_store(pool), name, err);
	const struct mem_tree *from = NULL;

	if (tree && base)
		from = store_get_tree(mem_store(pool), base, err);
	if (!tree || (base && !from))
		return fl_failed(err);
	parcel_encode(from ? &from->files : NULL, &tree->files, out);
	return 0;
}

int mem_send(struct pool *pool, const struct tree *base, const struct tree *tree, int fd,
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
	own_lock(guard, &mem_mutex);
	struct store *store = mem_store(pool);
	own(map_done) struct map files = { 0 };
	const struct mem_tree *from = NULL;
	struct mem_tree *made;

	if (base && !(from = store_get_tree(store, base, err)))
		return fl_failed(err);
	if (parcel_decode(parcel, from ? &from->files : NULL, &files, err) < 0)
		return fl_failed(err);
	if (store_used(store) + map_bytes(&files) > store->size)
		return fl_fail(err, FL_NO_SPACE, "%s: the pool is full", store->path);
	if (store_add_tree(store, staging, NULL, err) < 0)
		return fl_failed(err);
	made = store_find_tree(store, staging);
	made->files = files;
	files = (struct map){ 0 };
	return 0;
}

int mem_receive(struct pool *pool, const struct uuid *operation, const struct tree *base, int fd,
		struct fl_error *err)
{
	const struct tree staging = tree_staging(operation);
	own_text struct text parcel = { 0 };

	if (mem_check_writable(pool, err) < 0 || read_parcel(mem_store(pool), fd, &parcel, err) < 0)
		return fl_failed(err);
	return unpack(pool, &staging, base, &parcel, err);
}

int mem_stream_number(struct pool *pool, const struct tree *name, uint64_t *ret,
		      struct fl_error *err)
{
	own_lock(guard, &mem_mutex);
	const struct mem_tree *tree = store_get_tree(mem_store(pool), name, err);

	if (!tree)
		return fl_failed(err);
	*ret = parcel_digest(&tree->files);
	return 0;
}
