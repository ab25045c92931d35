/*
 * export: an archive of what a reference stands for, or of a directory in it.
 *
 * A read-only snapshot of it is made in staging, under the operation's name: one
 * instant of a branch that goes on changing, or a snapshot that may be destroyed
 * meanwhile; and nothing of it is in the catalogue or in the way of any verb.  A
 * program of its own (worker.h) packs it into a pipe, whose other end is the
 * caller's.  A thread reads the program's report, so that it never has to wait
 * for a reader.  After a crash staging is swept.
 *
 * The end has two steps: when the pipe is read to its end the program's outcome
 * is known (export_finish), but not before the last bytes have gone where they
 * should is the operation done (export_end).
 */

#include <fcntl.h>
#include <string.h>

#include "base/fsat.h"
#include "base/thread.h"
#include "engine/archive.h"
#include "engine/internal.h"
#include "engine/worker.h"

struct export
{
	struct engine *engine;
	struct running *running;
	struct worker worker;
	int fd; /* -1 once the program has ended */
	pthread_t follower;
	struct fl_error failure; /* FL_OK: the archive is whole */
};

/* --- the instant --------------------------------------------------------------------- */

static int take(struct engine *engine, const struct ref *ref, struct export *export,
		struct operation *wanted, struct fl_error *err)
{
	own_gate struct engine *inside = NULL;
	own_claim struct claim claim = { 0 };
	struct tree source, staging;

	if (gate_enter(engine, &inside, err) < 0 ||
	    claim_take(engine, ref, 1, CLAIM_FROM, &claim, err) < 0)
		return fl_failed(err);
	target_format(&claim.targets[0], wanted->object);
	if (operation_begin(engine, wanted, &export->running, err) < 0)
		return fl_failed(err);
	source = claim.targets[0].is_snapshot ? snapshot_tree(&claim.targets[0].snapshot)
					      : tree_head(&claim.targets[0].branch.uuid);
	staging = tree_staging(operation_id(export->running));
	return driver_of(engine)->snapshot(engine->pool, &source, &staging, err);
}

static void forget_staging(const struct export *export)
{
	struct tree staging = tree_staging(operation_id(export->running));
	struct engine *engine = export->engine;
	struct fl_error err;

	if (driver_of(engine)->tree_delete(engine->pool, &staging, &err) < 0)
		log_warning("a tree that was exported stays until the next start", "error=\"%s\"",
			    err.text);
	sync_soon(engine);
}

/* --- the program ------------------------------------------------------------------------ */

static void *follow(void *arg)
{
	worker_follow(arg);
	return NULL;
}

static int start_follower(struct export *export, struct fl_error *err)
{
	struct fl_error ignored;

	if (thread_start(&export->follower, THREAD_STACK, follow, &export->worker, err) == 0)
		return 0;
	spawn_kill(&export->worker.child);
	(void)!worker_end(&export->worker, &ignored);
	return fl_failed(err);
}

/* The directory that is packed; no symbolic link leads out of the tree. */
static int open_directory(const struct export *export, const struct ref *ref, int *ret,
			  struct fl_error *err)
{
	struct tree staging = tree_staging(operation_id(export->running));
	struct engine *engine = export->engine;
	const char *path = ref->path && ref->path[0] ? ref->path : ".";
	own_fd int tree = -1;
	int r;

	if (driver_of(engine)->tree_open(engine->pool, &staging, &tree, err) < 0)
		return fl_failed(err);
	r = fsat_open_beneath(tree, path, O_RDONLY | O_DIRECTORY, ret, err);
	if (r == 0 || err->sys != ENOTDIR)
		return r;
	fl_fail(err, FL_INVALID, "'%.200s' is no directory", path);
	return fl_hint(err, "one file is copied by `flocker cp`, or printed by `flocker cat`");
}

/* Leaves a pipe that fills, and a thread that follows; or nothing. */
static int pack(struct export *export, const struct ref *ref, bool zstd, struct fl_error *err)
{
	const char *const arguments[] = { "pack", zstd ? "--zstd" : NULL, NULL };
	struct engine *engine = export->engine;
	own_fd int tree = -1;
	int ends[2], r;

	if (open_directory(export, ref, &tree, err) < 0)
		return fl_failed(err);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return fl_fail_errno(err, "cannot make a pipe");
	r = worker_start(engine, export->running, arguments,
			 (struct spawn_fd[]){ { ends[1], STDOUT_FILENO }, { tree, WORKER_TREE } },
			 2, &export->worker, err);
	close(ends[1]);
	if (r == 0)
		r = start_follower(export, err);
	if (r < 0)
		close(ends[0]);
	else
		export->fd = ends[0];
	return r;
}

int engine_export(struct engine *engine, const struct ref *ref, bool zstd,
		  const struct uuid *operation, struct export **ret, struct fl_error *err)
{
	own_free struct export *export = xcalloc(1, sizeof(*export));
	struct operation wanted = { .verb = "export" };

	*export = (struct export){ .engine = engine, .fd = -1 };
	if (operation)
		wanted.id = *operation;
	if (check_form(ref, FORM_ANY | FORM_PATH, "export", err) < 0)
		return fl_failed(err);
	if (worker_check(engine, "pack", err) < 0)
		return fl_failed(err);
	if (take(engine, ref, export, &wanted, err) == 0 && pack(export, ref, zstd, err) == 0) {
		*ret = take_ptr(export);
		return 0;
	}
	if (!export->running)
		return fl_failed(err);
	fl_add_wrap(err, "exporting '%s'", wanted.object);
	forget_staging(export);
	operation_end(export->running, err, NULL);
	return fl_failed(err);
}

int export_fd(const struct export *export)
{
	return export->fd;
}

void export_on_cancel(struct export *export, void (*cut)(void *arg), void *arg)
{
	operation_on_cancel(export->running, cut, arg);
}

/* The pipe first: a program that still writes to it ends then. */
int export_finish(struct export *export, struct fl_error *err)
{
	int r;

	close(take_fd(export->fd));
	pthread_join(export->follower, NULL);
	r = worker_end(&export->worker, err);
	forget_staging(export);
	if (r < 0)
		export->failure = *err;
	return r;
}

/* Its reader is gone, unless it was cancelled before and that is why. */
static void give_up(struct export *export)
{
	struct fl_error ignored;

	if (operation_check(export->running, &export->failure) == 0) {
		operation_cancel(export->running);
		(void)fl_fail_cancelled(&export->failure, "its reader went away before its end");
	}
	if (export->fd >= 0) {
		struct fl_error why = export->failure;

		(void)!export_finish(export, &ignored);
		export->failure = why;
	}
}

void export_end(struct export *export, bool taken)
{
	if (!export)
		return;
	operation_on_cancel(export->running, NULL, NULL);
	if (!taken && export->failure.code == FL_OK)
		give_up(export);
	operation_end(export->running, export->failure.code ? &export->failure : NULL, NULL);
	free(export);
}
