#pragma once

/*
 * User systems: a branch that holds the tree of a whole operating system, and its
 * life (DESIGN section 8).
 *
 * A system is a branch and settings; its container's root is the branch's head, and
 * `branch` stays all that there is to know of its data.  What runs is known to the OCI
 * runtime and to the kernel, never to the catalogue; there stands only what is
 * wanted: `wanted` systems are started when the daemon starts, and again by their restart
 * policy when they end.  A system outlives the daemon: one that is killed finds its systems
 * running when it comes back.
 *
 * Every reference is to a branch (FORM_VOLUME | FORM_BRANCH).  What holds for verbs holds
 * here too (engine/engine.h), and no lock of branches is held while something starts or stops:
 * of two verbs for one system at once the second is refused (FL_BUSY), and so are destroy,
 * unmount and rename of a branch whose system runs.
 */

#include "engine/engine.h"

/*
 * Settings of a system: the text form is that of metadata, the table is
 * model/system.h.
 *
 *	init            the program and its arguments, as a shell would split them
 *	                (no variables, no globs): "/sbin/init"
 *	env.NAME        its environment
 *	user            UID[:GID] that it runs as: "0"
 *	directory       its working directory: "/"
 *	hostname        the branch's reference with '-' for '/'
 *	stop-signal     "SIGTERM"; numbers and RTMIN+3 too
 *	stop-timeout    after which it is killed: "10s"
 *	restart         no | on-failure | always: "on-failure"
 *	memory          bytes at most; 0: no limit
 *	cpus            processors at most, as a fraction: "0.5"; 0: no limit
 *	pids            processes at most: "4096"; 0: no limit
 *	network         none | host: "none"
 */
enum system_state {
	SYSTEM_STOPPED, /* not wanted; or wanted, and it has ended well by itself */
	SYSTEM_RUNNING,
	SYSTEM_FAILED, /* wanted, ended otherwise, and its policy says: not again; or can't be run
			*/
	SYSTEM_RESTARTING, /* wanted, ended, and waits before it is started again */
	SYSTEM_STATES,
};

extern const char *const system_state_names[SYSTEM_STATES];

struct system_report {
	char ref[REF_SHORT]; /* of its branch: "mydata/trunk" */
	bool wanted;
	enum system_state state;
	pid_t pid;	 /* of its init here; 0: it does not run */
	int64_t started; /* UTC, ns; 0: it does not run, or not since this boot */
	int exit_status; /* of the last run; 128 + signal; -1: there was none, or it is not known */
	uint64_t restarts; /* in a row */
	char *last_words;  /* heap: the last lines of the console, where it has failed; or NULL */
	struct metadata settings; /* those that were set */
};

void system_report_done(struct system_report *report);
#define own_system_report own(system_report_done)

struct system_reports {
	struct system_report *items;
	size_t count;
};

void system_reports_done(struct system_reports *reports);
#define own_system_reports own(system_reports_done)

/*
 * Makes a system of a branch that is there (after an import, or of any other origin).
 * FL_EXISTS: it is one.  FL_INVALID: a setting, or a tree without its init.  Does not start it.
 */
must_check int engine_system_create(struct engine *engine, const struct ref *ref,
				    const struct metadata *settings, struct system_report *ret,
				    struct fl_error *err);
/* As engine_policy_set(): "" takes a setting away.  Counts from the next start of the system. */
must_check int engine_system_set(struct engine *engine, const struct ref *ref,
				 const struct metadata *settings, struct system_report *ret,
				 struct fl_error *err);
/* It is a mere branch again, with all of its data.  Stops it. */
must_check int engine_system_destroy(struct engine *engine, const struct ref *ref,
				     struct fl_error *err);

/*
 * Returns when its init runs.  What is running is left as it is.  One whose init ends within
 * two seconds: FL_SYSTEM with the last lines that it said.
 */
must_check int engine_system_start(struct engine *engine, const struct ref *ref,
				   struct system_report *ret, struct fl_error *err);
/* Its signal, then SIGKILL at its deadline.  Returns when no process of it is left. */
must_check int engine_system_stop(struct engine *engine, const struct ref *ref,
				  struct system_report *ret, struct fl_error *err);
must_check int engine_system_restart(struct engine *engine, const struct ref *ref,
				     struct system_report *ret, struct fl_error *err);
must_check int engine_system_show(struct engine *engine, const struct ref *ref,
				  struct system_report *ret, struct fl_error *err);
/* By reference; of all branches. */
must_check int engine_systems(struct engine *engine, struct system_reports *ret,
			      struct fl_error *err);

/*
 * Its console: what init and its children write to their standard output and error.
 * A descriptor, to be read from its last `tail` bytes on (0: from the beginning of what is kept);
 * with `follow` what comes later can be read from it too, until it is closed.
 */
must_check int engine_system_console(struct engine *engine, const struct ref *ref, uint64_t tail,
				     bool follow, int *ret_fd, struct fl_error *err);

/* --- for those that keep a system as it is wanted (sched/) ----------------------------- */

/* Starts and restarts what is wanted and due, and finishes what a crash has cut off; `*ret_next`:
 * clock_boot() at which to call again, 0: when something ends. */
must_check int engine_systems_care(struct engine *engine, int64_t *ret_next, struct fl_error *err);
/* Blocks until care is due: at `next`, as above, when a system ends, or when it was woken. */
void engine_systems_wait(struct engine *engine, int64_t next);
/* Any thread. */
void engine_systems_wake(struct engine *engine);
