#pragma once

/*
 * What a file is besides its contents: mode, owner, time of change, extended
 * attributes.  POSIX ACLs are extended attributes here too, in the kernel's
 * own form (system.posix_acl_*).  Times of reading are not kept.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/own.h"
#include "base/text.h"

struct attrs {
	mode_t mode; /* with the type */
	uid_t uid;
	gid_t gid;
	struct timespec mtime;
	struct text xattrs; /* attrs_add()'s form: sizes, name, value, one after the other */
};

void attrs_done(struct attrs *attrs);
#define own_attrs own(attrs_done)

/* One attribute of `xattrs`; the pointers are into it. */
struct xattr {
	const char *name;
	const char *value;
	size_t size;
};

void attrs_add(struct attrs *attrs, const char *name, const void *value, size_t size);
/* The one at `*at`, which moves on; returns false at the end.  Starts at 0. */
bool attrs_next(const struct text *xattrs, size_t *at, struct xattr *ret);

/*
 * Of a file: by its descriptor `fd`, or -1 and the entry `name` of `dir` itself,
 * never what it points to.  `st` is what stat said of it.
 */
must_check int attrs_read(int dir, const char *name, int fd, const struct stat *st,
			  struct attrs *ret, struct fl_error *err);

/* The other way round.  The time goes last: nothing may change the file afterwards. */
must_check int attrs_apply(int dir, const char *name, int fd, const struct attrs *attrs,
			   struct fl_error *err);
