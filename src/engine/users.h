#pragma once

/*
 * Who uses a branch, from truth: the containers that the engine has, running or not, and the
 * processes that hold its tree (use.c).
 *
 * The container engine is never asked by who holds a lock or the gate, since it may be waiting for
 * our plugin just then.  So a verb first has refuse_if_contained() look at the containers, then
 * takes its locks and looks at the processes; a container that is made in between and runs is such
 * a process.
 */

#include "engine/engine.h"

#define HOLDERS 16
#define HOLDER_CONTAINER 256

struct holder { /* a process that uses a tree */
	pid_t pid;
	char command[32];
	char container[HOLDER_CONTAINER]; /* that it is in: its name or its id; "": none */
	char what[64]; /* "working directory", "/path/in/the/tree", "mount in another namespace" */
};

struct holders {
	struct holder items[HOLDERS];
	size_t count; /* how many there are in all; at most HOLDERS are in items */
};

struct container_user {
	char ref[REF_SHORT]; /* of the branch: "mydata/trunk" */
	char id[HOLDER_CONTAINER];
	char name[HOLDER_CONTAINER];
	char *destination; /* heap: where it sees the branch */
	bool running;
	bool data; /* it is the branch's data container */
};

struct users {
	struct container_user *containers; /* heap */
	size_t container_count;
	struct holders processes;
	struct fl_error trouble; /* code FL_OK; else why the containers are not known */
};

void users_done(struct users *users);
#define own_users own(users_done)

/* Of a branch, or of all branches here of a volume. */
must_check int engine_users(struct engine *engine, const struct ref *ref, struct users *ret,
			    struct fl_error *err);
/* What is the id of a container becomes its name, where the engine tells. */
void engine_name_holders(struct engine *engine, struct holders *holders);

/* --- for verbs, before they take locks or the gate ------------------------------------------ */

/*
 * FL_BUSY, naming them, where containers use the branch, or any branch here of the volume,
 * but for data containers.  FL_UNREACHABLE where an engine is configured that does not answer:
 * that nobody uses it is not known then.
 */
must_check int refuse_if_contained(struct engine *engine, const struct ref *ref,
				   struct fl_error *err);

/* --- and after they have given them back ------------------------------------------------------ */

/*
 * The last step of a verb that may have been refused by refuse_if_held(): says the same
 * again, with the names of containers.  Returns fl_failed(err).
 */
must_check int name_refusal(struct engine *engine, struct holders *holders, struct fl_error *err);
