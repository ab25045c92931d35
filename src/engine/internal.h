#pragma once

/*
 * What the verbs share: the engine itself, the gate, and claims.  For
 * src/engine alone.
 */

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>

#include "audit/audit.h"
#include "base/clock.h"
#include "base/log.h"
#include "catalog/catalog.h"
#include "container/docker.h"
#include "container/hook-file.h"
#include "engine/data-container.h"
#include "engine/around-table.h"
#include "engine/save.h"
#include "engine/users.h"
#include "engine/watching.h"
#include "engine/engine.h"
#include "engine/events.h"
#include "engine/failing.h"
#include "engine/lock.h"
#include "engine/operation.h"
#include "engine/resolve.h"
#include "engine/status.h"
#include "engine/verify.h"
#include "model/form.h"
#include "model/policy.h"
#include "model/retention.h"

/* What a look at all branches told. */
struct branch_summary {
	int64_t seen; /* clock_boot(); 0: never */
	uint64_t branches;
	int64_t newest; /* when the last snapshot was taken; 0 = there was none */
};

/* How many snapshots went in each of the last hours; zero is the empty one. */
#define THIN_TALLY_HOURS 24
struct thin_tally {
	uint64_t hours[THIN_TALLY_HOURS]; /* of clock_boot() */
	uint64_t counts[THIN_TALLY_HOURS];
};

struct engine {
	char *state;
	char *mount_root;
	char *name;
	char *host;
	const struct config *config; /* NULL: defaults */
	struct uuid instance;
	int state_fd;
	int root_fd; /* of mount_root */

	/*
	 * The gate: verbs pass it shared; what opens, closes or rebuilds the
	 * pool and the catalogue takes it alone.  Behind it, `pool` and
	 * `catalog` are constant; without a pool there is no catalogue.
	 */
	pthread_rwlock_t gate;
	struct pool *pool;
	struct catalog *catalog;
	struct fl_error trouble; /* why one of them is NULL */
	struct uuid former;	 /* while a pool is taken over: whose it was */

	struct lock_table locks;
	struct operation_table operations;
	struct events events;
	struct failing_table failing;
	struct around_table around;
	char *tree_program;    /* or NULL */
	char *archive_program; /* or NULL */
	char *keeper_program;  /* or NULL */
	char *frozen;	       /* where is noted what stands still (container/frozen.h), or NULL */
	struct hook_places hook_places;
	struct docker *docker;	   /* NULL: no container engine is configured */
	_Atomic bool docker_noted; /* in the state directory, that it has answered */
	char *docker_driver;	   /* what engines call our volumes' driver */
	struct exec_table *execs;  /* commands in user systems */

	pthread_mutex_t reserve_mutex;	/* of the file that deletions may spend (reserve.c) */
	pthread_mutex_t forget_mutex;	/* of the next two; held while intents are forgotten */
	uint64_t forgotten;		/* how often some were (delete.c) */
	uint64_t forgotten_synced;	/* how often the pool knows of, and the backup there */
	pthread_mutex_t together_mutex; /* who holds processes still (together.c) */

	struct trust *trust;	     /* or NULL: no certificates */
	struct reach *reach;	     /* links to peers */
	struct under_way *under_way; /* transfers */
	struct watching *watching;
	struct data_table data;	 /* data containers */
	struct systems *systems; /* or NULL: it runs none (systems.h) */

	struct audit *audit;
	struct audit_mark audit_anchor; /* as this run wrote it last; the caretaker's */
	bool audit_broken;		/* the anchor is not to be moved; the caretaker's */

	pthread_mutex_t care_mutex; /* of what follows */
	int64_t peers_looked_for;   /* when last, clock_boot(); peer-care.c */
	void (*care_wake)(void *arg);
	void *care_arg;
	void (*member_hook)(void *arg);
	void *member_arg;
	void (*policy_hook)(void *arg);
	void *policy_arg;
	const struct unsaved_source *unsaved;
	int64_t audit_due; /* clock_boot() when the audit log is to be synced; 0: nothing to sync */
	int64_t sync_due;  /* clock_boot() when the pool is to be synced; 0: nothing to sync */
	struct uuid *carried_out; /* operations of intents to forget after the next sync; heap */
	size_t carried_out_count;
	uint64_t facts_failures;  /* to write facts, since all of them were right: they are compared
				     again */
	struct reading *readings; /* heap (reading.c) */
	struct uuid verifying[VERIFY_FOR_PEERS]; /* peers; none: it is free (verify.c) */
	bool deletions_due; /* a tree that was deleted while it was read is free now */

	int64_t thin_due;  /* clock_boot() when branches are to be thinned; 0: not soon */
	bool thin_all;	   /* all of them are to be looked at */
	bool thin_waits;   /* for the file system, which cleans up behind what was deleted before */
	int64_t space_due; /* clock_boot() when the space in the pool is to be looked at */
	struct thin_status thin_status; /* state, last and min_free */
	struct thin_tally thin_tally;
	bool thin_more; /* the last pass left more to delete */
	struct forecast forecast;
	struct branch_summary summary;

	int64_t forecast_due; /* clock_boot() of the next sample; the caretaker's */

	struct thin_memory *thinned; /* heap, by branch (thinner.c); the caretaker's */
	size_t thinned_count;

	bool space_short;    /* when the pool was looked at last; the caretaker's */
	uint64_t space_free; /* then */

	pthread_mutex_t retention_mutex; /* of what follows */
	struct retention retention;
	struct uuid boot;	 /* this run of the machine; none: not known */
	int64_t retention_saved; /* clock_boot() when the catalogue was told; 0: never */
	int64_t clock_jumped;	 /* what the host's clocks did last, ns (retention_jump) */
};

/* Holds the gate for a verb; the pool and the catalogue are open.  The state's trouble otherwise.
 */
must_check int gate_enter(struct engine *engine, struct engine **ret, struct fl_error *err);
void gate_leave(struct engine **inside);
#define own_gate own(gate_leave)

/* Shorthand for a driver's entry of the open pool. */
#define driver_of(engine) ((engine)->pool->driver)

/* Some facts could not be written: logs it, and engine_care() will compare all of them. */
void note_facts_unwritten(struct engine *engine, const struct fl_error *why);

/* The pool is to be synced soon: for what is durable then, or for the space that comes back. */
void sync_soon(struct engine *engine);

/* Asks for a pass of engine_care() soon. */
void care_soon(struct engine *engine);

/* --- claims: targets that are locked (claim.c) -------------------------------- */

/*
 * A remote branch: where only contents are read it stands for its tip (resolve_reading()); where a
 * head is to be touched it is refused (refuse_remote()).
 */
enum claim_mode {
	CLAIM_USE,  /* volume shared: what was resolved stays; heads are not touched */
	CLAIM_OWN,  /* the same for a branch of this instance; others are refused */
	CLAIM_HEAD, /* volume shared, branch alone, where the target is a live head; else CLAIM_USE.
		       Live heads of others are refused */
	CLAIM_FROM, /* the same, but others are read */
	CLAIM_SHAPE, /* volume alone.  Others are left to the verb */
};

struct claim {
	struct target *targets; /* one for each reference, in order */
	size_t count;
	struct lock_set locks;
	uint64_t commits; /* catalog_commits() before the targets were read */
};

/*
 * Resolves all references, locks what they stand for, and resolves them again
 * unless nothing was written meanwhile:
 * what is answered is true as long as the claim is held.
 */
must_check int claim_take(struct engine *engine, const struct ref *refs, size_t count,
			  enum claim_mode mode, struct claim *ret, struct fl_error *err);
void claim_drop(struct claim *claim);
#define own_claim own(claim_drop)

#define own_locks own(lock_drop)

/* --- answers: rows as nouns (answer.c) -------------------------------------------- */

must_check int answer_volume(struct engine *engine, struct tx *tx, const struct volume_row *row,
			     struct volume *ret, struct fl_error *err);
must_check int answer_branch(struct engine *engine, struct tx *tx, const struct volume_row *volume,
			     const struct branch_row *row, struct branch *ret,
			     struct fl_error *err);
/* The part that who takes snapshots by themselves knows (unsaved.c). */
void answer_unsaved(struct engine *engine, struct branch *ret);
/* Calls told() for every branch that waits for a snapshot by itself. */
void unsaved_each(struct engine *engine, unsaved_told *told, void *context);
must_check int answer_snapshot(struct engine *engine, struct tx *tx,
			       const struct volume_row *volume, const struct snapshot_row *row,
			       struct snapshot *ret, struct fl_error *err);
must_check int answer_tag(struct tx *tx, const struct volume_row *volume, const struct tag_row *row,
			  struct tag *ret, struct fl_error *err);
must_check int answer_stash(struct engine *engine, struct tx *tx, const struct volume_row *volume,
			    const struct stash_row *row, struct stash *ret, struct fl_error *err);
/* The name of an instance that is known here, else its UUID's text. */
void answer_instance(struct engine *engine, struct tx *tx, const struct uuid *uuid,
		     char name[static NAME_TEXT]);
/* The other way round.  FL_NOT_FOUND: nothing was heard of such an instance here. */
must_check int instance_find(struct engine *engine, struct tx *tx, const char *name,
			     struct uuid *ret, struct fl_error *err);
/* In a write transaction: what answer_instance() is to say of it from now on.  "": nothing. */
/* "h1-9f3c2a1b": where another one is called so here already. */
void name_tell_apart(char name[static NAME_TEXT], const struct uuid *uuid);
/*
 * An instance says itself what it is called (`own_word`); of others only what is not known yet is
 * heard.  Where another one is called so here already, it gets a name that tells them apart.
 */
struct hearsay {
	const struct uuid *uuid;
	const char *called; /* anything; "" says nothing */
	bool own_word;
};
must_check int instance_hear(struct engine *engine, struct tx *tx, const struct hearsay *heard,
			     struct fl_error *err);
must_check int instance_remember(struct tx *tx, const struct uuid *uuid, const char *name,
				 struct fl_error *err);

/* --- policies and the retention clock (policy.c, retention.c) ------------------------ */

/*
 * What counts for a branch: its own settings over the instance's.  Where these
 * have come to contradict each other (the instance's changed), its own over the
 * defaults, or the defaults: no branch is without a policy.
 */
must_check int policy_of(struct engine *engine, struct tx *tx, const struct uuid *branch,
			 struct policy *ret, struct fl_error *err);

/*
 * What a branch that is to be made gets of its own, as engine_policy_set() would
 * have it; `wanted` NULL or empty: nothing.  FL_INVALID.
 */
must_check int policy_of_new(struct engine *engine, const struct metadata *wanted,
			     struct metadata *ret, struct fl_error *err);

/* A branch whose policy contradicted the instance's may be gone, or be called otherwise. */
void policies_look_anew(struct engine *engine);

/* How old snapshots are goes by this clock (model/retention.h); it is kept in the catalogue. */
int64_t retention_now(struct engine *engine);
/* ns by which the host's clock jumped when it did last (model/retention.h); 0: it did not. */
int64_t retention_jumped(struct engine *engine);
/* The value for snapshot_row.late of one whose time is `time`. */
int64_t retention_late(struct engine *engine, int64_t time);
/* Takes up what the open catalogue keeps. */
must_check int retention_load(struct engine *engine, struct fl_error *err);
/* Writes it there, lazily. */
must_check int retention_save(struct engine *engine, struct fl_error *err);
/* clock_boot() of the last time; 0: not since it was loaded. */
int64_t retention_saved_at(struct engine *engine);
/* Writes it now and then.  Nanoseconds until this is wanted again. */
int64_t care_for_retention(struct engine *engine);
/*
 * In a catalogue that is made anew, where all snapshots are as old as their names say: it begins at
 * the wall clock, but no more than a day after `newest`, the last of them (0: there is none).
 */
must_check int retention_restart(struct engine *engine, int64_t newest, struct fl_error *err);

/* --- taking a snapshot (snapshot.c) -------------------------------------------------- */

/*
 * Takes a snapshot of the live head of a claimed branch in the pool, and fills
 * the row that the catalogue is to get.  Nothing in the catalogue yet: whoever
 * fails after this gives it back with snapshot_abort().
 */
must_check int snapshot_take(struct engine *engine, const struct branch_row *branch,
			     const struct snapshot_options *options, struct snapshot_row *ret,
			     struct fl_error *err);
void snapshot_abort(struct engine *engine, const struct snapshot_row *row);
struct tree snapshot_tree(const struct snapshot_row *row);

/* --- facts in the pool (facts.c) ------------------------------------------------------- */

/*
 * Writes the branch's facts as the rows say; `add` (may be NULL) is a line that
 * the catalogue does not have yet.
 */
must_check int facts_save(struct engine *engine, struct tx *tx, const struct volume_row *volume,
			  const struct branch_row *branch, const struct line *add,
			  struct fl_error *err);
/*
 * The same after the catalogue has been changed already: a failure (a full
 * pool) is logged and made good by engine_care().
 */
void facts_refresh(struct engine *engine, const struct uuid *branch);
/* Compares all facts, and the notes of snapshots (note.h), with the catalogue and writes those that
 * differ. */
must_check int facts_refresh_all(struct engine *engine, struct fl_error *err);

struct facts {
	struct volume_row volume;
	struct branch_row branch;
	char instance_name[NAME_TEXT];
	struct line *lines;
	size_t line_count;
};
void facts_done(struct facts *facts);
#define own_facts own(facts_done)
must_check int facts_load(struct engine *engine, const struct uuid *branch, struct facts *ret,
			  struct fl_error *err);
/* As they stand in the pool, and back; false when something is missing or wrong (what was read is
 * in `ret`). */
struct json_t;
void facts_encode(const struct facts *facts, struct text *out);
must_check bool facts_read(const struct json_t *root, struct facts *ret);
/* An object of strings; false for anything else (notes have one, too). */
must_check bool facts_read_metadata(struct json_t *object, struct metadata *ret);

/* --- visible branches (links.c) ---------------------------------------------------------- */

/* May MOUNT_ROOT/VOLUME/BRANCH be made?  FL_BUSY names what stands there. */
must_check int link_check(struct engine *engine, const char *volume, const char *branch,
			  struct fl_error *err);
must_check int link_branch(struct engine *engine, const char *volume,
			   const struct branch_row *branch, struct fl_error *err);
must_check int unlink_branch(struct engine *engine, const char *volume, const char *branch,
			     struct fl_error *err);
must_check int link_snapshot(struct engine *engine, const char *volume,
			     const struct snapshot_row *row, struct fl_error *err);
must_check int unlink_snapshot(struct engine *engine, const char *volume, uint64_t id,
			       struct fl_error *err);
bool snapshot_is_linked(struct engine *engine, const char *volume, uint64_t id);
/* The trees of all that are; `*ret` is heap. */
must_check int linked_snapshots(struct engine *engine, const char *volume, struct tree **ret,
				size_t *ret_count, struct fl_error *err);
/* Is any snapshot of the volume? */
bool any_snapshot_is_linked(struct engine *engine, const char *volume);
must_check int links_rename_volume(struct engine *engine, const char *from, const char *to,
				   struct fl_error *err);
/* Removes all that belongs to a volume, where it is empty then. */
void unlink_volume(struct engine *engine, const char *volume);
/* Makes the links agree with the catalogue. */
must_check int links_refresh_all(struct engine *engine, struct fl_error *err);
/* Heap; absolute. */
char *link_path(struct engine *engine, const char *volume, const char *branch);
char *snapshot_link_path(struct engine *engine, const char *volume, uint64_t id);

/* --- who uses a tree (use.c) --------------------------------------------------------------- */

/*
 * The processes that hold any of these trees.  Trees that are missing are held
 * by nobody.  Without `mappings` those are left out that only map files, in half
 * the time: for telling, never for deciding.
 */
must_check int find_holders(struct engine *engine, const struct tree *trees, size_t count,
			    bool mappings, struct holders *ret, struct fl_error *err);
/* Every one of them (holders_query.everyone), those that map files too, one by one. */
typedef int each_holder_fn(void *arg, pid_t pid, const char *command, const char *what,
			   struct fl_error *err);
must_check int each_holder(struct engine *engine, const struct tree *trees, size_t count,
			   each_holder_fn *each, void *arg, struct fl_error *err);
/* FL_BUSY naming the object and the processes, if there are any: then these are in `ret`, to which
 * nothing is written otherwise. */
must_check int refuse_if_held(struct engine *engine, const struct tree *trees, size_t count,
			      const char *object, struct holders *ret, struct fl_error *err);
/* The one wording for it. */
must_check int fail_held(const char *object, const struct holders *holders, struct fl_error *err);

/* --- snapshots that are being read (reading.c) ------------------------------------------- */

/* Under a claim: from now to reading_end() the tree stays, whatever becomes of the snapshot. */
void reading_begin(struct engine *engine, const struct tree *tree);
/* After the last one the caretaker carries out the deletions that came meanwhile.  Any thread. */
void reading_end(struct engine *engine, const struct tree *tree);
/* For deletions: is it being read?  Then it is deleted once it is not. */
must_check bool reading_defers(struct engine *engine, const struct tree *tree);

/* --- deletion: leaves the catalogue, with an intent, before the pool (delete.c) -- */

/* The tree that a "delete-snapshot" is about.  FL_CORRUPT. */
must_check int delete_snapshot_parse(const struct intent_row *intent, struct tree *ret,
				     struct fl_error *err);
/* Each carries out the intent of that name and forgets it; repeatable. */
must_check int delete_snapshot_finish(struct engine *engine, const struct intent_row *intent,
				      struct fl_error *err);
must_check int delete_branch_finish(struct engine *engine, const struct intent_row *intent,
				    struct fl_error *err);
must_check int delete_facts_finish(struct engine *engine, const struct intent_row *intent,
				   struct fl_error *err);
must_check int delete_retired_finish(struct engine *engine, const struct intent_row *intent,
				     struct fl_error *err);
/*
 * Before it is announced that a tree comes in, with its volume locked: its place is locked until
 * `ret_place` is dropped, what was destroyed there is gone from the pool, and no intent, in the
 * catalogue or its backup, deletes it any more.  FL_BUSY while it is read.
 */
must_check int deletion_make_way(struct engine *engine, const struct tree *tree,
				 struct lock_set *ret_place, struct fl_error *err);
/* In a transaction: FL_BUSY when tags or living branches need snapshots of the branch; says which.
 */
must_check int refuse_if_needed(struct tx *tx, const struct branch_row *branch, const char *name,
				struct fl_error *err);
/* Whichever of these the intent's verb names. */
must_check int intent_finish(struct engine *engine, const struct intent_row *intent,
			     struct fl_error *err);
/* All that the catalogue notes.  One that can't be found or read is logged and kept. */
must_check int finish_intents(struct engine *engine, struct fl_error *err);
/* The same for deletions alone: they need no other row. */
must_check int finish_deletions(struct engine *engine, struct fl_error *err);
/* Finishes or undoes a rollback that a crash interrupted. */
must_check int rollback_finish(struct engine *engine, const struct intent_row *intent,
			       struct fl_error *err);
/* Removes what a restore that a crash interrupted had in the head. */
must_check int restore_finish(struct engine *engine, const struct intent_row *intent,
			      struct fl_error *err);
/* The same for a head that was just made of a snapshot that was taken meanwhile; what fails is
 * logged. */
void restore_sweep(struct engine *engine, const struct uuid *branch);
/*
 * The next stash of the volume in `ret`, which has that set: what its branch was
 * when `taken` was, before `target` replaced it or a part of it.
 */
must_check int stash_add(struct tx *tx, const struct snapshot_row *taken,
			 const struct snapshot_row *target, struct stash_row *ret,
			 struct fl_error *err);
/* What the intent said is done in the pool: it is forgotten when that is durable (engine_care). */
void intent_carried_out(struct engine *engine, const struct uuid *operation);
/* Syncs the pool and forgets those that were carried out before; `*ret_count`: how many. */
must_check int intents_forget(struct engine *engine, size_t *ret_count, struct fl_error *err);
/* The same, and syncs once more, if there are any: at the start and at the end. */
must_check int intents_settle(struct engine *engine, struct fl_error *err);

/* Every branch in the trash: on its own, or with its volume. */
must_check int each_destroyed_branch(struct tx *tx,
				     int (*each)(void *arg, const struct branch_row *row,
						 struct fl_error *err),
				     void *arg, struct fl_error *err);
/* Empties what has been in the trash for long enough; `*ret_next`: nanoseconds until the next is
 * due. */
must_check int trash_expire(struct engine *engine, int64_t *ret_next, struct fl_error *err);

/*
 * The intent to remove all of a branch of ours from the pool; in the transaction that
 * deletes its row.  `ret` is the caller's to release, after a failure too.
 */
must_check int delete_branch_intend(struct tx *tx, const struct branch_row *branch,
				    struct intent_row *ret, struct fl_error *err);

/* catalog_write(), durable, of a deletion or of how an operation ended: goes through where the
 * catalogue's file system is full (reserve.c). */
must_check int catalog_write_deletion(struct engine *engine, catalog_fn fn, void *arg,
				      struct fl_error *err);
/*
 * What is known here of another instance's branch, claimed: its snapshots, the tags and stashes at
 * them; and the volume, if nothing else of it is here and it is another's, too.  FL_BUSY when
 * branches began there.
 */
must_check int forget_remote(struct engine *engine, struct target *target, struct fl_error *err);
/* Makes the space for that, if it is not there. */
must_check int reserve_fill(struct engine *engine, struct fl_error *err);

/* The intent to delete a snapshot's tree; its body is heap. */
struct intent_row delete_snapshot_intend(const struct tree *tree);
/* The same for the facts of another's branch, once its snapshots are gone. */
struct intent_row delete_facts_intend(const struct uuid *branch);

/* --- thinning by itself (thinner.c, space.c); what it does is in thin.h ---------------------- */

/* Thins every branch of this instance where that can be of use. */
must_check int thin_pass(struct engine *engine, struct fl_error *err);
/* A pass is wanted: soon, as snapshots were made; or `all` branches are looked at, as a policy
 * changed. */
void thin_soon(struct engine *engine, bool all);
/* Runs a pass if one is due.  Nanoseconds until it is wanted again. */
int64_t care_for_thinning(struct engine *engine);
/* Forgets what passes remember: when the pool is closed. */
void thin_forget(struct engine *engine);

/* `count` snapshots went. */
void thin_count_gone(struct engine *engine, uint64_t count);
void thin_tally_add(struct thin_tally *tally, int64_t boot, uint64_t count);
uint64_t thin_tally_read(const struct thin_tally *tally, int64_t boot);

/* A snapshot was taken at this time. */
void status_taken(struct engine *engine, int64_t time);
/* Takes a sample of the pool's use, where one is due (model/forecast.h). */
int64_t care_for_forecast(struct engine *engine);
/* What engine_pool_show() answers; behind the gate. */
must_check int pool_report(struct engine *engine, struct pool_report *ret, struct fl_error *err);

/*
 * Gives up what may be, while the pool has less free space than the setting
 * thin.min-free.  Nanoseconds until it is to be looked at again.
 */
int64_t care_for_space(struct engine *engine);
int64_t space_look(struct engine *engine); /* at once */
/* Empties what is longest in the trash; FL_NOT_FOUND: it is empty. */
must_check int trash_empty_oldest(struct engine *engine, struct trash_item *ret,
				  struct fl_error *err);

/* --- the audit log (audit.c) -------------------------------------------------- */

/* Says whether it is written (failing.h). */
void audit_note(struct engine *engine);
/* Syncs it when that is due.  Outside the gate.  Nanoseconds until it is wanted again. */
int64_t care_for_audit(struct engine *engine);
/* Syncs it now.  By the caretaker's thread, or when that has ended. */
must_check int audit_settle(struct engine *engine, struct fl_error *err);

/* --- rollback's other half (retire.c) ----------------------------------------- */

/* Lets go of every retired head that nobody holds.  `*ret_left`: how many are still held. */
must_check int retired_release(struct engine *engine, size_t *ret_left, struct fl_error *err);

/* --- opening (pool.c, reconcile.c, missing.c, recover.c, takeover.c) ----------- */

/* Drops the rows of snapshots, and makes the heads of branches of ours, that the pool lacks. */
must_check int drop_missing(struct engine *engine, struct fl_error *err);
must_check int replace_heads(struct engine *engine, struct fl_error *err);
/* Gives volumes and branches of engine->former, if it is set, to this instance. */
must_check int take_over_rows(struct engine *engine, struct fl_error *err);
/* For qsort(3): by kind, then by branch or operation, then by time. */
int compare_trees(const void *a, const void *b);
/* Finishes intents, then makes catalogue and pool agree. */
must_check int reconcile(struct engine *engine, struct fl_error *err);
/* Fills an empty, open catalogue from the open pool. */
must_check int rebuild(struct engine *engine, struct recovery *ret, struct fl_error *err);
/* Sets pool and catalog, or trouble, which engine_health() tells. */
void engine_pool_open(struct engine *engine);
void engine_pool_close(struct engine *engine);

/* RFC 3339 for messages, seconds only. */
char *time_text(int64_t time, char text[static CLOCK_TEXT]);

/* --- checks of what users type (set.c) ---------------------------------------- */

must_check int check_description(const char *description, struct fl_error *err);
must_check int check_mount_path(const char *path, struct fl_error *err);
must_check int check_message(const char *message, struct fl_error *err);
