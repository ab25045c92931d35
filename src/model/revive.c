#include "model/revive.h"

#include "base/clock.h"

#define LONGEST (60 * CLOCK_SECOND)
#define STABLE (60 * CLOCK_SECOND)

enum revival revive_after(enum system_restart policy, int status)
{
	bool well = status == 0 || status == REVIVE_POWERED_OFF || status == REVIVE_REBOOTED;

	if (policy == SYSTEM_RESTART_ALWAYS)
		return REVIVE_AGAIN;
	if (policy == SYSTEM_RESTART_NO)
		return well ? REVIVE_NOT : REVIVE_FAILED;
	return !well || status == REVIVE_REBOOTED ? REVIVE_AGAIN : REVIVE_NOT;
}

int64_t revive_delay(uint64_t restarts)
{
	return restarts < 6 ? CLOCK_SECOND << restarts : LONGEST;
}

bool revive_is_stable(int64_t up)
{
	return up >= STABLE;
}
