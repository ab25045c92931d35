#pragma once

/*
 * Running `zfs` and `zpool`: the only code that does.
 *
 * The programs are looked for once, in fixed places.  Each run has a deadline,
 * after which it is killed, and bounded output; the locale is C.  Exit codes mean
 * little (1, 2, 255, an abort): what failed is told by the text, and callers to whom
 * it matters look at the state afterwards.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/own.h"
#include "base/spawn.h"
#include "base/text.h"

enum zfs_program { PROGRAM_ZFS, PROGRAM_ZPOOL };

/* What this host has.  Probed once; good for the life of the process. */
struct zfs_features {
	bool kernel; /* the kernel mounts ZFS; else it is zfs-fuse, which mounts by itself */
};

/* FL_UNSUPPORTED, with the package, when the programs are missing. */
must_check int zfs_probe(struct zfs_features *ret, struct fl_error *err);

/* FL_UNSUPPORTED when the programs are missing, or no ZFS answers them within seconds. */
must_check int zfs_check(struct fl_error *err);

/*
 * For tests: take the programs from this directory (NULL: the usual ones again),
 * and kill them after `patience` nanoseconds (0: as usual).
 */
void zfs_use(const char *directory, int64_t patience);

/* For tests: how many programs this process has run. */
uint64_t zfs_runs(void);

/*
 * Runs a program with these arguments (NULL ends them).  `ret`, if not NULL, gets
 * what it printed (replaced); one that prints `limit` bytes or more is killed: then
 * *ret has `limit` bytes, which is no failure.  The code of a failure is what its
 * text stands for: FL_NOT_FOUND, FL_EXISTS, FL_BUSY, FL_NO_SPACE, FL_DENIED,
 * FL_UNREACHABLE (nobody serves ZFS), else FL_SYSTEM.
 */
must_check int zfs_run(enum zfs_program program, const char *const arguments[], size_t limit,
		       struct text *ret, struct fl_error *err);

#define zfs_do(err, ...) \
	zfs_run(PROGRAM_ZFS, (const char *const[]){ __VA_ARGS__, NULL }, 0, NULL, err)
#define zpool_do(err, ...) \
	zfs_run(PROGRAM_ZPOOL, (const char *const[]){ __VA_ARGS__, NULL }, 0, NULL, err)

/*
 * `zfs send` and `zfs receive`: a program that this one writes to or reads from.  It is killed
 * with the thread that started it.
 */
struct zfs_running {
	struct spawned spawned;
	int stream; /* our end: what is written here it reads, or the other way round; -1 */
	int said;   /* its standard error */
	char path[256], verb[16];
	int64_t patience; /* it hangs that neither takes nor gives anything for so long */
};
#define ZFS_RUNNING_NONE                                           \
	{                                                          \
		.spawned = SPAWNED_NONE, .stream = -1, .said = -1, \
	}
must_check int zfs_start(const char *const arguments[], bool reads, struct zfs_running *ret,
			 struct fl_error *err);
/*
 * Waits for its end; the stream is closed before.  Fails as zfs_run() does.  A program to which
 * nobody has anything more to say is killed at its deadline.
 */
must_check int zfs_finish(struct zfs_running *running, struct fl_error *err);
/* Kills it if it still runs. */
void zfs_running_done(struct zfs_running *running);

/* The code that what a program says stands for.  Pure. */
enum fl_code zfs_classify(const char *text);
