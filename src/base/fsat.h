#pragma once

/*
 * Files, relative to a directory descriptor.
 *
 * The only code in Flocker that opens, makes, renames and removes files
 * (fsat.c; fsat-write.c writes them, fsat-lock.c locks them, fsat-remove.c removes
 * whole trees).
 * Every path is relative to `dir` (AT_FDCWD for the daemon's own absolute
 * paths), every descriptor is close-on-exec, and the last component is never
 * followed when it is a symbolic link.  fsat_open_beneath() is for paths that
 * come from users and for trees that users write: it resolves with openat2
 * RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS, so neither ".." nor any symbolic
 * link leads out.
 *
 * Errors carry the errno's code and name the path; ENOENT is FL_NOT_FOUND.
 */

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/own.h"
#include "base/text.h"

/* openat() with O_CLOEXEC | O_NOFOLLOW added.  `mode` counts when O_CREAT is set. */
must_check int fsat_open(int dir, const char *path, int flags, mode_t mode, int *ret_fd,
			 struct fl_error *err);
/*
 * A file as its user names it on a command line: symbolic links are followed,
 * as they are everywhere there.  Not for the daemon.
 */
must_check int fsat_open_named(const char *path, int flags, int *ret_fd, struct fl_error *err);
/*
 * First of all in a program: descriptors 0 to 2 that are closed are given to
 * /dev/null, so that no file or socket opened later becomes one of them and takes
 * what is printed.  Reading the first and writing the others still fails (EBADF).
 */
void fsat_hold_standard(void);
/* A directory, O_RDONLY | O_DIRECTORY. */
must_check int fsat_open_dir(int dir, const char *path, int *ret_fd, struct fl_error *err);
/* Below `dir` whatever the path says; symbolic links are followed as long as they stay beneath
 * (FL_DENIED) and are not too many (FL_INVALID). */
must_check int fsat_open_beneath(int dir, const char *path, int flags, int *ret_fd,
				 struct fl_error *err);
/* The same, but a symbolic link anywhere on the way is refused (FL_INVALID), and so is a mount
 * point with `one_mount` (FL_UNSUPPORTED). */
must_check int fsat_open_strict(int dir, const char *path, int flags, bool one_mount, int *ret_fd,
				struct fl_error *err);

/*
 * As one whose root directory is `dir` would open it: absolute symbolic links, and "..", begin
 * and end there.  For the tree of another operating system.
 */
must_check int fsat_open_in_root(int dir, const char *path, int flags, int *ret_fd,
				 struct fl_error *err);

/* mkdir that takes an existing directory as success. */
must_check int fsat_mkdir(int dir, const char *path, mode_t mode, struct fl_error *err);
/* The same for each missing component of `path`. */
must_check int fsat_mkdir_parents(int dir, const char *path, mode_t mode, struct fl_error *err);
must_check int fsat_rename(int old_dir, const char *old_path, int new_dir, const char *new_path,
			   struct fl_error *err);
/* The same, but FL_EXISTS when there is something at the new place. */
must_check int fsat_rename_new(int old_dir, const char *old_path, int new_dir, const char *new_path,
			       struct fl_error *err);
/* Both must exist; they change places in one step (RENAME_EXCHANGE). */
must_check int fsat_exchange(int a_dir, const char *a, int b_dir, const char *b,
			     struct fl_error *err);
/* A missing file is success. */
must_check int fsat_unlink(int dir, const char *path, struct fl_error *err);
/* A missing directory is success; one that is not empty is FL_BUSY. */
must_check int fsat_rmdir(int dir, const char *path, struct fl_error *err);
/*
 * Removes `path` and everything below it, also what is immutable, with subvolumes, of
 * any depth; a mount point in it is FL_UNSUPPORTED.  Missing is success.
 */
must_check int fsat_remove_tree(int dir, const char *path, struct fl_error *err);
/* A symbolic link; one that is there already is replaced in one step, by way of .NAME.new. */
must_check int fsat_symlink(const char *target, int dir, const char *path, struct fl_error *err);
/*
 * A directory to keep state in: this process can write to it, and nobody but
 * its user and root can.  FL_DENIED says whose it is or who may write, and how
 * to mend it; a read-only file system is FL_SYSTEM.
 */
must_check int fsat_check_private(int dir, const char *path, struct fl_error *err);
must_check int fsat_stat(int dir, const char *path, struct stat *ret, struct fl_error *err);

/* Calls `each` for every entry but "." and ".."; stops at its first negative answer and returns it.
 */
must_check int fsat_each(int dir,
			 int (*each)(void *arg, const char *name, unsigned char type,
				     uint64_t inode, struct fl_error *err),
			 void *arg, struct fl_error *err);
must_check int fsat_is_empty(int dir, bool *ret, struct fl_error *err);

/* A whole small file; replaces what `ret` (initialised) holds.  More than `limit` bytes:
 * FL_INVALID. */
must_check int fsat_read(int dir, const char *path, size_t limit, struct text *ret,
			 struct fl_error *err);
/* The same of a file that is open; `path` is for messages. */
must_check int fsat_read_fd(int fd, const char *path, size_t limit, struct text *ret,
			    struct fl_error *err);
/*
 * Replaces a file in one step: a temporary name beside it, written, synced when
 * `durable`, renamed over it, directory synced when `durable`.  A crash leaves
 * the old contents or the new; at worst also a file .NAME.new beside it, which
 * the next write replaces.
 */
must_check int fsat_write(int dir, const char *path, const char *bytes, size_t length, mode_t mode,
			  bool durable, struct fl_error *err);
/*
 * For a larger one: a new file in the directory `dir`, open for writing, that has
 * no name and vanishes with its last descriptor, unless it is given one.
 * FL_UNSUPPORTED where it cannot be.  The name is FL_EXISTS when it is taken.
 */
must_check int fsat_open_unnamed(int dir, mode_t mode, int *ret_fd, struct fl_error *err);
must_check int fsat_give_name(int fd, int dir, const char *name, struct fl_error *err);
/*
 * The grain of the times that files in the directory `dir` can have: nanoseconds, 1 to
 * FSAT_COARSEST; of 1, every time is kept.  Found out with a file `name`, which is there for that
 * moment alone.
 */
#define FSAT_COARSEST 1000000000
must_check int fsat_time_grain(int dir, const char *name, uint32_t *ret, struct fl_error *err);
/* A file in memory, without a name, open for reading and writing; `what` it is shows in /proc. */
must_check int fsat_open_memory(const char *what, int *ret_fd, struct fl_error *err);
/* Adds at the end of a file, which is made if it is missing.  Not synced. */
must_check int fsat_append(int dir, const char *path, const char *bytes, size_t length, mode_t mode,
			   struct fl_error *err);
/* fsync; an error here means data may be lost. */
must_check int fsat_sync(int fd, struct fl_error *err);
/* syncfs of the file system that the directory `dir` is in; the same is true of its errors. */
must_check int fsat_sync_all(int dir, struct fl_error *err);
/* flock(LOCK_EX | LOCK_NB) on `fd`.  FL_BUSY when another process holds it. */
must_check int fsat_lock(int fd, struct fl_error *err);
/*
 * Appends who holds the lock that `fd` did not get: "process 12 (flockerd --root /x)"; "another
 * process" where the kernel does not tell (in another PID namespace, in a subvolume of Btrfs).
 */
void fsat_lock_holder(int fd, struct text *out);

/*
 * What copying a tree takes (fsat-make.c): each makes one entry `name` of `dir`,
 * and nothing that is there already is touched (FL_EXISTS).
 */
must_check int fsat_make_dir(int dir, const char *name, mode_t mode, struct fl_error *err);
must_check int fsat_make_link(const char *target, int dir, const char *name, struct fl_error *err);
/* A FIFO, socket or device. */
must_check int fsat_make_node(int dir, const char *name, mode_t mode, dev_t device,
			      struct fl_error *err);
must_check int fsat_link(int old_dir, const char *old_name, int dir, const char *name,
			 struct fl_error *err);
must_check int fsat_read_link(int dir, const char *name, char target[static PATH_MAX],
			      struct fl_error *err);
/* The entry itself, whatever it is, as an O_PATH descriptor. */
must_check int fsat_open_node(int dir, const char *name, int *ret_fd, struct fl_error *err);
/*
 * The directory `path` below `dir`, of any length ("": `dir` itself): through no
 * symbolic link (FL_INVALID) and no mount point (FL_UNSUPPORTED).
 */
must_check int fsat_open_far(int dir, const char *path, int *ret_fd, struct fl_error *err);
/* Takes chattr +i and +a away, as far as that can be: what is tried next says why not. */
void fsat_make_mutable(int fd);
/* Mode 0700 for the directory `name`, so that its owner can empty it. */
must_check int fsat_allow_entry(int dir, const char *name, struct fl_error *err);
