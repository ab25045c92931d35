#include "sched/caretaker.h"

#include "base/text.h"
#include "sched/looper.h"

struct caretaker {
	struct engine *engine;
	struct looper *looper;
};

static int64_t turn(void *arg)
{
	struct caretaker *caretaker = arg;

	return engine_care(caretaker->engine);
}

int caretaker_open(struct engine *engine, struct caretaker **ret, struct fl_error *err)
{
	struct caretaker *caretaker = xcalloc(1, sizeof(*caretaker));

	caretaker->engine = engine;
	if (looper_open("caretaker", turn, caretaker, &caretaker->looper, err) < 0) {
		free(caretaker);
		return fl_failed(err);
	}
	engine_on_care(engine, looper_wake, caretaker->looper);
	*ret = caretaker;
	return 0;
}

void caretaker_close(struct caretaker *caretaker)
{
	if (!caretaker)
		return;
	engine_on_care(caretaker->engine, NULL, NULL);
	looper_close(caretaker->looper);
	free(caretaker);
}
