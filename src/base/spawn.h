#pragma once

/*
 * Running a program: the only code that does.
 *
 * An absolute path, an argument vector, an empty environment but LC_ALL=C and a fixed PATH,
 * /dev/null as standard input, no shell, no inherited descriptors.  What it
 * prints is kept up to SPAWN_OUTPUT bytes per stream, the rest is read and
 * dropped.  At the deadline the child (its whole process group) is killed.
 *
 * In these two forms the child is killed with the thread that started it: one that
 * is to be waited for must be started by a thread that lasts as long.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/own.h"
#include "base/text.h"

#define SPAWN_OUTPUT (64 * 1024)

/* What every program finds in its environment. */
#define SPAWN_ENVIRONMENT "LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"

struct spawn_result {
	int status; /* exit status, or 128 + signal */
	struct text out;
	struct text err;
};

void spawn_result_done(struct spawn_result *result);

/*
 * Blocks until the program ended.  `timeout` in nanoseconds.  A program that
 * is missing: FL_NOT_FOUND with the path.  One that had to be killed:
 * FL_SYSTEM.  Any exit status is success here; it is in the result.
 */
must_check int spawn_run(const char *const argv[], int64_t timeout, struct spawn_result *ret,
			 struct fl_error *err);

/*
 * The same with another bound for standard output.  A program that prints
 * `limit` bytes or more is killed there and then: its status is 128 + SIGKILL and
 * `ret->out` has `limit` bytes.
 */
must_check int spawn_run_limited(const char *const argv[], int64_t timeout, size_t limit,
				 struct spawn_result *ret, struct fl_error *err);

/* --- the second form: a program that works on descriptors, for long ------------- */

#define SPAWN_FDS 8

struct spawn_fd {
	int from; /* of this process; borrowed, may be anything */
	int to;	  /* what the program finds it as: below SPAWN_FDS, each once */
};

struct spawned {
	pid_t pid; /* 0: none, or its end is known */
	int pidfd; /* stays until spawned_done(), so that a late spawn_kill() hits nobody else */
};

#define SPAWNED_NONE        \
	{                   \
		.pidfd = -1 \
	}

/*
 * Starts a program with these descriptors and no others: 0 and 1 are /dev/null
 * where `fds` does not name them, 2 is this program's own.  Returns when it runs;
 * one that can't be run fails here, as in spawn_run().
 */
must_check int spawn_start(const char *const argv[], const struct spawn_fd *fds, size_t count,
			   struct spawned *ret, struct fl_error *err);
/*
 * The same for a program that is talked to over `fds`, its three standard streams,
 * and that finds `environment` (NULL at its end; SPAWN_ENVIRONMENT belongs in it).
 * It is not killed with whoever started it, because it may have to put something
 * right when that dies: it sees the end of its standard input, and has until
 * `lifetime` seconds (> 0) after its start, when the kernel ends it, if nobody did
 * before.  Any thread may start it.
 */
must_check int spawn_start_talker(const char *const argv[], const char *const environment[],
				  unsigned lifetime, const struct spawn_fd fds[static 3],
				  struct spawned *ret, struct fl_error *err);
/* To its whole process group.  Before spawn_wait(): until then the number is nobody else's. */
void spawn_signal_group(const struct spawned *spawned, int number);
/* Kills it.  From any thread, before and after its end, as long as spawned_done() was not called.
 */
void spawn_kill(const struct spawned *spawned);
/* Kills what it has started itself: the program that a container's runtime waits for, say. */
void spawn_kill_children(const struct spawned *spawned);
/* Blocks until it ended.  `*ret_status`: its exit status, or 128 + signal.  Once. */
void spawn_wait(struct spawned *spawned, int *ret_status);
/* Releases it; one that still runs is killed and waited for. */
void spawned_done(struct spawned *spawned);

/* --- the third form: a command of the user's (spawn-command.c) ------------------- */

/*
 * Runs a command as the user's shell would: looked up in PATH where it has no
 * slash, with this environment, these standard streams, in this process group,
 * but in the directory `dir`.  Blocks; `*ret_status`: its exit status, or 128 +
 * signal.  SIGINT, SIGQUIT, SIGTERM and SIGHUP are for the command: from this
 * call on, and after it too, they do not end this process.  For a program of one
 * thread, once at a time.  FL_NOT_FOUND, FL_DENIED.
 */
must_check int spawn_command(const char *const argv[], int dir, int *ret_status,
			     struct fl_error *err);
