#pragma once

/* What the program does.  Each reads and writes the descriptors that main.c names. */

#include <stdbool.h>

#include "base/error.h"
#include "base/own.h"
#include "tree/report.h"

#define TREE_SOURCE_FD 5 /* what is copied */

struct options {
	bool devices;	   /* unpack: device nodes too */
	bool setuid;	   /* unpack: set-uid and set-gid files and file capabilities too */
	bool plain;	   /* unpack: as `cp` does, see unpack.c */
	bool zstd;	   /* pack: compressed */
	const char *entry; /* copy: this one of what the directory holds, and not its own
			      attributes; NULL: the directory */
};

must_check int tree_unpack(const struct options *options, struct report *report,
			   struct fl_error *err);
must_check int tree_pack(const struct options *options, struct report *report,
			 struct fl_error *err);
must_check int tree_copy(const struct options *options, struct report *report,
			 struct fl_error *err);
