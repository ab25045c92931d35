/*
 * restore: one file or directory of the past, back in the live head.
 *
 *	1. it is copied from the snapshot into a private directory at the root of
 *	   the head, by a program of its own (worker.h); nothing is locked, and the
 *	   snapshot stays while it is read (reading.c)
 *	2. with the branch locked: the head is snapshotted; snapshot and stash are
 *	   in the catalogue, durable
 *	3. the copy and what stands in its place change places, in one step
 *	4. what was replaced, which is in the stash, and the private directory go;
 *	   unless it was written to after 2 (restore-late.c)
 *
 * An intent notes the directory before it is made, and whatever happens
 * afterwards it is removed, at the next start after a crash; step 2 notes in it
 * what tells the copy from what was replaced, so that the start can do step 4.
 * So the head holds what it did or what was restored, and nothing else.
 *
 * The stash, and any snapshot that is taken meanwhile, has the directory in it.
 * Where one of them becomes a head again it is removed there (restore_sweep).
 * It lies at the root, not beside what is restored, to be found then, and so that
 * nobody who renames directories meanwhile takes it along.
 *
 * Users write to the head: each path in it is resolved anew, beneath its root and
 * through no symbolic link and no mount.  The private directory, which is open to
 * nobody else, is held open: what is put in place is what was copied, whatever
 * somebody calls by its name meanwhile.
 */

#include <fcntl.h>
#include <string.h>

#include "base/fsat.h"
#include "engine/internal.h"
#include "engine/quota.h"
#include "engine/restore.h"
#include "engine/worker.h"

static void restore_end(struct restore *restore)
{
	struct tree source = snapshot_tree(&restore->source);

	if (restore->reading)
		reading_end(restore->engine, &source);
	volume_row_done(&restore->volume);
	snapshot_row_done(&restore->source);
	snapshot_row_done(&restore->taken);
	own_fdp(&restore->root);
	own_fdp(&restore->private_fd);
	free(restore->kept);
	free(restore->from.parent);
	free(restore->to.parent);
}

void restoration_done(struct restoration *restoration)
{
	branch_done(&restoration->branch);
	free(restoration->path);
	free(restoration->kept);
	*restoration = (struct restoration){ 0 };
}

/* --- paths -------------------------------------------------------------------------- */

struct place restore_split(const char *path)
{
	const char *slash = strrchr(path, '/');
	own_text struct text parent = { 0 };

	text_add(&parent, path, slash ? (size_t)(slash - path) : 0);
	return (struct place){ text_take(&parent), slash ? slash + 1 : path };
}

const char *restore_path(const struct restore *restore)
{
	return restore->options->to ? restore->options->to : restore->options->ref->path;
}

static int fail_link(const char *path, struct fl_error *err)
{
	fl_fail(err, FL_INVALID, "there is a symbolic link or a file on the way to '%.200s'", path);
	return fl_hint(err, "name the path that it leads to");
}

/* The directory that `place` lies in. */
static int open_parent(int root, const struct place *place, const char *path, int *ret,
		       struct fl_error *err)
{
	int r = fsat_open_far(root, place->parent, ret, err);

	if (r < 0 && (r == -FL_INVALID || err->sys == ENOTDIR))
		return fail_link(path, err);
	return r;
}

static int find_source(const struct restore *restore, int root, int *ret, struct fl_error *err)
{
	const char *path = restore->options->ref->path;
	own_fd int parent = -1;
	struct stat st = { 0 };
	int r = open_parent(root, &restore->from, path, &parent, err);

	if (r == 0)
		r = fsat_stat(parent, restore->from.name, &st, err);
	if (r == -FL_NOT_FOUND) {
		fl_fail(err, FL_NOT_FOUND, "there is no '%.200s' in that snapshot", path);
		return fl_hint(err, "flocker versions %s/%s:PATH says which snapshots hold a file",
			       restore->volume.name, restore->branch.name);
	}
	if (r < 0)
		return r;
	if (S_ISSOCK(st.st_mode))
		return fl_fail(err, FL_UNSUPPORTED,
			       "'%.200s' is a socket, which is nothing without its program", path);
	*ret = take_fd(parent);
	return 0;
}

int restore_find_target(struct restore *restore, int *ret, struct stat *ret_st,
			struct fl_error *err)
{
	const char *path = restore_path(restore);
	own_fd int parent = -1;
	int r = open_parent(restore->root, &restore->to, path, &parent, err);

	if (r == -FL_NOT_FOUND) {
		fl_fail(err, FL_NOT_FOUND, "the live contents have no directory '%.200s'",
			restore->to.parent);
		return fl_hint(err, "restore that directory, or make it, or give another --to");
	}
	if (r == 0)
		r = fsat_stat(parent, restore->to.name, ret_st, err);
	restore->replaces = r == 0;
	if (r < 0 && r != -FL_NOT_FOUND)
		return r;
	*ret = take_fd(parent);
	return 0;
}

/* --- the intent and the private directory ------------------------------------------------ */

static int insert_intent(struct tx *tx, void *arg, struct fl_error *err)
{
	return tx_intent_insert(tx, arg, err);
}

static void name_private(const struct uuid *operation, char name[static PRIVATE_TEXT])
{
	char uuid[UUID_TEXT];

	snprintf(name, PRIVATE_TEXT, PRIVATE "%s", uuid_format(operation, uuid));
}

static int root_time(const struct restore *restore, struct timespec *ret, struct fl_error *err)
{
	struct stat st;

	if (fstat(restore->root, &st) < 0)
		return fl_fail_errno(err, "cannot look at the root of the branch");
	*ret = st.st_mtim;
	return 0;
}

static int make_private(struct restore *restore, struct fl_error *err)
{
	const struct uuid *operation = operation_id(restore->running);
	char branch[UUID_TEXT];
	struct intent_row intent = { .operation = *operation,
				     .verb = "restore",
				     .body = uuid_format(&restore->branch.uuid, branch) };

	name_private(operation, restore->private);
	if (catalog_write(restore->engine->catalog, CATALOG_DURABLE, insert_intent, &intent, err) <
		    0 ||
	    root_time(restore, &restore->root_before, err) < 0 ||
	    fsat_make_dir(restore->root, restore->private, 0700, err) < 0 ||
	    root_time(restore, &restore->root_with, err) < 0)
		return fl_failed(err);
	return fsat_open_far(restore->root, restore->private, &restore->private_fd, err);
}

/* That the directory came and went is no change of the root, if there was no other. */
static int remove_unseen(const struct restore *restore, struct fl_error *err)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, restore->root_before };
	struct timespec now = { 0 };

	if (root_time(restore, &now, err) < 0 ||
	    fsat_remove_tree(restore->root, restore->private, err) < 0)
		return fl_failed(err);
	if (now.tv_sec == restore->root_with.tv_sec && now.tv_nsec == restore->root_with.tv_nsec &&
	    futimens(restore->root, times) < 0)
		return fl_fail_errno(err, "cannot put back the time of the root");
	return 0;
}

static void remove_private(const struct restore *restore)
{
	struct fl_error err;

	if (remove_unseen(restore, &err) < 0)
		log_warning("what a restore left is removed at the next start",
			    "volume=%s branch=%s name=%s error=\"%s\"", restore->volume.name,
			    restore->branch.name, restore->private, err.text);
	else
		intent_carried_out(restore->engine, operation_id(restore->running));
}

/* --- 1: the copy ----------------------------------------------------------------------- */

/* The source, the head, and whether it can be done at all: mistakes show before any work. */
static int look(struct restore *restore, struct fl_error *err)
{
	struct tree head = tree_head(&restore->branch.uuid);
	struct tree source = snapshot_tree(&restore->source);
	const struct driver *driver = driver_of(restore->engine);
	struct pool *pool = restore->engine->pool;
	own_fd int root = -1;
	own_fd int from = -1;
	own_fd int to = -1;
	struct tree_info info;
	struct stat st;

	if (driver->tree_open(pool, &source, &root, err) < 0 ||
	    driver->tree_open(pool, &head, &restore->root, err) < 0 ||
	    driver->tree_info(pool, &head, &info, err) < 0 ||
	    find_source(restore, root, &from, err) < 0 ||
	    restore_find_target(restore, &to, &st, err) < 0)
		return fl_failed(err);
	restore->head = info.id;
	return 0;
}

static int take_target(struct restore *restore, struct target *target, struct fl_error *err)
{
	if (target->branch.destroyed) {
		fl_fail(err, FL_NOT_FOUND, "the branch '%s' of that snapshot is in the trash",
			target->branch.name);
		return fl_hint(err, "take it out of there: flocker trash restore; or: flocker cp");
	}
	restore->volume = target->volume;
	target->volume = (struct volume_row){ 0 };
	restore->branch = target->branch;
	restore->source = target->snapshot;
	target->snapshot = (struct snapshot_row){ 0 };
	return 0;
}

/* With the path, unless that is too long. */
static void name_object(const struct restore *restore, char *ret, size_t room)
{
	own_text struct text object = { 0 };

	text_add_format(&object, "%s/%s", restore->volume.name, restore->branch.name);
	if (object.length + strlen(restore_path(restore)) + 2 <= room)
		text_add_format(&object, ":%s", restore_path(restore));
	snprintf(ret, room, "%s", text_get(&object));
}

static int begin(struct restore *restore, struct fl_error *err)
{
	struct engine *engine = restore->engine;
	struct operation wanted = { .verb = "restore" };
	own_gate struct engine *inside = NULL;
	own_claim struct claim claim = { 0 };
	struct tree source;

	if (gate_enter(engine, &inside, err) < 0 ||
	    claim_take(engine, restore->options->ref, 1, CLAIM_OWN, &claim, err) < 0 ||
	    take_target(restore, &claim.targets[0], err) < 0 || look(restore, err) < 0)
		return fl_failed(err);
	name_object(restore, wanted.object, sizeof(wanted.object));
	if (restore->options->operation)
		wanted.id = *restore->options->operation;
	if (operation_begin(engine, &wanted, &restore->running, err) < 0)
		return fl_failed(err);
	source = snapshot_tree(&restore->source);
	reading_begin(engine, &source);
	restore->reading = true;
	return 0;
}

static int run_worker(const struct restore *restore, int source, struct fl_error *err)
{
	const char *const arguments[] = { "copy", "--entry", restore->from.name, NULL };
	struct worker worker;

	if (worker_start(restore->engine, restore->running, arguments,
			 (struct spawn_fd[]){ { restore->private_fd, WORKER_TREE },
					      { source, WORKER_SOURCE } },
			 2, &worker, err) < 0)
		return fl_failed(err);
	worker_follow(&worker);
	return worker_end(&worker, err);
}

static int copy(struct restore *restore, struct fl_error *err)
{
	struct tree source = snapshot_tree(&restore->source);
	struct engine *engine = restore->engine;
	own_fd int root = -1;
	own_fd int from = -1;

	if (driver_of(engine)->tree_open(engine->pool, &source, &root, err) < 0 ||
	    find_source(restore, root, &from, err) < 0 || make_private(restore, err) < 0)
		return fl_failed(err);
	if (run_worker(restore, from, err) < 0)
		return fl_failed(err);
	return driver_of(engine)->sync(engine->pool, err);
}

/* --- the verb ------------------------------------------------------------------------------ */

static int answer(const struct restore *restore, struct restoration *ret, struct fl_error *err)
{
	struct restoration restoration = { .replaced = restore->replaces };
	struct engine *engine = restore->engine;
	own_tx struct tx *tx = NULL;

	if (tx_begin(engine->catalog, &tx, err) < 0 ||
	    answer_branch(engine, tx, &restore->volume, &restore->branch, &restoration.branch,
			  err) < 0)
		return fl_failed(err);
	if (answer_stash(engine, tx, &restore->volume, &restore->stash, &restoration.stash, err) <
	    0) {
		restoration_done(&restoration);
		return fl_failed(err);
	}
	restoration.path = xstrdup(restore_path(restore));
	restoration.kept = restore->kept ? xstrdup(restore->kept) : NULL;
	*ret = restoration;
	return 0;
}

static int explain(const struct restore *restore, struct fl_error *err)
{
	if (quota_explain(restore->engine, &restore->volume, &restore->branch, err))
		return fl_hint(err,
			       "give it more: flocker set %s --quota SIZE; or destroy snapshots",
			       restore->volume.name);
	if (err->sys == ENOSPC)
		return fl_hint(err, "make the pool larger: flocker pool grow; or destroy what "
				    "nobody needs and empty the trash: flocker trash empty");
	return fl_failed(err);
}

static int run(struct restore *restore, struct restoration *ret, struct fl_error *err)
{
	int r;

	if (begin(restore, err) < 0)
		return fl_failed(err);
	r = copy(restore, err);
	if (r == 0)
		r = restore_settle(restore, err);
	if (r < 0) {
		(void)explain(restore, err);
		fl_add_wrap(err, "restoring '%s'", operation_object(restore->running));
	}
	if (restore->private[0])
		remove_private(restore);
	if (r == 0)
		r = answer(restore, ret, err);
	operation_end(restore->running, r < 0 ? err : NULL, NULL);
	return r;
}

static int check(const struct restore_options *options, struct fl_error *err)
{
	const struct ref *ref = options->ref;

	if (check_form(ref, FORM_TAG | FORM_STASH | FORM_SNAPSHOT | FORM_PATH, "restore", err) < 0)
		return fl_failed(err);
	if (!ref->path || !ref->path[0]) {
		fl_fail(err, FL_INVALID, "restore takes a file or directory in a snapshot");
		return fl_hint(err, "REF:PATH; all of a branch: flocker rollback");
	}
	if (options->to && !options->to[0])
		return fl_fail(err, FL_INVALID, "the root itself cannot be replaced by a part");
	return 0;
}

int engine_restore(struct engine *engine, const struct restore_options *options,
		   struct restoration *ret, struct fl_error *err)
{
	struct restore restore = {
		.engine = engine, .options = options, .root = -1, .private_fd = -1
	};
	int r;

	if (check(options, err) < 0 || worker_check(engine, "copy", err) < 0)
		return fl_failed(err);
	restore.from = restore_split(options->ref->path);
	restore.to = restore_split(restore_path(&restore));
	r = run(&restore, ret, err);
	restore_end(&restore);
	return r;
}

/* --- what is left behind --------------------------------------------------- */

/* Step 4, of a restore that came to its end or not.  FL_NOT_FOUND: it left nothing. */
static int clean_up(struct engine *engine, struct restore *restore, struct fl_error *err)
{
	struct tree head = tree_head(&restore->branch.uuid);

	if (driver_of(engine)->tree_open(engine->pool, &head, &restore->root, err) < 0 ||
	    fsat_open_far(restore->root, restore->private, &restore->private_fd, err) < 0 ||
	    restore_keep_noted(restore, err) < 0)
		return fl_failed(err);
	return fsat_remove_tree(restore->root, restore->private, err);
}

int restore_finish(struct engine *engine, const struct intent_row *intent, struct fl_error *err)
{
	struct restore restore = { .engine = engine, .root = -1, .private_fd = -1 };
	int r;

	name_private(&intent->operation, restore.private);
	r = restore_read_note(intent->body, &restore, err);
	if (r == 0)
		r = clean_up(engine, &restore, err);
	restore_end(&restore);
	if (r < 0 && r != -FL_NOT_FOUND)
		return r;
	intent_carried_out(engine, &intent->operation);
	return 0;
}

static int sweep_name(void *arg, const char *name, unsigned char type, uint64_t inode,
		      struct fl_error *err)
{
	const int *root = arg;
	struct fl_error ignored;
	struct uuid operation;

	if (strncmp(name, PRIVATE, strlen(PRIVATE)) != 0 ||
	    uuid_parse(name + strlen(PRIVATE), &operation, &ignored) < 0)
		return 0;
	return fsat_remove_tree(*root, name, err);
}

void restore_sweep(struct engine *engine, const struct uuid *branch)
{
	struct tree head = tree_head(branch);
	own_fd int root = -1;
	struct fl_error err;
	int r = driver_of(engine)->tree_open(engine->pool, &head, &root, &err);

	if (r == 0)
		r = fsat_each(root, sweep_name, &root, &err);
	if (r < 0 && r != -FL_UNSUPPORTED)
		log_warning("what a restore left was not looked for", "error=\"%s\"", err.text);
}
