#include "engine/feed.h"

#include <fcntl.h>
#include <string.h>

#include "base/stream.h"
#include "base/thread.h"
#include "engine/internal.h"

#define PIPE_SIZE (1 << 20) /* what one may have without privileges; the kernel's send fills it */

struct feed {
	struct engine *engine;
	struct tree base, tree;
	bool has_base;
	enum stream_form form;
	int in, out; /* of the pipe; the thread closes the latter */
	pthread_t thread;
	struct fl_error failure; /* the thread's; read after `out` is closed */
	pthread_mutex_t mutex;	 /* of that */
};

static int send_it(struct feed *feed, struct fl_error *err)
{
	struct pool *pool = feed->engine->pool;
	const struct tree *base = feed->has_base ? &feed->base : NULL;

	if (feed->form == pool->driver->form)
		return pool->driver->send(pool, base, &feed->tree, feed->out, err);
	return driver_send_delta(pool, base, &feed->tree, feed->out, err);
}

static void *run(void *arg)
{
	struct feed *feed = arg;
	struct fl_error err;

	if (send_it(feed, &err) < 0) {
		own_lock(guard, &feed->mutex);

		feed->failure = err;
	}
	close(take_fd(feed->out));
	return NULL;
}

static int check_form_of(const struct pool *pool, enum stream_form form, struct fl_error *err)
{
	if (form == FORM_DELTA ||
	    (form == pool->driver->form && (pool->driver->capabilities & DRIVER_CAN_SEND)))
		return 0;
	return fl_fail(err, FL_UNSUPPORTED,
		       "a pool of the driver '%s' cannot be sent in the form that is wanted",
		       pool->driver->name);
}

int feed_start(struct engine *engine, const struct tree *base, const struct tree *tree,
	       enum stream_form form, struct feed **ret, struct fl_error *err)
{
	own_free struct feed *feed = xcalloc(1, sizeof(*feed));
	int ends[2];

	if (check_form_of(engine->pool, form, err) < 0)
		return fl_failed(err);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return fl_fail_errno(err, "cannot make a pipe");
	(void)fcntl(ends[1], F_SETPIPE_SZ, PIPE_SIZE); /* a smaller one does as well */
	*feed = (struct feed){ .engine = engine,
			       .tree = *tree,
			       .has_base = base != NULL,
			       .form = form,
			       .in = ends[0],
			       .out = ends[1],
			       .mutex = PTHREAD_MUTEX_INITIALIZER };
	if (base)
		feed->base = *base;
	if (thread_start(&feed->thread, 0, run, feed, err) < 0) {
		close(ends[0]);
		close(ends[1]);
		return fl_failed(err);
	}
	*ret = take_ptr(feed);
	return 0;
}

int feed_read(struct feed *feed, void *bytes, size_t length, size_t *ret, struct fl_error *err)
{
	size_t got;

	if (stream_fill(feed->in, "the snapshot that is sent", bytes, length, &got, err) < 0)
		return fl_failed(err);
	if (got < length) {
		own_lock(guard, &feed->mutex);

		if (feed->failure.code != FL_OK) {
			*err = feed->failure;
			return fl_failed(err);
		}
	}
	*ret = got;
	return 0;
}

void feed_free(struct feed *feed)
{
	if (!feed)
		return;
	close(feed->in); /* the driver's writing ends with EPIPE */
	pthread_join(feed->thread, NULL);
	pthread_mutex_destroy(&feed->mutex);
	free(feed);
}
