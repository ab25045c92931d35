#include "tree/patience.h"

#include <stdbool.h>
#include <sys/resource.h>

static bool begun;

/* The kernel sends SIGXCPU when the soft limit is reached, and again each second. */
void patience_earn(uint64_t given)
{
	static rlim_t set;
	struct rlimit limit;
	rlim_t seconds = PATIENCE_SECONDS + given / PATIENCE_PIECE;

	if (!begun || seconds <= set || getrlimit(RLIMIT_CPU, &limit) < 0)
		return;
	limit.rlim_cur = seconds < limit.rlim_max ? seconds : limit.rlim_max;
	/* A limit that cannot be raised ends the program: that is told. */
	if (setrlimit(RLIMIT_CPU, &limit) == 0)
		set = seconds;
}

void patience_begin(void)
{
	begun = true;
	patience_earn(0);
}
