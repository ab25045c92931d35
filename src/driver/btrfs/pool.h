#pragma once

/*
 * An open Btrfs pool and the entries of the driver's table, by the file that
 * has them.  A pool is constant once it is open, but for what stop.c changes:
 * calls from any number of threads take no lock and go straight to the kernel.
 */

#include <linux/btrfs.h>
#include <pthread.h>
#include <stdatomic.h>

#include "driver/driver.h"
#include "driver/medium.h"

#define OCCUPIED_KEPT 64

/* What btrfs_occupied() found last, by the tree's number modulo OCCUPIED_KEPT. */
struct occupied_cache {
	pthread_mutex_t mutex;
	struct occupied {
		uint64_t id, generation, bytes;
	} items[OCCUPIED_KEPT];
};

struct btrfs_pool {
	struct pool pool;
	struct medium medium;
	int mount;	     /* that nobody sees; kept for its life */
	int root;	     /* the directory that holds the layout, in that mount */
	uint64_t subvolume;  /* the id of the subvolume that this directory lies in */
	atomic_bool stopped; /* read-only by our own wish */
	int balloon;	     /* takes all space while the pool is stopped; -1 */
	pthread_mutex_t stopping;
	int groups; /* directory of the kernel's quota groups; -1: the pool does not count */
	struct occupied_cache occupied;
};

static inline struct btrfs_pool *btrfs_pool(struct pool *pool)
{
	return (struct btrfs_pool *)pool;
}

/* create.c */
int btrfs_available(struct fl_error *err);
int btrfs_create(const struct pool_spec *spec, const struct pool_identity *identity,
		 struct fl_error *err);

/* pool.c */
int btrfs_open(const struct pool_spec *spec, struct pool **ret, struct fl_error *err);
void btrfs_close(struct pool *pool);
int btrfs_identify(struct pool *pool, const struct pool_identity *identity, struct fl_error *err);
int btrfs_sync(struct pool *pool, struct fl_error *err);

/* mount.c */
/* Mounts it where nobody sees it; `ret_mount` (O_PATH) is the directory of the layout. */
must_check int medium_mount(const struct pool_spec *spec, const struct medium *medium,
			    int *ret_mount, struct fl_error *err);
/* A mount only to look: nothing on the medium is changed. */
must_check int medium_mount_to_look(const struct pool_spec *spec, const struct medium *medium,
				    int *ret_mount, struct fl_error *err);

/* stop.c */
int btrfs_set_read_only(struct pool *pool, bool read_only, struct fl_error *err);
/* Takes back what a process that ended while the pool was stopped left. */
must_check int stop_recover(struct btrfs_pool *pool, struct fl_error *err);

/* space.c */
int btrfs_stats(struct pool *pool, struct pool_stats *ret, struct fl_error *err);
int btrfs_grow(struct pool *pool, uint64_t size, struct fl_error *err);

/* visible.c */
int btrfs_expose(struct pool *pool, const char *root, struct fl_error *err);
int btrfs_conceal(struct pool *pool, const char *root, struct fl_error *err);
void btrfs_locate(struct pool *pool, const struct tree *tree, struct text *out);

/* inside.c: deletes the subvolume `name` of `dir`, with all that lie in it.  Missing is success. */
must_check int inside_delete(struct btrfs_pool *pool, int dir, const char *name,
			     struct fl_error *err);

/* tree.c */
int btrfs_tree_delete(struct pool *pool, const struct tree *tree, struct fl_error *err);
int btrfs_tree_info(struct pool *pool, const struct tree *tree, struct tree_info *ret,
		    struct fl_error *err);
int btrfs_tree_open(struct pool *pool, const struct tree *tree, int *ret_fd, struct fl_error *err);
/* The directory that holds the tree, made when `make`, and the tree's name in it. */
must_check int tree_place(struct btrfs_pool *pool, const struct tree *tree, bool make, int *ret_dir,
			  char name[static SNAPNAME_TEXT], struct fl_error *err);
/* Copies the snapshot `from` to the new writable tree `to`, which counts for `branch` (NULL: for
 * none). */
must_check int tree_clone(struct btrfs_pool *pool, const struct tree *from, const struct tree *to,
			  const struct uuid *branch, struct fl_error *err);
/* tree_info.id from the subvolume's UUID. */
uint64_t tree_id(const uint8_t uuid[static BTRFS_UUID_SIZE]);

/* head.c */
int btrfs_head_create(struct pool *pool, const struct uuid *branch, struct fl_error *err);
int btrfs_head_clone(struct pool *pool, const struct uuid *branch, const struct tree *from,
		     struct fl_error *err);
int btrfs_head_swap(struct pool *pool, const struct uuid *branch, const struct tree *from,
		    const struct uuid *operation, struct fl_error *err);
int btrfs_head_retire(struct pool *pool, const struct uuid *branch, const struct uuid *operation,
		      struct fl_error *err);
int btrfs_head_restore(struct pool *pool, const struct tree *from, const struct uuid *branch,
		       struct fl_error *err);
int btrfs_staging_create(struct pool *pool, const struct uuid *operation, const struct uuid *branch,
			 struct fl_error *err);

/* staging.c */
int btrfs_staging_clone(struct pool *pool, const struct uuid *operation, const struct uuid *branch,
			const struct tree *from, struct fl_error *err);
int btrfs_staging_commit(struct pool *pool, const struct uuid *operation, const struct tree *target,
			 struct fl_error *err);

/* send.c */
int btrfs_send(struct pool *pool, const struct tree *base, const struct tree *tree, int fd,
	       struct fl_error *err);

/* snapshot.c */
int btrfs_snapshot(struct pool *pool, const struct tree *source, const struct tree *target,
		   struct fl_error *err);
int btrfs_changed_since(struct pool *pool, const struct tree *tree, const struct tree *since,
			bool *ret, struct fl_error *err);
int btrfs_motion(struct pool *pool, const struct tree *tree, const struct tree *since,
		 struct motion *ret, struct fl_error *err);

/* diff.c */
int btrfs_diff(struct pool *pool, const struct tree *earlier, const struct tree *later,
	       change_each *each, void *arg, struct fl_error *err);

/* list.c */
int btrfs_list(struct pool *pool,
	       int (*each)(void *arg, const struct tree *tree, const struct tree_info *info,
			   struct fl_error *err),
	       void *arg, struct fl_error *err);

/* watch.c */
int btrfs_watch_root(struct pool *pool, int *ret_fd, struct fl_error *err);
uint64_t btrfs_watch_handle(int type, const uint8_t *handle, size_t length);
int btrfs_watch_heads(struct pool *pool, struct watch_since *since,
		      int (*each)(void *arg, const struct moved_tree *moved, struct fl_error *err),
		      void *arg, struct fl_error *err);

/* quota.c */
int btrfs_account(struct pool *pool, const struct uuid *branch, const struct uuid *group,
		  struct fl_error *err);
int btrfs_unaccount(struct pool *pool, const struct tree *tree, const struct uuid *branch,
		    const struct uuid *group, struct fl_error *err);
int btrfs_limit(struct pool *pool, const struct uuid *group, uint64_t bytes, struct fl_error *err);
int btrfs_usage(struct pool *pool, enum account account, const struct uuid *uuid, struct usage *ret,
		struct fl_error *err);
int btrfs_usages(struct pool *pool, const struct account_name *names, size_t count,
		 struct usage *ret, struct fl_error *err);
/* Switches counting on in a new file system; a kernel that cannot is no failure. */
must_check int quota_enable(int root, struct fl_error *err);
/* Finds the groups, and removes those of trees that are gone. */
must_check int quota_open(struct btrfs_pool *pool, struct fl_error *err);
/*
 * Calls `fn` while no group has a limit (`subvolume`: none of those that it
 * counts for; 0: of all), and sets the limits again.  Where that fails, and where
 * a crash comes between, the engine sets them at the next start.
 */
must_check int quota_without_limits(struct btrfs_pool *pool, uint64_t subvolume,
				    int (*fn)(struct btrfs_pool *pool, void *arg,
					      struct fl_error *err),
				    void *arg, struct fl_error *err);
/* The quota group that heads of `branch` are made in; 0 = none. */
uint64_t account_number(struct btrfs_pool *pool, const struct uuid *branch);

/* occupied.c */
int btrfs_occupied(struct pool *pool, const struct tree *tree, uint64_t *ret, struct fl_error *err);
must_check int btrfs_weigh(struct pool *pool, const struct tree *base, const struct tree *tree,
			   uint64_t *ret, struct fl_error *err);

/* facts.c */
int btrfs_facts_write(struct pool *pool, const struct uuid *branch, const char *text,
		      struct fl_error *err);
int btrfs_facts_read(struct pool *pool, const struct uuid *branch, struct text *ret,
		     struct fl_error *err);
int btrfs_facts_list(struct pool *pool,
		     int (*each)(void *arg, const struct uuid *branch, struct fl_error *err),
		     void *arg, struct fl_error *err);
int btrfs_facts_delete(struct pool *pool, const struct uuid *branch, struct fl_error *err);
int btrfs_file_write(struct pool *pool, const char *name, const void *bytes, size_t length,
		     struct fl_error *err);
int btrfs_file_append(struct pool *pool, const char *name, const void *bytes, size_t length,
		      struct fl_error *err);
int btrfs_file_read(struct pool *pool, const char *name, struct text *ret, struct fl_error *err);
