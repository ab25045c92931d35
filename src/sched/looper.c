#include "sched/looper.h"

#include <pthread.h>
#include <time.h>

#include "base/clock.h"
#include "base/text.h"
#include "base/thread.h"

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

	looper->name = name;
	looper->turn = turn;
	looper->arg = arg;
	pthread_mutex_init(&looper->mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&looper->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	if (thread_start(&looper->thread, THREAD_STACK, run, looper, err) < 0) {
		looper_free(looper);
		return fl_wrap(err, "the %s", name);
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
