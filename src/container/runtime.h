#pragma once

/*
 * User systems that run: the OCI runtime (runc, crun), their keepers, and the files of both
 * (keeper/files.h).
 *
 *	PLACES.run/<branch>/	what a run needs; nothing of it is needed after the next boot
 *	PLACES.state/<branch>/	the console, and how the last run ended
 *
 * What runs is asked of the kernel each time: a keeper lives that holds the lock, or there is
 * nothing.  Nothing is ever written to the system's own tree.
 *
 * One system is started, stopped and cleaned by one thread at a time: that is the
 * caller's to see to.  All else from any thread.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/own.h"
#include "base/uuid.h"
#include "container/oci.h"
#include "keeper/files.h"

struct runtime_places { /* heap, absolute */
	char *run;
	char *state;
	char *keeper; /* the program; NULL: it is not installed */
	char *cgroup; /* "/flocker/<instance>": before a dot and the branch, so that no group stays
		       */
};

void runtime_places_done(struct runtime_places *places);

/* One that runs. */
struct runtime_run {
	pid_t pid;	 /* of its init */
	int init;	 /* its pidfd */
	int keeper;	 /* pidfd: ends last, when all of the system is gone and its end is noted */
	int64_t started; /* UTC, ns */
};

#define RUNTIME_RUN_NONE                 \
	{                                \
		.init = -1, .keeper = -1 \
	}

void runtime_run_done(struct runtime_run *run);
#define own_runtime_run own(runtime_run_done)

/*
 * The program: `wanted`, or where that is "" the first that is installed.  Heap.
 * FL_NOT_FOUND says where it was looked for; FL_UNSUPPORTED: no keeper.
 */
must_check int runtime_find(const struct runtime_places *places, const char *wanted, char **ret,
			    struct fl_error *err);

struct runtime_start {
	const char *program;
	const char *tree; /* path of the root directory on the host */
	const struct system_settings *settings;
	const char *hostname;
};

/*
 * FL_INVALID, naming it, if the tree lacks something without which it can't be run: its init, the
 * working directory, the directories that a runtime would make in it.
 */
must_check int runtime_check(const struct runtime_start *start, struct fl_error *err);
/*
 * Blocks until init runs; `ret->pid` 0: it has run, and ended already.  As runtime_check();
 * FL_SYSTEM with the runtime's own words; a system that runs is FL_BUSY.
 */
must_check int runtime_start(const struct runtime_places *places, const struct uuid *branch,
			     const struct runtime_start *start, struct runtime_run *ret,
			     struct fl_error *err);
/* One that an earlier process started.  FL_NOT_FOUND: it does not run. */
must_check int runtime_adopt(const struct runtime_places *places, const struct uuid *branch,
			     struct runtime_run *ret, struct fl_error *err);
struct runtime_stop {
	int number;	 /* the signal that its init gets */
	int64_t timeout; /* ns; then SIGKILL goes to all of it */
	int give_up;	 /* can be read when that is not to be waited for; -1: none */
};

/*
 * Returns when none of its processes is left.  FL_SYSTEM: the kernel does not let go of one.
 * FL_BUSY: it was not waited for, and may run or not.
 */
must_check int runtime_stop(const struct runtime_run *run, const struct runtime_stop *how,
			    struct fl_error *err);
/* How its last run ended.  FL_NOT_FOUND: not known; it runs, or never did. */
must_check int runtime_last(const struct runtime_places *places, const struct uuid *branch,
			    struct keeper_exit *ret, struct fl_error *err);

/*
 * What a keeper that was killed left behind: ends and deletes it.  Of a system that does not run;
 * nothing to do is success.
 */
must_check int runtime_clean(const struct runtime_places *places, const struct uuid *branch,
			     struct fl_error *err);
/* All its files. */
must_check int runtime_forget(const struct runtime_places *places, const struct uuid *branch,
			      struct fl_error *err);
/* The same of all branches for which `known` says no; what fails is tried the next time. */
void runtime_sweep(const struct runtime_places *places,
		   bool (*known)(void *arg, const struct uuid *branch), void *arg);

/* A mark that stays until runtime_unmark(), whoever is killed: the end that comes is our doing. */
must_check int runtime_mark(const struct runtime_places *places, const struct uuid *branch,
			    struct fl_error *err);
bool runtime_marked(const struct runtime_places *places, const struct uuid *branch);
void runtime_unmark(const struct runtime_places *places, const struct uuid *branch);

/* The directory of its console, made if it is missing. */
must_check int runtime_open_state(const struct runtime_places *places, const struct uuid *branch,
				  int *ret_fd, struct fl_error *err);

struct runtime_exec {
	const char *user; /* UID[:GID]; NULL: that of init */
	bool terminal;	  /* its standard streams are one */
	const char *const *command;
	size_t count;
};

/*
 * The words to start with which the runtime runs a command in one that runs, and ends
 * when that does, as that does; `*ret` is heap (model/words.h).  FL_NOT_FOUND: it does not run.
 */
must_check int runtime_exec(const struct runtime_places *places, const struct uuid *branch,
			    const struct runtime_exec *exec, char ***ret, struct fl_error *err);
