#include "driver/decorators.h"

#include <signal.h>

#include "base/log.h"
#include "driver/decorator.h"

struct crash {
	unsigned long calls;
	unsigned long at;
	bool before;
};

/* SIGKILL to itself: no handler, no destructor and no buffer gets a last word. */
static void end_program(void)
{
	kill(getpid(), SIGKILL);
}

static int crash_enter(void *state, struct call *call, struct fl_error *err)
{
	struct crash *crash = state;

	if (call->changes)
		call->mark = __atomic_add_fetch(&crash->calls, 1, __ATOMIC_RELAXED);
	if (crash->before && call->mark == crash->at)
		end_program();
	return 0;
}

static int crash_leave(void *state, struct call *call, int outcome, struct fl_error *err)
{
	const struct crash *crash = state;

	if (!crash->before && call->mark == crash->at)
		end_program();
	return outcome;
}

struct pool *crash_wrap(struct pool *inner, unsigned long at, bool before)
{
	static const struct hooks hooks = {
		.enter = crash_enter,
		.leave = crash_leave,
		.release = free,
	};
	struct crash *crash;

	if (at == 0)
		return inner;
	crash = xcalloc(1, sizeof(*crash));
	*crash = (struct crash){ .at = at, .before = before };
	return decorate(inner, &hooks, crash);
}

/* 0 when it is not set; what is no number says so, because a test that never crashes proves
 * nothing. */
static unsigned long number_from(const char *variable)
{
	const char *value = getenv(variable);
	unsigned long number;
	char *end;

	if (!value)
		return 0;
	number = strtoul(value, &end, 10);
	if (number > 0 && *end == '\0')
		return number;
	log_warning("variable ignored: not a number from 1", "name=%s value=%.40s", variable,
		    value);
	return 0;
}

struct pool *crash_wrap_from_environment(struct pool *inner)
{
	inner = crash_wrap(inner, number_from("FLOCKER_CRASH_AT"), true);
	return crash_wrap(inner, number_from("FLOCKER_CRASH_AFTER"), false);
}
