#pragma once

/*
 * The branches that something changed in, each until that is saved and its rest
 * is over; and the queue of those that are due and that no taker has yet.  For
 * src/sched/snapshotter.c, whose mutex guards it: no locks here.
 *
 * Entries are on the heap and stay where they are until pending_remove().
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/uuid.h"
#include "model/policy.h"
#include "model/schedule.h"

#define PENDING_BUCKETS 256

struct pending {
	struct pending *next; /* in its bucket */
	struct pending *next_queued;
	struct uuid branch;
	struct policy policy;
	bool stale; /* the policy is to be read anew */
	bool gone;
	bool queued;
	char *failure; /* of the last attempt; heap; NULL: there is none */
	char *failed;  /* what the branch was called then; heap */
	struct schedule schedule;
};

struct pending_table {
	struct pending *buckets[PENDING_BUCKETS];
	struct pending *first, **last; /* the queue */
};

/* The table stays where it is until pending_done(), which frees all entries. */
void pending_init(struct pending_table *table);
void pending_done(struct pending_table *table);

/* NULL: it is not in the table. */
struct pending *pending_find(const struct pending_table *table, const struct uuid *branch);
/* One that is not in the table, with a new schedule. */
struct pending *pending_add(struct pending_table *table, const struct uuid *branch);
/* Frees it; it is not in the queue. */
void pending_remove(struct pending_table *table, struct pending *pending);
/* All, in any order: the first after NULL, NULL after the last. */
struct pending *pending_next(const struct pending_table *table, const struct pending *before);

/* At the end of the queue, in which it is not yet. */
void pending_queue(struct pending_table *table, struct pending *pending);
/* Takes the first of the queue; NULL: it is empty. */
struct pending *pending_dequeue(struct pending_table *table);

void pending_forget_failure(struct pending *pending);
/* Nothing is to be done, and nothing known of it would delay the next snapshot. */
bool pending_is_over(const struct pending *pending, int64_t now);
