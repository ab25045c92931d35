#include "sched/systems.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "base/thread.h"
#include "engine/system.h"

#define AFTER_ERROR (30 * CLOCK_SECOND)

struct system_keeper {
	struct engine *engine;
	pthread_t thread;
	atomic_bool stopping;
};

static void *run(void *arg)
{
	struct system_keeper *keeper = arg;
	int64_t next = clock_boot();
	struct fl_error err;

	/* Without a pool there is nothing to keep, and engine_health() tells why. */
	while (!atomic_load(&keeper->stopping)) {
		if (engine_systems_care(keeper->engine, &next, &err) < 0)
			next = clock_boot() + AFTER_ERROR;
		engine_systems_wait(keeper->engine, next);
	}
	return NULL;
}

int system_keeper_open(struct engine *engine, struct system_keeper **ret, struct fl_error *err)
{
	own_free struct system_keeper *keeper = xcalloc(1, sizeof(*keeper));

	keeper->engine = engine;
	atomic_init(&keeper->stopping, false);
	if (thread_start(&keeper->thread, THREAD_STACK, run, keeper, err) < 0)
		return fl_failed(err);
	*ret = take_ptr(keeper);
	return 0;
}

void system_keeper_close(struct system_keeper *keeper)
{
	if (!keeper)
		return;
	atomic_store(&keeper->stopping, true);
	engine_systems_wake(keeper->engine);
	pthread_join(keeper->thread, NULL);
	free(keeper);
}
