#pragma once

/*
 * Changes: what differs between two trees, path by path
 *
 * File systems that know their history tell it as a series of commands (made,
 * linked, renamed, removed, written) that turns the earlier tree into the later
 * one, by way of states that nobody ever saw: a file is made under a passing
 * name, a directory waits outside of its parent, a rename is a link and a
 * removal.  A struct changes takes the commands one by one and tells in the end
 * what they amount to.
 *
 * It keeps the names that were spoken of and no others.  A *node* is a file, by
 * whatever name; a *label* is a name that a node has or had; a *slot* is a
 * place for a name, (directory node, name), and knows whose label was there
 * before and whose is there now.  A name that no command has touched is where
 * it was, in the same directory node; so it needs no record, and directories
 * may move with all that is in them at no cost.  When it is first spoken of it
 * gets its slot, with a label that is there both before and now.
 *
 * In the end each node's labels say it all: a label in the slot that it was
 * in is a file that stayed; one in another slot was renamed; one that is only
 * there now is added, only before removed; and a node that lost one name and
 * got another was renamed too.
 *
 * Paths are bytes, relative, without a leading "./"; "" is the tree itself.
 * Here are the rules alone; no I/O.  Memory: about 300 bytes and the name for each
 * name that was touched.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/own.h"

enum change_kind {
	CHANGE_ADDED,	 /* the path is only in the later tree */
	CHANGE_REMOVED,	 /* only in the earlier */
	CHANGE_MODIFIED, /* in both; `what` says in what it differs */
	CHANGE_RENAMED,	 /* the same file was called `from`; `what` differs besides */
	CHANGE_KINDS,
};
extern const char *const change_kind_names[CHANGE_KINDS]; /* "added", ... */

enum change_what {
	CHANGE_CONTENTS = 1 << 0,   /* written to, cut, or another file in its place */
	CHANGE_ATTRIBUTES = 1 << 1, /* mode, owner, time, extended attributes */
	CHANGE_TYPE = 1 << 2,	    /* a file, link, directory, ... where another was */
	CHANGE_WHATS = 3,	/* so many bits are for everyone; the others are gone when a change
				   is told */
	CHANGE_UNSURE = 1 << 3, /* touched: who can look at both must say in what they differ */
	CHANGE_REPLACED = 1 << 4, /* another file in its place; the type may differ */
};

extern const char *const change_what_names[CHANGE_WHATS]; /* by the bit's number: "contents", ... */

/* A file as it is in one of the trees; zero where it is not there. */
struct change_side {
	mode_t mode;
	uint64_t size; /* bytes; 0 of a directory */
	uid_t uid;
	gid_t gid;
	int64_t modified; /* ns UTC */
};

/* Borrowed for the time of a call. */
struct change {
	enum change_kind kind;
	unsigned what;	  /* of enum change_what */
	const char *path; /* in the later tree; REMOVED: in the earlier */
	const char *from; /* in the earlier tree: differs also when a directory above
			     was renamed; ADDED: NULL */
	struct change_side before, after; /* as the driver saw them */
};

/* A directory that lost or got names has not changed by that alone: the names say it. */
typedef int change_each(void *arg, const struct change *change, struct fl_error *err);

struct changes;

/*
 * For at most so many names, with those that are only passing; a command that
 * speaks of further ones is refused: FL_UNSUPPORTED.
 */
#define CHANGES_MOST 3000000
struct changes *changes_new(size_t most);
void changes_free(struct changes *changes); /* NULL is fine */
static inline void changes_freep(struct changes **changes)
{
	changes_free(*changes);
}
#define own_changes own(changes_freep)

/*
 * The commands, in their order.  FL_CORRUPT when one doesn't fit to those
 * before it: a directory that is no more, a name that is taken; the value is then
 * good for changes_free() alone.
 */
must_check int changes_make(struct changes *changes, const char *path, struct fl_error *err);
must_check int changes_link(struct changes *changes, const char *path, const char *to,
			    struct fl_error *err);
must_check int changes_rename(struct changes *changes, const char *from, const char *to,
			      struct fl_error *err);
must_check int changes_remove(struct changes *changes, const char *path, struct fl_error *err);
/* `what`: of CHANGE_CONTENTS, CHANGE_ATTRIBUTES and CHANGE_UNSURE. */
must_check int changes_touch(struct changes *changes, const char *path, unsigned what,
			     struct fl_error *err);

/*
 * What it came to, sorted by path, byte by byte; without `before` and `after`.
 * A file with several names is told of under one of them.  Stops at the first
 * negative answer of `each` and returns it.
 */
must_check int changes_tell(struct changes *changes, change_each *each, void *arg,
			    struct fl_error *err);
