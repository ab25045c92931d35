#pragma once

/*
 * Within `flocker-tree apply`: what its files share.  apply.c reads the delta and keeps the
 * order; the others carry one command out each (apply-names.c, apply-contents.c,
 * apply-attributes.c).
 *
 * What a command names was checked for its form (spot_check()).  A command that
 * cannot be carried out because the tree is not as it should be is FL_CORRUPT: the delta was
 * made for another tree, or means harm.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/own.h"
#include "base/text.h"
#include "delta/command.h"
#include "tree/report.h"
#include "tree/spot.h"
#include "tree/verbs.h"

/* A regular file that stays open, as the next command is mostly about it too. */
struct open_file {
	int fd; /* -1: none */
	struct text path;
	bool known; /* owner and mode are as here */
	uid_t uid;
	gid_t gid;
	mode_t mode;
	off_t from, to; /* what was written in one piece and is not pushed out yet */
};

struct apply {
	const struct options *options;
	struct report *report;
	struct uuid tree, base; /* as the delta names them */
	bool again;		/* the next stable command may have been carried out already */
	struct spots spots;	/* in the tree */
	struct spots from;	/* in it too: of what is moved, removed or read */
	struct spots base_spots;
	uid_t uid; /* who makes all this */
	gid_t gid;
	mode_t usual;		 /* the permissions that the last file got */
	struct open_file file;	 /* in the tree, for writing */
	struct open_file source; /* in the tree or the base, for reading */
	bool source_in_base;
};

/* What one command is carried out by. */
typedef int apply_verb(struct apply *apply, const struct delta_command *command,
		       struct fl_error *err);

/* `command`, but under the name `path`. */
must_check int apply_make(struct apply *apply, const struct delta_command *command,
			  const char *path, struct fl_error *err);
apply_verb apply_rename, apply_link, apply_unlink, apply_rmdir;
apply_verb apply_write, apply_clone, apply_truncate;
apply_verb apply_chmod, apply_chown, apply_utimes, apply_set_xattr, apply_remove_xattr;

/* `fd` is handed over. */
void open_file_set(struct open_file *file, int fd, const char *path);
void open_file_close(struct open_file *file);
bool open_file_is(const struct open_file *file, const char *path);

/* The file at `path` of the tree, open for writing: apply->file. */
must_check int apply_open(struct apply *apply, const char *path, struct fl_error *err);

/* A regular file, anywhere; others are FL_CORRUPT. */
must_check int apply_open_contents(const struct spot *spot, int flags, struct stat *ret_st,
				   int *ret_fd, struct fl_error *err);

/* What the system said speaks of a tree that is not as the delta has it, if that is so. */
int apply_misfit(struct fl_error *err);
