#include "sched/looper.h"

#include <pthread.h>
#include <time.h>

#include "base/clock.h"
#include "base/text.h"

#define STACK (256 * 1024)

struct looper {
	const char *name;
	int64_t (*turn)(void *arg);
	void *arg;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed; /* on the monotonic clock */
	bool wanted;		/* a pass at once; under mutex */
	bool stopping;		/* under mutex */
};

void looper_wake(void *arg)
{
	struct looper *looper = arg;
	own_lock(guard, &looper->mutex);

	looper->wanted = true;
	pthread_cond_signal(&looper->changed);
}

/* False when it is time to stop. */
static bool wait_for_turn(struct looper *looper, int64_t delay)
{
	int64_t deadline = clock_monotonic() + (delay > 0 ? delay : 0);
	struct timespec until = { .tv_sec = deadline / CLOCK_SECOND,
				  .tv_nsec = deadline % CLOCK_SECOND };
	own_lock(guard, &looper->mutex);

	while (!looper->wanted && !looper->stopping)
		if (pthread_cond_timedwait(&looper->changed, &looper->mutex, &until) != 0)
			break;
	looper->wanted = false;
	return !looper->stopping;
}

static void *run(void *arg)
{
	struct looper *looper = arg;
	int64_t delay = 0;

	while (wait_for_turn(looper, delay))
		delay = looper->turn(looper->arg);
	return NULL;
}

static int start(struct looper *looper, struct fl_error *err)
{
	pthread_attr_t attributes;
	int sys;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK);
	sys = pthread_create(&looper->thread, &attributes, run, looper);
	pthread_attr_destroy(&attributes);
	if (sys) {
		errno = sys;
		return fl_fail_errno(err, "cannot start the %s's thread", looper->name);
	}
	return 0;
}

static void looper_free(struct looper *looper)
{
	pthread_cond_destroy(&looper->changed);
	pthread_mutex_destroy(&looper->mutex);
	free(looper);
}

int looper_open(const char *name, int64_t (*turn)(void *arg), void *arg, struct looper **ret,
		struct fl_error *err)
{
	struct looper *looper = xcalloc(1, sizeof(*looper));
	pthread_condattr_t attributes;
	int r;

	looper->name = name;
	looper->turn = turn;
	looper->arg = arg;
	pthread_mutex_init(&looper->mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&looper->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	r = start(looper, err);
	if (r < 0) {
		looper_free(looper);
		return r;
	}
	*ret = looper;
	return 0;
}

void looper_close(struct looper *looper)
{
	if (!looper)
		return;
	pthread_mutex_lock(&looper->mutex);
	looper->stopping = true;
	pthread_cond_signal(&looper->changed);
	pthread_mutex_unlock(&looper->mutex);
	pthread_join(looper->thread, NULL);
	looper_free(looper);
}
