#pragma once

/*
 * What a file is besides its contents, copied from one descriptor to another:
 * owner, extended attributes (POSIX ACLs among them), mode and times, in an order that leaves
 * nothing undone.
 *
 * Attributes of a file system (btrfs.*, system.nfs4_acl) and the flags of
 * chattr(1) are not copied; nor, without root, the label that a security module
 * gives by its own policy.
 */

#include <stdbool.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/own.h"
#include "base/text.h"
#include "base/xattrs.h"

struct attrs {
	struct stat st;
	struct text xattrs; /* base/xattrs.h */
};

void attrs_done(struct attrs *attrs);

/* `fd` may be an O_PATH descriptor, as that of a symbolic link must be. */
must_check int attrs_read(int fd, const struct stat *st, struct attrs *ret, struct fl_error *err);
/* FL_DENIED when only root could.  Nothing may change the file afterwards. */
must_check int attrs_apply(int fd, const struct attrs *attrs, struct fl_error *err);
