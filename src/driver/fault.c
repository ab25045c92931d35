#include "driver/decorators.h"

#include "driver/decorator.h"

static int fail_here(struct fault_plan *plan, const struct call *call, struct fl_error *err)
{
	__atomic_add_fetch(&plan->fired, 1, __ATOMIC_RELAXED);
	fl_fail_at(err, __FILE__, __LINE__, FL_SYSTEM, EIO, "fault %lu", (unsigned long)call->mark);
	return fl_wrap(err, "%s", call->entry);
}

static int fault_enter(void *state, struct call *call, struct fl_error *err)
{
	struct fault_plan *plan = state;

	call->mark = __atomic_add_fetch(&plan->calls, 1, __ATOMIC_RELAXED);
	if (plan->before && call->mark == plan->fail_at)
		return fail_here(plan, call, err);
	return 0;
}

static int fault_leave(void *state, struct call *call, int outcome, struct fl_error *err)
{
	struct fault_plan *plan = state;

	if (!plan->before && call->mark == plan->fail_at)
		return fail_here(plan, call, err);
	return outcome;
}

struct pool *fault_wrap(struct pool *inner, struct fault_plan *plan)
{
	static const struct hooks hooks = { .enter = fault_enter, .leave = fault_leave };

	return decorate(inner, &hooks, plan);
}
