#pragma once

/*
 * Two trees walked side by side, by one thread, from the top down: a directory before what is in
 * it, its names in order.  Which directory of the earlier tree belongs to one of the later is the
 * caller's to say.  For portable.c.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/own.h"
#include "base/text.h"

/* A directory that waits. */
struct folder {
	char *path; /* heap; in the later tree */
	char *from; /* heap; in the earlier one; NULL: it has none */
};

struct sides {
	int trees[2]; /* the earlier one's directory and the later's; borrowed */
	struct folder *folders;
	size_t folder_count;
};

void sides_done(struct sides *sides);

/* A directory under way. */
struct level {
	const struct folder *folder;
	int dirs[2]; /* open; that of the earlier tree may be -1 */
};

/* A name in one of the two directories, or in both. */
struct place {
	const char *name;
	char *path, *from; /* heap; as in struct folder */
	bool was, is;	   /* in the earlier one, in the later */
};

/* To be entered after this one; in the order in which they are added. */
void sides_add(struct sides *sides, const char *path, const char *from);

typedef int sides_folder(void *arg, const struct folder *folder, struct fl_error *err);
/* Calls `each` for the top, whose `from` is "" or NULL, and for all that is added, until nothing is
 * left. */
must_check int sides_walk(struct sides *sides, const char *from, sides_folder *each, void *arg,
			  struct fl_error *err);

must_check int level_open(const struct sides *sides, const struct folder *folder, struct level *ret,
			  struct fl_error *err);
void level_done(struct level *level);

typedef int level_place(void *arg, struct level *level, struct place *place, struct fl_error *err);
/* FL_UNSUPPORTED: the path is longer than a delta can have it. */
must_check int level_each(struct level *level, level_place *each, void *arg, struct fl_error *err);

/* The names in a directory, sorted. */
struct names {
	struct text bytes; /* each with its NUL */
	const char **items;
	size_t count;
};
void names_done(struct names *names);
must_check int names_read(int dir, struct names *ret, struct fl_error *err);

/* "dir/name"; heap. */
char *path_join(const char *dir, const char *name);
