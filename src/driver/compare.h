#pragma once

/*
 * Two trees of files compared by walking both, where the file system does not tell what
 * differs.  For the drivers' diff(): what is told follows driver.h and model/change.h.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/error.h"
#include "model/change.h"

/* Which file it is, by whatever name. */
struct file_id {
	uint64_t object, generation;
	unsigned apart; /* 0: in both trees; else a file that only one of them can have */
};

enum compare_side { COMPARE_EARLIER, COMPARE_LATER };

struct comparison {
	int trees[2]; /* by side: their directories, borrowed */
	bool live;    /* others change them meanwhile: what is gone when its turn comes is passed
			 over */
	/*
	 * Which file `name` in the directory `dir` of a tree is ("": the directory itself): equal
	 * for one file in both, for any two others different.  NULL: nothing tells it, and a file
	 * is known by its path; nothing is renamed then.
	 */
	int (*identify)(void *arg, enum compare_side side, int dir, const char *name,
			struct file_id *ret, struct fl_error *err);
	/* The same file in both trees: is it certain that nobody wrote to it between?  With
	 * identify only. */
	bool (*untouched)(void *arg, const struct stat *earlier, const struct stat *later);
	void *arg;
};

/* As diff() of driver.h. */
must_check int compare_by_walking(const struct comparison *comparison, change_each *each, void *arg,
				  struct fl_error *err);
