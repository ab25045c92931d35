#include "base/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fsat.h"
#include "base/thread.h"

/*
 * The work is a stack of items: a directory to be read, or a batch of names in
 * one that was.  Last in, first out, so that the walk goes to the depth and the
 * stack stays small.  Helpers are started only when the stack grows: a tree of
 * three files costs no thread.  Once many batches wait, whoever reads a
 * directory does the next batch itself.
 */

#define THREADS_MOST 8
#define HELP_FROM 3	/* items that wait when a helper is started */
#define BATCHES_MOST 64 /* items that wait when a reader works itself */
#define BATCH 64	/* names */

struct batch {
	size_t count;
	struct text names; /* each with its NUL */
};

struct item {
	struct item *next;
	struct walk_node *node;
	struct batch batch; /* count 0: read the directory */
};

struct crew {
	const struct walk *walk;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	struct item *stack;
	unsigned waiting;     /* items in the stack */
	unsigned outstanding; /* those, and those being done */
	unsigned helpers, helpers_most;
	pthread_t threads[THREADS_MOST];
	bool failed;
	struct fl_error err;
};

static void *help(void *arg);

/* --- paths ------------------------------------------------------------------ */

void walk_path(const struct walk_node *node, const char *name, struct text *out)
{
	size_t length = 0, depth = 0, end;
	char *bytes;

	for (const struct walk_node *n = node; n && n->parent; n = n->parent, depth++)
		length += strlen(n->name) + 1;
	length += name ? strlen(name) + 1 : 0;
	if (length == 0)
		return;
	bytes = text_reserve(out, length + 1);
	end = length - 1; /* without the slash after the last */
	bytes[end] = '\0';
	for (const struct walk_node *n = node; name || (n && n->parent);) {
		const char *part = name ? name : n->name;
		size_t size = strlen(part);

		memcpy(bytes + end - size, part, size);
		end -= size;
		if (end > 0)
			bytes[--end] = '/';
		if (name)
			name = NULL;
		else
			n = n->parent;
	}
	out->length += length - 1;
}

int walk_open(int root, const struct walk_node *node, int *ret_fd, struct fl_error *err)
{
	own_text struct text path = { 0 };

	walk_path(node, NULL, &path);
	return fsat_open_far(root, text_get(&path), ret_fd, err);
}

bool walk_is_gone(const struct fl_error *err)
{
	return err->code == FL_NOT_FOUND || err->code == FL_INVALID || err->sys == ENOTDIR ||
	       err->sys == ELOOP || err->sys == ENXIO;
}

static int wrap_path(const struct walk_node *node, const char *name, struct fl_error *err)
{
	own_text struct text path = { 0 };

	walk_path(node, name, &path);
	return path.length ? fl_wrap(err, "'%.200s'", text_get(&path)) : fl_failed(err);
}

/* --- the stack ---------------------------------------------------------------- */

static void fail(struct crew *crew, const struct fl_error *err)
{
	own_lock(guard, &crew->mutex);

	if (!crew->failed)
		crew->err = *err;
	crew->failed = true;
}

static bool has_failed(struct crew *crew)
{
	own_lock(guard, &crew->mutex);

	return crew->failed;
}

static void push(struct crew *crew, struct walk_node *node, struct batch *batch)
{
	struct item *item = xcalloc(1, sizeof(*item));
	struct fl_error alone;
	own_lock(guard, &crew->mutex);

	item->node = node;
	if (batch) {
		item->batch = *batch;
		*batch = (struct batch){ 0 };
		node->pending++;
	}
	item->next = crew->stack;
	crew->stack = item;
	crew->waiting++;
	crew->outstanding++;
	pthread_cond_signal(&crew->changed);
	if (crew->waiting >= HELP_FROM && crew->helpers < crew->helpers_most &&
	    thread_start(&crew->threads[crew->helpers], 0, help, crew, &alone) == 0)
		crew->helpers++;
}

static bool is_crowded(struct crew *crew)
{
	own_lock(guard, &crew->mutex);

	return crew->waiting >= BATCHES_MOST;
}

static struct walk_node *add_node(struct crew *crew, struct walk_node *parent, const char *name)
{
	struct walk_node *node = xcalloc(1, sizeof(*node) + strlen(name) + 1);

	strcpy(node->name, name);
	node->parent = parent;
	node->depth = parent ? parent->depth + 1 : 0;
	node->pending = 1;
	if (parent) {
		own_lock(guard, &crew->mutex);

		parent->pending++;
	}
	return node;
}

static bool is_last(struct crew *crew, struct walk_node *node)
{
	own_lock(guard, &crew->mutex);

	return --node->pending == 0;
}

/* One thing less to do below `node`; the last one leaves it, and so on upwards. */
static void finish(struct crew *crew, struct walk_node *node)
{
	const struct walk *walk = crew->walk;

	while (node && is_last(crew, node)) {
		struct walk_node *parent = node->parent;
		bool failed = has_failed(crew);
		struct fl_error err;

		if (walk->leave && walk->leave(walk->arg, node, failed ? NULL : &err) < 0 &&
		    !failed) {
			(void)wrap_path(node, NULL, &err);
			fail(crew, &err);
		}
		free(node);
		node = parent;
	}
}

/* --- one directory ---------------------------------------------------------------- */

/* One that is a copy under way has all that was entered; one of its own may lack it. */
static int open_twin(const struct walk *walk, const struct walk_node *node, int *ret_fd,
		     struct fl_error *err)
{
	if (walk->twin < 0 || walk_open(walk->twin, node, ret_fd, err) == 0)
		return 0;
	if (walk->apart && walk_is_gone(err))
		return 0;
	err->code = err->code == FL_NOT_FOUND ? FL_CORRUPT : err->code;
	return fl_failed(err);
}

static int open_visit(const struct walk *walk, struct walk_node *node, struct visit *ret,
		      struct fl_error *err)
{
	struct visit visit = { .node = node, .dir = -1, .twin = -1 };

	if (walk_open(walk->root, node, &visit.dir, err) < 0)
		return fl_failed(err);
	if (open_twin(walk, node, &visit.twin, err) < 0) {
		own_fdp(&visit.dir);
		return fl_failed(err);
	}
	*ret = visit;
	return 0;
}

static void visit_done(struct visit *visit)
{
	own_fdp(&visit->twin);
	own_fdp(&visit->dir);
}

static int show_batch(struct crew *crew, const struct visit *visit, const struct batch *batch,
		      struct fl_error *err)
{
	const struct walk *walk = crew->walk;
	const char *name = text_get(&batch->names);

	for (size_t i = 0; i < batch->count; i++, name += strlen(name) + 1) {
		if (has_failed(crew))
			return 0;
		if (walk->entry(walk->arg, visit, name, err) < 0)
			return wrap_path(visit->node, name, err);
	}
	return 0;
}

struct reading {
	struct crew *crew;
	const struct visit *visit;
	struct batch batch;
};

static int too_deep(struct fl_error *err)
{
	fl_fail(err, FL_UNSUPPORTED, "it lies more than %d directories deep", WALK_DEEPEST);
	return fl_hint(err, "move it up, or remove it");
}

static int add_directory(struct reading *reading, const char *name, struct fl_error *err)
{
	const struct walk *walk = reading->crew->walk;
	int rc = walk->found ? walk->found(walk->arg, reading->visit, name, err) : 0;

	if (rc < 0 && walk->live && walk_is_gone(err))
		return 0;
	if (rc == 0 && reading->visit->node->depth == WALK_DEEPEST)
		rc = too_deep(err);
	if (rc < 0)
		return wrap_path(reading->visit->node, name, err);
	if (rc > 0)
		return 0;
	push(reading->crew, add_node(reading->crew, reading->visit->node, name), NULL);
	return 0;
}

static int add_entry(struct reading *reading, const char *name, struct fl_error *err)
{
	struct batch *batch = &reading->batch;
	int rc = 0;

	text_add(&batch->names, name, strlen(name) + 1);
	if (++batch->count < BATCH)
		return 0;
	if (!is_crowded(reading->crew)) {
		push(reading->crew, reading->visit->node, batch);
		return 0;
	}
	rc = show_batch(reading->crew, reading->visit, batch, err);
	text_clear(&batch->names);
	batch->count = 0;
	return rc;
}

static int read_entry(void *arg, const char *name, unsigned char type, uint64_t inode,
		      struct fl_error *err)
{
	struct reading *reading = arg;
	struct stat st;

	if (type == DT_UNKNOWN) {
		if (fsat_stat(reading->visit->dir, name, &st, err) < 0)
			return err->code == FL_NOT_FOUND ? 0 : fl_failed(err);
		type = S_ISDIR(st.st_mode) ? DT_DIR : DT_REG;
	}
	return type == DT_DIR ? add_directory(reading, name, err) : add_entry(reading, name, err);
}

static int read_directory(struct crew *crew, const struct visit *visit, struct fl_error *err)
{
	struct reading reading = { .crew = crew, .visit = visit };
	int rc = fsat_each(visit->dir, read_entry, &reading, err);

	if (rc == 0)
		rc = show_batch(crew, visit, &reading.batch, err);
	text_done(&reading.batch.names);
	return rc;
}

static int do_item(struct crew *crew, struct item *item, struct fl_error *err)
{
	own(visit_done) struct visit visit = { .dir = -1, .twin = -1 };
	const struct walk *walk = crew->walk;

	if (open_visit(walk, item->node, &visit, err) < 0) {
		if (walk->live && walk_is_gone(err))
			return 0;
		return wrap_path(item->node, NULL, err);
	}
	if (item->batch.count > 0)
		return show_batch(crew, &visit, &item->batch, err);
	item->node->entered = true;
	if (walk->enter && walk->enter(walk->arg, &visit, err) < 0)
		return wrap_path(item->node, NULL, err);
	return read_directory(crew, &visit, err);
}

/* --- the threads -------------------------------------------------------------------- */

/* NULL: there will be no more. */
static struct item *take(struct crew *crew)
{
	own_lock(guard, &crew->mutex);
	struct item *item;

	while (!crew->stack && crew->outstanding > 0)
		pthread_cond_wait(&crew->changed, &crew->mutex);
	item = crew->stack;
	if (item) {
		crew->stack = item->next;
		crew->waiting--;
	}
	return item;
}

static void put_off(struct crew *crew, struct item *item)
{
	own_lock(guard, &crew->mutex);

	if (--crew->outstanding == 0)
		pthread_cond_broadcast(&crew->changed);
	text_done(&item->batch.names);
	free(item);
}

static void *help(void *arg)
{
	struct crew *crew = arg;
	struct item *item;
	struct fl_error err;

	while ((item = take(crew))) {
		if (!has_failed(crew) && do_item(crew, item, &err) < 0)
			fail(crew, &err);
		finish(crew, item->node);
		put_off(crew, item);
	}
	return NULL;
}

/* Reading and copying wait for the disk half of the time. */
static unsigned helpers_here(void)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	long threads = processors > 0 ? 2 * processors : 2;

	return (unsigned)(threads < THREADS_MOST ? threads : THREADS_MOST) - 1;
}

int walk_tree(const struct walk *walk, struct fl_error *err)
{
	struct crew crew = { .walk = walk,
			     .mutex = PTHREAD_MUTEX_INITIALIZER,
			     .changed = PTHREAD_COND_INITIALIZER,
			     .helpers_most = helpers_here() };

	push(&crew, add_node(&crew, NULL, ""), NULL);
	help(&crew);
	/* Nobody is started any more: only one who does an item starts others. */
	for (unsigned i = 0; i < crew.helpers; i++)
		pthread_join(crew.threads[i], NULL);
	pthread_cond_destroy(&crew.changed);
	pthread_mutex_destroy(&crew.mutex);
	if (!crew.failed)
		return 0;
	*err = crew.err;
	return fl_failed(err);
}
