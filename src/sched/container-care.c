/*
 * It listens before it makes its first round, so that nothing falls between the two.  While
 * the container engine is away it tries to reach it, less and less often; that costs one
 * connect().
 */

#include "sched/container-care.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "base/thread.h"
#include "engine/data-container.h"

#define QUIET (10 * CLOCK_MINUTE)      /* between rounds that nobody asked for */
#define SOON CLOCK_SECOND	       /* so that one round does for many verbs */
#define RETRY_FIRST (CLOCK_SECOND / 4) /* after the container engine went away, */
#define RETRY_LAST (10 * CLOCK_SECOND) /* and at most */

struct container_care {
	struct engine *engine;
	struct container_news *news; /* NULL: the container engine is away; the thread's own */
	int64_t retry_after;	     /* ns; the thread's own */
	int64_t retry_at;	     /* the thread's own */
	int wake;		     /* eventfd */
	pthread_t thread;

	pthread_mutex_t mutex; /* of what follows */
	int64_t due;	       /* clock_monotonic() of the next round */
	bool stopping;
};

static void want(struct container_care *care, int64_t when)
{
	own_lock(guard, &care->mutex);

	if (when < care->due)
		care->due = when;
	/* A counter that is full wakes as well. */
	(void)!eventfd_write(care->wake, 1);
}

static void look(void *arg, bool soon)
{
	want(arg, clock_monotonic() + (soon ? SOON : 0));
}

static bool is_stopping(struct container_care *care)
{
	own_lock(guard, &care->mutex);

	return care->stopping;
}

static int64_t next_round(struct container_care *care)
{
	own_lock(guard, &care->mutex);

	return care->due;
}

/* Is one due?  Then the next is, unless somebody asks. */
static bool take_turn(struct container_care *care)
{
	own_lock(guard, &care->mutex);
	int64_t now = clock_monotonic();

	if (care->due > now)
		return false;
	care->due = now + QUIET;
	return true;
}

/* --- news ------------------------------------------------------------------------------- */

static void lose(struct container_care *care)
{
	container_news_close(care->news);
	care->news = NULL;
	care->retry_at = clock_monotonic() + care->retry_after;
	care->retry_after *= 2;
	if (care->retry_after > RETRY_LAST)
		care->retry_after = RETRY_LAST;
}

/* What happened while nobody listened, a round finds; and that it can't be reached, it tells. */
static void listen_again(struct container_care *care)
{
	struct fl_error err;

	if (care->news || care->retry_at > clock_monotonic())
		return;
	if (container_news_open(care->engine, &care->news, &err) < 0) {
		lose(care);
		return;
	}
	care->retry_after = RETRY_FIRST;
	want(care, clock_monotonic());
}

static void take_news(struct container_care *care)
{
	struct fl_error err;
	bool any = false;

	if (container_news_take(care->news, &any, &err) < 0) {
		log_info("the container engine went away", "reason=\"%s\"", err.text);
		lose(care);
		want(care, clock_monotonic());
	} else if (any) {
		want(care, clock_monotonic());
	}
}

/* --- the thread ---------------------------------------------------------------------------- */

static void wait_for(struct container_care *care)
{
	struct pollfd fds[] = {
		{ .fd = care->wake, .events = POLLIN },
		{ .fd = care->news ? container_news_fd(care->news) : -1, .events = POLLIN },
	};
	int64_t until = next_round(care);
	eventfd_t ignored;

	if (!care->news && care->retry_at < until)
		until = care->retry_at;
	poll(fds, array_size(fds), clock_milliseconds_until(until));
	if (fds[0].revents)
		(void)!eventfd_read(care->wake, &ignored);
	if (fds[1].revents)
		take_news(care);
}

static void *run(void *arg)
{
	struct container_care *care = arg;
	struct fl_error err;

	while (!is_stopping(care)) {
		listen_again(care);
		/* It has told of a failure; this one is tried again with the next connection. */
		if (take_turn(care) && data_containers_round(care->engine, &err) < 0)
			log_debug("no round of data containers", "error=\"%s\"", err.text);
		wait_for(care);
	}
	return NULL;
}

/* --- its life ------------------------------------------------------------------------------- */

static void container_care_free(struct container_care *care)
{
	container_news_close(care->news);
	own_fdp(&care->wake);
	pthread_mutex_destroy(&care->mutex);
	free(care);
}

static int start(struct container_care *care, struct fl_error *err)
{
	care->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (care->wake < 0)
		return fl_fail_errno(err, "cannot make an event descriptor");
	return thread_start(&care->thread, THREAD_STACK, run, care, err);
}

int container_care_open(struct engine *engine, struct container_care **ret, struct fl_error *err)
{
	struct container_care *care;

	if (!data_containers_wanted(engine)) {
		*ret = NULL;
		return 0;
	}
	care = xcalloc(1, sizeof(*care));
	care->engine = engine;
	care->wake = -1;
	care->retry_after = RETRY_FIRST;
	pthread_mutex_init(&care->mutex, NULL);
	if (start(care, err) < 0) {
		container_care_free(care);
		return fl_failed(err);
	}
	data_containers_on_look(engine, look, care);
	*ret = care;
	return 0;
}

void container_care_close(struct container_care *care)
{
	if (!care)
		return;
	data_containers_on_look(care->engine, NULL, NULL);
	data_containers_stop(care->engine);
	pthread_mutex_lock(&care->mutex);
	care->stopping = true;
	pthread_mutex_unlock(&care->mutex);
	(void)!eventfd_write(care->wake, 1);
	pthread_join(care->thread, NULL);
	container_care_free(care);
}
