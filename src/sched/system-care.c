#include "sched/system-care.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "base/thread.h"
#include "engine/system.h"

#define AFTER_ERROR (30 * CLOCK_SECOND)

struct system_care {
	struct engine *engine;
	pthread_t thread;
	atomic_bool stopping;
};

static void *run(void *arg)
{
	struct system_care *care = arg;
	int64_t next = clock_boot();
	struct fl_error err;

	/* Without a pool there is nothing to keep, and engine_health() tells why. */
	while (!atomic_load(&care->stopping)) {
		if (engine_systems_care(care->engine, &next, &err) < 0)
			next = clock_boot() + AFTER_ERROR;
		engine_systems_wait(care->engine, next);
	}
	return NULL;
}

int system_care_open(struct engine *engine, struct system_care **ret, struct fl_error *err)
{
	own_free struct system_care *care = xcalloc(1, sizeof(*care));

	care->engine = engine;
	atomic_init(&care->stopping, false);
	if (thread_start(&care->thread, THREAD_STACK, run, care, err) < 0)
		return fl_failed(err);
	*ret = take_ptr(care);
	return 0;
}

void system_care_close(struct system_care *care)
{
	if (!care)
		return;
	atomic_store(&care->stopping, true);
	engine_systems_wake(care->engine);
	pthread_join(care->thread, NULL);
	free(care);
}
