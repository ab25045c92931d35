#include "sched/caretaker.h"

#include <pthread.h>
#include <time.h>

#include "base/clock.h"
#include "base/text.h"

#define STACK (256 * 1024)

struct caretaker {
	struct engine *engine;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed; /* on the monotonic clock */
	bool wanted;		/* a pass at once; under mutex */
	bool stopping;		/* under mutex */
};

static void wake(void *arg)
{
	struct caretaker *caretaker = arg;
	own_lock(guard, &caretaker->mutex);

	caretaker->wanted = true;
	pthread_cond_signal(&caretaker->changed);
}

/* False when it is time to stop. */
static bool wait_for_turn(struct caretaker *caretaker, int64_t delay)
{
	int64_t deadline = clock_monotonic() + (delay > 0 ? delay : 0);
	struct timespec until = { .tv_sec = deadline / CLOCK_SECOND,
				  .tv_nsec = deadline % CLOCK_SECOND };
	own_lock(guard, &caretaker->mutex);

	while (!caretaker->wanted && !caretaker->stopping)
		if (pthread_cond_timedwait(&caretaker->changed, &caretaker->mutex, &until) != 0)
			break;
	caretaker->wanted = false;
	return !caretaker->stopping;
}

static void *run(void *arg)
{
	struct caretaker *caretaker = arg;
	int64_t delay = 0;

	while (wait_for_turn(caretaker, delay))
		delay = engine_care(caretaker->engine);
	return NULL;
}

static int start(struct caretaker *caretaker, struct fl_error *err)
{
	pthread_attr_t attributes;
	int sys;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK);
	sys = pthread_create(&caretaker->thread, &attributes, run, caretaker);
	pthread_attr_destroy(&attributes);
	if (sys) {
		errno = sys;
		return fl_fail_errno(err, "cannot start the caretaker's thread");
	}
	return 0;
}

static void caretaker_free(struct caretaker *caretaker)
{
	pthread_cond_destroy(&caretaker->changed);
	pthread_mutex_destroy(&caretaker->mutex);
	free(caretaker);
}

int caretaker_open(struct engine *engine, struct caretaker **ret, struct fl_error *err)
{
	struct caretaker *caretaker = xcalloc(1, sizeof(*caretaker));
	pthread_condattr_t attributes;
	int r;

	caretaker->engine = engine;
	pthread_mutex_init(&caretaker->mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&caretaker->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	r = start(caretaker, err);
	if (r < 0) {
		caretaker_free(caretaker);
		return r;
	}
	engine_on_care(engine, wake, caretaker);
	*ret = caretaker;
	return 0;
}

void caretaker_close(struct caretaker *caretaker)
{
	if (!caretaker)
		return;
	engine_on_care(caretaker->engine, NULL, NULL);
	pthread_mutex_lock(&caretaker->mutex);
	caretaker->stopping = true;
	pthread_cond_signal(&caretaker->changed);
	pthread_mutex_unlock(&caretaker->mutex);
	pthread_join(caretaker->thread, NULL);
	caretaker_free(caretaker);
}
