#pragma once

/*
 * Data containers: every branch here of a volume with a mount path that is mounted has
 * one, flocker-<volume>-data or flocker-<volume>.<branch>-data.  It never runs; it has the branch
 * mounted where the volume says, so that `docker run --volumes-from` works, and it is how the
 * container engine remembers that the name is a volume of ours.
 *
 * What there should be is in the catalogue, what there is only the container engine
 * knows; data_containers_round() makes the difference, whatever its cause: a volume that was made
 * or renamed, a container that somebody deleted, an engine that was away.  It
 * also reports what shadows a branch: a volume of another driver with its name, which containers
 * get that do not say whose they mean.
 *
 * The engine asks our plugin while it makes a container.  So nobody who holds a lock or
 * the gate waits for a round, and the plugin never does; verbs ask for one
 * (data_containers_look), and who has nothing to hold waits for it (data_containers_settle).
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/engine.h"
#include "model/nouns.h"

struct data_table {
	pthread_mutex_t mutex;
	pthread_cond_t changed; /* `done` has, or `stopping`; on the monotonic clock */
	void (*wake)(void *arg, bool soon);
	void *arg;
	char making[REF_SHORT]; /* the volume whose data container is being made; "": none */
	uint64_t wanted;	/* rounds that were asked for */
	uint64_t awaited;	/* the last of these that makes a container or takes one away */
	uint64_t done; /* the last of these that a round has come after, whatever became of it */
	bool stopping;
};

void data_table_init(struct data_table *table);
void data_table_done(struct data_table *table);

/* What became of asking the container engine, told by failing.h: there need not be one. */
void note_engine(struct engine *engine, int outcome, const struct fl_error *why);

/* --- for verbs; any lock may be held --------------------------------------------------- */

/*
 * After a commit: names or mount paths are others, or branches came or went.  `path`: the mount
 * path that the volume has or had; NULL or "": no data container is concerned, which can wait.
 */
void data_containers_look(struct engine *engine, const char *path);
#define ANY_PATH "/" /* it has, or had, one */

/*
 * Before a volume is made: FL_EXISTS where somebody else's container has the name of the
 * data container that its trunk would get; `path`: its mount path, or NULL.  Where the engine does
 * not answer: success.  No lock may be held, nor the gate.
 */
must_check int refuse_if_data_taken(struct engine *engine, const char *volume, const char *path,
				    struct fl_error *err);
/*
 * The same for a branch, there or to be made, of a volume that is there, or for all branches of a
 * volume; once it is called `name`, or as it is called (NULL).  `path`: the mount path that the
 * volume will have; NULL: that which it has.
 */
must_check int refuse_if_data_taken_of(struct engine *engine, const struct ref *ref,
				       const char *name, const char *path, struct fl_error *err);

/* --- for the volume plugin -------------------------------------------------------------------- */

/*
 * Is it our own request, for a data container, that made the engine ask for this volume?  An
 * engine makes a volume that it is to mount and does not find.  A round goes by what it read
 * before, so the volume may have been destroyed or renamed since, and is not to be made anew,
 * empty.
 */
bool data_containers_makes(struct engine *engine, const char *volume);

/* --- for who answers people (api/) ---------------------------------------------------------- */

/*
 * Waits, some seconds at most, until data containers are as the verbs before wanted
 * them; at once where no engine is configured, or none answers.  What fails is told by failing.h.
 */
void data_containers_settle(struct engine *engine);

/* --- for the thread that keeps them (sched/container-care.c) ---------------------------------- */

/* Are an engine and a plugin configured?  Constant. */
bool data_containers_wanted(const struct engine *engine);
/* Called from any thread, under a lock: a round is wanted, at once or soon.  One hook; NULL: none.
 */
void data_containers_on_look(struct engine *engine, void (*wake)(void *arg, bool soon), void *arg);
/* A round that goes on ends at its next step, and nobody waits for one any more. */
void data_containers_stop(struct engine *engine);
/*
 * One round.  Single failures are told by failing.h and left to the next one; fails when
 * the engine does not answer, which is told too.  Without a pool it does nothing: what
 * is not known is not removed.  By one thread.
 */
must_check int data_containers_round(struct engine *engine, struct fl_error *err);

/* What the engine tells of what happens to containers and volumes. */
struct container_news;

must_check int container_news_open(struct engine *engine, struct container_news **ret,
				   struct fl_error *err);
int container_news_fd(const struct container_news *news); /* to be polled for reading */
/* Takes what is there; was there any that a round goes by?  FL_UNREACHABLE: the engine is gone. */
must_check int container_news_take(struct container_news *news, bool *ret_any,
				   struct fl_error *err);
void container_news_close(struct container_news *news);
