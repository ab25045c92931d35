#pragma once

/*
 * Writes the commands that make one file of another, or of nothing: contents and attributes, by
 * comparing the two.  For portable.c.
 */

#include "base/text.h"
#include "delta/command.h"
#include "driver/pair.h"

struct patch {
	int fd; /* where it goes; borrowed */
	struct text out;
	char *blocks; /* what is read of both files */
};

/* Begins with the format's header. */
void patch_init(struct patch *patch, int fd);
void patch_done(struct patch *patch);

must_check int patch_put(struct patch *patch, const struct delta_command *command,
			 struct fl_error *err);
/* A command with a path, or with two. */
must_check int patch_path(struct patch *patch, enum delta_verb verb, const char *path,
			  const char *to, struct fl_error *err);
/* Writes out what waits. */
must_check int patch_flush(struct patch *patch, struct fl_error *err);

/* The file `pair` has as its later one comes to be at `path`, with all that it holds; no
 * directory. */
must_check int patch_make(struct patch *patch, const char *path, const struct pair *pair,
			  struct fl_error *err);

/* What is at `path` is pair's earlier file; it becomes the later one, which is of the same type.
 * `what`: in what they may differ (enum change_what); sizes and the like are looked at. */
must_check int patch_change(struct patch *patch, const char *path, const struct pair *pair,
			    unsigned what, struct fl_error *err);

/* The attributes of a directory; `made`: it is new.  `touched`: its names changed, and so did its
 * time.  `retouched`: its attributes did, too. */
struct patch_directory {
	bool made, touched, retouched;
};
must_check int patch_directory(struct patch *patch, const char *path, const struct pair *pair,
			       const struct patch_directory *how, struct fl_error *err);
/* Its times alone. */
must_check int patch_times(struct patch *patch, const char *path, const struct stat *st,
			   struct fl_error *err);

/* Do new files in this directory get an ACL from it? */
must_check int patch_has_default(int dir, const char *name, bool *ret, struct fl_error *err);
#define PATCH_DEFAULT_ACL "system.posix_acl_default"
