/*
 * What waits is ended by a thread of its own, when its time is over or its operation was cancelled:
 * to end it means to wait for programs and to delete a tree, which nobody else should be held up
 * by.  The thread is there from the first one that waits.
 */

#include "engine/under-way.h"

#include <string.h>

#include "base/thread.h"
#include "engine/internal.h"

#define HUSH_PATIENCE (20 * CLOCK_SECOND)

struct claimed {
	struct uuid branch;
	char name[REF_SHORT];
	struct uuid operation;
	struct claimed *next;
};

struct parked_one {
	struct parked parked;
	int64_t until; /* clock_monotonic() */
	bool cancelled;
	struct under_way *under_way;
	struct parked_one *next;
};

struct under_way {
	struct engine *engine;
	pthread_mutex_t mutex; /* of all below */
	pthread_cond_t changed;
	struct claimed *claimed;
	struct talking *talking;
	struct parked_one *waiting; /* who has waited longest is the last */
	pthread_t thread;
	bool runs, stopping;
};

struct under_way *under_way_new(struct engine *engine)
{
	struct under_way *under_way = xcalloc(1, sizeof(*under_way));
	pthread_condattr_t monotonic;

	under_way->engine = engine;
	pthread_mutex_init(&under_way->mutex, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&under_way->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	return under_way;
}

void under_way_free(struct under_way *under_way)
{
	bool runs;

	if (!under_way)
		return;
	pthread_mutex_lock(&under_way->mutex);
	under_way->stopping = true;
	runs = under_way->runs;
	pthread_cond_broadcast(&under_way->changed);
	pthread_mutex_unlock(&under_way->mutex);
	if (runs)
		pthread_join(under_way->thread, NULL);
	pthread_mutex_destroy(&under_way->mutex);
	pthread_cond_destroy(&under_way->changed);
	free(under_way);
}

/* --- one at a time --------------------------------------------------------------------- */

static struct claimed **find_claimed(struct under_way *under_way, const struct uuid *branch)
{
	struct claimed **at = &under_way->claimed;

	while (*at && !uuid_equal(&(*at)->branch, branch))
		at = &(*at)->next;
	return at;
}

/* With the mutex: does what holds it only wait for this peer? */
static struct parked_one *find_waiting(const struct under_way *under_way,
				       const struct claimed *claimed, const struct uuid *peer)
{
	struct parked_one *waiting = under_way->waiting;

	while (waiting && !(uuid_equal(&waiting->parked.peer, peer) &&
			    uuid_equal(operation_id(waiting->parked.running), &claimed->operation)))
		waiting = waiting->next;
	return waiting;
}

/*
 * With the mutex.  A peer sends a branch once at a time, so one that comes with another transfer
 * will not come back for the one that waits: it has been started anew, say.
 */
static void give_up_waiting(struct under_way *under_way, const struct uuid *branch,
			    const struct uuid *peer)
{
	struct claimed *claimed = *find_claimed(under_way, branch);
	struct parked_one *waiting = claimed ? find_waiting(under_way, claimed, peer) : NULL;
	const struct uuid operation = claimed ? claimed->operation : (struct uuid){ 0 };

	if (!waiting)
		return;
	waiting->cancelled = true;
	pthread_cond_broadcast(&under_way->changed);
	do {
		pthread_cond_wait(&under_way->changed, &under_way->mutex);
		claimed = *find_claimed(under_way, branch);
	} while (claimed && uuid_equal(&claimed->operation, &operation));
}

int under_way_begin(struct engine *engine, const struct claim_of *claim, struct running *running,
		    struct fl_error *err)
{
	struct under_way *under_way = engine->under_way;
	own_lock(guard, &under_way->mutex);
	struct claimed **at;
	char id[UUID_TEXT];

	give_up_waiting(under_way, &claim->branch, &claim->peer);
	at = find_claimed(under_way, &claim->branch);
	if (*at) {
		fl_fail(err, FL_BUSY, "'%s' is being received already", (*at)->name);
		return fl_hint(err,
			       "on '%s' `operation show %s` says how far it is; what was cut off "
			       "waits two minutes for its sender",
			       engine->name, uuid_format(&(*at)->operation, id));
	}
	*at = xcalloc(1, sizeof(**at));
	(*at)->branch = claim->branch;
	(*at)->operation = *operation_id(running);
	snprintf((*at)->name, sizeof((*at)->name), "%s", claim->name);
	return 0;
}

void under_way_end(struct engine *engine, const struct uuid *branch)
{
	own_lock(guard, &engine->under_way->mutex);
	struct claimed **at = find_claimed(engine->under_way, branch), *claimed = *at;

	if (!claimed)
		return;
	*at = claimed->next;
	free(claimed);
	pthread_cond_broadcast(&engine->under_way->changed);
}

/* --- those that wait ------------------------------------------------------------------------ */

static void end(struct parked_one *waiting, const char *reason)
{
	struct fl_error why;

	(void)fl_fail(&why, FL_UNREACHABLE, "the link was cut, and %s", reason);
	sending_free(waiting->parked.sending);
	receiving_free(waiting->parked.receiving);
	operation_on_cancel(waiting->parked.running, NULL, NULL);
	operation_end(waiting->parked.running, &why, NULL);
	free(waiting);
}

static bool is_over(const struct under_way *under_way, const struct parked_one *waiting)
{
	return under_way->stopping || waiting->cancelled || waiting->until <= clock_monotonic();
}

/* With the mutex: takes the first that is over out of the list; else when one will be. */
static struct parked_one *take_over(struct under_way *under_way, int64_t *ret_next)
{
	*ret_next = INT64_MAX;
	for (struct parked_one **at = &under_way->waiting; *at; at = &(*at)->next) {
		struct parked_one *waiting = *at;

		if (is_over(under_way, waiting)) {
			*at = waiting->next;
			return waiting;
		}
		if (waiting->until < *ret_next)
			*ret_next = waiting->until;
	}
	return NULL;
}

static void wait_until(struct under_way *under_way, int64_t when)
{
	const struct timespec until = { when / CLOCK_SECOND, when % CLOCK_SECOND };

	if (when == INT64_MAX)
		pthread_cond_wait(&under_way->changed, &under_way->mutex);
	else
		pthread_cond_timedwait(&under_way->changed, &under_way->mutex, &until);
}

static void *run(void *arg)
{
	struct under_way *under_way = arg;
	struct parked_one *over;
	int64_t next;

	pthread_mutex_lock(&under_way->mutex);
	for (;;) {
		over = take_over(under_way, &next);
		if (over) {
			pthread_mutex_unlock(&under_way->mutex);
			end(over, "the peer did not come back");
			pthread_mutex_lock(&under_way->mutex);
		} else if (under_way->stopping) {
			break;
		} else {
			wait_until(under_way, next);
		}
	}
	pthread_mutex_unlock(&under_way->mutex);
	return NULL;
}

/* Under the table's mutex of operations. */
static void cancelled(void *arg)
{
	struct parked_one *waiting = arg;
	struct under_way *under_way = waiting->under_way;
	own_lock(guard, &under_way->mutex);

	waiting->cancelled = true;
	pthread_cond_broadcast(&under_way->changed);
}

/* With the mutex.  The longest one gives way to a further one. */
static void limit(struct under_way *under_way)
{
	struct parked_one *last = under_way->waiting;
	size_t count = 0;

	for (struct parked_one *waiting = last; waiting; waiting = waiting->next, count++)
		last = waiting;
	if (count >= PARKED)
		last->cancelled = true;
}

void under_way_park(struct engine *engine, const struct parked *parked)
{
	struct under_way *under_way = engine->under_way;
	struct parked_one *waiting = xcalloc(1, sizeof(*waiting));
	struct fl_error err;
	bool runs;

	*waiting = (struct parked_one){ .parked = *parked,
					.until = clock_monotonic() + PARKED_FOR,
					.under_way = under_way };
	pthread_mutex_lock(&under_way->mutex);
	if (!under_way->runs)
		under_way->runs = thread_start(&under_way->thread, 0, run, under_way, &err) == 0;
	runs = under_way->runs;
	pthread_mutex_unlock(&under_way->mutex);
	if (!runs) {
		log_warning("what was cut off cannot wait for its peer", "error=\"%s\"", err.text);
		end(waiting, "it cannot wait for its peer");
		return;
	}
	/* A cancel that comes before it is in the list marks it all the same. */
	operation_on_cancel(parked->running, cancelled, waiting);
	pthread_mutex_lock(&under_way->mutex);
	limit(under_way);
	waiting->next = under_way->waiting;
	under_way->waiting = waiting;
	pthread_cond_broadcast(&under_way->changed);
	pthread_mutex_unlock(&under_way->mutex);
}

/* --- those that talk -------------------------------------------------------------------------- */

void under_way_enter(struct engine *engine, struct talking *talking)
{
	own_lock(guard, &engine->under_way->mutex);

	talking->next = engine->under_way->talking;
	engine->under_way->talking = talking;
}

void under_way_leave(struct engine *engine, struct talking *talking)
{
	own_lock(guard, &engine->under_way->mutex);
	struct talking **at = &engine->under_way->talking;

	while (*at != talking)
		at = &(*at)->next;
	*at = talking->next;
	pthread_cond_broadcast(&engine->under_way->changed);
}

/* With the mutex. */
static struct talking *find_talking(const struct under_way *under_way, const struct uuid *transfer,
				    const struct uuid *peer)
{
	struct talking *talking = under_way->talking;

	while (talking &&
	       !(uuid_equal(&talking->transfer, transfer) && uuid_equal(&talking->peer, peer)))
		talking = talking->next;
	return talking;
}

/* With the mutex; false: whoever talks is busy with what can't be left, for longer than that. */
static bool hush(struct under_way *under_way, const struct uuid *transfer, const struct uuid *peer)
{
	const int64_t until = clock_monotonic() + HUSH_PATIENCE;
	struct talking *talking;

	while ((talking = find_talking(under_way, transfer, peer))) {
		if (under_way->stopping || clock_monotonic() >= until)
			return false;
		/* It is there as long as somebody talks on it. */
		if (!talking->cut)
			link_cut(talking->link);
		talking->cut = true;
		wait_until(under_way, until);
	}
	return true;
}

/* With the mutex: out of the list. */
static struct parked_one *take_parked(struct under_way *under_way, const struct uuid *transfer,
				      const struct uuid *peer)
{
	for (struct parked_one **at = &under_way->waiting; *at; at = &(*at)->next) {
		struct parked_one *found = *at;

		if (uuid_equal(&found->parked.transfer, transfer) &&
		    uuid_equal(&found->parked.peer, peer) && !found->cancelled) {
			*at = found->next;
			return found;
		}
	}
	return NULL;
}

bool under_way_take(struct engine *engine, const struct uuid *transfer, const struct uuid *peer,
		    struct parked *ret)
{
	struct under_way *under_way = engine->under_way;
	struct parked_one *found = NULL;

	pthread_mutex_lock(&under_way->mutex);
	if (hush(under_way, transfer, peer))
		found = take_parked(under_way, transfer, peer);
	pthread_mutex_unlock(&under_way->mutex);
	if (!found)
		return false;
	*ret = found->parked;
	operation_on_cancel(ret->running, NULL, NULL);
	free(found);
	return true;
}
