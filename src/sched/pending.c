#include "sched/pending.h"

#include <stdlib.h>

#include "base/own.h"
#include "base/text.h"

void pending_forget_failure(struct pending *pending)
{
	free(take_ptr(pending->failure));
	free(take_ptr(pending->failed));
}

static void pending_free(struct pending *pending)
{
	pending_forget_failure(pending);
	free(pending);
}

bool pending_is_over(const struct pending *pending, int64_t now)
{
	const struct schedule *schedule = &pending->schedule;
	struct schedule next = *schedule;

	if (schedule->running || pending->queued)
		return false;
	if (pending->gone)
		return true;
	schedule_changed(&next, now);
	return !schedule->dirty && !pending->failure &&
	       (pending->policy.when == POLICY_MANUAL ||
		schedule_due(&next, &pending->policy) <= now + pending->policy.settle);
}

/* --- the table ----------------------------------------------------------------------- */

void pending_init(struct pending_table *table)
{
	*table = (struct pending_table){ .last = &table->first };
}

void pending_done(struct pending_table *table)
{
	struct pending *after;

	for (struct pending *at = pending_next(table, NULL); at; at = after) {
		after = pending_next(table, at);
		pending_free(at);
	}
	pending_init(table);
}

static size_t bucket_of(const struct uuid *branch)
{
	return branch->bytes[0] % PENDING_BUCKETS;
}

struct pending *pending_find(const struct pending_table *table, const struct uuid *branch)
{
	struct pending *at = table->buckets[bucket_of(branch)];

	while (at && !uuid_equal(&at->branch, branch))
		at = at->next;
	return at;
}

struct pending *pending_add(struct pending_table *table, const struct uuid *branch)
{
	struct pending **bucket = &table->buckets[bucket_of(branch)];
	struct pending *pending = xcalloc(1, sizeof(*pending));

	pending->branch = *branch;
	pending->schedule = SCHEDULE_NEW;
	pending->next = *bucket;
	*bucket = pending;
	return pending;
}

void pending_remove(struct pending_table *table, struct pending *pending)
{
	struct pending **at = &table->buckets[bucket_of(&pending->branch)];

	while (*at != pending)
		at = &(*at)->next;
	*at = pending->next;
	pending_free(pending);
}

struct pending *pending_next(const struct pending_table *table, const struct pending *before)
{
	struct pending *next = before ? before->next : table->buckets[0];
	size_t bucket = before ? bucket_of(&before->branch) : 0;

	while (!next && ++bucket < PENDING_BUCKETS)
		next = table->buckets[bucket];
	return next;
}

/* --- the queue ----------------------------------------------------------------------- */

void pending_queue(struct pending_table *table, struct pending *pending)
{
	pending->queued = true;
	pending->next_queued = NULL;
	*table->last = pending;
	table->last = &pending->next_queued;
}

struct pending *pending_dequeue(struct pending_table *table)
{
	struct pending *pending = table->first;

	if (!pending)
		return NULL;
	table->first = pending->next_queued;
	if (!table->first)
		table->last = &table->first;
	pending->queued = false;
	return pending;
}
