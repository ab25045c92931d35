#pragma once

/* A restore under way: what its two halves share (restore.c, restore-settle.c). */

#include <sys/stat.h>

#include "base/uuid.h"
#include "engine/internal.h"

#define PRIVATE ".flocker-restore-" /* and the operation */
#define PRIVATE_TEXT (sizeof(PRIVATE) + UUID_TEXT)

struct place {
	char *parent; /* heap; "" is the root */
	const char *name;
};

struct restore {
	struct engine *engine;
	const struct restore_options *options;
	struct running *running;
	struct volume_row volume;
	struct branch_row branch;
	struct snapshot_row source;
	struct place from, to;	    /* in the source, and in the head */
	uint64_t head;		    /* id of the tree that is copied into */
	int root;		    /* and its root directory */
	bool reading;		    /* `source` is noted as being read */
	char private[PRIVATE_TEXT]; /* the directory that is copied to; "" before it is noted */
	int private_fd;
	struct timespec root_before,
		root_with;	   /* times of the root: before it was made, and then */
	struct hooking *hooks;	   /* of the branch, ready, while it is locked */
	struct snapshot_row taken; /* what the branch was */
	struct stash_row stash;
	struct timespec stashed; /* before that */
	uint64_t copy;		 /* inode of what was copied; 0: not known yet */
	bool replaces;		 /* something stands in the place */
	char *kept; /* the path of what was replaced, if it was written to meanwhile; heap */
};

/* Where it goes, from the root of the branch. */
const char *restore_path(const struct restore *restore);
/* The directory that it goes to; sets `replaces`, and `ret_st` of what stands there then. */
must_check int restore_find_target(struct restore *restore, int *ret, struct stat *ret_st,
				   struct fl_error *err);
/* The last part of a path, borrowed, and what comes before. */
struct place restore_split(const char *path);
/* Notes when: right before the branch is stashed; and what the copy is. */
must_check int restore_mark(struct restore *restore, struct fl_error *err);
/* For the intent, so that restore_keep_late() can be done after a crash.  Heap. */
char *restore_note(const struct restore *restore);
/* FL_CORRUPT. */
must_check int restore_read_note(const char *note, struct restore *ret, struct fl_error *err);
/* restore_keep_late() by that note: if both had changed places. */
must_check int restore_keep_noted(struct restore *restore, struct fl_error *err);
/* What was replaced stays beside it (`kept`) where it was written to since (restore-late.c). */
must_check int restore_keep_late(struct restore *restore, int parent, struct fl_error *err);
/* The copy is there: stashes what the branch is and puts it in its place, durably; or nothing. */
must_check int restore_settle(struct restore *restore, struct fl_error *err);
