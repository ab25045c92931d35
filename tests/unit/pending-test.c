#include "sched/pending.h"

#include "base/clock.h"
#include "base/text.h"
#include "tests/check.h"

#define BRANCHES 600 /* more than there are buckets */

static struct uuid branch(unsigned i)
{
	return (struct uuid){ .bytes = { (uint8_t)i, (uint8_t)(i >> 8) } };
}

static size_t count(const struct pending_table *table)
{
	size_t number = 0;

	for (struct pending *at = pending_next(table, NULL); at; at = pending_next(table, at))
		number++;
	return number;
}

static void fill(struct pending_table *table)
{
	pending_init(table);
	for (unsigned i = 0; i < BRANCHES; i++) {
		struct uuid uuid = branch(i);

		check(!pending_find(table, &uuid));
		pending_add(table, &uuid);
	}
}

static void what_was_added_is_found(void)
{
	struct pending_table table;

	fill(&table);
	check(count(&table) == BRANCHES);
	for (unsigned i = 0; i < BRANCHES; i++) {
		struct uuid uuid = branch(i);
		struct pending *found = pending_find(&table, &uuid);

		check(found && uuid_equal(&found->branch, &uuid) && !found->queued);
	}
	pending_done(&table);
	check(count(&table) == 0 && !pending_next(&table, NULL));
}

static void what_is_removed_on_the_way_hides_no_other(void)
{
	struct pending_table table;
	struct pending *after;
	size_t seen = 0;

	fill(&table);
	for (struct pending *at = pending_next(&table, NULL); at; at = after) {
		after = pending_next(&table, at);
		if (seen++ % 3)
			pending_remove(&table, at);
	}
	check(seen == BRANCHES && count(&table) == BRANCHES / 3);
	pending_done(&table);
}

static void the_queue_keeps_its_order(void)
{
	struct pending_table table;

	fill(&table);
	for (int round = 0; round < 2; round++) {
		check(!pending_dequeue(&table));
		for (unsigned i = 0; i < 5; i++) {
			struct uuid uuid = branch(100 * i);

			pending_queue(&table, pending_find(&table, &uuid));
		}
		for (unsigned i = 0; i < 5; i++) {
			struct uuid uuid = branch(100 * i);
			struct pending *first = pending_dequeue(&table);

			check(first && uuid_equal(&first->branch, &uuid) && !first->queued);
		}
	}
	pending_done(&table);
}

static void one_is_over_when_nothing_of_it_counts_any_more(void)
{
	const struct pending idle = { .schedule = SCHEDULE_NEW,
				      .policy = { .when = POLICY_MANUAL } };
	char why[] = "no";
	struct pending at = idle;

	check(pending_is_over(&at, CLOCK_HOUR));
	at.schedule.dirty = true;
	check(!pending_is_over(&at, CLOCK_HOUR));
	at.gone = true;
	check(pending_is_over(&at, CLOCK_HOUR));
	at.queued = true;
	check(!pending_is_over(&at, CLOCK_HOUR));
	at = idle;
	at.schedule.running = true;
	check(!pending_is_over(&at, CLOCK_HOUR));
	at = idle;
	at.failure = why;
	check(!pending_is_over(&at, CLOCK_HOUR));
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(what_was_added_is_found),
				  CHECK(what_is_removed_on_the_way_hides_no_other),
				  CHECK(the_queue_keeps_its_order),
				  CHECK(one_is_over_when_nothing_of_it_counts_any_more),
				  CHECK_END,
			  });
}
