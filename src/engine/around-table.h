#pragma once

/*
 * Branches around whose swap something is stopped, or is about to be: one
 * rollback of a branch at a time does that, the next one waits.  No lock of
 * the engine's (lock.h) is held meanwhile, since stopping takes its time: snapshots and
 * all else go on.  What the catalogue says was stopped for a branch that is not in here
 * was left by a rollback that is over, or by another run of the daemon.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/uuid.h"

struct around_table {
	pthread_mutex_t mutex;
	pthread_cond_t left;
	struct uuid *branches; /* heap */
	size_t count;
	void (*wake)(void *arg); /* under mutex */
	void *arg;
};

void around_table_init(struct around_table *table);
void around_table_done(struct around_table *table);

/* Waits for its turn. */
void around_table_enter(struct around_table *table, const struct uuid *branch);
/* False: it is in there. */
bool around_table_try(struct around_table *table, const struct uuid *branch);
void around_table_leave(struct around_table *table, const struct uuid *branch);
/* Something is to be started. */
void around_table_wake(struct around_table *table);
