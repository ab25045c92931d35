/* The functions of the engine that the snapshotter calls are the test's own. */
#include "engine/save.h"
#include "tests/check.h"

#include <pthread.h>
#include <semaphore.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/failing.h"
#include "sched/snapshotter.h"

static struct fl_error err;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct policy policy;	   /* under mutex */
static unsigned changed;	   /* under mutex: bits of branches that are to be told */
static bool late;		   /* under mutex */
static int failures;		   /* under mutex: of saves to come */
static enum saved answer;	   /* under mutex */
static bool is_failing;		   /* under mutex */
static int not_saved, saved_again; /* under mutex: how often that began and ended */
static int policies_read;	   /* under mutex */
static bool policies_fail;	   /* under mutex */
static int unread, read_again;	   /* under mutex: how often that was told, and its end */
static sem_t saves, attempts;
static enum reason reason;
static int events = -1;
static void (*policy_hook)(void *arg);
static void *policy_arg;
static const struct unsaved_source *source;

int engine_changes_fd(const struct engine *engine)
{
	return events;
}

int64_t engine_changes(struct engine *engine, change_told *each, void *arg)
{
	eventfd_t count;
	own_lock(guard, &mutex);

	(void)!eventfd_read(events, &count);
	for (unsigned i = 0; i < 32; i++) {
		struct uuid branch = { .bytes = { (uint8_t)i } };

		if (changed & 1U << i)
			each(arg, &branch, late);
	}
	changed = 0;
	return policies_fail ? CLOCK_SECOND / 1000 : CLOCK_DAY;
}

int engine_save(struct engine *engine, const struct uuid *branch, enum reason why, int64_t age,
		struct saving *ret, struct fl_error *e)
{
	own_lock(guard, &mutex);

	*ret = (struct saving){ .saved = answer, .ref = "data/trunk" };
	reason = why;
	sem_post(&attempts);
	if (failures > 0) {
		failures--;
		return fl_fail(e, FL_UNSUPPORTED, "there is a subvolume in it");
	}
	sem_post(&saves);
	return 0;
}

int engine_policy(struct engine *engine, const struct uuid *branch, struct policy *ret,
		  struct fl_error *e)
{
	own_lock(guard, &mutex);

	policies_read++;
	if (policies_fail)
		return fl_fail(e, FL_SYSTEM, "the disk is away");
	*ret = policy;
	return 0;
}

void engine_on_policy(struct engine *engine, void (*hook)(void *arg), void *arg)
{
	policy_hook = hook;
	policy_arg = arg;
}

void engine_on_unsaved(struct engine *engine, const struct unsaved_source *who)
{
	source = who;
}

void failing_set(struct engine *engine, enum failing what, const char *object,
		 const struct fl_error *why)
{
	own_lock(guard, &mutex);

	check(what == FAILING_SNAPSHOT);
	if (!object) {
		check(strstr(why->text, "the disk is away"));
		unread++;
		return;
	}
	not_saved += !is_failing;
	is_failing = true;
}

void failing_clear(struct engine *engine, enum failing what, const char *object)
{
	own_lock(guard, &mutex);

	check(what == FAILING_SNAPSHOT);
	if (!object) {
		read_again++;
		return;
	}
	saved_again++;
	is_failing = false;
	check_string("data/trunk", object);
}

void failing_forget(struct engine *engine, enum failing what, const char *object)
{
	check(!"the branch is neither gone nor renamed");
}

static struct unsaved unsaved(unsigned branch)
{
	struct uuid uuid = { .bytes = { (uint8_t)branch } };
	struct unsaved told = { 0 };

	source->tell(source->arg, &uuid, &told);
	return told;
}

static void count_one(void *context, const struct uuid *branch, int64_t since)
{
	size_t *number = context;

	check(since > 0 && since <= clock_now() && branch->bytes[0] == 0);
	++*number;
}

static size_t count_unsaved(void)
{
	size_t number = 0;

	source->each(source->arg, count_one, &number);
	return number;
}

static void change(unsigned branches)
{
	own_lock(guard, &mutex);

	changed |= branches;
	check(eventfd_write(events, 1) == 0);
}

/* Quick: no settling, no rest. */
static struct snapshotter *open_with(enum policy_when when)
{
	struct snapshotter *snapshotter = NULL;

	policy = (struct policy){ .when = when, .every = CLOCK_SECOND / 100, .duty = 1000000 };
	answer = SAVED_NEW;
	failures = not_saved = saved_again = 0;
	is_failing = false;
	policies_read = 0;
	policies_fail = late = false;
	unread = read_again = 0;
	sem_init(&saves, 0, 0);
	sem_init(&attempts, 0, 0);
	events = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	check(events >= 0);
	check_ok(snapshotter_open(NULL, &snapshotter, &err));
	return snapshotter;
}

static void close_it(struct snapshotter *snapshotter)
{
	snapshotter_close(snapshotter);
	close(events);
	check(!policy_hook && !source);
}

static int count(sem_t *semaphore)
{
	int value;

	sem_getvalue(semaphore, &value);
	return value;
}

/* After a moment in which others can have the mutex. */
static int look_at(const int *counter)
{
	usleep(1000);
	own_lock(guard, &mutex);

	return *counter;
}

static void a_change_is_saved_once(void)
{
	struct snapshotter *snapshotter = open_with(POLICY_CHANGE);

	change(1);
	sem_wait(&saves);
	check(reason == REASON_CHANGE);
	change(2); /* another branch; when that is saved, nothing waits any more */
	sem_wait(&saves);
	close_it(snapshotter);
	check(count(&saves) == 0);
}

static void all_that_change_are_saved(void)
{
	struct snapshotter *snapshotter = open_with(POLICY_CHANGE);

	change(UINT32_MAX);
	for (int i = 0; i < 32; i++)
		sem_wait(&saves);
	close_it(snapshotter);
}

static void an_interval_is_a_schedule(void)
{
	struct snapshotter *snapshotter = open_with(POLICY_EVERY);

	late = true;
	change(1);
	sem_wait(&saves);
	check(reason == REASON_SCHEDULE);
	change(1);
	sem_wait(&saves);
	close_it(snapshotter);
}

static void a_failure_is_tried_again(void)
{
	struct snapshotter *snapshotter = open_with(POLICY_CHANGE);

	failures = 2;
	change(1);
	sem_wait(&saves);
	check(count(&attempts) == 3);
	close_it(snapshotter);
	check(not_saved == 1 && saved_again == 1);
}

static void what_is_unsaved_is_told(void)
{
	struct snapshotter *snapshotter = open_with(POLICY_CHANGE);
	struct unsaved told;

	told = unsaved(0);
	check(told.since == 0 && !told.failure);
	failures = 1000;
	change(1);
	sem_wait(&attempts);
	sem_wait(&attempts); /* so the first is over */
	told = unsaved(0);
	check(told.since > 0 && told.since <= clock_now());
	check_string("there is a subvolume in it", told.failure);
	check(count_unsaved() == 1);
	free(told.failure);
	check(unsaved(1).since == 0);
	pthread_mutex_lock(&mutex);
	failures = 0;
	pthread_mutex_unlock(&mutex);
	sem_wait(&saves);
	change(2); /* when that is taken, the other is over */
	sem_wait(&saves);
	close_it(snapshotter);
}

static void by_hand_means_never_until_the_policy_changes(void)
{
	struct snapshotter *snapshotter = open_with(POLICY_MANUAL);
	int seen = 0;

	change(1);
	while (seen == 0)
		seen = look_at(&policies_read);
	check(count(&attempts) == 0);
	pthread_mutex_lock(&mutex);
	policy.when = POLICY_CHANGE;
	pthread_mutex_unlock(&mutex);
	policy_hook(policy_arg);
	sem_wait(&saves); /* the change of then */
	close_it(snapshotter);
}

static void a_policy_that_cannot_be_read_is_told(void)
{
	struct snapshotter *snapshotter = open_with(POLICY_CHANGE);
	int told = 0;

	pthread_mutex_lock(&mutex);
	policies_fail = true;
	pthread_mutex_unlock(&mutex);
	change(1);
	while (told < 2)
		told = look_at(&unread);
	check(count(&attempts) == 0);
	pthread_mutex_lock(&mutex);
	policies_fail = false;
	pthread_mutex_unlock(&mutex);
	sem_wait(&saves); /* the change of then */
	close_it(snapshotter);
	check(read_again == 1);
}

static void a_branch_that_is_gone_is_forgotten(void)
{
	struct snapshotter *snapshotter = open_with(POLICY_CHANGE);

	answer = SAVED_GONE;
	change(1);
	sem_wait(&saves);
	change(1);
	sem_wait(&saves);
	close_it(snapshotter);
}

static void it_ends_with_work_left(void)
{
	struct snapshotter *snapshotter = open_with(POLICY_CHANGE);

	change(UINT32_MAX);
	close_it(snapshotter);
}

int main(int argc, char **argv)
{
	return check_main(argc, argv,
			  (struct check[]){
				  CHECK(a_change_is_saved_once),
				  CHECK(all_that_change_are_saved),
				  CHECK(an_interval_is_a_schedule),
				  CHECK(a_failure_is_tried_again),
				  CHECK(what_is_unsaved_is_told),
				  CHECK(by_hand_means_never_until_the_policy_changes),
				  CHECK(a_policy_that_cannot_be_read_is_told),
				  CHECK(a_branch_that_is_gone_is_forgotten),
				  CHECK(it_ends_with_work_left),
				  CHECK_END,
			  });
}
