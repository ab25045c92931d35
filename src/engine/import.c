/*
 * import: a new volume, or a new branch, with the contents of an archive or of a
 * directory.
 *
 * The contents are written to a tree in staging, by a program of its own
 * (worker.h), and nothing is locked while that takes its time: names are looked
 * at before, so that a mistake shows at once, and looked at again under their
 * locks when all is there.  Then the tree is synced and becomes the head of a
 * branch that is born with it (birth.c).  Which branch that will be, and of which
 * volume, is settled before, because all that is written counts for them
 * (quota.c).
 *
 * After a crash before that the tree in staging is swept; after it the branch is
 * adopted with all that was imported, because the sync came first.
 */

#include <fcntl.h>
#include <string.h>

#include "base/fsat.h"
#include "engine/archive.h"
#include "engine/birth.h"
#include "engine/internal.h"
#include "engine/quota.h"
#include "engine/worker.h"

struct import {
	struct engine *engine;
	const struct import_options *options;
	struct create_options create; /* of a new volume */
	struct running *running;
	struct volume_row volume; /* the new one; or as it was at the beginning */
	struct branch_row branch; /* the new one */
};

static bool is_volume(const struct import *import)
{
	return import->options->ref->kind == REF_VOLUME;
}

/* --- what may be asked ------------------------------------------------------------ */

static int check_branch_options(const struct import *import, struct fl_error *err)
{
	const struct import_options *options = import->options;

	if (name_check("branch", options->ref->branch, err) < 0)
		return fl_failed(err);
	if (options->description || options->mount_path || options->metadata || options->quota)
		return fl_fail(err, FL_INVALID,
			       "a description, a path, metadata and a quota belong to volumes, and "
			       "'%s/%s' is a branch",
			       options->ref->volume, options->ref->branch);
	return 0;
}

static int check_options(const struct import *import, struct fl_error *err)
{
	const struct import_options *options = import->options;
	const struct ref *ref = options->ref;

	if (check_form(ref, FORM_VOLUME | FORM_BRANCH, "import", err) < 0)
		return fl_failed(err);
	if (ref->instance[0] && strcmp(ref->instance, import->engine->name) != 0)
		return fl_fail(err, FL_NOT_OWNER,
			       "branches of instance '%s' are made there; this one is '%s'",
			       ref->instance, import->engine->name);
	if (options->directory && options->directory[0] != '/')
		return fl_fail(err, FL_INVALID, "the path '%.200s' is not absolute",
			       options->directory);
	if (worker_check(import->engine, options->directory ? "copy" : "unpack", err) < 0)
		return fl_failed(err);
	if (!is_volume(import)) {
		if (check_branch_options(import, err) < 0)
			return fl_failed(err);
		return refuse_if_data_taken_of(import->engine, options->ref, NULL, NULL, err);
	}
	if (check_create_options(&import->create, err) < 0)
		return fl_failed(err);
	return refuse_if_data_taken(import->engine, options->ref->volume, options->mount_path, err);
}

/* --- names -------------------------------------------------------------------------- */

struct place {
	struct lock_set name;
	struct claim claim; /* the volume, where it is there already */
};

static void place_leave(struct place *place)
{
	claim_drop(&place->claim);
	lock_drop(&place->name);
}

/* Locks the name and looks whether it is free. */
static int place_take(const struct import *import, struct place *ret, struct fl_error *err)
{
	const struct ref *ref = import->options->ref;
	struct engine *engine = import->engine;
	struct ref volume = ref_of_volume(ref);
	char name[2 * NAME_TEXT];

	snprintf(name, sizeof(name), "%s%s%s", ref->volume, is_volume(import) ? "" : "/",
		 is_volume(import) ? "" : ref->branch);
	lock_take_names(&engine->locks, (const char *const[]){ name }, 1, &ret->name);
	if (is_volume(import))
		return birth_volume_free(engine, ref->volume, err);
	if (claim_take(engine, &volume, 1, CLAIM_USE, &ret->claim, err) < 0)
		return fl_failed(err);
	return birth_branch_free(engine, &ret->claim.targets[0].volume, ref->branch, err);
}

/* The branch that is to be. */
static void choose(struct import *import, struct place *place)
{
	const struct ref *ref = import->options->ref;

	if (is_volume(import)) {
		fill_volume_row(import->engine, &import->create, &import->volume);
	} else {
		import->volume = place->claim.targets[0].volume;
		place->claim.targets[0].volume = (struct volume_row){ 0 };
	}
	import->branch = birth_branch(import->engine, &import->volume,
				      is_volume(import) ? TRUNK : ref->branch);
}

static int begin(struct import *import, struct fl_error *err)
{
	const struct import_options *options = import->options;
	own(place_leave) struct place place = { 0 };
	own_gate struct engine *inside = NULL;
	own_text struct text object = { 0 };
	struct operation wanted = { .verb = "import", .total_bytes = options->total };

	if (gate_enter(import->engine, &inside, err) < 0 || place_take(import, &place, err) < 0)
		return fl_failed(err);
	ref_format(options->ref, &object);
	snprintf(wanted.object, sizeof(wanted.object), "%s", text_get(&object));
	if (options->operation)
		wanted.id = *options->operation;
	choose(import, &place);
	return operation_begin(import->engine, &wanted, &import->running, err);
}

/* --- contents --------------------------------------------------------------------------- */

static int run_worker(const struct import *import, const char *const arguments[],
		      const struct spawn_fd *fds, size_t count, struct fl_error *err)
{
	struct worker worker;

	if (worker_start(import->engine, import->running, arguments, fds, count, &worker, err) < 0)
		return fl_failed(err);
	worker_follow(&worker);
	return worker_end(&worker, err);
}

/* A path that leads to no directory is the caller's mistake, not the system's. */
static int open_source(const char *path, int *ret, struct fl_error *err)
{
	if (fsat_open(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0, ret, err) == 0)
		return 0;
	if (err->sys == ENOTDIR || err->sys == ELOOP || err->sys == ENAMETOOLONG)
		err->code = FL_INVALID;
	return fl_failed(err);
}

static int copy(const struct import *import, int tree, struct fl_error *err)
{
	const char *const arguments[] = { "copy", NULL };
	own_fd int source = -1;

	if (open_source(import->options->directory, &source, err) < 0)
		return fl_failed(err);
	return run_worker(import, arguments,
			  (struct spawn_fd[]){ { tree, WORKER_TREE }, { source, WORKER_SOURCE } },
			  2, err);
}

/*
 * What the program says of an archive that was cut is the consequence: its end
 * is missing, or was not looked at.
 */
static int check_cut(const struct import *import, int r, struct fl_error *err)
{
	const struct import_options *options = import->options;
	struct fl_error ignored;

	if (!options->cut || !options->cut(options->arg) ||
	    operation_check(import->running, &ignored) < 0)
		return r;
	operation_cancel(import->running);
	return fl_fail_cancelled(err, "the archive ended before all of it had come");
}

static int unpack(const struct import *import, int tree, struct fl_error *err)
{
	const struct import_options *options = import->options;
	const char *arguments[4] = { "unpack" };
	int count = 1, r;

	if (options->devices)
		arguments[count++] = "--devices";
	if (options->setuid)
		arguments[count++] = "--setuid";
	r = run_worker(import, arguments,
		       (struct spawn_fd[]){ { options->fd, STDIN_FILENO }, { tree, WORKER_TREE } },
		       2, err);
	return check_cut(import, r, err);
}

/* The two ways of having no space have different cures. */
static int explain(const struct import *import, struct fl_error *err)
{
	if (quota_explain(import->engine, &import->volume, &import->branch, err))
		return is_volume(import)
			       ? fl_hint(err, "import it with a larger --quota, or without")
			       : fl_hint(err,
					 "give it more: flocker set %s --quota SIZE; or destroy "
					 "snapshots",
					 import->volume.name);
	if (err->sys == ENOSPC)
		return fl_hint(err, "make the pool larger: flocker pool grow; or destroy what "
				    "nobody needs and empty the trash: flocker trash empty");
	return fl_failed(err);
}

/* Into staging, and durable there. */
static int fill(const struct import *import, struct fl_error *err)
{
	const struct uuid *id = operation_id(import->running);
	const struct driver *driver = driver_of(import->engine);
	struct pool *pool = import->engine->pool;
	struct tree staging = tree_staging(id);
	own_fd int tree = -1;

	if (quota_begin(import->engine, &import->volume, is_volume(import), &import->branch, err) <
		    0 ||
	    driver->staging_create(pool, id, &import->branch.uuid, err) < 0 ||
	    driver->tree_open(pool, &staging, &tree, err) < 0 ||
	    (import->options->directory ? copy : unpack)(import, tree, err) < 0 ||
	    driver->sync(pool, err) < 0)
		return explain(import, err);
	return 0;
}

/* --- the branch --------------------------------------------------------------------------- */

static int give_birth(const struct import *import, const struct volume_row *volume,
		      struct fl_error *err)
{
	struct operation done = operation_outcome(import->running);
	struct birth birth = {
		.branch = import->branch,
		.volume = volume,
		.new_volume = is_volume(import),
		.has_from = true,
		.from = tree_staging(operation_id(import->running)),
		.line = { .branch = import->branch.uuid, .start = 1 },
		.operation = &done,
	};

	birth.branch.created = clock_now();
	return birth_run(import->engine, &birth, err);
}

/* It is claimed; may have been changed meanwhile, but must be the one whose quota was kept to. */
static int join_volume(const struct import *import, const struct volume_row *volume,
		       struct fl_error *err)
{
	if (uuid_equal(&volume->uuid, &import->volume.uuid))
		return give_birth(import, volume, err);
	fl_fail(err, FL_BUSY, "the volume '%s' has been replaced by another one meanwhile",
		volume->name);
	fl_hint(err, "import it again, if this is the one that is meant");
	return fl_object(err, "%s", volume->name);
}

static int put_in_place(struct import *import, struct fl_error *err)
{
	own(place_leave) struct place place = { 0 };

	if (operation_check(import->running, err) < 0 || place_take(import, &place, err) < 0)
		return fl_failed(err);
	if (!is_volume(import))
		return join_volume(import, &place.claim.targets[0].volume, err);
	import->volume.created = clock_now();
	return give_birth(import, &import->volume, err);
}

static void forget_staging(const struct import *import)
{
	struct tree staging = tree_staging(operation_id(import->running));
	struct engine *engine = import->engine;
	struct fl_error err;

	quota_abort(engine, &staging, &import->branch, is_volume(import));
	if (driver_of(engine)->tree_delete(engine->pool, &staging, &err) < 0)
		log_warning("a half-made tree stays until the next start", "error=\"%s\"",
			    err.text);
	sync_soon(engine);
}

static int run(struct import *import, struct operation *ret, struct fl_error *err)
{
	if (check_options(import, err) < 0 || begin(import, err) < 0)
		return fl_failed(err);
	if (fill(import, err) == 0 && put_in_place(import, err) == 0) {
		operation_end(import->running, NULL, ret);
		return 0;
	}
	fl_add_wrap(err, "importing '%s'", operation_object(import->running));
	forget_staging(import);
	operation_end(import->running, err, NULL);
	return fl_failed(err);
}

int engine_import(struct engine *engine, const struct import_options *options,
		  struct operation *ret, struct fl_error *err)
{
	struct import import = {
		.engine = engine,
		.options = options,
		.create = { .name = options->ref->volume,
			    .description = options->description,
			    .mount_path = options->mount_path,
			    .metadata = options->metadata,
			    .quota = options->quota },
	};
	int r = run(&import, ret, err);

	volume_row_done(&import.volume);
	return r;
}
