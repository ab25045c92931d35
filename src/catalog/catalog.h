#pragma once

/*
 * The catalogue: what exists, in SQLite, in the daemon's state directory.
 *
 * It is the index of the pool, never its truth: storage names and facts in the
 * pool carry identity, order and parents, so that a lost catalogue loses no
 * data.  What only users know (tags, stashes, metadata, names and messages of
 * snapshots) and what is under way (retired heads, intents) is in the backup,
 * too (backup.h).
 *
 * Transactions.  Reading: tx_begin() gives a consistent view on one of a few
 * read connections; any number at once.  Writing: catalog_write() runs a
 * function inside the one write transaction.  Writers that wait are joined:
 * whoever gets the turn runs all that queued, each in a savepoint of its own,
 * and commits once, so that a hundred writers share one sync.  A function that
 * fails undoes its own work alone.  It must not block, and must not start
 * another transaction.
 *
 * Durability.  CATALOG_DURABLE: synced before catalog_write() returns, and in
 * the backup; for everything that a user made.  CATALOG_LAZY: survives the
 * process at once, a power cut at the next durable write; only for what the
 * pool tells anyway (rows of snapshots without a name).  A commit that fails
 * for another reason than space ends the program: what had been promised can no
 * longer be kept.
 *
 * Damage.  Every page carries a checksum (checksum-vfs.c); a page that does not
 * match is FL_CORRUPT wherever it is met, and catalog_open() reads them all.
 *
 * Rows are plain values; strings inside are fixed or owned by the row
 * (row_done).  Functions without `each` answer FL_NOT_FOUND when there is no
 * such row, with a text that names the object; unique names answer FL_EXISTS.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/own.h"
#include "base/text.h"
#include "base/uuid.h"
#include "model/lineage.h"
#include "model/metadata.h"
#include "model/name.h"
#include "model/nouns.h"

struct catalog;
struct tx;

enum durability { CATALOG_LAZY, CATALOG_DURABLE };

/*
 * Opens or makes the catalogue at `path`, migrates an older schema (after a
 * copy PATH.before-N).  FL_NOT_FOUND when it is missing and not `create`.
 * FL_UNSUPPORTED for a schema newer than this program.  FL_CORRUPT when it is
 * damaged: the hint names `flocker pool recover`.
 */
must_check int catalog_open(const char *path, bool create, struct catalog **ret,
			    struct fl_error *err);
void catalog_close(struct catalog *catalog);

/* How many durable writes the catalogue has seen since it was made; kept in it. */
uint64_t catalog_generation(struct catalog *catalog);

/*
 * How many writes this process has committed.  Each is counted before its
 * catalog_write() returns: who saw the same number before it read and after it
 * took a lock need not read again what only holders of that lock change.
 */
uint64_t catalog_commits(struct catalog *catalog);

/*
 * Removes the files of a (closed) catalogue at `path`, keeping them as
 * PATH.lost-TIME.  Repeatable: stopped halfway it leaves the whole catalogue at
 * `path`, or none and parts of its log, which nobody reads.
 */
must_check int catalog_put_aside(const char *path, struct fl_error *err);

must_check int tx_begin(struct catalog *catalog, struct tx **ret, struct fl_error *err);
void tx_end(struct tx *tx);
static inline void tx_endp(struct tx **tx)
{
	if (*tx)
		tx_end(*tx);
}
#define own_tx own(tx_endp)

typedef int (*catalog_fn)(struct tx *tx, void *arg, struct fl_error *err);
must_check int catalog_write(struct catalog *catalog, enum durability durability, catalog_fn fn,
			     void *arg, struct fl_error *err);

/* --- settings: what is remembered ("generation" is the catalogue's own) ---------- */

must_check int tx_setting_get(struct tx *tx, const char *key, struct text *ret,
			      struct fl_error *err);
must_check int tx_setting_set(struct tx *tx, const char *key, const char *value,
			      struct fl_error *err);
/* The other way round: what follows `prefix` in the first key that has this value. */
must_check int tx_setting_find(struct tx *tx, const char *prefix, const char *value,
			       struct text *ret, struct fl_error *err);

/* --- volumes ------------------------------------------------------------- */

struct volume_row {
	struct uuid uuid;
	char name[NAME_TEXT];
	struct uuid owner;
	uint64_t epoch;
	char *description; /* owned, or NULL */
	struct metadata metadata;
	char *mount_path; /* owned, or NULL */
	struct origin origin;
	int64_t created;
	int64_t destroyed;   /* 0: alive.  In the trash since then: its name is free */
	uint32_t last_stash; /* number given last; numbers are never given again */
	uint64_t quota;	     /* bytes; 0: none */
	int64_t late;	     /* seconds that the retention clock was behind `destroyed` */
};
void volume_row_done(struct volume_row *row);
#define own_volume_row own(volume_row_done)

/* Among the living. */
must_check int tx_volume_find(struct tx *tx, const char *name, struct volume_row *ret,
			      struct fl_error *err);
must_check int tx_volume_get(struct tx *tx, const struct uuid *uuid, struct volume_row *ret,
			     struct fl_error *err);
/* FL_EXISTS when a living volume has the name. */
must_check int tx_volume_insert(struct tx *tx, const struct volume_row *row, struct fl_error *err);
/* Writes every column of the row with row->uuid.  FL_EXISTS as above. */
must_check int tx_volume_update(struct tx *tx, const struct volume_row *row, struct fl_error *err);
/* With all its branches, lines, snapshots, tags, stashes. */
must_check int tx_volume_delete(struct tx *tx, const struct uuid *uuid, struct fl_error *err);
/* The living by name, after the name `after` ("" = from the first), at most `limit`. */
must_check int tx_volume_each(struct tx *tx, const char *after, size_t limit,
			      int (*each)(void *arg, const struct volume_row *row,
					  struct fl_error *err),
			      void *arg, struct fl_error *err);
/* The destroyed, oldest first. */
must_check int tx_volume_each_destroyed(struct tx *tx,
					int (*each)(void *arg, const struct volume_row *row,
						    struct fl_error *err),
					void *arg, struct fl_error *err);

/*
 * For a retention clock that begins anew, at `now`: what is in the trash counts as destroyed when
 * its time says, or later where the wall clock was known to be behind; but not after `now`.
 */
must_check int tx_date_destroyed(struct tx *tx, int64_t now, struct fl_error *err);

/* --- branches ------------------------------------------------------------ */

struct branch_row {
	struct uuid uuid;
	struct uuid volume;
	struct uuid instance;
	char name[NAME_TEXT];
	struct origin origin;
	int64_t created;
	int64_t destroyed;	/* 0: alive */
	struct uuid retired;	/* where the head is while it is in the trash; else none */
	bool mounted;		/* is to be visible */
	uint64_t last_sequence; /* given last; 0: none.  Numbers are never given again */
	int64_t last_time; /* time of that snapshot, even if it is gone: the next one is later */
	int64_t late;	   /* seconds that the retention clock was behind `destroyed` */
};

/* Among the living of that instance: each names its branches for itself. */
must_check int tx_branch_find(struct tx *tx, const struct uuid *volume, const struct uuid *instance,
			      const char *name, struct branch_row *ret, struct fl_error *err);
must_check int tx_branch_get(struct tx *tx, const struct uuid *uuid, struct branch_row *ret,
			     struct fl_error *err);
must_check int tx_branch_insert(struct tx *tx, const struct branch_row *row, struct fl_error *err);
must_check int tx_branch_update(struct tx *tx, const struct branch_row *row, struct fl_error *err);
/* With its lines, snapshots, hooks, pins, and the pins that serve it. */
must_check int tx_branch_delete(struct tx *tx, const struct uuid *uuid, struct fl_error *err);
/* Of one volume (trunk first, then by name), or of all living volumes (`volume` NULL; by volume
 * name, then the same). */
must_check int tx_branch_each(struct tx *tx, const struct uuid *volume, bool destroyed,
			      int (*each)(void *arg, const struct branch_row *row,
					  struct fl_error *err),
			      void *arg, struct fl_error *err);
must_check int tx_branch_snapshots(struct tx *tx, const struct uuid *branch, uint64_t *ret,
				   struct fl_error *err);
/* The settings that the branch has of its own (model/policy.h). */
must_check int tx_branch_policy_get(struct tx *tx, const struct uuid *branch, struct metadata *ret,
				    struct fl_error *err);
must_check int tx_branch_policy_set(struct tx *tx, const struct uuid *branch,
				    const struct metadata *policy, struct fl_error *err);
/* How many living branches of an instance there are. */
must_check int tx_branch_count(struct tx *tx, const struct uuid *instance, uint64_t *ret,
			       struct fl_error *err);

/* The same, and when the newest snapshot of all of them was taken; 0: there was none. */
must_check int tx_branch_summary(struct tx *tx, const struct uuid *instance, uint64_t *ret_count,
				 int64_t *ret_newest, struct fl_error *err);

/* --- lines (model/lineage.h) ---------------------------------------------- */

must_check int tx_line_insert(struct tx *tx, const struct line *line, struct fl_error *err);
/* Inserts it, or gives the one that begins there this parent. */
must_check int tx_line_set(struct tx *tx, const struct line *line, struct fl_error *err);
/* Those of a branch, oldest first; `*ret` is heap. */
must_check int tx_line_list(struct tx *tx, const struct uuid *branch, struct line **ret,
			    size_t *ret_count, struct fl_error *err);
/* The line of `branch` that `time` lies in: the one with the greatest start <= `time`. */
must_check int tx_line_at(struct tx *tx, const struct uuid *branch, int64_t time, struct line *ret,
			  struct fl_error *err);
/*
 * The lines, of any branch, whose parent lies in the stretch.  But for `all` only
 * those for which that must stay: not those whose snapshots have all gone and where
 * no head goes on.
 */
must_check int tx_line_children(struct tx *tx, const struct stretch *stretch, bool all,
				int (*each)(void *arg, const struct line *line,
					    struct fl_error *err),
				void *arg, struct fl_error *err);
/* Lines that began from `from` begin from `to` (or from nothing, when that is none). */
must_check int tx_line_repoint(struct tx *tx, const struct position *from,
			       const struct position *to, struct fl_error *err);

/* --- snapshots ------------------------------------------------------------ */

struct snapshot_row {
	struct position position; /* branch that took it, storage.time */
	struct snapname storage;
	uint64_t id;	   /* snapname_id(&storage) */
	uint64_t sequence; /* in its branch, from 1: for people; the order is position.time's */
	char host[NAME_TEXT];
	enum reason reason;
	int64_t late;	      /* seconds that the retention clock was behind position.time */
	char name[NAME_TEXT]; /* "" = none */
	char *message;	      /* owned, or NULL */
	struct metadata metadata;
};
void snapshot_row_done(struct snapshot_row *row);
#define own_snapshot_row own(snapshot_row_done)

/* Raises the branch's last_sequence and last_time.  FL_EXISTS: the name or the position is there.
 */
must_check int tx_snapshot_insert(struct tx *tx, const struct snapshot_row *row,
				  struct fl_error *err);
must_check int tx_snapshot_get(struct tx *tx, const struct position *position,
			       struct snapshot_row *ret, struct fl_error *err);
must_check int tx_snapshot_get_id(struct tx *tx, uint64_t id, struct snapshot_row *ret,
				  struct fl_error *err);
/* By a name given to a snapshot that this branch took. */
must_check int tx_snapshot_get_name(struct tx *tx, const struct uuid *branch, const char *name,
				    struct snapshot_row *ret, struct fl_error *err);
/* The snapshots of a volume whose id lies in [low, high] (a prefix), at most `limit`, by id. */
must_check int tx_snapshot_each_id(struct tx *tx, const struct uuid *volume, uint64_t low,
				   uint64_t high, size_t limit,
				   int (*each)(void *arg, const struct snapshot_row *row,
					       struct fl_error *err),
				   void *arg, struct fl_error *err);
/* Those of a stretch that exist, newest first, at most `limit`. */
must_check int tx_snapshot_each(struct tx *tx, const struct stretch *stretch, size_t limit,
				int (*each)(void *arg, const struct snapshot_row *row,
					    struct fl_error *err),
				void *arg, struct fl_error *err);
/* The `back`-th newest that exists in a stretch (0: the newest); `ret_count` (may be NULL) says how
 * many there are, if fewer. */
must_check int tx_snapshot_nth(struct tx *tx, const struct stretch *stretch, uint64_t back,
			       struct snapshot_row *ret, uint64_t *ret_count, struct fl_error *err);
/* The newest in a stretch with a time <= `time`.  FL_NOT_FOUND. */
must_check int tx_snapshot_at(struct tx *tx, const struct stretch *stretch, int64_t time,
			      struct snapshot_row *ret, struct fl_error *err);
/* The newest in a stretch that was made when the retention clock was `stamp`, or before.
 * FL_NOT_FOUND. */
must_check int tx_snapshot_aged(struct tx *tx, const struct stretch *stretch, int64_t stamp,
				struct snapshot_row *ret, struct fl_error *err);
/* Of a branch: the greatest time of a snapshot that exists and is <= `time`; 0 when there is none.
 */
must_check int tx_snapshot_floor(struct tx *tx, const struct uuid *branch, int64_t time,
				 int64_t *ret, struct fl_error *err);
/* Name, message, metadata of the row with row->position. */
must_check int tx_snapshot_annotate(struct tx *tx, const struct snapshot_row *row,
				    struct fl_error *err);
must_check int tx_snapshot_delete(struct tx *tx, const struct position *position,
				  struct fl_error *err);
/* How many rows there are in all. */
must_check int tx_snapshot_count(struct tx *tx, uint64_t *ret, struct fl_error *err);
/* Every row, by branch and time, after (`after` none: from the first), at most `limit`. */
must_check int tx_snapshot_each_all(struct tx *tx, const struct position *after, size_t limit,
				    int (*each)(void *arg, const struct snapshot_row *row,
						struct fl_error *err),
				    void *arg, struct fl_error *err);

/* Why the snapshot must stay (enum pin, all but PIN_MOUNT); destroyed branches and volumes still
 * pin. */
must_check int tx_snapshot_pins(struct tx *tx, const struct position *position, unsigned *ret,
				struct fl_error *err);

/* What thinning is to know of a snapshot: a plain value. */
struct kept_row {
	int64_t time;	      /* of its position */
	int64_t stamp;	      /* of the retention clock, ns; to the second where that was late */
	uint64_t id;	      /* snapname_id() */
	struct uuid instance; /* of its storage name */
	unsigned pins;	      /* all but PIN_TIP and PIN_MOUNT; tips are the last, or PIN_BRANCH */
};
/* All that a branch took, oldest first, in one statement. */
must_check int tx_snapshot_each_kept(struct tx *tx, const struct uuid *branch,
				     int (*each)(void *arg, const struct kept_row *row,
						 struct fl_error *err),
				     void *arg, struct fl_error *err);

/* All that a branch took are `late` by so much. */
must_check int tx_snapshot_date(struct tx *tx, const struct uuid *branch, int64_t late,
				struct fl_error *err);

/* --- tags ------------------------------------------------------------------ */

struct tag_row {
	struct uuid volume;
	char name[NAME_TEXT];
	struct position snapshot;
	int64_t created;
};
must_check int tx_tag_insert(struct tx *tx, const struct tag_row *row, struct fl_error *err);
must_check int tx_tag_find(struct tx *tx, const struct uuid *volume, const char *name,
			   struct tag_row *ret, struct fl_error *err);
must_check int tx_tag_delete(struct tx *tx, const struct uuid *volume, const char *name,
			     struct fl_error *err);
/* By name; all of a volume, or those at one snapshot (`at` not NULL). */
must_check int tx_tag_each(struct tx *tx, const struct uuid *volume, const struct position *at,
			   int (*each)(void *arg, const struct tag_row *row, struct fl_error *err),
			   void *arg, struct fl_error *err);

/* --- stashes ---------------------------------------------------------------- */

struct stash_row {
	struct uuid volume;
	uint32_t number;
	struct uuid branch;	  /* whose head it was */
	struct position snapshot; /* the tip */
	struct position target;	  /* what was rolled back to; may be gone */
	uint64_t target_id;
	int64_t created;
};
/* Raises the volume's last_stash.  FL_EXISTS when the number is taken. */
must_check int tx_stash_insert(struct tx *tx, const struct stash_row *row, struct fl_error *err);
must_check int tx_stash_find(struct tx *tx, const struct uuid *volume, uint32_t number,
			     struct stash_row *ret, struct fl_error *err);
/* Moves the tip. */
must_check int tx_stash_update(struct tx *tx, const struct stash_row *row, struct fl_error *err);
must_check int tx_stash_delete(struct tx *tx, const struct uuid *volume, uint32_t number,
			       struct fl_error *err);
/* Newest first. */
must_check int tx_stash_each(struct tx *tx, const struct uuid *volume,
			     int (*each)(void *arg, const struct stash_row *row,
					 struct fl_error *err),
			     void *arg, struct fl_error *err);

/* --- pins: what other instances need of us ------------------------------------------ */

struct pin_row {
	enum pin kind;	    /* PIN_PEER or PIN_TRANSFER */
	struct uuid peer;   /* its instance */
	struct uuid served; /* the branch that is sent or received */
	struct position snapshot;
	struct uuid operation; /* of PIN_TRANSFER: the transfer; of PIN_PEER as a rule none; else
				  common-pins.h, arrive-pins.c */
	int64_t since;
};
/* What is there already stays as it is. */
must_check int tx_pin_set(struct tx *tx, const struct pin_row *row, struct fl_error *err);
/* `since` does not matter.  What is not there is a success. */
must_check int tx_pin_delete(struct tx *tx, const struct pin_row *row, struct fl_error *err);
/* All of a transfer. */
must_check int tx_pin_delete_operation(struct tx *tx, const struct uuid *operation,
				       struct fl_error *err);
must_check int tx_pin_delete_peer(struct tx *tx, const struct uuid *peer, struct fl_error *err);

struct pin_filter { /* NULL: whichever */
	const struct uuid *peer;
	const struct uuid *served;
	const struct position *snapshot;
	const struct uuid *operation;
};
/* Those of peers first, then those of transfers. */
must_check int tx_pin_each(struct tx *tx, const struct pin_filter *filter,
			   int (*each)(void *arg, const struct pin_row *row, struct fl_error *err),
			   void *arg, struct fl_error *err);

/* --- peers: instances that we talk with -------------------------------------------- */

struct peer_row {
	char name[NAME_TEXT]; /* ours for it; unique */
	char *address;	      /* owned */
	struct uuid instance; /* none: not known yet.  Unique */
	struct uuid cluster;  /* none: it belongs to none, or not known yet */
	int64_t added;
	int64_t seen;	/* when we heard of it last; 0: never */
	uint64_t limit; /* bytes a second; 0: none */
};
void peer_row_done(struct peer_row *row);
#define own_peer_row own(peer_row_done)

/* FL_EXISTS: the name is taken, or the instance is a peer already. */
must_check int tx_peer_insert(struct tx *tx, const struct peer_row *row, struct fl_error *err);
/* Writes every column of the row with row->name.  FL_EXISTS for the instance, as above. */
must_check int tx_peer_update(struct tx *tx, const struct peer_row *row, struct fl_error *err);
must_check int tx_peer_find(struct tx *tx, const char *name, struct peer_row *ret,
			    struct fl_error *err);
/* By its instance. */
must_check int tx_peer_of(struct tx *tx, const struct uuid *instance, struct peer_row *ret,
			  struct fl_error *err);
must_check int tx_peer_delete(struct tx *tx, const char *name, struct fl_error *err);
/* By name. */
must_check int tx_peer_each(struct tx *tx,
			    int (*each)(void *arg, const struct peer_row *row,
					struct fl_error *err),
			    void *arg, struct fl_error *err);

/* --- hooks: programs that are told of a branch's snapshots and rollbacks ---------- */

struct hook_row {
	struct uuid branch;
	char name[NAME_TEXT];		/* unique in its branch */
	struct metadata settings;	/* owned */
	char container[CONTAINER_TEXT]; /* that it runs in, "*": the one that uses the branch; "":
					   none, but the host */
	int64_t timeout;		/* ns */
	bool required;
};
void hook_row_done(struct hook_row *row);
#define own_hook_row own(hook_row_done)

/* Inserts it, or writes every column of the one with that branch and name. */
must_check int tx_hook_set(struct tx *tx, const struct hook_row *row, struct fl_error *err);
must_check int tx_hook_delete(struct tx *tx, const struct uuid *branch, const char *name,
			      struct fl_error *err);
/* Of one branch, by name; or of all, those in the trash too (`branch` NULL). */
must_check int tx_hook_each(struct tx *tx, const struct uuid *branch,
			    int (*each)(void *arg, const struct hook_row *row,
					struct fl_error *err),
			    void *arg, struct fl_error *err);

/* --- systems: branches that are run as operating systems ------------------------- */

struct system_record {
	struct uuid branch;
	bool wanted;		  /* it is to run */
	struct metadata settings; /* owned */
};
void system_record_done(struct system_record *row);
#define own_system_record own(system_record_done)

/* FL_EXISTS: the branch is one. */
must_check int tx_system_insert(struct tx *tx, const struct system_record *row,
				struct fl_error *err);
/* Writes every column of the row with row->branch. */
must_check int tx_system_update(struct tx *tx, const struct system_record *row,
				struct fl_error *err);
must_check int tx_system_get(struct tx *tx, const struct uuid *branch, struct system_record *ret,
			     struct fl_error *err);
must_check int tx_system_delete(struct tx *tx, const struct uuid *branch, struct fl_error *err);
/* All, those of branches in the trash too. */
must_check int tx_system_each(struct tx *tx,
			      int (*each)(void *arg, const struct system_record *row,
					  struct fl_error *err),
			      void *arg, struct fl_error *err);

/* --- retired heads: replaced by a rollback, not yet released ------------------- */

struct retired_row {
	struct uuid operation; /* retired/<operation> */
	struct uuid volume;
	struct uuid branch;	  /* whose head it was */
	uint32_t stash;		  /* of that volume; may have been dropped since */
	struct position snapshot; /* what was taken of it before the swap */
};
must_check int tx_retired_insert(struct tx *tx, const struct retired_row *row,
				 struct fl_error *err);
must_check int tx_retired_delete(struct tx *tx, const struct uuid *operation, struct fl_error *err);
must_check int tx_retired_each(struct tx *tx,
			       int (*each)(void *arg, const struct retired_row *row,
					   struct fl_error *err),
			       void *arg, struct fl_error *err);

/* --- what a rollback has stopped and is to be started again: this host's, not in the backup ----
 */

struct stopped_row {
	struct uuid branch; /* may be gone since */
	char *container;    /* owned; who that is to the engine (engine/around.h) */
};
void stopped_row_done(struct stopped_row *row);
#define own_stopped_row own(stopped_row_done)

/* What is there already stays where it is in the order. */
must_check int tx_stopped_insert(struct tx *tx, const struct stopped_row *row,
				 struct fl_error *err);
/* What is not there is a success. */
must_check int tx_stopped_delete(struct tx *tx, const struct uuid *branch, const char *container,
				 struct fl_error *err);
/* The last that was inserted first: in which order they are to be started. */
must_check int tx_stopped_each(struct tx *tx,
			       int (*each)(void *arg, const struct stopped_row *row,
					   struct fl_error *err),
			       void *arg, struct fl_error *err);

/* --- intents: what a verb of several steps is about to do --------------------- */

struct intent_row {
	struct uuid operation;
	char verb[16];
	char *body; /* owned; JSON, the verb's own */
};
void intent_row_done(struct intent_row *row);
#define own_intent_row own(intent_row_done)
must_check int tx_intent_insert(struct tx *tx, const struct intent_row *row, struct fl_error *err);
must_check int tx_intent_delete(struct tx *tx, const struct uuid *operation, struct fl_error *err);
must_check int tx_intent_has(struct tx *tx, const struct uuid *operation, bool *ret,
			     struct fl_error *err);
/* In the order in which they were made. */
must_check int tx_intent_each(struct tx *tx,
			      int (*each)(void *arg, const struct intent_row *row,
					  struct fl_error *err),
			      void *arg, struct fl_error *err);

/* --- operations: what takes long; this catalogue's own, not in the backup --------- */

/* FL_EXISTS when the id is taken. */
must_check int tx_operation_insert(struct tx *tx, const struct operation *row,
				   struct fl_error *err);
/* Writes every column of the row with row->id. */
must_check int tx_operation_update(struct tx *tx, const struct operation *row,
				   struct fl_error *err);
must_check int tx_operation_get(struct tx *tx, const struct uuid *id, struct operation *ret,
				struct fl_error *err);
/* Newest first, at most `limit`. */
must_check int tx_operation_each(struct tx *tx, size_t limit,
				 int (*each)(void *arg, const struct operation *row,
					     struct fl_error *err),
				 void *arg, struct fl_error *err);
/* All that are running have failed at the time `ended`, with `why`. */
must_check int tx_operation_interrupt(struct tx *tx, int64_t ended, const struct fl_error *why,
				      struct fl_error *err);
/* Forgets those that ended, but the newest `keep` of them. */
must_check int tx_operation_prune(struct tx *tx, size_t keep, struct fl_error *err);
