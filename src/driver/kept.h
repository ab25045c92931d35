#pragma once

/*
 * What the engine keeps in a pool that has directories: facts beside the
 * snapshots, files beside the layout, and the identity.  The entries of the
 * contract (driver.h) with the directory of the layout, `root`, for the pool;
 * used by the drivers that lay their pools out in this way, and, for the files
 * alone, by every other.
 */

#include "driver/driver.h"

/* Makes what is missing of the directories. */
must_check int layout_make(int root, struct fl_error *err);
must_check int layout_has(int root, const struct tree *tree, bool *ret, struct fl_error *err);
/*
 * The rename of `from`, which is not there, may have happened before: success
 * where `to` stands.
 */
must_check int layout_moved(int root, const struct tree *from, const struct tree *to,
			    struct fl_error *err);
/* The pool's `grain`; 1 where nothing may be written, and so nothing is found out. */
uint32_t layout_grain(int root);
must_check int identity_write(int root, const struct pool_identity *identity, struct fl_error *err);
/* FL_INVALID when there is none; `path` is the pool's, for messages. */
must_check int identity_read(int root, const char *path, struct pool_identity *ret,
			     struct fl_error *err);

must_check int kept_facts_write(int root, const struct uuid *branch, const char *text,
				struct fl_error *err);
must_check int kept_facts_read(int root, const struct uuid *branch, struct text *ret,
			       struct fl_error *err);
must_check int kept_facts_list(int root,
			       int (*each)(void *arg, const struct uuid *branch,
					   struct fl_error *err),
			       void *arg, struct fl_error *err);
must_check int kept_facts_delete(int root, const struct uuid *branch, struct fl_error *err);
/* The names that a file can have in any pool: none that some driver has for itself. */
must_check int kept_file_check(const char *name, struct fl_error *err);
must_check int kept_file_write(int root, const char *name, const void *bytes, size_t length,
			       struct fl_error *err);
must_check int kept_file_append(int root, const char *name, const void *bytes, size_t length,
				struct fl_error *err);
must_check int kept_file_read(int root, const char *name, struct text *ret, struct fl_error *err);
