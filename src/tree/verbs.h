#pragma once

/* What the programs do.  Each reads and writes the descriptors that main.c and archive-main.c name.
 */

#include <stdbool.h>

#include "base/error.h"
#include "base/own.h"
#include "tree/report.h"

#define TREE_SOURCE_FD 5 /* what is copied, or the base of what is applied */
#define TREE_POINT_FD 6	 /* apply: how far it came, see delta/point.h */

/*
 * A tree is trusted that far: it takes what its files of several names take (links.h), about 150
 * bytes for each of which some names were not met yet.
 */
#define TREE_MEMORY (UINT64_C(2) << 30)
#define TREE_TOO_MANY                                                                 \
	"it takes more than 2 GiB of memory: too many files have a second name that " \
	"lies far away from the first"

struct options {
	bool devices;	   /* unpack: device nodes too */
	bool setuid;	   /* unpack: set-uid and set-gid files and file capabilities too */
	bool plain;	   /* unpack: as `cp` does, see unpack.c */
	bool zstd;	   /* pack: compressed */
	bool base;	   /* apply: the delta builds on a base, which is there */
	bool point;	   /* apply: how far it came is kept */
	bool late;	   /* apply: the tree is handed over, when it is there */
	bool resume;	   /* apply: goes on from where the point is */
	const char *entry; /* copy: this one of what the directory holds, and not its own
			      attributes; NULL: the directory */
	uint32_t grain;	   /* digest: of the times, see digest.h */
};

must_check int tree_unpack(const struct options *options, struct report *report,
			   struct fl_error *err);
must_check int tree_pack(const struct options *options, struct report *report,
			 struct fl_error *err);
must_check int tree_copy(const struct options *options, struct report *report,
			 struct fl_error *err);
/* Reports it: see digest.h. */
must_check int tree_digest(const struct options *options, struct report *report,
			   struct fl_error *err);
must_check int tree_apply(const struct options *options, struct report *report,
			  struct fl_error *err);
/* Instead of what tree_apply_prepare() maps. */
struct delta_points;
void tree_apply_use_points(struct delta_points *points);
/* Before the sandbox: maps what the point is kept in. */
must_check int tree_apply_prepare(const struct options *options, struct fl_error *err);
