#pragma once

/*
 * An open pool of the memory driver, and the entries of the driver's table by the file that has
 * them.
 *
 * A store is what a disk would hold; it stays in the table of the process when the pool over it is
 * closed.  One mutex guards the table and every store, and no function of the caller runs under it:
 * list() and facts_list() copy first.
 */

#include <pthread.h>

#include "driver/driver.h"
#include "driver/mem/store.h"

struct mem_pool {
	struct pool pool;
	struct store *store;
	bool read_only;
};

extern pthread_mutex_t mem_mutex;

static inline struct store *mem_store(struct pool *pool)
{
	return ((struct mem_pool *)pool)->store;
}

/* With the mutex held.  The error of a file system that is read-only. */
must_check int mem_check_writable(struct pool *pool, struct fl_error *err);
int mem_fail_read_only(const char *path, struct fl_error *err);

/* pool.c */
int mem_create(const struct pool_spec *spec, const struct pool_identity *identity,
	       struct fl_error *err);
int mem_open(const struct pool_spec *spec, struct pool **ret, struct fl_error *err);
void mem_close(struct pool *pool);
int mem_identify(struct pool *pool, const struct pool_identity *identity, struct fl_error *err);
int mem_stats(struct pool *pool, struct pool_stats *ret, struct fl_error *err);
int mem_grow(struct pool *pool, uint64_t size, struct fl_error *err);
int mem_sync(struct pool *pool, struct fl_error *err);
int mem_set_read_only(struct pool *pool, bool read_only, struct fl_error *err);

/* tree.c */
int mem_head_create(struct pool *pool, const struct uuid *branch, struct fl_error *err);
int mem_staging_create(struct pool *pool, const struct uuid *operation, const struct uuid *branch,
		       struct fl_error *err);
int mem_staging_clone(struct pool *pool, const struct uuid *operation, const struct uuid *branch,
		      const struct tree *from, struct fl_error *err);
int mem_head_clone(struct pool *pool, const struct uuid *branch, const struct tree *from,
		   struct fl_error *err);
int mem_snapshot(struct pool *pool, const struct tree *source, const struct tree *target,
		 struct fl_error *err);
int mem_snapshot_noted(struct pool *pool, const struct tree *source, const struct tree *target,
		       const char *note, struct fl_error *err);
int mem_note_write(struct pool *pool, const struct tree *name, const char *note,
		   struct fl_error *err);
int mem_head_swap(struct pool *pool, const struct uuid *branch, const struct tree *from,
		  const struct uuid *operation, struct fl_error *err);
int mem_head_retire(struct pool *pool, const struct uuid *branch, const struct uuid *operation,
		    struct fl_error *err);
int mem_head_restore(struct pool *pool, const struct tree *from, const struct uuid *branch,
		     struct fl_error *err);
int mem_staging_commit(struct pool *pool, const struct uuid *operation, const struct tree *target,
		       struct fl_error *err);
int mem_tree_delete(struct pool *pool, const struct tree *name, struct fl_error *err);
int mem_tree_info(struct pool *pool, const struct tree *name, struct tree_info *ret,
		  struct fl_error *err);
int mem_tree_open(struct pool *pool, const struct tree *name, int *ret_fd, struct fl_error *err);
int mem_changed_since(struct pool *pool, const struct tree *name, const struct tree *since,
		      bool *ret, struct fl_error *err);
int mem_list(struct pool *pool,
	     int (*each)(void *arg, const struct tree *tree, const struct tree_info *info,
			 struct fl_error *err),
	     void *arg, struct fl_error *err);
int mem_note_each(struct pool *pool,
		  int (*each)(void *arg, const struct tree *tree, const char *note,
			      struct fl_error *err),
		  void *arg, struct fl_error *err);

/* send.c */
int mem_send(struct pool *pool, const struct tree *base, const struct tree *tree, int fd,
	     struct fl_error *err);
int mem_receive(struct pool *pool, const struct uuid *operation, const struct tree *base, int fd,
		struct fl_error *err);
int mem_stream_number(struct pool *pool, const struct tree *tree, uint64_t *ret,
		      struct fl_error *err);

/* facts.c */
int mem_facts_write(struct pool *pool, const struct uuid *branch, const char *facts,
		    struct fl_error *err);
int mem_facts_read(struct pool *pool, const struct uuid *branch, struct text *ret,
		   struct fl_error *err);
int mem_facts_list(struct pool *pool,
		   int (*each)(void *arg, const struct uuid *branch, struct fl_error *err),
		   void *arg, struct fl_error *err);
int mem_facts_delete(struct pool *pool, const struct uuid *branch, struct fl_error *err);
int mem_file_write(struct pool *pool, const char *name, const void *bytes, size_t length,
		   struct fl_error *err);
int mem_file_append(struct pool *pool, const char *name, const void *bytes, size_t length,
		    struct fl_error *err);
int mem_file_read(struct pool *pool, const char *name, struct text *ret, struct fl_error *err);
