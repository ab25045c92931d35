#include "flockerd/patience.h"

#include <poll.h>
#include <sys/eventfd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/own.h"
#include "base/text.h"
#include "base/thread.h"

/* A container has 10 s to end unless it says otherwise; systemd kills a service after 90. */
#define LIMIT (20 * CLOCK_SECOND)

struct patience {
	struct engine *engine;
	int wake; /* eventfd */
	pthread_t thread;
};

static void *count(void *arg)
{
	const struct patience *patience = arg;
	struct pollfd fd = { .fd = patience->wake, .events = POLLIN };
	int64_t deadline = clock_monotonic() + LIMIT;

	while (poll(&fd, 1, clock_milliseconds_until(deadline)) <= 0)
		if (clock_monotonic() >= deadline) {
			log_warning("verbs that wait for containers or systems are broken off",
				    "seconds=%d", (int)(LIMIT / CLOCK_SECOND));
			engine_give_up(patience->engine);
			break;
		}
	return NULL;
}

struct patience *patience_begin(struct engine *engine)
{
	struct patience *patience = xcalloc(1, sizeof(*patience));
	struct fl_error err;

	patience->engine = engine;
	patience->wake = eventfd(0, EFD_CLOEXEC);
	if (patience->wake >= 0 &&
	    thread_start(&patience->thread, THREAD_STACK, count, patience, &err) == 0)
		return patience;
	own_fdp(&patience->wake);
	free(patience);
	return NULL;
}

void patience_end(struct patience *patience)
{
	if (!patience)
		return;
	(void)!eventfd_write(patience->wake, 1);
	pthread_join(patience->thread, NULL);
	own_fdp(&patience->wake);
	free(patience);
}
