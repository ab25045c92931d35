#pragma once

/*
 * A walk over a tree of files by several threads at once.
 *
 * Each directory is first entered, then its entries are shown in any order and
 * by any thread, and when everything below it is done it is left: so whatever
 * has to come after the children (times, rmdir) has its place.  Directories are
 * opened by their path below the root, through no symbolic link and over no
 * mount point, and not held open while they wait: neither depth nor breadth
 * costs descriptors, and a writer who swaps a directory for a link meanwhile
 * leads nowhere.  The price is that opening one takes the longer the deeper it
 * lies, so there is a depth where a walk gives up: FL_UNSUPPORTED.
 *
 * Callbacks run in several threads; for one directory enter comes before all
 * entries and leave after them.  The first that fails ends the walk.
 */

#include <stdbool.h>

#include "base/error.h"
#include "base/own.h"
#include "base/text.h"

#define WALK_DEEPEST 2048 /* directories below each other; archives have the same limit */

/* A directory under way.  `data` is the callbacks' own. */
struct walk_node {
	struct walk_node *parent; /* NULL: the root */
	void *data;		  /* of enter, for leave */
	unsigned depth;		  /* 0: the root */
	bool entered;		  /* false in leave: it was gone before it could be opened */
	unsigned pending;	  /* of the walk: what is left to do below it */
	char name[];
};

struct visit {
	struct walk_node *node;
	int dir;  /* this directory, open */
	int twin; /* the one of the same path below walk.twin; -1 without */
};

struct walk {
	int root;   /* borrowed */
	int twin;   /* borrowed; -1: none */
	bool apart; /* the twin is a tree of its own: where it has no such directory visit.twin is
		       -1 */
	bool live;  /* others change the tree meanwhile: what is gone when its turn comes is passed
		       over */
	int (*enter)(void *arg, const struct visit *visit, struct fl_error *err);
	/* A directory was found in `visit`; it will be entered later, unless the answer is 1. */
	int (*found)(void *arg, const struct visit *visit, const char *name, struct fl_error *err);
	/* Anything else. */
	int (*entry)(void *arg, const struct visit *visit, const char *name, struct fl_error *err);
	/* `node` is done; also after a failure (`err` NULL), to release its data. */
	int (*leave)(void *arg, struct walk_node *node, struct fl_error *err);
	void *arg;
};

/* Entries that are NULL are not called. */
must_check int walk_tree(const struct walk *walk, struct fl_error *err);

/* Appends the path of `name` in the directory `node`; name NULL: of the directory itself. */
void walk_path(const struct walk_node *node, const char *name, struct text *out);
/* Opens the directory of `node` below `root`. */
must_check int walk_open(int root, const struct walk_node *node, int *ret_fd, struct fl_error *err);
/* Something that was there a moment ago is gone, or is something else now. */
bool walk_is_gone(const struct fl_error *err);
