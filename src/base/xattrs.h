#pragma once

/*
 * The extended attributes of a file, one after the other in one run of bytes:
 * the sizes of name and value, the name with its NUL, the value.  POSIX ACLs
 * are among them, in the kernel's own form (system.posix_acl_*).
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"

#define XATTRS_LIMIT 65536 /* bytes: XATTR_SIZE_MAX and XATTR_LIST_MAX of the kernel */

/* One of them; the pointers are into the bytes. */
struct xattr {
	const char *name;
	const char *value;
	size_t size;
};

/* Is it the user's data?  Others (btrfs.*, system.nfs4_acl) belong to a file system. */
bool xattrs_keep(const char *name);

void xattrs_add(struct text *xattrs, const char *name, const void *value, size_t size);
/* The one at `*at`, which moves on; returns false at the end.  Starts at 0. */
bool xattrs_next(const struct text *xattrs, size_t *at, struct xattr *ret);
/* The same ones, in whatever order. */
bool xattrs_equal(const struct text *a, const struct text *b);
