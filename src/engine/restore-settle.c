#include "engine/restore.h"

#include <fcntl.h>
#include <string.h>

#include "base/fsat.h"
#include "engine/hooks.h"
#include "engine/note.h"

/*
 * The second half of a restore, which restore.c explains: what was copied is put
 * in its place, with the branch locked.
 */

/* --- 2: the stash ------------------------------------------------------------------------ */

static int write_stash(struct tx *tx, void *arg, struct fl_error *err)
{
	struct restore *restore = arg;
	own_free char *note = restore_note(restore);
	const struct intent_row intent = { .operation = *operation_id(restore->running),
					   .verb = "restore",
					   .body = note };

	if (tx_snapshot_insert(tx, &restore->taken, err) < 0 ||
	    tx_intent_delete(tx, &intent.operation, err) < 0 ||
	    tx_intent_insert(tx, &intent, err) < 0)
		return fl_failed(err);
	return stash_add(tx, &restore->taken, &restore->source, &restore->stash, err);
}

static int put_aside(struct restore *restore, struct fl_error *err)
{
	const struct snapshot_options options = { .reason = REASON_ROLLBACK,
						  .hooks = restore->hooks };
	struct engine *engine = restore->engine;

	if (restore_mark(restore, err) < 0 ||
	    snapshot_take(engine, &restore->branch, &options, &restore->taken, err) < 0)
		return fl_failed(err);
	restore->stash = (struct stash_row){ .volume = restore->volume.uuid };
	if (catalog_write(engine->catalog, CATALOG_DURABLE, write_stash, restore, err) == 0)
		return 0;
	snapshot_abort(engine, &restore->taken);
	return fl_failed(err);
}

struct attempt {
	const struct restore *restore;
	bool kept; /* somebody saw the snapshot meanwhile and tagged it, or branched from it */
};

static int delete_stash(struct tx *tx, void *arg, struct fl_error *err)
{
	struct attempt *attempt = arg;
	const struct stash_row *stash = &attempt->restore->stash;
	unsigned pins;

	if ((tx_stash_delete(tx, &stash->volume, stash->number, err) < 0 &&
	     err->code != FL_NOT_FOUND) ||
	    tx_snapshot_pins(tx, &stash->snapshot, &pins, err) < 0)
		return fl_failed(err);
	attempt->kept = (pins & ~(unsigned)PIN_TIP) != 0;
	return attempt->kept ? 0 : tx_snapshot_delete(tx, &stash->snapshot, err);
}

/* Nothing was put in place after all.  The caller's error stays. */
static void forget_stash(const struct restore *restore)
{
	struct attempt attempt = { .restore = restore };
	struct fl_error err;

	if (catalog_write_deletion(restore->engine, delete_stash, &attempt, &err) < 0)
		log_warning("a stash stays of a restore that failed",
			    "volume=%s stash=%u error=\"%s\"", restore->volume.name,
			    restore->stash.number, err.text);
	else if (attempt.kept)
		note_refresh(restore->engine, &restore->taken.position);
	else
		snapshot_abort(restore->engine, &restore->taken);
}

/* --- 3: the exchange ------------------------------------------------------------------------ */

static bool is_missing_here(const struct fl_error *err)
{
	return err->sys == EINVAL || err->sys == ENOSYS;
}

/* Where nothing is.  Some file systems cannot rename so: a link or a directory replaces no file. */
static int appear(const struct restore *restore, int private, mode_t mode, int parent,
		  struct fl_error *err)
{
	const char *from = restore->from.name, *to = restore->to.name;

	int r = fsat_rename_new(private, from, parent, to, err);

	if (r == 0 || !is_missing_here(err))
		return r;
	return S_ISDIR(mode) ? fsat_rename(private, from, parent, to, err)
			     : fsat_link(private, from, parent, to, err);
}

static int exchange(const struct restore *restore, int private, int parent, struct fl_error *err)
{
	int r = fsat_exchange(private, restore->from.name, parent, restore->to.name, err);

	if (r == 0 || !is_missing_here(err))
		return r;
	fl_fail(err, FL_UNSUPPORTED, "the pool's file system cannot exchange '%.200s' in one step",
		restore_path(restore));
	return fl_hint(err, "rename what is there, and restore again");
}

static int put_in_place(const struct restore *restore, int parent, const struct stat *there,
			struct fl_error *err)
{
	int private = restore->private_fd;
	struct stat st;
	int r;

	if (fsat_stat(private, restore->from.name, &st, err) < 0)
		return fl_failed(err);
	if (!restore->replaces)
		return appear(restore, private, st.st_mode, parent, err);
	r = exchange(restore, private, parent, err);
	if (r == -FL_UNSUPPORTED && !S_ISDIR(st.st_mode) && !S_ISDIR(there->st_mode))
		return fsat_rename(private, restore->from.name, parent, restore->to.name, err);
	return r;
}

/* A rollback meanwhile has made another tree the head, and what was copied lies in the old one. */
static int check_head(const struct restore *restore, const struct target *target,
		      struct fl_error *err)
{
	struct tree head = tree_head(&restore->branch.uuid);
	struct tree_info info;

	if (driver_of(restore->engine)->tree_info(restore->engine->pool, &head, &info, err) < 0)
		return fl_failed(err);
	if (uuid_equal(&target->branch.uuid, &restore->branch.uuid) && info.id == restore->head)
		return 0;
	fl_fail(err, FL_BUSY, "the branch '%s' was rolled back or replaced meanwhile",
		restore->branch.name);
	return fl_hint(err, "restore it again, if it is still wanted");
}

/* What may be lost with what was replaced is not known: then it stays.  The caller's error too. */
static void take_back(const struct restore *restore, int parent)
{
	struct fl_error err;

	if (exchange(restore, restore->private_fd, parent, &err) == 0)
		forget_stash(restore);
	else
		log_warning("a restore that failed is in its place", "volume=%s error=\"%s\"",
			    restore->volume.name, err.text);
}

/* It was there when the restore began: what is looked for by its name has another now. */
static int explain_gone(const struct ref *branch, int r, struct fl_error *err)
{
	if (r != -FL_NOT_FOUND)
		return r;
	fl_fail(err, FL_BUSY, "%s/%s was renamed or destroyed meanwhile", branch->volume,
		branch->branch);
	return fl_hint(err, "restore it again, if it is still wanted");
}

static int settle(struct restore *restore, const struct ref *branch, struct fl_error *err)
{
	own_claim struct claim claim = { 0 };
	own_fd int parent = -1;
	struct stat there;
	int r = claim_take(restore->engine, branch, 1, CLAIM_HEAD, &claim, err);

	if (r < 0)
		return explain_gone(branch, r, err);
	if (check_head(restore, &claim.targets[0], err) < 0)
		return fl_failed(err);
	restore->branch = claim.targets[0].branch; /* with the latest of its snapshots */
	if (restore_find_target(restore, &parent, &there, err) < 0 ||
	    operation_check(restore->running, err) < 0 || put_aside(restore, err) < 0)
		return fl_failed(err);
	if (put_in_place(restore, parent, &there, err) < 0) {
		forget_stash(restore);
		return fl_failed(err);
	}
	if (restore_keep_late(restore, parent, err) < 0) {
		take_back(restore, parent);
		return fl_failed(err);
	}
	note_refresh(restore->engine, &restore->taken.position);
	if (driver_of(restore->engine)->sync(restore->engine->pool, err) < 0)
		return fl_wrap(err, "it is in its place, but writing that to the disk");
	return 0;
}

int restore_settle(struct restore *restore, struct fl_error *err)
{
	struct ref branch = { .kind = REF_BRANCH };
	struct hooking hooking;
	int r;

	memcpy(branch.volume, restore->volume.name, NAME_TEXT);
	memcpy(branch.branch, restore->branch.name, NAME_TEXT);
	r = hooks_begin(restore->engine, &branch, 1, HOOK_SNAPSHOT, REASON_ROLLBACK, &hooking, err);
	if (r < 0)
		return explain_gone(&branch, r, err);
	restore->hooks = &hooking;
	r = settle(restore, &branch, err);
	hooks_end(&hooking, r == 0);
	restore->hooks = NULL;
	return r;
}
