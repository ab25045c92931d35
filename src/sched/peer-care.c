#include "sched/peer-care.h"

#include "base/clock.h"
#include "base/text.h"
#include "engine/peers.h"
#include "sched/looper.h"

#define IDLE CLOCK_DAY /* until it is woken */

struct peer_care {
	struct engine *engine;
	struct looper *looper;
};

static int64_t turn(void *arg)
{
	struct peer_care *care = arg;
	int64_t next = engine_peers_care(care->engine);

	return next > 0 ? next : IDLE;
}

int peer_care_open(struct engine *engine, struct peer_care **ret, struct fl_error *err)
{
	struct peer_care *care = xcalloc(1, sizeof(*care));

	care->engine = engine;
	if (looper_open("peer-care", turn, care, &care->looper, err) < 0) {
		free(care);
		return fl_failed(err);
	}
	*ret = care;
	return 0;
}

void peer_care_wake(struct peer_care *care)
{
	looper_wake(care->looper);
}

void peer_care_close(struct peer_care *care)
{
	if (!care)
		return;
	looper_close(care->looper);
	free(care);
}
