#pragma once

/*
 * Where paths lead that somebody else has written down: realpath(3), except that it does not
 * go into file systems of other machines and programs (NFS, FUSE and the like).  Their server
 * may be gone, and then whoever looks there stands still, for ever, and can't even be killed.
 */

#include <stddef.h>

#include "base/error.h"
#include "base/own.h"

struct resolver {
	char **avoided; /* heap: where such file systems are mounted */
	size_t count;
};

/* `ours`: what is mounted there or below is gone into, whatever it is. */
must_check int resolver_open(const char *ours, struct resolver *ret, struct fl_error *err);
void resolver_done(struct resolver *resolver);
/* Heap; NULL: it leads nowhere, or to where one should not look. */
char *resolver_follow(const struct resolver *resolver, const char *path);
