#pragma once

/*
 * POSIX ACLs in their three forms: the kernel's (the value of
 * system.posix_acl_access and system.posix_acl_default, linux/posix_acl_xattr.h:
 * a version, then tag, permissions and id of each entry, little-endian), the
 * text of pax archives ("user::rwx,user:1000:r-x,..."), and libarchive's.
 */

#include <archive.h>
#include <archive_entry.h>

#include "tree/attrs.h"

#define ACL_ACCESS "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"

/* Adds both ACLs of an entry, as far as it has any.  Entries known by name only: FL_INVALID. */
must_check int acl_from_entry(struct archive_entry *entry, struct attrs *attrs,
			      struct fl_error *err);

/* The text form of a value of the kernel's.  FL_CORRUPT when it is none. */
must_check int acl_to_text(const struct xattr *acl, struct text *ret, struct fl_error *err);
