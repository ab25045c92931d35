#pragma once

/*
 * The verbs (DESIGN section 6): the only code that changes state.  Those of one noun stand
 * in a header of its own: archive.h, hook.h, rollback.h, save.h, system.h, users.h.
 *
 * Every function may be called from any thread.  Each resolves its references,
 * takes the locks of what it touches (lock.h), asks model for the rule, calls
 * the driver, and records the outcome in the catalogue; a call that fails has
 * changed nothing.  References arrive parsed (model/ref.h); a reference that
 * does not fit the verb is FL_INVALID, one to what is not there FL_NOT_FOUND,
 * an ambiguous one FL_INVALID with the candidates in the text, one to another
 * instance's branch where something is to be written FL_NOT_OWNER.
 *
 * Without a pool every verb but engine_pool_create and engine_pool_adopt is
 * FL_NOT_FOUND with the command that makes one; with a lost or damaged
 * catalogue every one but engine_pool_show and engine_pool_recover is
 * FL_CORRUPT with the command that rebuilds it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "audit/audit.h"
#include "base/error.h"
#include "config/config.h"
#include "driver/driver.h"
#include "model/nouns.h"
#include "model/policy.h"
#include "model/ref.h"

struct engine;
struct events;
struct trust;

struct engine_options {
	const char *state;	/* directory of catalog.db and pool.json; exists */
	const char *mount_root; /* directory under which branches appear; exists */
	struct uuid instance;
	const char *name;	  /* of the instance */
	const char *host;	  /* name of the host */
	const char *tree_program; /* path of flocker-tree; NULL: FL_UNSUPPORTED is what needs it */
	const char *archive_program; /* the same, of flocker-archive */
	const char *run; /* directory for what lives while the daemon or a system runs; NULL:
			    no systems (engine/system.h) */
	const char *keeper_program;  /* path of flocker-keeper; NULL: nothing can be held */
	const char *own_hooks;	     /* directory of the administrator's hooks; NULL: none */
	const char *shipped_hooks;   /* of those that come with Flocker; NULL: none */
	const struct config *config; /* borrowed, outlives the engine; NULL: defaults */
	struct trust *trust; /* the same (trust/store.h); NULL: it talks to peers by ssh alone */
};

/*
 * Opens the pool that the state directory names and reconciles it with the
 * catalogue.  A pool that can't be opened (missing, foreign, in use) or a
 * catalogue that is lost does not fail the start: the engine opens, and says
 * so in engine_health() and in every verb.  Fails only for the state directory
 * itself.
 */
must_check int engine_open(const struct engine_options *options, struct engine **ret,
			   struct fl_error *err);
/*
 * Before that, from any thread: what waits for the container engine, or for a user system to end,
 * fails, and goes on at the next start.
 */
void engine_give_up(struct engine *engine);
/* Waits for running verbs.  Leaves branches visible if somebody uses them. */
void engine_close(struct engine *engine);

const char *engine_name(const struct engine *engine);
struct uuid engine_instance(const struct engine *engine);

/*
 * 0: all is well.  Else why verbs fail: no pool, a foreign pool, a lost catalogue; or the gravest
 * of what fails by itself and puts the service in doubt (failing.h): a full host, a branch that is
 * not snapshotted, changes that are not recorded.
 */
must_check int engine_health(struct engine *engine, struct fl_error *err);

/* --- the pool (pool.c, recover.c) --------------------------------------- */

struct pool_report {
	struct pool_spec spec;
	struct pool_identity identity;
	struct pool_stats stats;
};

/* A driver, and whether it works here. */
struct driver_report {
	const struct storage_driver *words; /* what people call it; constant */
	const struct driver *driver;
	struct fl_error trouble; /* code FL_OK: it does */
};

struct recovery {
	uint64_t volumes, branches, snapshots, tags, stashes;
	bool backup_used;     /* false: no backup in the pool, so no tags, stashes, metadata */
	bool backup_complete; /* false: its end was damaged */
	bool notes_used;      /* what it lacks of them was read from notes beside the snapshots */
};

/* The one after the first `*at`, which moves on; false at the end.
 */
bool engine_driver_next(size_t *at, struct driver_report *ret);
/* Has this instance a pool, whether it can be opened or not? */
bool engine_has_pool(const struct engine *engine);
/* `spec->driver` may be "": chosen by the kind.  FL_EXISTS when this instance has a pool. */
must_check int engine_pool_create(struct engine *engine, const struct pool_spec *spec,
				  struct fl_error *err);
must_check int engine_pool_show(struct engine *engine, struct pool_report *ret,
				struct fl_error *err);
/* To `size` bytes in all; 0: to all that the device below has. */
must_check int engine_pool_grow(struct engine *engine, uint64_t size, struct pool_report *ret,
				struct fl_error *err);
/* Puts the present catalogue aside, if there is one, and rebuilds it from the pool. */
must_check int engine_pool_recover(struct engine *engine, struct recovery *ret,
				   struct fl_error *err);
/*
 * Takes over a pool that another instance made: its volumes become this
 * instance's with the next epoch.  `spec` NULL: the pool that the state
 * directory names.  FL_EXISTS when a pool is open already.
 */
must_check int engine_pool_adopt(struct engine *engine, const struct pool_spec *spec,
				 struct recovery *ret, struct fl_error *err);

/* --- volumes and branches (create.c, branch.c, query.c, set.c, rename.c) --- */

struct create_options {
	const char *name;
	const char *description;	 /* NULL = none */
	const char *mount_path;		 /* absolute, or NULL */
	const struct metadata *metadata; /* NULL = none */
	const struct ref *from; /* a snapshot, tag, stash, branch of another volume; NULL = empty */
	uint64_t quota;		/* bytes; 0 = none */
	const struct metadata
		*policy; /* of its trunk, as engine_policy_set(); NULL = none of its own */
};

must_check int engine_create(struct engine *engine, const struct create_options *options,
			     struct volume *ret, struct fl_error *err);
/* By name, after `after` ("" = from the first), at most `limit` (1 to 1,000). */
must_check int engine_volumes(struct engine *engine, const char *after, size_t limit,
			      struct volume_list *ret, struct fl_error *err);
must_check int engine_volume(struct engine *engine, const struct ref *ref, struct volume *ret,
			     struct fl_error *err);

/* `from` NULL: the live contents of the volume's trunk.  `policy`: as in create_options. */
must_check int engine_branch(struct engine *engine, const struct ref *ref, const struct ref *from,
			     const struct metadata *policy, struct branch *ret,
			     struct fl_error *err);
/* Of one volume, trunk first, or of all (`volume` NULL). */
must_check int engine_branches(struct engine *engine, const struct ref *volume,
			       struct branch_list *ret, struct fl_error *err);
/*
 * The same in short: calls each() for every branch of this instance, and for the trunks of volumes
 * that are others', as they are known here; and looks at nothing but the catalogue.
 * each() calls no verb; after a failure it may have been called.
 */
struct branch_place {
	const char *volume, *branch;
	const char *path; /* as in struct branch */
	int64_t created;
};
typedef void branch_place_told(void *arg, const struct branch_place *place);
must_check int engine_branch_places(struct engine *engine, branch_place_told *each, void *arg,
				    struct fl_error *err);
must_check int engine_branch_show(struct engine *engine, const struct ref *ref, struct branch *ret,
				  struct fl_error *err);

/* What to change; NULL leaves a thing as it is, "" removes it. */
struct set_options {
	const char *description;	 /* volumes */
	const char *mount_path;		 /* volumes */
	const uint64_t *quota;		 /* volumes: bytes; 0 removes it */
	const char *name;		 /* snapshots */
	const char *message;		 /* snapshots */
	const struct metadata *metadata; /* volumes and snapshots: pairs to set; NULL = none */
	const char *const *unset;	 /* volumes and snapshots: keys to remove */
	size_t unset_count;
};
must_check int engine_set_volume(struct engine *engine, const struct ref *ref,
				 const struct set_options *options, struct volume *ret,
				 struct fl_error *err);
must_check int engine_set_snapshot(struct engine *engine, const struct ref *ref,
				   const struct set_options *options, struct snapshot *ret,
				   struct fl_error *err);

/* A volume ("mydata"), a branch but trunk ("mydata/test") or a tag ("v1@mydata"). */
must_check int engine_rename(struct engine *engine, const struct ref *ref, const char *name,
			     struct fl_error *err);

/* --- snapshots (snapshot.c, log.c) ---------------------------------------- */

struct snapshot_options {
	const char *name;		 /* NULL = none; with several branches each gets it */
	const char *message;		 /* NULL = none */
	const struct metadata *metadata; /* NULL = none */
	enum reason reason;
	struct together *together; /* not NULL: at one instant; filled (engine/together.h), also by
				      a failure */
	struct hooking *hooks;	   /* the engine's own (hooks.h); NULL */
	struct holding *holding;   /* the engine's own (together.h); NULL */
};

#define SNAPSHOT_REFS 1024

/*
 * Snapshots of the heads of `count` branches (1 to SNAPSHOT_REFS), in parallel,
 * crash-consistent and durable on return; all or none.  In the order of `refs`.  With
 * `options->together` what uses them stands still meanwhile: FL_BUSY if it does not in time.
 */
must_check int engine_snapshot(struct engine *engine, const struct ref *refs, size_t count,
			       const struct snapshot_options *options, struct snapshot_list *ret,
			       struct fl_error *err);

/*
 * What differs between two moments, sorted by path; `later` NULL: the live head
 * of the branch that `earlier` belongs to.  Branches stand for their live heads
 * as they are now, remote ones for their newest snapshot.  They need not be
 * related.  FL_UNSUPPORTED where the driver cannot tell.
 *
 * A path (REF:PATH) makes it that file or directory alone; given on one side it counts
 * for both.  Two different paths are walked side by side, and files in them that are
 * called the same are the same file.
 */
must_check int engine_diff(struct engine *engine, const struct ref *earlier,
			   const struct ref *later, change_each *each, void *arg,
			   struct fl_error *err);

/*
 * The ancestry of a reference, newest first: of a branch what its head came
 * from; of a snapshot, tag or stash itself and what it came from.  `after`: the
 * id of the last snapshot of the page before (0: from the newest); `limit` 1 to
 * 10,000.
 */
must_check int engine_log(struct engine *engine, const struct ref *ref, uint64_t after,
			  size_t limit, struct snapshot_list *ret, struct fl_error *err);

/* One snapshot: what the reference points at; for a branch its tip. */
must_check int engine_snapshot_show(struct engine *engine, const struct ref *ref,
				    struct snapshot *ret, struct fl_error *err);

/* --- policies and thinning (policy.c, thin.c) ------------------------------------- */

enum policy_source { POLICY_OF_BRANCH, POLICY_OF_INSTANCE, POLICY_DEFAULT, POLICY_SOURCES };
extern const char *const policy_source_names[POLICY_SOURCES];

struct policy_setting {
	char *value; /* heap */
	enum policy_source source;
};

struct policy_report {
	char ref[REF_SHORT]; /* of the branch */
	struct policy_setting settings[POLICY_KEYS];
};
void policy_report_done(struct policy_report *report);

/* Of a branch; a volume stands for its trunk. */
must_check int engine_policy_show(struct engine *engine, const struct ref *ref,
				  struct policy_report *ret, struct fl_error *err);

/*
 * Values by the names of settings; an empty one removes the branch's own, so that
 * the instance's counts.  FL_INVALID, with the reason, for a policy that nobody
 * could follow.
 */
must_check int engine_policy_set(struct engine *engine, const struct ref *ref,
				 const struct metadata *changes, struct policy_report *ret,
				 struct fl_error *err);

/* Those of the instance (its configuration) have changed. */
void engine_policies_changed(struct engine *engine);

/*
 * Deletes what goes under the policy of a branch (`ref` NULL: of all branches of
 * this instance), however much that is, in its order.  What is pinned or in use
 * stays.  `dry`: only tells.  An error after the first deletions leaves those
 * deleted.
 */
must_check int engine_thin(struct engine *engine, const struct ref *ref, bool dry,
			   struct thinned_list *ret, struct fl_error *err);

/* Fills `stay` and `score` of snapshots that engine_log() answered. */
must_check int engine_explain(struct engine *engine, struct snapshot_list *list,
			      struct fl_error *err);

/* --- tags (tag.c) ------------------------------------------------------------------ */

/* `target` NULL or a branch: its live contents, for which a snapshot is taken. */
must_check int engine_tag(struct engine *engine, const struct ref *tag, const struct ref *target,
			  struct tag *ret, struct fl_error *err);
must_check int engine_untag(struct engine *engine, const struct ref *tag, struct fl_error *err);
must_check int engine_tags(struct engine *engine, const struct ref *volume, struct tag_list *ret,
			   struct fl_error *err);

/* --- restore (restore.c) -------------------------------------------------------- */

struct restore_options {
	const struct ref *ref;	      /* REF:PATH in a snapshot, tag or stash */
	const char *to;		      /* the path in the live head, as in a ref; NULL = the same */
	const struct uuid *operation; /* its id, chosen by the caller; NULL = a new one */
};

struct restoration {
	struct branch branch; /* as it is now */
	struct stash stash;   /* what it was */
	char *path;	      /* heap */
	bool replaced;	      /* something was there */
	char *kept;	      /* where that is now, if it was written to meanwhile; heap, or NULL */
};
void restoration_done(struct restoration *restoration);

/*
 * A file or a directory of a snapshot becomes what it was in the live head of its
 * branch, with all that is in it; what the head was is stash N.  What others write
 * meanwhile to what is replaced is not lost: then that stays beside it.  Blocks; an
 * operation, and nothing is locked while it copies.  Atomic and durable: a failure
 * changes nothing.  FL_NOT_FOUND for what is not in the snapshot, or where the
 * directory that it goes to is missing; FL_INVALID for a path through a symbolic
 * link; FL_BUSY when the branch was rolled back meanwhile; FL_NO_SPACE.
 */
must_check int engine_restore(struct engine *engine, const struct restore_options *options,
			      struct restoration *ret, struct fl_error *err);

/* --- files (files.c) ------------------------------------------------------------ */

/*
 * A reference with a path (REF:PATH) is a file in a snapshot or in the live
 * contents; without one it is their root.  Symbolic links on the way are
 * followed as long as they stay in the tree, FL_DENIED otherwise.
 */

/*
 * What is there: of a directory what is in it, by name; of anything else itself.  With `itself`
 * the one that the path leads to: a directory too, and what a symbolic link leads to.
 */
must_check int engine_files(struct engine *engine, const struct ref *ref, bool itself,
			    struct file_list *ret, struct fl_error *err);

struct open_file;

/*
 * A regular file, to be read from open_file_fd() to its end; FL_INVALID for a
 * directory, FL_UNSUPPORTED for what else is no file.  A snapshot stays as long
 * as it is open, also when it is deleted meanwhile; nothing is locked.
 */
must_check int engine_file_open(struct engine *engine, const struct ref *ref,
				struct open_file **ret, struct fl_error *err);
int open_file_fd(const struct open_file *file);
void open_file_close(struct open_file *file); /* any thread */

/*
 * The contents that a file had, newest first: each in the snapshots from
 * `oldest` to `newest`, which follow each other.  `ref` says the branch, or the
 * snapshot to look back from.  Two are the same if size, times and rights are;
 * nothing is read.  Where snapshots are copies (no DRIVER_CAN_SHARE) the time of
 * the last change of attributes does not count, as copies have their own.
 */
must_check int engine_file_versions(struct engine *engine, const struct ref *ref,
				    struct file_version_list *ret, struct fl_error *err);

/* --- mounts (mount.c) --------------------------------------------------------- */

/*
 * Branches appear at MOUNT_ROOT/VOLUME/BRANCH, snapshots (read-only) at
 * MOUNT_ROOT/.at/VOLUME/ID.  Repeatable.  `ret_path` is heap and absolute.
 */
must_check int engine_mount(struct engine *engine, const struct ref *ref, char **ret_path,
			    struct fl_error *err);
/* FL_BUSY while processes use it, naming them. */
must_check int engine_unmount(struct engine *engine, const struct ref *ref, struct fl_error *err);

/* --- destroy and the trash (destroy.c, trash.c, empty.c) ------------------------ */

/*
 * A volume or a branch (but trunk) goes to the trash; a snapshot or a tag is
 * gone.  FL_BUSY while in use or pinned: says by what.  `ret` (may be NULL) is
 * filled for what went to the trash.
 */
must_check int engine_destroy(struct engine *engine, const struct ref *ref, struct trash_item *ret,
			      struct fl_error *err);
must_check int engine_trash(struct engine *engine, struct trash_list *ret, struct fl_error *err);
/* `item`: the reference it had, or its UUID.  `as`: a new name, or NULL for the one it had. */
must_check int engine_trash_restore(struct engine *engine, const char *item, const char *as,
				    struct trash_item *ret, struct fl_error *err);
/* `item` NULL: everything.  `ret_count`: how many items went. */
must_check int engine_trash_empty(struct engine *engine, const char *item, uint64_t *ret_count,
				  struct fl_error *err);

/* --- operations: what takes long (operation.c) -------------------------------- */

/*
 * Every import, export and restore has a record from its beginning on: what it does, how
 * far it is, how it ended.  The newest OPERATIONS_KEPT that ended are kept.
 * done_bytes counts the bytes of the archive that an import read, and those of
 * the contents of files that an export or a copy wrote.
 */
#define OPERATIONS_KEPT 1000

/* Newest first. */
must_check int engine_operations(struct engine *engine, struct operation_list *ret,
				 struct fl_error *err);
must_check int engine_operation(struct engine *engine, const struct uuid *id, struct operation *ret,
				struct fl_error *err);
/*
 * Asks one to stop; whoever waits for it gets an error.  It may still come to
 * its end, if that was near.  Success, and nothing happens, for one that ended.
 */
must_check int engine_operation_cancel(struct engine *engine, const struct uuid *id,
				       struct fl_error *err);

/* --- events: what happens (events.c) ------------------------------------------------ */

/*
 * Every change that was made is one, by the name of its verb; and what the daemon does
 * by itself: "trash-expired", "trash-given-up", "thinned", "snapshots-given-up"; what happened to
 * it: "clock-jumped"; and what begins to fail by itself and works again, by the names of failing.c:
 * "not-saved" and "saved-again" where it is that a branch is snapshotted.
 */
struct events *engine_events(struct engine *engine);

/* --- the audit log (audit.c): who changed what ------------------------------------- */

/* Records what a request came to.  With or without a pool; cannot fail (see engine_health). */
void engine_audit(struct engine *engine, const struct audit_entry *entry);
/* Newest first: `limit` (1 to 10,000) before the record with the number `after` (0: the newest). */
must_check int engine_audit_list(struct engine *engine, uint64_t after, size_t limit,
				 struct audit_list *ret, struct fl_error *err);
/* Reads all of it.  That it is not intact is a result, not a failure. */
must_check int engine_audit_verify(struct engine *engine, struct audit_report *ret,
				   struct fl_error *err);

/* --- what goes on by itself (driven by sched/caretaker.c) ------------------------- */

/*
 * One pass: lets go of replaced heads that nobody holds any more, empties what
 * has been in the trash for the setting trash.keep, makes facts durable, watches the space
 * below a sparse pool, syncs the audit log.  Returns the nanoseconds until the next pass is wanted.
 */
int64_t engine_care(struct engine *engine);
/* A pass is wanted at once: a setting that it goes by has changed. */
void engine_care_soon(struct engine *engine);
/* The same, and the pool's space is looked at: the setting thin.min-free has changed. */
void engine_space_wanted(struct engine *engine);
/* Called (from any thread) when a pass is wanted at once.  One hook; NULL: none. */
void engine_on_care(struct engine *engine, void (*wake)(void *arg), void *arg);
