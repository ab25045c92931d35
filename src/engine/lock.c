#include "engine/lock.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/text.h"

#define LOCK_BUCKETS 256

struct lock {
	enum lock_kind kind;
	struct uuid uuid;
	size_t users; /* holders and waiters; under the table's mutex */
	pthread_rwlock_t rwlock;
	struct lock *next;
};

void lock_table_init(struct lock_table *table)
{
	pthread_mutex_init(&table->mutex, NULL);
	table->buckets = xcalloc(LOCK_BUCKETS, sizeof(*table->buckets));
}

void lock_table_done(struct lock_table *table)
{
	free(table->buckets);
	pthread_mutex_destroy(&table->mutex);
	*table = (struct lock_table){ 0 };
}

/* UUIDs are random: any byte spreads them. */
static struct lock **bucket_of(struct lock_table *table, const struct uuid *uuid)
{
	return &table->buckets[uuid->bytes[0] % LOCK_BUCKETS];
}

/* A steady stream of readers must not keep a writer waiting for ever. */
static void init_rwlock(pthread_rwlock_t *rwlock)
{
	pthread_rwlockattr_t attributes;

	pthread_rwlockattr_init(&attributes);
	pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(rwlock, &attributes);
	pthread_rwlockattr_destroy(&attributes);
}

static struct lock *lock_get(struct lock_table *table, const struct lock_want *want)
{
	own_lock(guard, &table->mutex);
	struct lock **bucket = bucket_of(table, &want->uuid), *lock;

	for (lock = *bucket; lock; lock = lock->next)
		if (lock->kind == want->kind && uuid_equal(&lock->uuid, &want->uuid))
			break;
	if (!lock) {
		lock = xcalloc(1, sizeof(*lock));
		lock->kind = want->kind;
		lock->uuid = want->uuid;
		init_rwlock(&lock->rwlock);
		lock->next = *bucket;
		*bucket = lock;
	}
	lock->users++;
	return lock;
}

static void lock_put(struct lock_table *table, struct lock *lock)
{
	own_lock(guard, &table->mutex);
	struct lock **link = bucket_of(table, &lock->uuid);

	if (--lock->users > 0)
		return;
	while (*link != lock)
		link = &(*link)->next;
	*link = lock->next;
	pthread_rwlock_destroy(&lock->rwlock);
	free(lock);
}

static int compare_wants(const void *a, const void *b)
{
	const struct lock_want *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return uuid_compare(&x->uuid, &y->uuid);
}

/* Sorts and joins equal ones; returns how many are left. */
static size_t merge_wants(struct lock_want *wants, size_t count)
{
	size_t kept = 0;

	qsort(wants, count, sizeof(*wants), compare_wants);
	for (size_t i = 0; i < count; i++) {
		if (kept > 0 && compare_wants(&wants[kept - 1], &wants[i]) == 0)
			wants[kept - 1].exclusive |= wants[i].exclusive;
		else
			wants[kept++] = wants[i];
	}
	return kept;
}

void lock_take(struct lock_table *table, struct lock_want *wants, size_t count,
	       struct lock_set *ret)
{
	struct lock_set set = { .table = table };

	count = merge_wants(wants, count);
	set.held = xcalloc(count, sizeof(*set.held));
	for (; set.count < count; set.count++) {
		struct lock *lock = lock_get(table, &wants[set.count]);

		if (wants[set.count].exclusive)
			pthread_rwlock_wrlock(&lock->rwlock);
		else
			pthread_rwlock_rdlock(&lock->rwlock);
		set.held[set.count] = lock;
	}
	*ret = set;
}

/* FNV-1a, twice with different beginnings.  Two names of one key would only wait for each other. */
static struct uuid key_of(const char *name)
{
	uint64_t hashes[2] = { UINT64_C(0xcbf29ce484222325), UINT64_C(0x84222325cbf29ce4) };
	struct uuid key;

	for (; *name; name++)
		for (int i = 0; i < 2; i++)
			hashes[i] = (hashes[i] ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
	memcpy(key.bytes, hashes, sizeof(key.bytes));
	return key;
}

void lock_take_names(struct lock_table *table, const char *const names[], size_t count,
		     struct lock_set *ret)
{
	struct lock_want wants[LOCK_NAMES];

	assert(count <= LOCK_NAMES);
	for (size_t i = 0; i < count; i++)
		wants[i] = (struct lock_want){ LOCK_NAME, true, key_of(names[i]) };
	lock_take(table, wants, count, ret);
}

void lock_take_tree(struct lock_table *table, const char *tree, struct lock_set *ret)
{
	struct lock_want want = { LOCK_TREE, true, key_of(tree) };

	lock_take(table, &want, 1, ret);
}

void lock_drop(struct lock_set *set)
{
	for (size_t i = set->count; i-- > 0;) {
		pthread_rwlock_unlock(&set->held[i]->rwlock);
		lock_put(set->table, set->held[i]);
	}
	free(set->held);
	*set = (struct lock_set){ 0 };
}
