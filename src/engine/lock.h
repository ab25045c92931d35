#pragma once

/*
 * Locks of volumes and branches: the only place that takes them.
 *
 * A volume's lock is held exclusively by what changes its shape or takes
 * something away from it (rename, destroy, untag, drop, restore from the
 * trash), and shared by everything else that writes below it.  A branch's lock
 * is held exclusively by what touches its head or adds to its line (snapshot,
 * rollback, mount).  So snapshots of different branches run in parallel, two of
 * one branch queue, and nothing a verb has resolved disappears under it.
 *
 * A name ("mydata", "mydata/test") is locked by what gives it or takes it away,
 * since links in the mount root go by it: two volumes that have the same name
 * one after the other share no UUID.
 *
 * The place of a tree in the pool is locked by what deletes a snapshot's tree and by what puts a
 * received one there (delete.c), for as long as that takes.
 *
 * Order, which is why there is no deadlock: a verb first asks for its names in
 * one call, if it needs any, and then for all other locks in one call; volumes
 * come before branches, and each kind is taken in the order of the keys.  The place of a tree comes
 * last, and nobody who has one asks for another lock.  Readers take none: they read the catalogue
 * in one transaction.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/uuid.h"

struct lock;

struct lock_table {
	pthread_mutex_t mutex;
	struct lock **buckets; /* LOCK_BUCKETS chains of the locks that somebody holds or awaits */
};

enum lock_kind { LOCK_NAME, LOCK_VOLUME, LOCK_BRANCH, LOCK_TREE };

struct lock_want {
	enum lock_kind kind;
	bool exclusive;
	struct uuid uuid; /* or a name's key */
};

struct lock_set {
	struct lock_table *table;
	struct lock **held;
	size_t count;
};

void lock_table_init(struct lock_table *table);
void lock_table_done(struct lock_table *table);

/*
 * Takes all of `wants` (sorted and merged here: twice the same is once, and
 * exclusive if either was) and blocks until it has them.
 */
void lock_take(struct lock_table *table, struct lock_want *wants, size_t count,
	       struct lock_set *ret);
/* Takes `count` (at most LOCK_NAMES) names exclusively. */
#define LOCK_NAMES 2
void lock_take_names(struct lock_table *table, const char *const names[], size_t count,
		     struct lock_set *ret);
/* Takes the place of a tree, as tree_format() names it, exclusively. */
void lock_take_tree(struct lock_table *table, const char *tree, struct lock_set *ret);
/* Gives all back.  An empty set is fine. */
void lock_drop(struct lock_set *set);
