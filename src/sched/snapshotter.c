/*
 * Events wake the thread at once; it then lets up to 50 ms pass before it takes
 * them, because the kernel joins what waits: taken one by one they would cost
 * the writer four times as much.  They count from when they woke it.
 *
 * Who takes a snapshot holds no lock of this file meanwhile.  A branch is not looked
 * at while it is queued, nor from its schedule's "began" to its "ended", so it has
 * one at a time; what changes after that began makes it due once more.
 */

#include "sched/snapshotter.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "base/thread.h"
#include "engine/failing.h"
#include "sched/pending.h"

#define TAKERS 8		   /* snapshots at a time */
#define GATHER (CLOCK_SECOND / 20) /* what comes so soon after each other is taken together */

struct snapshotter {
	struct engine *engine;
	struct unsaved_source source;
	int wake; /* eventfd */
	atomic_bool policies_changed;
	int64_t woken; /* since when events are waiting; the thread's own */
	bool unread;   /* a policy could not be read; the thread's own */
	pthread_t thread;
	pthread_t takers[TAKERS];
	size_t taker_count;

	pthread_mutex_t mutex; /* of what follows */
	pthread_cond_t wanted; /* the queue is not empty, or it is time to stop */
	struct pending_table table;
	bool stopping;
};

static void wake(struct snapshotter *snapshotter)
{
	/* A counter that is full wakes as well. */
	(void)!eventfd_write(snapshotter->wake, 1);
}

/* --- what is to be done; the thread's ----------------------------------------------- */

/* From engine_changes(). */
static void note_change(void *arg, const struct uuid *branch, bool late)
{
	struct snapshotter *snapshotter = arg;
	own_lock(guard, &snapshotter->mutex);
	struct pending *pending = pending_find(&snapshotter->table, branch);

	if (!pending)
		pending = pending_add(&snapshotter->table, branch);
	if (late &&
	    pending->schedule.dirty) /* that may be this: it does not restart the settling */
		return;
	if (!pending->schedule.dirty)
		pending->stale = true;
	pending->gone = false;
	schedule_changed(&pending->schedule, snapshotter->woken);
}

/* From whoever changes one: takes no lock, since that one holds the engine's. */
static void note_policies(void *arg)
{
	struct snapshotter *snapshotter = arg;

	atomic_store(&snapshotter->policies_changed, true);
	wake(snapshotter);
}

/*
 * Only this thread makes and frees entries, so it walks them without the lock,
 * which it must not hold while it asks the engine: who asks for a branch holds
 * the engine's gate and waits for it (tell_unsaved).
 */
static int refresh_policy(struct snapshotter *snapshotter, struct pending *pending,
			  struct fl_error *err)
{
	struct policy policy;
	int r = engine_policy(snapshotter->engine, &pending->branch, &policy, err);
	own_lock(guard, &snapshotter->mutex);

	pending->stale = r < 0;
	pending->gone |= r == -FL_NOT_FOUND;
	if (r == 0)
		pending->policy = policy;
	return r == -FL_NOT_FOUND ? 0 : r;
}

/*
 * Without its policy a branch is not snapshotted, and is called nothing that could
 * be told: what a branch is called is where its policy is.
 */
static void note_policies_read(struct snapshotter *snapshotter, int outcome, struct fl_error *why)
{
	if (outcome < 0) {
		fl_wrap(why, "reading the policies of branches that were changed");
		failing_set(snapshotter->engine, FAILING_SNAPSHOT, NULL, why);
	} else if (snapshotter->unread) {
		failing_clear(snapshotter->engine, FAILING_SNAPSHOT, NULL);
	}
	snapshotter->unread = outcome < 0;
}

/* What could not be read is tried again in the next round. */
static void refresh_policies(struct snapshotter *snapshotter)
{
	const struct pending_table *table = &snapshotter->table;
	bool all = atomic_exchange(&snapshotter->policies_changed, false);
	struct fl_error err, why;
	int outcome = 0;

	for (struct pending *at = pending_next(table, NULL); at; at = pending_next(table, at))
		if ((all || at->stale) && refresh_policy(snapshotter, at, &err) < 0) {
			outcome = -(int)err.code;
			why = err;
		}
	note_policies_read(snapshotter, outcome, &why);
}

/* What is to be done for one; when it wants to be looked at again. */
static int64_t look_at(struct snapshotter *snapshotter, struct pending *pending, int64_t now)
{
	int64_t due;

	if (pending->stale || pending->gone || pending->queued)
		return SCHEDULE_NEVER;
	due = schedule_due(&pending->schedule, &pending->policy);
	if (due > now)
		return due;
	pending_queue(&snapshotter->table, pending);
	pthread_cond_signal(&snapshotter->wanted);
	return SCHEDULE_NEVER;
}

/* Begins what is due; answers when the next is. */
static int64_t look_at_all(struct snapshotter *snapshotter)
{
	own_lock(guard, &snapshotter->mutex);
	int64_t now = clock_monotonic(), next = SCHEDULE_NEVER;
	struct pending_table *table = &snapshotter->table;
	struct pending *after;

	for (struct pending *at = pending_next(table, NULL); at; at = after) {
		int64_t due = look_at(snapshotter, at, now);

		next = due < next ? due : next;
		after = pending_next(table, at);
		if (pending_is_over(at, now))
			pending_remove(table, at);
	}
	return next;
}

/* --- who takes them ---------------------------------------------------------------------- */

static void note_failure(struct snapshotter *snapshotter, struct pending *pending, const char *ref,
			 const struct fl_error *err)
{
	uint64_t chance = 0;

	(void)!getrandom(&chance, sizeof(chance), GRND_NONBLOCK);
	schedule_failed(&pending->schedule, clock_monotonic(), chance);
	/* Where it was renamed meanwhile, what failed was called otherwise. */
	if (pending->failure && strcmp(pending->failed, ref) != 0)
		failing_forget(snapshotter->engine, FAILING_SNAPSHOT, pending->failed);
	failing_set(snapshotter->engine, FAILING_SNAPSHOT, ref, err);
	pending_forget_failure(pending);
	pending->failure = xstrdup(err->text);
	pending->failed = xstrdup(ref);
}

static void note_success(struct snapshotter *snapshotter, struct pending *pending,
			 const struct saving *saving)
{
	pending->schedule.began += saving->waited;
	schedule_ended(&pending->schedule, &pending->policy, clock_monotonic());
	/* What was told meanwhile may be that it is back. */
	pending->gone = saving->saved == SAVED_GONE && !pending->schedule.dirty;
	if (pending->failure)
		(pending->gone ? failing_forget : failing_clear)(snapshotter->engine,
								 FAILING_SNAPSHOT, pending->failed);
	pending_forget_failure(pending);
}

static struct pending *next_of_queue(struct snapshotter *snapshotter, enum reason *ret_reason,
				     int64_t *ret_age)
{
	own_lock(guard, &snapshotter->mutex);
	struct pending *pending;

	while (!snapshotter->table.first && !snapshotter->stopping)
		pthread_cond_wait(&snapshotter->wanted, &snapshotter->mutex);
	pending = snapshotter->stopping ? NULL : pending_dequeue(&snapshotter->table);
	if (!pending)
		return NULL;
	*ret_reason = pending->policy.when == POLICY_EVERY ? REASON_SCHEDULE : REASON_CHANGE;
	*ret_age = clock_monotonic() - pending->schedule.first_change;
	/* From here on, since to wait for a taker is no price that duty is about. */
	schedule_began(&pending->schedule, clock_monotonic());
	return pending;
}

static void *take(void *arg)
{
	struct snapshotter *snapshotter = arg;
	struct pending *pending;
	enum reason reason;
	int64_t age;

	while ((pending = next_of_queue(snapshotter, &reason, &age))) {
		struct saving saving;
		struct fl_error err;
		int r = engine_save(snapshotter->engine, &pending->branch, reason, age, &saving,
				    &err);
		own_lock(guard, &snapshotter->mutex);

		if (r < 0)
			note_failure(snapshotter, pending, saving.ref, &err);
		else
			note_success(snapshotter, pending, &saving);
		/* One that rests can be forgotten at any time: that alone wakes nobody. */
		if (pending->schedule.dirty || pending->failure)
			wake(snapshotter);
	}
	return NULL;
}

/* --- what is asked about branches ---------------------------------------------------- */

/* Of one that is snapshotted by hand nothing waits. */
static bool is_told(const struct pending *pending)
{
	return pending && !pending->stale && !pending->gone &&
	       pending->policy.when != POLICY_MANUAL;
}

/* Wall clock; 0: nothing waits. */
static int64_t waits_since(const struct pending *pending)
{
	if (!pending->schedule.dirty && !pending->schedule.running)
		return 0;
	return clock_now() - (clock_monotonic() - pending->schedule.first_change);
}

static void tell_unsaved(void *arg, const struct uuid *branch, struct unsaved *ret)
{
	struct snapshotter *snapshotter = arg;
	own_lock(guard, &snapshotter->mutex);
	const struct pending *pending = pending_find(&snapshotter->table, branch);

	if (!is_told(pending))
		return;
	ret->since = waits_since(pending);
	if (pending->failure)
		ret->failure = xstrdup(pending->failure);
}

static void tell_each_unsaved(void *arg, unsaved_told *told, void *context)
{
	struct snapshotter *snapshotter = arg;
	const struct pending_table *table = &snapshotter->table;
	own_lock(guard, &snapshotter->mutex);

	for (const struct pending *at = pending_next(table, NULL); at; at = pending_next(table, at))
		if (is_told(at) && waits_since(at))
			told(context, &at->branch, waits_since(at));
}

/* --- the thread ------------------------------------------------------------------------------ */

static bool is_stopping(struct snapshotter *snapshotter)
{
	own_lock(guard, &snapshotter->mutex);

	return snapshotter->stopping;
}

/* Until there is an event (if those are waited for), somebody wakes, or the time has come. */
static void wait_for(struct snapshotter *snapshotter, bool events, int64_t until)
{
	struct pollfd fds[] = {
		{ .fd = snapshotter->wake, .events = POLLIN },
		{ .fd = events ? engine_changes_fd(snapshotter->engine) : -1, .events = POLLIN },
	};
	int64_t left = until - clock_monotonic();
	struct timespec timeout;
	eventfd_t ignored;

	if (left < 0)
		left = 0;
	timeout = (struct timespec){ left / CLOCK_SECOND, left % CLOCK_SECOND };
	ppoll(fds, array_size(fds), &timeout, NULL);
	if (fds[0].revents)
		(void)!eventfd_read(snapshotter->wake, &ignored);
}

static bool events_wait(struct snapshotter *snapshotter)
{
	struct pollfd fd = { .fd = engine_changes_fd(snapshotter->engine), .events = POLLIN };

	return fd.fd >= 0 && poll(&fd, 1, 0) > 0;
}

static void *run(void *arg)
{
	struct snapshotter *snapshotter = arg;

	while (!is_stopping(snapshotter)) {
		int64_t told, due;

		if (!snapshotter->woken)
			snapshotter->woken = clock_monotonic();
		told = engine_changes(snapshotter->engine, note_change, snapshotter);
		told = clock_monotonic() + told;
		snapshotter->woken = 0;
		refresh_policies(snapshotter);
		due = look_at_all(snapshotter);
		if (due > told)
			due = told;
		wait_for(snapshotter, true, due);
		if (!events_wait(snapshotter))
			continue;
		snapshotter->woken = clock_monotonic();
		if (due > snapshotter->woken + GATHER)
			due = snapshotter->woken + GATHER;
		wait_for(snapshotter, false, due);
	}
	return NULL;
}

/* --- its life ---------------------------------------------------------------------- */

static void stop_takers(struct snapshotter *snapshotter)
{
	pthread_mutex_lock(&snapshotter->mutex);
	snapshotter->stopping = true;
	pthread_cond_broadcast(&snapshotter->wanted);
	pthread_mutex_unlock(&snapshotter->mutex);
	for (size_t i = 0; i < snapshotter->taker_count; i++)
		pthread_join(snapshotter->takers[i], NULL);
}

static void snapshotter_free(struct snapshotter *snapshotter)
{
	pending_done(&snapshotter->table);
	own_fdp(&snapshotter->wake);
	pthread_cond_destroy(&snapshotter->wanted);
	pthread_mutex_destroy(&snapshotter->mutex);
	free(snapshotter);
}

static int start_all(struct snapshotter *snapshotter, struct fl_error *err)
{
	snapshotter->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (snapshotter->wake < 0)
		return fl_fail_errno(err, "cannot make an event descriptor");
	for (; snapshotter->taker_count < TAKERS; snapshotter->taker_count++)
		if (thread_start(&snapshotter->takers[snapshotter->taker_count], THREAD_STACK, take,
				 snapshotter, err) < 0)
			return fl_failed(err);
	return thread_start(&snapshotter->thread, THREAD_STACK, run, snapshotter, err);
}

int snapshotter_open(struct engine *engine, struct snapshotter **ret, struct fl_error *err)
{
	struct snapshotter *snapshotter = xcalloc(1, sizeof(*snapshotter));

	snapshotter->engine = engine;
	snapshotter->wake = -1;
	pending_init(&snapshotter->table);
	pthread_mutex_init(&snapshotter->mutex, NULL);
	pthread_cond_init(&snapshotter->wanted, NULL);
	if (start_all(snapshotter, err) < 0) {
		stop_takers(snapshotter);
		snapshotter_free(snapshotter);
		return fl_failed(err);
	}
	engine_on_policy(engine, note_policies, snapshotter);
	snapshotter->source = (struct unsaved_source){ tell_unsaved, tell_each_unsaved,
						       snapshotter };
	engine_on_unsaved(engine, &snapshotter->source);
	*ret = snapshotter;
	return 0;
}

void snapshotter_close(struct snapshotter *snapshotter)
{
	if (!snapshotter)
		return;
	engine_on_policy(snapshotter->engine, NULL, NULL);
	engine_on_unsaved(snapshotter->engine, NULL);
	stop_takers(snapshotter);
	wake(snapshotter);
	pthread_join(snapshotter->thread, NULL);
	snapshotter_free(snapshotter);
}
