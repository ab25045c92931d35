#include "engine/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/handover.h"
#include "base/stream.h"
#include "base/thread.h"
#include "engine/internal.h"
#include "engine/verify.h"
#include "engine/worker.h"

#define PIPE_SIZE (1 << 20)

struct sink {
	struct engine *engine;
	struct running *running;
	struct halfway halfway; /* its tree is staging/<this> */
	struct tree base;
	bool has_base;
	enum stream_form form;
	int in, out; /* of the pipe: the thread's, and ours; -1 once closed */
	/* of a delta, else -1 */
	int root, base_root; /* what is made, and what from */
	int point;	     /* how far it came */
	int give, take;	     /* by which the program is given the root (base/handover.h) */
	bool resume;
	pthread_t thread;
	bool joined, kept, spoilt;
	bool broken;		 /* it is no good to go on with */
	struct fl_error outcome; /* the thread's, once it is joined */
};

/* --- the thread -------------------------------------------------------------------- */

static void close_end(int *fd)
{
	if (*fd >= 0)
		close(take_fd(*fd));
}

static int apply(struct sink *sink, struct fl_error *err)
{
	const char *arguments[6] = { "apply", "--late", "--point" };
	const struct spawn_fd fds[] = { { sink->in, STDIN_FILENO },
					{ sink->take, WORKER_TREE },
					{ sink->point, WORKER_POINT },
					{ sink->base_root, WORKER_SOURCE } };
	struct worker worker;
	size_t count = 3;
	int r;

	if (sink->resume)
		arguments[count++] = "--resume";
	if (sink->has_base)
		arguments[count++] = "--base";
	r = worker_start(sink->engine, sink->running, arguments, fds, sink->has_base ? 4 : 3,
			 &worker, err);
	/* The program has them now; when that ends, who writes is to see it. */
	close_end(&sink->in);
	close_end(&sink->take);
	if (r < 0)
		return r;
	worker.quiet = true; /* what came over the link counts */
	worker_follow(&worker);
	return worker_end(&worker, err);
}

static int receive(struct sink *sink, struct fl_error *err)
{
	struct pool *pool = sink->engine->pool;
	int r = pool->driver->receive(pool, &sink->halfway.tree,
				      sink->has_base ? &sink->base : NULL, sink->in, err);

	close_end(&sink->in);
	return r;
}

static void *run(void *arg)
{
	struct sink *sink = arg;
	struct fl_error err;

	if ((sink->form == FORM_DELTA ? apply : receive)(sink, &err) < 0)
		sink->outcome = err;
	return NULL;
}

/* --- the tree ----------------------------------------------------------------------- */

/*
 * The program takes as long to start and to shut itself in as the tree takes to be made: so both
 * happen at a time, and the program is given the tree when that is there.
 */

/* What the program needs from its start on.  The note comes before the tree: a tree that nobody
 * knows of is swept at start. */
static int prepare_tree(struct sink *sink, struct fl_error *err)
{
	struct pool *pool = sink->engine->pool;
	int ends[2];

	if ((sink->resume ? halfway_take(sink->engine, &sink->halfway.tree, &sink->point, err)
			  : halfway_begin(sink->engine, &sink->halfway, &sink->point, err)) < 0)
		return fl_failed(err);
	if (sink->has_base && pool->driver->tree_open(pool, &sink->base, &sink->base_root, err) < 0)
		return fl_failed(err);
	if (handover_pair(ends, err) < 0)
		return fl_failed(err);
	sink->give = ends[0];
	sink->take = ends[1];
	return 0;
}

static int make_tree(struct sink *sink, struct fl_error *err)
{
	const struct uuid *tree = &sink->halfway.tree;
	struct pool *pool = sink->engine->pool;

	if (sink->resume)
		return 0;
	if (sink->has_base)
		return pool->driver->staging_clone(pool, tree, NULL, &sink->base, err);
	return pool->driver->staging_create(pool, tree, NULL, err);
}

static int give_tree(struct sink *sink, struct fl_error *err)
{
	const struct tree staging = tree_staging(&sink->halfway.tree);
	struct pool *pool = sink->engine->pool;

	if (make_tree(sink, err) < 0 ||
	    pool->driver->tree_open(pool, &staging, &sink->root, err) < 0)
		return fl_failed(err);
	if (handover_give(sink->give, sink->root, err) < 0 && err->sys != EPIPE)
		return fl_failed(err);
	close_end(&sink->give); /* why the program is gone is told when something is written */
	return 0;
}

static void delete_tree(struct sink *sink)
{
	struct tree staging = tree_staging(&sink->halfway.tree);
	struct engine *engine = sink->engine;
	struct fl_error err;

	if (driver_of(engine)->tree_delete(engine->pool, &staging, &err) < 0)
		log_warning("a half-received tree stays until the next start", "error=\"%s\"",
			    err.text);
	sync_soon(engine);
}

static int check(const struct sink *sink, struct fl_error *err)
{
	const struct driver *driver = driver_of(sink->engine);

	if (sink->form == FORM_DELTA)
		return worker_check(sink->engine, "apply", err);
	if (sink->form == driver->form && (driver->capabilities & DRIVER_CAN_RECEIVE))
		return 0;
	return fl_fail(err, FL_UNSUPPORTED,
		       "a pool of the driver '%s' cannot receive what is sent in this form",
		       driver->name);
}

static int start(struct sink *sink, struct fl_error *err)
{
	int ends[2];

	if (sink->form == FORM_DELTA && prepare_tree(sink, err) < 0)
		return fl_failed(err);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return fl_fail_errno(err, "cannot make a pipe");
	(void)fcntl(ends[1], F_SETPIPE_SZ, PIPE_SIZE); /* a smaller one does as well */
	sink->in = ends[0];
	sink->out = ends[1];
	if (thread_start(&sink->thread, 0, run, sink, err) < 0)
		return fl_failed(err);
	sink->joined = false;
	return sink->form == FORM_DELTA ? give_tree(sink, err) : 0;
}

int sink_start(const struct sink_options *options, struct sink **ret, struct fl_error *err)
{
	struct sink *sink = xcalloc(1, sizeof(*sink));

	*sink = (struct sink){ .engine = options->engine,
			       .running = options->running,
			       .halfway = options->halfway,
			       .has_base = options->base != NULL,
			       .form = options->form,
			       .resume = options->resume,
			       .in = -1,
			       .out = -1,
			       .root = -1,
			       .base_root = -1,
			       .point = -1,
			       .give = -1,
			       .take = -1,
			       .joined = true };
	if (!options->resume)
		sink->halfway.tree = uuid_new();
	if (options->base)
		sink->base = *options->base;
	if (check(sink, err) == 0 && start(sink, err) == 0) {
		*ret = sink;
		return 0;
	}
	/* What could not be gone on with is not worth another try, unless somebody else does. */
	sink->kept = options->resume && err->code == FL_BUSY;
	sink->broken = true;
	sink_free(sink);
	return fl_failed(err);
}

/* --- what is written ------------------------------------------------------------------ */

/* Its outcome: FL_OK where all went well. */
static const struct fl_error *join(struct sink *sink)
{
	close_end(&sink->out);
	close_end(&sink->give);
	if (!sink->joined)
		pthread_join(sink->thread, NULL);
	sink->joined = true;
	/* where there was no thread that does it */
	close_end(&sink->in);
	close_end(&sink->take);
	/* Nothing of ours is open in the tree when the driver puts it away. */
	close_end(&sink->root);
	close_end(&sink->base_root);
	return &sink->outcome;
}

/* That it was cancelled says nothing of the delta. */
static bool is_cancelled(const struct sink *sink)
{
	struct fl_error ignored;

	return operation_check(sink->running, &ignored) < 0;
}

/* Whoever sends reads it, too, and has nothing to do at home. */
static int explain(struct fl_error *err)
{
	if (err->sys == ENOSPC && !*err->hint)
		return fl_hint(err, "make the pool larger: flocker pool grow; or destroy what "
				    "nobody needs and empty the trash: flocker trash empty");
	return fl_failed(err);
}

int sink_write(struct sink *sink, const void *bytes, size_t length, struct fl_error *err)
{
	const struct fl_error *why;

	if (stream_write(sink->out, "the tree that is received", bytes, length, err) == 0)
		return 0;
	why = join(sink);
	if (why->code != FL_OK)
		*err = *why;
	sink->broken = !is_cancelled(sink);
	return explain(err);
}

int sink_finish(struct sink *sink, struct fl_error *err)
{
	const struct fl_error *why = join(sink);

	sink->broken = why->code == FL_OK || !is_cancelled(sink);
	if (why->code == FL_OK)
		return 0;
	*err = *why;
	return explain(err);
}

int sink_compare(struct sink *sink, const struct step_end *end, struct fl_error *err)
{
	const struct tree staging = tree_staging(&sink->halfway.tree);
	uint8_t digest[WIRE_DIGEST];

	if (!sink->resume)
		return 0;
	if (!end->has_digest)
		return fl_fail(err, FL_CORRUPT,
			       "a tree that was half-made came without its digest");
	if (verify_tree(sink->engine, sink->running, &staging, end->grain, digest, err) < 0)
		return fl_failed(err);
	if (memcmp(digest, end->digest, sizeof(digest)) == 0)
		return 0;
	fl_fail(err, FL_CORRUPT, "a tree that was taken up half-made is not what was sent");
	return fl_hint(err, "try again: all of it is sent then");
}

const struct uuid *sink_tree(const struct sink *sink)
{
	return &sink->halfway.tree;
}

void sink_spoil(struct sink *sink)
{
	sink->spoilt = true;
}

void sink_keep(struct sink *sink)
{
	halfway_forget(sink->engine, &sink->halfway.tree);
	sink->kept = true;
}

/* Whoever waited for the rest has left. */
static bool stays(const struct sink *sink)
{
	if (sink->form != FORM_DELTA || sink->broken ||
	    !halfway_is_good(sink->engine, &sink->halfway.tree))
		return false;
	log_info("a half-received tree stays", "branch=%s operation=%s", sink->halfway.name,
		 uuid_format(operation_id(sink->running), (char[UUID_TEXT]){ 0 }));
	events_add(&sink->engine->events, "half-received", sink->halfway.name,
		   "stays for the next transfer");
	return true;
}

void sink_free(struct sink *sink)
{
	if (!sink)
		return;
	(void)join(sink);
	if (!sink->kept && (sink->spoilt || !stays(sink))) {
		delete_tree(sink);
		halfway_forget(sink->engine, &sink->halfway.tree);
	}
	own_fdp(&sink->point);
	free(sink);
}
