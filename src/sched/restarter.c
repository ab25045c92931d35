#include "sched/restarter.h"

#include "base/clock.h"
#include "base/text.h"
#include "engine/rollback.h"
#include "sched/looper.h"

#define IDLE CLOCK_DAY /* until it is woken */

struct restarter {
	struct engine *engine;
	struct looper *looper;
};

static int64_t turn(void *arg)
{
	struct restarter *restarter = arg;
	int64_t next;

	engine_around_care(restarter->engine, &next);
	return next > 0 ? next : IDLE;
}

int restarter_open(struct engine *engine, struct restarter **ret, struct fl_error *err)
{
	struct restarter *restarter = xcalloc(1, sizeof(*restarter));

	restarter->engine = engine;
	if (looper_open("restarter", turn, restarter, &restarter->looper, err) < 0) {
		free(restarter);
		return fl_failed(err);
	}
	engine_on_around(engine, looper_wake, restarter->looper);
	*ret = restarter;
	return 0;
}

void restarter_close(struct restarter *restarter)
{
	if (!restarter)
		return;
	engine_on_around(restarter->engine, NULL, NULL);
	looper_close(restarter->looper);
	free(restarter);
}
