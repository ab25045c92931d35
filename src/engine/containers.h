#pragma once

/*
 * Branches and the container engine, for src/engine alone.
 *
 * An engine is asked, never remembered (container/docker.h).  A container uses a
 * branch if one of its mounts is a volume of our plugin with the branch's name, or is a
 * bind of a path in the branch; volumes are called as branches are in
 * references: "mydata" is its trunk, "mydata/test" a further branch.
 *
 * Where no engine is configured (docker.socket is ""), or none listens and
 * nothing says that one ever did, there are no containers: that is no error.  That one did is
 * noted in the state directory, since containers stay when their engine and the daemon are
 * stopped.  An engine
 * that does not answer is one (FL_UNREACHABLE) where the answer decides over
 * data: for destroy, rename, unmount and rollback.
 */

#include "container/docker.h"
#include "engine/internal.h"

#define LABEL_BRANCH "flocker.branch"	  /* "mydata/trunk" */
#define LABEL_INSTANCE "flocker.instance" /* its UUID: two instances may share an engine */

/* Our volumes' driver, as the engine knows it: the plugin socket's name without ".sock". */
const char *containers_driver(const struct engine *engine);

/* Reads the settings; does not connect.  When the engine is opened and freed. */
void containers_open(struct engine *engine);
void containers_close(struct engine *engine);

/* That it has answered; to be called when it has. */
void containers_note_engine(struct engine *engine);

/* NULL: no engine is configured. */
struct docker *containers_engine(const struct engine *engine);

/* A container that uses a branch. */
struct container_use {
	char id[DOCKER_ID];
	char name[DOCKER_NAME];
	char *destination; /* heap: where it sees the branch */
	bool running;
	bool data;	 /* it is the branch's own data container */
	pid_t pid;	 /* 0: it does not run */
	int64_t started; /* UTC, ns; 0: it does not run */
};

struct container_uses { /* by time of start; those that do not run last */
	struct container_use *items;
	size_t count;
};

void container_uses_done(struct container_uses *uses);
#define own_container_uses own(container_uses_done)

#define CONTAINERS_GLANCE (CLOCK_SECOND * 9 / 10) /* for who only looks on */

/*
 * All that use the branch, running or not.  Takes no lock; not to be called with one.  `docker`:
 * another connection to the engine, with less patience; NULL: the usual one.
 */
must_check int containers_using_by(struct engine *engine, struct docker *docker, const char *volume,
				   const char *branch, struct container_uses *ret,
				   struct fl_error *err);
must_check int containers_using(struct engine *engine, const char *volume, const char *branch,
				struct container_uses *ret, struct fl_error *err);

/* Asks it what it is: for a second at most, and not at all when none is configured. */
void containers_report(struct engine *engine, struct container_report *ret);

/* "mydata" of mydata/trunk, "mydata/test": the name that engines know. */
void container_volume_name(const char *volume, const char *branch, char ret[static REF_SHORT]);
/* flocker-mydata-data, flocker-mydata.test-data */
void container_data_name(const char *volume, const char *branch, char ret[static DOCKER_NAME]);
