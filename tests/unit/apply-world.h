#pragma once

/*
 * Where the tests of `flocker-tree apply` carry deltas out.  Each delta is carried out by a child
 * whose root is a file system of its own, in memory and visible nowhere, but without the rest of
 * the sandbox: what that would hold back must not even be tried.  In it:
 *
 *	tree/		what is changed
 *	base/file	what may be read
 *	canary/file	what must not change: no byte, no attribute, no further name
 */

#include <sys/stat.h>

#include "delta/point.h"
#include "delta/write.h"
#include "tree/digest.h"
#include "tree/verbs.h"

struct outcome {
	enum fl_code code;
	struct report report;
	char text[480], object[160];
};

extern struct fl_error err;
extern const struct uuid here, base; /* the tree, and what it builds on, as deltas name them */
extern int tree;
extern struct outcome *outcome;	    /* of the last apply() */
extern struct delta_points *points; /* shared with those who apply */

/* The tree is empty. */
void begin(void);
void new_tree(void);

/* In a child; fails when something outside of the tree has changed. */
void apply(const void *bytes, size_t length, const struct options *options);

/* Of all of a tree, or of what changed since the base. */
void put_start(struct text *out, bool whole);
void put_end(struct text *out);
/* Something of every kind: so many commands but the first and the last. */
size_t put_plain(struct text *out);
extern char plain_contents[5000]; /* of moved/file, then zeros up to 1 MiB */

void take_digest(uint8_t ret[static DIGEST_SIZE]);

#define MKFILE(p)                                 \
	{                                         \
		.verb = DELTA_MKFILE, .path = (p) \
	}
#define MKDIR(p)                                 \
	{                                        \
		.verb = DELTA_MKDIR, .path = (p) \
	}
#define SYMLINK(p, t)                                         \
	{                                                     \
		.verb = DELTA_SYMLINK, .path = (p), .to = (t) \
	}
#define RENAME(p, t)                                         \
	{                                                    \
		.verb = DELTA_RENAME, .path = (p), .to = (t) \
	}
#define LINK(p, t)                                         \
	{                                                  \
		.verb = DELTA_LINK, .path = (p), .to = (t) \
	}
#define UNLINK(p)                                 \
	{                                         \
		.verb = DELTA_UNLINK, .path = (p) \
	}
#define RMDIR(p)                                 \
	{                                        \
		.verb = DELTA_RMDIR, .path = (p) \
	}
#define WRITE(p, at)                                                                               \
	{                                                                                          \
		.verb = DELTA_WRITE, .path = (p), .offset = (at), .data = "evil", .data_length = 4 \
	}
#define TRUNCATE(p, n)                                           \
	{                                                        \
		.verb = DELTA_TRUNCATE, .path = (p), .size = (n) \
	}
#define CHMOD(p, m)                                           \
	{                                                     \
		.verb = DELTA_CHMOD, .path = (p), .mode = (m) \
	}
#define CHOWN(p, u)                                                    \
	{                                                              \
		.verb = DELTA_CHOWN, .path = (p), .uid = (u), .gid = 1 \
	}
#define UTIMES(p)                                                    \
	{                                                            \
		.verb = DELTA_UTIMES, .path = (p), .mtime = { 1, 2 } \
	}
#define XATTR(p, n)                                                                              \
	{                                                                                        \
		.verb = DELTA_SET_XATTR, .path = (p), .name = (n), .data = "v", .data_length = 1 \
	}
#define MKNOD(p, m, d)                                                       \
	{                                                                    \
		.verb = DELTA_MKNOD, .path = (p), .mode = (m), .device = (d) \
	}
#define CLONE(p, t, n)                                                   \
	{                                                                \
		.verb = DELTA_CLONE, .path = (p), .to = (t), .size = (n) \
	}
