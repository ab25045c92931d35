#pragma once

/*
 * Where the driver suite works: one place after the other for a pool of one
 * kind, emptied by force however the test before it ended.  Everything lies in
 * /tmp/flocker-driver-test.PID; what an earlier run left there (mounts, loop
 * devices, files) is swept at start, as soon as its process is gone.
 *
 * One pool at a time.  A bench is named on the command line: "mem",
 * "btrfs-file", "btrfs-device", "btrfs-directory", "dir-ext4", "dir-xfs",
 * "dir-user" (which gives up the rights of root), each also with "+trace".
 */

#include "driver/driver.h"

/* Sweeps and chooses.  False when this bench cannot work here: `why` says it. */
bool bench_begin(const char *name, const char **why);
void bench_end(void);

/* Directory of this run; for the files of a test. */
const char *bench_directory(void);
const struct driver *bench_driver(void);
/* Bytes that a pool has here, or nearly; 0: it lies where others write too. */
uint64_t bench_size(void);
/* Of the pool made last. */
const struct pool_spec *bench_spec(void);
struct pool_identity bench_identity(void);

/* An empty place for a pool, whose spec bench_spec() is now.  What was there before is gone. */
must_check int bench_place(struct fl_error *err);
/* The same, with a pool in it, open.  Closed by the next call of any of these. */
must_check int bench_fresh(struct pool **ret, struct fl_error *err);
/* Closes it and opens it again. */
must_check int bench_reopen(struct pool **ret, struct fl_error *err);
void bench_close(void);
/* Puts another pool around the open one; closing includes it. */
struct pool *bench_wrap(struct pool *(*wrap)(struct pool *inner, void *arg), void *arg);

/* The device below becomes larger; nothing where there is none. */
must_check int bench_enlarge(uint64_t size, struct fl_error *err);

/* A process that writes into a tree of the open pool, and one that reads (heap; FL_NOT_FOUND). */
must_check int bench_write(const struct tree *tree, const char *path, const char *contents,
			   struct fl_error *err);
must_check int bench_read(const struct tree *tree, const char *path, char **ret,
			  struct fl_error *err);

/* A loop device over a new file NAME of this size: "/dev/loopN". */
must_check int bench_disk(const char *name, uint64_t size, char path[static 32],
			  struct fl_error *err);
/* An absolute path, its arguments, NULL; the program must succeed. */
must_check int bench_run(const char *const argv[], struct fl_error *err);
