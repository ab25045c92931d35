#pragma once

/*
 * An open ZFS pool and the entries of the driver's table, by the file that has them.
 *
 * Four locks, taken in this order:
 *	shape	whoever uses names of datasets in ZFS holds it for reading; for writing
 *		only what moves snapshots from one dataset to another (reap.c)
 *	carrying	who writes what datasets carry (carry.h)
 *	places	the mounts: item.mount, item.device, item.mirror, and `root`; taken by own_places(),
 *		which keeps other pools off zfs-fuse as well
 *	mutex	the index, the facts
 * An item belongs to whoever works on its tree, by the contract; the index may be
 * looked through by anybody under the mutex.
 */

#include <pthread.h>

#include "driver/medium.h"
#include "driver/zfs/carry.h"
#include "driver/zfs/index.h"
#include "driver/zfs/run.h"

/* One reading of all that is counted, in the order of the names; see usage.c. */
struct figures {
	struct figure *items;
	size_t count;
	int64_t until; /* good so long; by clock_monotonic() */
};

struct zfs_pool {
	struct pool pool;
	struct zfs_features features;
	struct medium medium;	/* POOL_FILE */
	int lock;		/* POOL_DATASET: keeps others off; -1 */
	char zpool[ZFS_NAME];	/* "flocker" */
	char dataset[ZFS_NAME]; /* "flocker/flocker" */
	pthread_rwlock_t shape;
	pthread_mutex_t carrying, places, mutex;
	struct index index;
	struct facts_table facts; /* under the mutex, as the next three */
	struct figures figures;	  /* of every branch and group */
	int64_t asked_until;	  /* usage() was called a moment ago: so long, and so often */
	int asked;
	int turn;	/* the file that whoever mounts by zfs-fuse locks (place.c); -1 */
	unsigned turns; /* how often we have it; under `places` */
	int state;	/* the state dataset, in a mount that nobody sees; -1 */
	char *root;	/* as given to expose(); NULL */
	bool read_only;
	_Atomic bool receives; /* the place for what is received is there */
};

static inline struct zfs_pool *zfs_pool(struct pool *pool)
{
	return (struct zfs_pool *)pool;
}

static inline void own_shapep(pthread_rwlock_t **shape)
{
	pthread_rwlock_unlock(*shape);
}

static inline pthread_rwlock_t *read_shape(struct zfs_pool *pool)
{
	pthread_rwlock_rdlock(&pool->shape);
	return &pool->shape;
}

static inline pthread_rwlock_t *write_shape(struct zfs_pool *pool)
{
	pthread_rwlock_wrlock(&pool->shape);
	return &pool->shape;
}
#define own_shape(name, locked) \
	own(own_shapep) pthread_rwlock_t *name __attribute__((unused)) = locked

/* create.c */
int zfs_available(struct fl_error *err);
int zfs_create(const struct pool_spec *spec, const struct pool_identity *identity,
	       struct fl_error *err);

/* pool.c */
int zfs_open(const struct pool_spec *spec, struct pool **ret, struct fl_error *err);
void zfs_close(struct pool *pool);
int zfs_identify(struct pool *pool, const struct pool_identity *identity, struct fl_error *err);
int zfs_sync(struct pool *pool, struct fl_error *err);
int zfs_set_read_only(struct pool *pool, bool read_only, struct fl_error *err);
/* FL_SYSTEM with EROFS while the pool is stopped. */
must_check int check_writable(struct zfs_pool *pool, struct fl_error *err);
/* "NAME=VALUE" with the identity, as an argument for -o and `zfs set`. */
void identity_property(const struct pool_identity *identity, struct text *out);

/* found.c: which pool of ZFS it is */
/* From what spec->path says of a POOL_DATASET.  FL_INVALID. */
must_check int dataset_of(const struct pool_spec *spec, char zpool[static ZFS_NAME],
			  char dataset[static ZFS_NAME], struct fl_error *err);
/* From the label in the file, importing the pool if it is not. */
must_check int find_in_file(struct zfs_pool *pool, struct fl_error *err);
/* One property of a dataset, which must be its own: FL_NOT_FOUND for no such dataset, "" unset. */
must_check int property_get(const char *dataset, const char *property, bool own, struct text *ret,
			    struct fl_error *err);

/* place.c: mounts that nobody sees */
/* Where zfs-fuse mounts the datasets of a pool for a moment: the value of `mountpoint`. */
#define PLACE_PATH 320
char *place_directory(const char *dataset, char path[static PLACE_PATH]);
/* Opens `turn`. */
must_check int place_open(struct zfs_pool *pool, struct fl_error *err);
/* Takes `places`, and over zfs-fuse the turn among all of its pools; NULL: nothing. */
struct zfs_pool *place_begin(struct zfs_pool *pool);
void place_end(struct zfs_pool *pool);
static inline void own_placesp(struct zfs_pool **pool)
{
	place_end(*pool);
}
#define own_places(name, pool) \
	own(own_placesp) struct zfs_pool *name __attribute__((unused)) = place_begin(pool)
/* Mounts a dataset or snapshot; `ret_mount` is its root directory (O_PATH). */
must_check int place_mount(struct zfs_pool *pool, const char *name, int *ret_mount,
			   struct fl_error *err);
/* The item's mount, made if there is none; borrowed.  Under `places`. */
must_check int place_get(struct zfs_pool *pool, struct item *item, int *ret_mount,
			 struct fl_error *err);
/* Lets it go, and what it is read through. */
void place_release(struct zfs_pool *pool, struct item *item);
/*
 * Before a mount is given up for good: FL_BUSY while this process reads in it.  Where the last
 * file is closed after the mount has ended, zfs-fuse never hears of it, and keeps the dataset.
 */
must_check int place_await_readers(const struct zfs_pool *pool, const struct item *item,
				   struct fl_error *err);
/* Before mounts are given up: zfs-fuse hears of the files that were closed a moment ago. */
void place_await_closings(const struct zfs_pool *pool);
/* A mount was given up, or is about to be; and: long enough ago, for zfs-fuse. */
void place_ended(const struct zfs_pool *pool);
void place_await_quiet(const struct zfs_pool *pool);
/* A descriptor of the state dataset's directory, the caller's. */
must_check int state_open(struct zfs_pool *pool, int *ret_fd, struct fl_error *err);
int zfs_tree_open(struct pool *pool, const struct tree *tree, int *ret_fd, struct fl_error *err);

/* visible.c */
int zfs_expose(struct pool *pool, const char *root, struct fl_error *err);
int zfs_conceal(struct pool *pool, const char *root, struct fl_error *err);
void zfs_locate(struct pool *pool, const struct tree *tree, struct text *out);
int zfs_reveal(struct pool *pool, const struct tree *tree, struct fl_error *err);
/* The head's path leads to it from now on.  Nothing while the pool is not exposed. */
must_check int show_head(struct zfs_pool *pool, struct item *item, struct fl_error *err);
/* The head's path leads nowhere any more; whoever has the tree open keeps it. */
void unshow_head(struct zfs_pool *pool, const struct uuid *branch);
/* Nothing of the tree is visible any more. */
void unshow_tree(struct zfs_pool *pool, const struct item *item);

/* list.c */
int zfs_tree_info(struct pool *pool, const struct tree *tree, struct tree_info *ret,
		  struct fl_error *err);
int zfs_list(struct pool *pool,
	     int (*each)(void *arg, const struct tree *tree, const struct tree_info *info,
			 struct fl_error *err),
	     void *arg, struct fl_error *err);

/* tree.c */
int zfs_tree_delete(struct pool *pool, const struct tree *tree, struct fl_error *err);
/* What a dataset with this tree, id and group is called. */
char *dataset_name(const struct zfs_pool *pool, const struct item *item,
		   char name[static ZFS_NAME]);
/* NULL, with FL_NOT_FOUND, when there is none. */
struct item *item_get(struct zfs_pool *pool, const struct tree *tree, struct fl_error *err);
must_check int item_check_free(struct zfs_pool *pool, const struct tree *tree,
			       struct fl_error *err);
/* What makes an item: a dataset, with `from` a clone of that snapshot. */
struct making {
	struct label label;
	const struct item *from;    /* NULL: empty */
	const struct uuid *account; /* the branch that it counts for; NULL: none */
	bool read_only;
	const char *note; /* to be carried by it; or NULL */
};
must_check int dataset_make(struct zfs_pool *pool, const struct making *making, struct item **ret,
			    struct fl_error *err);
/* A snapshot of the dataset, with a note or NULL. */
must_check int snapshot_make(struct zfs_pool *pool, struct item *dataset, const struct label *label,
			     const char *note, struct item **ret, struct fl_error *err);
/* The item is `tree` from now on, NULL: none any more.  Durable. */
must_check int item_relabel(struct zfs_pool *pool, struct item *item, const struct tree *tree,
			    struct fl_error *err);
/* Destroys a dataset without snapshots, or a snapshot, and forgets it. */
must_check int item_destroy(struct zfs_pool *pool, struct item *item, struct fl_error *err);

/* head.c */
int zfs_head_create(struct pool *pool, const struct uuid *branch, struct fl_error *err);
int zfs_head_clone(struct pool *pool, const struct uuid *branch, const struct tree *from,
		   struct fl_error *err);
int zfs_head_swap(struct pool *pool, const struct uuid *branch, const struct tree *from,
		  const struct uuid *operation, struct fl_error *err);
int zfs_head_retire(struct pool *pool, const struct uuid *branch, const struct uuid *operation,
		    struct fl_error *err);
int zfs_head_restore(struct pool *pool, const struct tree *from, const struct uuid *branch,
		     struct fl_error *err);
/* What a clone or a stream can be made of: a snapshot in ZFS.  See head.c. */
must_check int snapshot_get(struct zfs_pool *pool, const struct tree *tree, struct item **ret,
			    struct fl_error *err);
/* Writes down what swaps of the branch (NULL: all) left unwritten. */
must_check int settle(struct zfs_pool *pool, const struct uuid *branch, struct fl_error *err);

/* snapshot.c */
/* What was written to it through mappings is in ZFS. */
must_check int write_back(struct zfs_pool *pool, struct item *dataset, struct fl_error *err);
int zfs_snapshot(struct pool *pool, const struct tree *source, const struct tree *target,
		 struct fl_error *err);
int zfs_snapshot_noted(struct pool *pool, const struct tree *source, const struct tree *target,
		       const char *note, struct fl_error *err);
int zfs_changed_since(struct pool *pool, const struct tree *tree, const struct tree *since,
		      bool *ret, struct fl_error *err);

/* send.c */
int zfs_send(struct pool *pool, const struct tree *base, const struct tree *tree, int fd,
	     struct fl_error *err);

/* receive.c */
int zfs_receive(struct pool *pool, const struct uuid *operation, const struct tree *base, int fd,
		struct fl_error *err);
int zfs_stream_number(struct pool *pool, const struct tree *tree, uint64_t *ret,
		      struct fl_error *err);

/* staging.c */
int zfs_staging_create(struct pool *pool, const struct uuid *operation, const struct uuid *branch,
		       struct fl_error *err);
int zfs_staging_clone(struct pool *pool, const struct uuid *operation, const struct uuid *branch,
		      const struct tree *from, struct fl_error *err);
int zfs_staging_commit(struct pool *pool, const struct uuid *operation, const struct tree *target,
		       struct fl_error *err);

/* diff.c */
int zfs_diff(struct pool *pool, const struct tree *earlier, const struct tree *later,
	     change_each *each, void *arg, struct fl_error *err);
/* users.c */
/* st_dev without asking whoever serves the file; 0. */
dev_t device_from_memory(int dir, const char *path);
/* To what says that something is busy: which processes and mount namespaces use the device. */
void name_users(dev_t device, struct fl_error *err);

/* reap.c */
/* Destroys what can be of what is hidden.  What cannot stays for the next time. */
void reap(struct zfs_pool *pool);
/*
 * The dataset `heir` takes over the snapshots of `item`, up to the one that it was cloned from;
 * `item` is then a clone of that.  Under `shape`, for writing.  FL_BUSY where others' snapshots
 * lie there.
 */
must_check int promote(struct zfs_pool *pool, struct item *item, struct item *heir,
		       struct fl_error *err);

/* facts.c */
int zfs_facts_write(struct pool *pool, const struct uuid *branch, const char *text,
		    struct fl_error *err);
int zfs_facts_read(struct pool *pool, const struct uuid *branch, struct text *ret,
		   struct fl_error *err);
int zfs_facts_list(struct pool *pool,
		   int (*each)(void *arg, const struct uuid *branch, struct fl_error *err),
		   void *arg, struct fl_error *err);
int zfs_facts_delete(struct pool *pool, const struct uuid *branch, struct fl_error *err);
int zfs_file_write(struct pool *pool, const char *name, const void *bytes, size_t length,
		   struct fl_error *err);
int zfs_file_append(struct pool *pool, const char *name, const void *bytes, size_t length,
		    struct fl_error *err);
int zfs_file_read(struct pool *pool, const char *name, struct text *ret, struct fl_error *err);

/* quota.c */
int zfs_account(struct pool *pool, const struct uuid *branch, const struct uuid *group,
		struct fl_error *err);
int zfs_unaccount(struct pool *pool, const struct tree *tree, const struct uuid *branch,
		  const struct uuid *group, struct fl_error *err);
/* What is to be made counts for the branch, in its group if it has one. */
void count_for(struct zfs_pool *pool, struct item *item, const struct uuid *branch);
/* "flocker:account=...", as an argument for -o and `zfs set`. */
#define ACCOUNT_ARGUMENT (sizeof(ACCOUNT_PROPERTY) + ACCOUNT_TEXT)
char *account_argument(const struct account_name *account, char text[static ACCOUNT_ARGUMENT]);

/* groups.c */
char *group_name(const struct zfs_pool *pool, uint64_t id, char name[static ZFS_NAME]);
bool group_exists(struct zfs_pool *pool, uint64_t id);
/* Unless it is there.  Under `shape`, for writing: so there are no two who make one. */
must_check int group_make(struct zfs_pool *pool, const struct uuid *group, struct fl_error *err);
/* Missing is success. */
must_check int group_destroy(struct zfs_pool *pool, uint64_t id, struct fl_error *err);
/* Destroys the datasets of groups in which nothing lies and no branch is to count. */
void remove_empty_groups(struct zfs_pool *pool);

/* limit.c */
int zfs_limit(struct pool *pool, const struct uuid *group, uint64_t bytes, struct fl_error *err);
/* What is wanted of the groups that have more; when a pool is opened. */
must_check int limits_read(struct zfs_pool *pool, struct fl_error *err);
must_check int number_get(const char *dataset, const char *property, uint64_t *ret,
			  struct fl_error *err);
must_check int quota_set(const char *dataset, const char *value, struct fl_error *err);
/* The quota becomes what is used already: nothing more can be written. */
must_check int quota_set_to_used(const char *dataset, struct fl_error *err);
/*
 * ZFS promotes nothing where a quota is exceeded, and it lets it be exceeded by a little.  So
 * the group gets a MiB more for a moment, and what it had back.
 */
must_check int quota_lend(struct zfs_pool *pool, uint64_t group, uint64_t *ret_limit,
			  struct fl_error *err);
void quota_take_back(struct zfs_pool *pool, uint64_t group, uint64_t limit);
/* Quotas that are larger than wanted, because more was used, become as small as they can. */
void quotas_follow(struct zfs_pool *pool);

/* usage.c */
int zfs_usage(struct pool *pool, enum account account, const struct uuid *uuid, struct usage *ret,
	      struct fl_error *err);
int zfs_usages(struct pool *pool, const struct account_name *names, size_t count, struct usage *ret,
	       struct fl_error *err);
int zfs_occupied(struct pool *pool, const struct tree *tree, uint64_t *ret, struct fl_error *err);
/* What was read is not the present any more. */
void figures_forget(struct zfs_pool *pool);

/* space.c */
/* Heads whose server died are made visible anew; called by what is asked for regularly. */
must_check int revive(struct zfs_pool *pool, struct fl_error *err);
int zfs_stats(struct pool *pool, struct pool_stats *ret, struct fl_error *err);
int zfs_grow(struct pool *pool, uint64_t size, struct fl_error *err);
