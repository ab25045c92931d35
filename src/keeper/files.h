#pragma once

/*
 * The keeper of a user system, flocker-keeper, and the files by which the daemon and it
 * know of each other.
 *
 * There is one for each system that runs.  It is the parent of the system's init, as the
 * daemon cannot be: it lives on when that is restarted or killed, so that
 * the console is kept within its bounds, and the exit status known, whatever happens
 * to the daemon.  (A file that init writes to by itself has no bound while nobody looks,
 * and of a process that is not one's child older kernels do not tell how it ended.)  It
 * knows nothing of branches and settings.
 *
 *	flocker-keeper system RUN STATE TREE RUNTIME ID
 *
 *	RUN/lock	locked as long as the keeper lives: that is how the daemon knows
 *	RUN/config.json	the bundle, with the empty directory
 *	RUN/rootfs	  where TREE is mounted, in a namespace that only the runtime sees
 *	RUN/console	a FIFO: standard output and error of init, and its /dev/console
 *	RUN/runtime/	the runtime's --root
 *	RUN/running	"INIT KEEPER TIME": process numbers here, UTC in ns; from the moment
 *			when init runs
 *	STATE/log, log.1	the console: up to KEEPER_LOG bytes each, older ones in log.1
 *	STATE/exit	"STATUS TIME BOOT" and, from the next line on, the last that it said;
 *			from the moment when it has ended.  Made anew for each run
 *
 * It detaches itself at once and ends its first process with 0.  On its standard output it
 * writes "running\n" when init runs, or else why not, and closes it.  When init has ended it
 * writes `exit`, lets the runtime delete the container, and ends.  Init is not reaped before
 * `exit` is there: who opened a pidfd of INIT and then finds no `exit` has the right process.
 * SIGTERM, SIGINT and SIGHUP do not end it: at a shutdown of the host it is the last.
 */

#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/own.h"
#include "base/text.h"
#include "base/uuid.h"

#define KEEPER_LOCK "lock"
#define KEEPER_CONFIG "config.json"
#define KEEPER_ROOT "rootfs"
#define KEEPER_CONSOLE "console"
#define KEEPER_RUNTIME "runtime"
#define KEEPER_RUNNING "running"
#define KEEPER_EXIT "exit"
#define KEEPER_LOG_FILE "log"
#define KEEPER_LOG_OLD "log.1"

#define KEEPER_LOG (4 << 20)
#define KEEPER_WORDS 2048 /* bytes of the last words */
#define KEEPER_ANSWER "running\n"

struct keeper_running {
	pid_t init;
	pid_t keeper;
	int64_t started; /* UTC, ns */
};

must_check int keeper_running_save(int run, const struct keeper_running *running,
				   struct fl_error *err);
/* FL_NOT_FOUND: it does not run yet. */
must_check int keeper_running_load(int run, struct keeper_running *ret, struct fl_error *err);

struct keeper_exit {
	int status;	  /* 128 + signal */
	int64_t time;	  /* UTC, ns */
	struct uuid boot; /* the run of the machine; none: not known */
	struct text words;
};

void keeper_exit_done(struct keeper_exit *end);
#define own_keeper_exit own(keeper_exit_done)

must_check int keeper_exit_save(int state, const struct keeper_exit *end, struct fl_error *err);
/* FL_NOT_FOUND: there is none. */
must_check int keeper_exit_load(int state, struct keeper_exit *ret, struct fl_error *err);

/* This run of the machine; none: the kernel does not tell. */
struct uuid keeper_boot(void);
