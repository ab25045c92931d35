#pragma once

/*
 * An open pool of the dir driver, and the entries of the driver's table by the
 * file that has them.  A pool is constant once it is open; calls from any
 * number of threads take no lock.
 */

#include <stdatomic.h>

#include "driver/dir/record.h"
#include "driver/driver.h"

#define FILES "files"	/* the tree, in its directory */
#define SCRATCH_TEXT 32 /* "scratch/<16 digits>" */

struct dir_pool {
	struct pool pool;
	char path[POOL_PATH]; /* without symbolic links */
	int lock;	      /* the directory itself, flock()ed */
	int root;	      /* the same: in a private mount where we may mount */
	int clock;	      /* a file to read the file system's clock with (print.h) */
	int frozen;	      /* in a private read-only mount; -1: we may not */
	bool share;	      /* the file system has FICLONE */
	bool exchange;	      /* and RENAME_EXCHANGE */
	bool prints;	      /* times of change tell of all changes */
	char boot[BOOT_TEXT]; /* this run of the machine */
};

static inline struct dir_pool *dir_pool(struct pool *pool)
{
	return (struct dir_pool *)pool;
}

/* create.c */
int dir_create(const struct pool_spec *spec, const struct pool_identity *identity,
	       struct fl_error *err);

/* pool.c */
int dir_open(const struct pool_spec *spec, struct pool **ret, struct fl_error *err);
void dir_close(struct pool *pool);
int dir_identify(struct pool *pool, const struct pool_identity *identity, struct fl_error *err);
int dir_stats(struct pool *pool, struct pool_stats *ret, struct fl_error *err);
int dir_sync(struct pool *pool, struct fl_error *err);
int dir_set_read_only(struct pool *pool, bool read_only, struct fl_error *err);
/* Opens and locks the directory.  FL_BUSY. */
must_check int dir_take(const char *path, int *ret_fd, struct fl_error *err);

/* visible.c */
int dir_expose(struct pool *pool, const char *root, struct fl_error *err);
int dir_conceal(struct pool *pool, const char *root, struct fl_error *err);
void dir_locate(struct pool *pool, const struct tree *tree, struct text *out);

/* tree.c */
int dir_tree_delete(struct pool *pool, const struct tree *tree, struct fl_error *err);
int dir_tree_info(struct pool *pool, const struct tree *tree, struct tree_info *ret,
		  struct fl_error *err);
int dir_tree_open(struct pool *pool, const struct tree *tree, int *ret_fd, struct fl_error *err);
int dir_list(struct pool *pool,
	     int (*each)(void *arg, const struct tree *tree, const struct tree_info *info,
			 struct fl_error *err),
	     void *arg, struct fl_error *err);
/* FL_NOT_FOUND when there is no such tree. */
must_check int dir_record(struct dir_pool *pool, const struct tree *tree, struct record *ret,
			  struct fl_error *err);

/* diff.c */
int dir_diff(struct pool *pool, const struct tree *earlier, const struct tree *later,
	     change_each *each, void *arg, struct fl_error *err);

/* scratch.c: trees before they have their name, and after they lost it */
struct scratch {
	struct dir_pool *pool;
	char path[SCRATCH_TEXT]; /* "" once it has been moved away */
};
void scratch_done(struct scratch *scratch);
#define own_scratch own(scratch_done)
/* A tree with an empty `files`, mode 0755, and no record yet. */
must_check int scratch_make(struct dir_pool *pool, struct scratch *ret, struct fl_error *err);
must_check int scratch_files(const struct scratch *scratch, int *ret_fd, struct fl_error *err);
must_check int scratch_record(const struct scratch *scratch, const struct record *record,
			      struct fl_error *err);
/* It becomes `tree`; durable when asked.  FL_EXISTS. */
must_check int scratch_place(struct scratch *scratch, const struct tree *tree, bool durable,
			     struct fl_error *err);
/* A tree gets another name.  FL_EXISTS, FL_NOT_FOUND. */
must_check int dir_move(struct dir_pool *pool, const struct tree *from, const struct tree *to,
			struct fl_error *err);
/* The same, where `to` is a snapshot, perhaps the first of its branch. */
must_check int dir_move_to_snaps(struct dir_pool *pool, const struct tree *from,
				 const struct tree *to, struct fl_error *err);
/* The tree's name is durable. */
must_check int dir_sync_place(struct dir_pool *pool, const struct tree *tree, struct fl_error *err);
/* Takes a tree away from its name and removes it.  Missing is success. */
must_check int scratch_bury(struct dir_pool *pool, const struct tree *tree, struct fl_error *err);
/* Removes what is left of an earlier process. */
must_check int scratch_sweep(struct dir_pool *pool, struct fl_error *err);

/* snapshot.c */
int dir_snapshot(struct pool *pool, const struct tree *source, const struct tree *target,
		 struct fl_error *err);
int dir_changed_since(struct pool *pool, const struct tree *tree, const struct tree *since,
		      bool *ret, struct fl_error *err);
/* A writable copy of the snapshot `from`, durable; to replace `head` in `operation`, or NULLs. */
must_check int dir_clone(struct dir_pool *pool, const struct tree *from, const struct tree *to,
			 const struct tree *head, const struct uuid *operation,
			 struct fl_error *err);

/* head.c */
int dir_head_create(struct pool *pool, const struct uuid *branch, struct fl_error *err);
int dir_head_clone(struct pool *pool, const struct uuid *branch, const struct tree *from,
		   struct fl_error *err);
int dir_head_swap(struct pool *pool, const struct uuid *branch, const struct tree *from,
		  const struct uuid *operation, struct fl_error *err);
int dir_head_retire(struct pool *pool, const struct uuid *branch, const struct uuid *operation,
		    struct fl_error *err);
int dir_head_restore(struct pool *pool, const struct tree *from, const struct uuid *branch,
		     struct fl_error *err);
/* Completes a swap that was cut between its two renames, where there is no exchange. */
must_check int head_recover(struct dir_pool *pool, struct fl_error *err);

/* An empty tree, mode 0755. */
must_check int dir_make_empty(struct dir_pool *pool, const struct tree *tree, struct fl_error *err);

/* staging.c */
int dir_staging_create(struct pool *pool, const struct uuid *operation, const struct uuid *branch,
		       struct fl_error *err);
int dir_staging_clone(struct pool *pool, const struct uuid *operation, const struct uuid *branch,
		      const struct tree *from, struct fl_error *err);
int dir_staging_commit(struct pool *pool, const struct uuid *operation, const struct tree *target,
		       struct fl_error *err);

/* facts.c */
int dir_facts_write(struct pool *pool, const struct uuid *branch, const char *text,
		    struct fl_error *err);
int dir_facts_read(struct pool *pool, const struct uuid *branch, struct text *ret,
		   struct fl_error *err);
int dir_facts_list(struct pool *pool,
		   int (*each)(void *arg, const struct uuid *branch, struct fl_error *err),
		   void *arg, struct fl_error *err);
int dir_facts_delete(struct pool *pool, const struct uuid *branch, struct fl_error *err);
int dir_file_write(struct pool *pool, const char *name, const void *bytes, size_t length,
		   struct fl_error *err);
int dir_file_append(struct pool *pool, const char *name, const void *bytes, size_t length,
		    struct fl_error *err);
int dir_file_read(struct pool *pool, const char *name, struct text *ret, struct fl_error *err);
