#pragma once

/*
 * What a file is besides its contents: mode, owner, time of change, extended
 * attributes, POSIX ACLs among them.  Times of reading are not kept.
 */

#include <sys/stat.h>

#include "base/error.h"
#include "base/own.h"
#include "base/text.h"
#include "base/xattrs.h"

struct attrs {
	mode_t mode; /* with the type */
	uid_t uid;
	gid_t gid;
	struct timespec mtime;
	struct text xattrs; /* base/xattrs.h */
};

void attrs_done(struct attrs *attrs);
#define own_attrs own(attrs_done)

/*
 * Of a file: by its descriptor `fd`, or -1 and the entry `name` of `dir` itself,
 * never what it points to.  `st` is what stat said of it.
 */
must_check int attrs_read(int dir, const char *name, int fd, const struct stat *st,
			  struct attrs *ret, struct fl_error *err);

/* The other way round.  The time goes last: nothing may change the file afterwards. */
must_check int attrs_apply(int dir, const char *name, int fd, const struct attrs *attrs,
			   struct fl_error *err);
/*
 * The same as far as the user may: without root the file stays the user's, and an attribute
 * that he may not set, or that the file system does not have, is left out.
 */
must_check int attrs_apply_some(int dir, const char *name, int fd, const struct attrs *attrs,
				struct fl_error *err);
/* One attribute of such a file. */
must_check int attrs_set_value(int dir, const char *name, int fd, const struct xattr *x,
			       struct fl_error *err);
