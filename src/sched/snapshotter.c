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
#include "engine/failing.h"
#include "model/schedule.h"

#define STACK (256 * 1024)
#define TAKERS 8		   /* snapshots at a time */
#define GATHER (CLOCK_SECOND / 20) /* what comes so soon after each other is taken together */
#define BUCKETS 256

/* A branch that something changed in, until that is saved and its rest is over. */
struct entry {
	struct entry *next; /* in its bucket */
	struct entry *queue;
	struct uuid branch;
	struct policy policy;
	bool stale; /* the policy is to be read anew */
	bool gone;
	bool queued;   /* it is due, and no taker has it yet */
	char *failure; /* of the last attempt; heap; NULL: there is none */
	char *failed;  /* what the branch was called then; heap */
	struct schedule schedule;
};

static void forget_failure(struct entry *entry)
{
	free(take_ptr(entry->failure));
	free(take_ptr(entry->failed));
}

static void entry_free(struct entry *entry)
{
	forget_failure(entry);
	free(entry);
}

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
	struct entry *buckets[BUCKETS];
	struct entry *first, **last; /* the queue: begun, and no taker has it yet */
	bool stopping;
};

static void wake(struct snapshotter *snapshotter)
{
	/* A counter that is full wakes as well. */
	(void)!eventfd_write(snapshotter->wake, 1);
}

/* --- entries; under the mutex -------------------------------------------------------- */

static struct entry **find(struct snapshotter *snapshotter, const struct uuid *branch)
{
	struct entry **at = &snapshotter->buckets[branch->bytes[0] % BUCKETS];

	while (*at && !uuid_equal(&(*at)->branch, branch))
		at = &(*at)->next;
	return at;
}

/* From engine_changes(). */
static void note_change(void *arg, const struct uuid *branch, bool late)
{
	struct snapshotter *snapshotter = arg;
	own_lock(guard, &snapshotter->mutex);
	struct entry **at = find(snapshotter, branch);

	if (!*at) {
		*at = xcalloc(1, sizeof(**at));
		(*at)->branch = *branch;
		(*at)->schedule = SCHEDULE_NEW;
	}
	if (late && (*at)->schedule.dirty) /* that may be this: it does not restart the settling */
		return;
	if (!(*at)->schedule.dirty)
		(*at)->stale = true;
	(*at)->gone = false;
	schedule_changed(&(*at)->schedule, snapshotter->woken);
}

/* From whoever changes one: takes no lock, since that one holds the engine's. */
static void note_policies(void *arg)
{
	struct snapshotter *snapshotter = arg;

	atomic_store(&snapshotter->policies_changed, true);
	wake(snapshotter);
}

/* Nothing is to be done, and nothing known of it would delay the next snapshot. */
static bool is_over(const struct entry *entry, int64_t now)
{
	const struct schedule *schedule = &entry->schedule;
	struct schedule next = *schedule;

	if (schedule->running || entry->queued)
		return false;
	if (entry->gone)
		return true;
	schedule_changed(&next, now);
	return !schedule->dirty && !entry->failure &&
	       (entry->policy.when == POLICY_MANUAL ||
		schedule_due(&next, &entry->policy) <= now + entry->policy.settle);
}

/*
 * Only this thread makes and frees entries, so it walks them without the lock,
 * which it must not hold while it asks the engine: who asks for a branch holds
 * the engine's gate and waits for it (tell_unsaved).
 */
static int refresh_policy(struct snapshotter *snapshotter, struct entry *entry,
			  struct fl_error *err)
{
	struct policy policy;
	int r = engine_policy(snapshotter->engine, &entry->branch, &policy, err);
	own_lock(guard, &snapshotter->mutex);

	entry->stale = r < 0;
	entry->gone |= r == -FL_NOT_FOUND;
	if (r == 0)
		entry->policy = policy;
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
	bool all = atomic_exchange(&snapshotter->policies_changed, false);
	struct fl_error err, why;
	int outcome = 0;

	for (size_t i = 0; i < BUCKETS; i++)
		for (struct entry *entry = snapshotter->buckets[i]; entry; entry = entry->next)
			if ((all || entry->stale) && refresh_policy(snapshotter, entry, &err) < 0) {
				outcome = -(int)err.code;
				why = err;
			}
	note_policies_read(snapshotter, outcome, &why);
}

static void put_in_queue(struct snapshotter *snapshotter, struct entry *entry)
{
	entry->queued = true;
	entry->queue = NULL;
	*snapshotter->last = entry;
	snapshotter->last = &entry->queue;
	pthread_cond_signal(&snapshotter->wanted);
}

/* What is to be done for one; when it wants to be looked at again. */
static int64_t look_at(struct snapshotter *snapshotter, struct entry *entry, int64_t now)
{
	int64_t due;

	if (entry->stale || entry->gone || entry->queued)
		return SCHEDULE_NEVER;
	due = schedule_due(&entry->schedule, &entry->policy);
	if (due > now)
		return due;
	put_in_queue(snapshotter, entry);
	return SCHEDULE_NEVER;
}

/* Begins what is due; answers when the next is. */
static int64_t look_at_all(struct snapshotter *snapshotter)
{
	own_lock(guard, &snapshotter->mutex);
	int64_t now = clock_monotonic(), next = SCHEDULE_NEVER;

	for (size_t i = 0; i < BUCKETS; i++) {
		struct entry **at = &snapshotter->buckets[i];

		while (*at) {
			struct entry *entry = *at;
			int64_t due = look_at(snapshotter, entry, now);

			next = due < next ? due : next;
			if (!is_over(entry, now)) {
				at = &entry->next;
				continue;
			}
			*at = entry->next;
			entry_free(entry);
		}
	}
	return next;
}

/* --- who takes them ---------------------------------------------------------------------- */

static void note_failure(struct snapshotter *snapshotter, struct entry *entry, const char *ref,
			 const struct fl_error *err)
{
	uint64_t chance = 0;

	(void)!getrandom(&chance, sizeof(chance), GRND_NONBLOCK);
	schedule_failed(&entry->schedule, clock_monotonic(), chance);
	/* Where it was renamed meanwhile, what failed was called otherwise. */
	if (entry->failure && strcmp(entry->failed, ref) != 0)
		failing_forget(snapshotter->engine, FAILING_SNAPSHOT, entry->failed);
	failing_set(snapshotter->engine, FAILING_SNAPSHOT, ref, err);
	forget_failure(entry);
	entry->failure = xstrdup(err->text);
	entry->failed = xstrdup(ref);
}

static void note_success(struct snapshotter *snapshotter, struct entry *entry,
			 const struct saving *saving)
{
	entry->schedule.began += saving->waited;
	schedule_ended(&entry->schedule, &entry->policy, clock_monotonic());
	/* What was told meanwhile may be that it is back. */
	entry->gone = saving->saved == SAVED_GONE && !entry->schedule.dirty;
	if (entry->failure)
		(entry->gone ? failing_forget : failing_clear)(snapshotter->engine,
							       FAILING_SNAPSHOT, entry->failed);
	forget_failure(entry);
}

static struct entry *next_of_queue(struct snapshotter *snapshotter, enum reason *ret_reason,
				   int64_t *ret_age)
{
	own_lock(guard, &snapshotter->mutex);
	struct entry *entry;

	while (!snapshotter->first && !snapshotter->stopping)
		pthread_cond_wait(&snapshotter->wanted, &snapshotter->mutex);
	entry = snapshotter->stopping ? NULL : snapshotter->first;
	if (!entry)
		return NULL;
	*ret_reason = entry->policy.when == POLICY_EVERY ? REASON_SCHEDULE : REASON_CHANGE;
	*ret_age = clock_monotonic() - entry->schedule.first_change;
	snapshotter->first = entry->queue;
	if (!snapshotter->first)
		snapshotter->last = &snapshotter->first;
	entry->queued = false;
	/* From here on, since to wait for a taker is no price that duty is about. */
	schedule_began(&entry->schedule, clock_monotonic());
	return entry;
}

static void *take(void *arg)
{
	struct snapshotter *snapshotter = arg;
	struct entry *entry;

	enum reason reason;
	int64_t age;

	while ((entry = next_of_queue(snapshotter, &reason, &age))) {
		struct saving saving;
		struct fl_error err;
		int r = engine_save(snapshotter->engine, &entry->branch, reason, age, &saving,
				    &err);
		own_lock(guard, &snapshotter->mutex);

		if (r < 0)
			note_failure(snapshotter, entry, saving.ref, &err);
		else
			note_success(snapshotter, entry, &saving);
		/* One that rests can be forgotten at any time: that alone wakes nobody. */
		if (entry->schedule.dirty || entry->failure)
			wake(snapshotter);
	}
	return NULL;
}

/* --- what is asked about branches ---------------------------------------------------- */

/* Of one that is snapshotted by hand nothing waits. */
static bool is_told(const struct entry *entry)
{
	return entry && !entry->stale && !entry->gone && entry->policy.when != POLICY_MANUAL;
}

/* Wall clock; 0: nothing waits. */
static int64_t waits_since(const struct entry *entry)
{
	if (!entry->schedule.dirty && !entry->schedule.running)
		return 0;
	return clock_now() - (clock_monotonic() - entry->schedule.first_change);
}

static void tell_unsaved(void *arg, const struct uuid *branch, struct unsaved *ret)
{
	struct snapshotter *snapshotter = arg;
	own_lock(guard, &snapshotter->mutex);
	const struct entry *entry = *find(snapshotter, branch);

	if (!is_told(entry))
		return;
	ret->since = waits_since(entry);
	if (entry->failure)
		ret->failure = xstrdup(entry->failure);
}

static void tell_each_unsaved(void *arg, unsaved_told *told, void *context)
{
	struct snapshotter *snapshotter = arg;
	own_lock(guard, &snapshotter->mutex);

	for (size_t i = 0; i < BUCKETS; i++)
		for (const struct entry *entry = snapshotter->buckets[i]; entry;
		     entry = entry->next)
			if (is_told(entry) && waits_since(entry))
				told(context, &entry->branch, waits_since(entry));
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

static int start(pthread_t *thread, void *(*function)(void *), struct snapshotter *snapshotter,
		 struct fl_error *err)
{
	pthread_attr_t attributes;
	int sys;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK);
	sys = pthread_create(thread, &attributes, function, snapshotter);
	pthread_attr_destroy(&attributes);
	if (sys) {
		errno = sys;
		return fl_fail_errno(err, "cannot start a thread that takes snapshots");
	}
	return 0;
}

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
	for (size_t i = 0; i < BUCKETS; i++)
		while (snapshotter->buckets[i]) {
			struct entry *entry = snapshotter->buckets[i];

			snapshotter->buckets[i] = entry->next;
			entry_free(entry);
		}
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
		if (start(&snapshotter->takers[snapshotter->taker_count], take, snapshotter, err) <
		    0)
			return fl_failed(err);
	return start(&snapshotter->thread, run, snapshotter, err);
}

int snapshotter_open(struct engine *engine, struct snapshotter **ret, struct fl_error *err)
{
	struct snapshotter *snapshotter = xcalloc(1, sizeof(*snapshotter));

	snapshotter->engine = engine;
	snapshotter->wake = -1;
	snapshotter->last = &snapshotter->first;
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
