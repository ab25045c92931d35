#include "driver/decorators.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/log.h"
#include "driver/decorator.h"

static int trace_enter(void *state, struct call *call, struct fl_error *err)
{
	call->mark = (uint64_t)clock_monotonic();
	return 0;
}

static const char *subject_of(const struct call *call, char text[static TREE_TEXT])
{
	if (call->tree)
		return tree_format(call->tree, text);
	if (call->uuid)
		return uuid_format(call->uuid, text);
	return call->file ? call->file : "pool";
}

/* A caller's own function in list() may answer with any negative number. */
static const char *outcome_name(int outcome)
{
	return outcome <= 0 && outcome > -FL_CODES ? fl_codes[-outcome].name : "stopped";
}

static int trace_leave(void *state, struct call *call, int outcome, struct fl_error *err)
{
	uint64_t took = (uint64_t)clock_monotonic() - call->mark;
	char text[TREE_TEXT];

	log_debug("driver call", "entry=%s object=%s us=%" PRIu64 " outcome=%s", call->entry,
		  subject_of(call, text), took / 1000, outcome_name(outcome));
	return outcome;
}

struct pool *trace_wrap(struct pool *inner)
{
	static const struct hooks hooks = { .enter = trace_enter, .leave = trace_leave };

	return decorate(inner, &hooks, NULL);
}
