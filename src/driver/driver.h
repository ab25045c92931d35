#pragma once

/*
 * The storage contract
 *
 * A driver keeps file trees.  It knows pools and trees by their storage names
 * and nothing else: no volumes, owners, names, retention, catalogue.  A driver
 * is a constant table; capability bits say which of the optional entries it
 * has, and driver_find() gives out none in which the two disagree.
 *
 * What a pool holds (DESIGN section 5; a driver without directories keeps the
 * same names in its own way):
 *
 *	flocker.json			the identity: format, pool UUID, instance UUID
 *	heads/<branch>			live trees, writable
 *	snaps/<branch>/<snapname>	snapshots, read-only
 *	snaps/<branch>/facts		what the engine wants kept beside them
 *	staging/<operation>		half-made trees; emptied at start
 *	retired/<operation>		heads that were replaced or destroyed
 *	<name>				small files of the engine ("catalog.backup")
 *
 * Every entry may be called from any thread; calls on different trees run in
 * parallel, and the engine's locks keep two calls off the same tree.  Entries
 * block.  A driver never prints and never ends the program.
 *
 * Durable means: survives a power cut once the call has returned.  Where an
 * entry does not promise it, it is so after the next sync().  After a crash in
 * the middle of any entry the named trees are as before or as after, and at
 * most a tree in staging is left over.  Where an entry says "repeatable", a second
 * call after success is success.
 *
 * Codes, beyond those that an entry names: FL_NO_SPACE for a full pool,
 * FL_SYSTEM for what the kernel says.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/own.h"
#include "base/text.h"
#include "base/uuid.h"
#include "model/change.h"
#include "model/snapname.h"
#include "model/storage.h"

#define POOL_FORMAT 1
#define POOL_PATH 4096

/* Where a pool is and how it is to be made.  Plain value. */
struct pool_spec {
	char driver[16]; /* "btrfs" */
	enum pool_kind kind;
	char path[POOL_PATH]; /* absolute; POOL_DATASET: "POOL" or "POOL/DATASET" */
	uint64_t size;	      /* bytes; create of POOL_FILE only */
	bool sparse;	      /* POOL_FILE: do not reserve the blocks */
	bool compress;	      /* the file system's own compression for everything written */
	bool force;	      /* create: overwrite what PATH holds */
};

struct pool_identity {
	uint32_t format; /* POOL_FORMAT; a greater one is refused by open */
	struct uuid pool;
	struct uuid instance; /* whose it is */
};

struct pool_stats {
	uint64_t size, used, free; /* bytes, as the file system counts them */
	uint64_t host_free;	   /* POOL_FILE: free bytes of the file system below; else 0 */
	uint64_t host_needed; /* POOL_FILE sparse: bytes that the file may still grow by; else 0 */
	uint64_t uncleaned;   /* trees that were deleted and that the file system still cleans up
				 behind; 0 where it does not tell, or has none left */
	bool read_only;	      /* the file system refuses writes */
	bool quota;	      /* counts what is allocated and can limit it */
	bool share;	      /* snapshots and clones share blocks with what they were made from */
	char health[160]; /* "ok", or what is wrong (device errors, missing device, read-only) */
};

enum tree_kind { TREE_HEAD, TREE_SNAPSHOT, TREE_STAGING, TREE_RETIRED };

/* A tree's storage name.  Plain value. */
struct tree {
	enum tree_kind kind;
	struct uuid uuid;	  /* HEAD, SNAPSHOT: the branch.  STAGING, RETIRED: the operation */
	struct snapname snapshot; /* SNAPSHOT only */
};

#define TREE_MOUNT 176

struct tree_info {
	uint64_t id;  /* the same as long as the tree exists, never given again in this pool */
	dev_t device; /* st_dev of every file in the tree, where that tells it from all others; else
			 0 */
	int64_t created; /* ns UTC by the file system's clock; 0 if it does not say */
	/*
	 * What every line of mountinfo about a mount of it holds: as an option
	 * ("subvolid=257"), or, where it begins with a slash, in the path of the
	 * mount's root ("/heads/<uuid>/files"); or "".
	 */
	char mount[TREE_MOUNT];
};

enum driver_capability {
	DRIVER_CAN_GROW = 1 << 0,     /* grow */
	DRIVER_CAN_COMPRESS = 1 << 1, /* honours pool_spec.compress; no entry of its own */
	DRIVER_CAN_EXPOSE = 1 << 2,   /* expose, conceal, locate: trees have paths */
	DRIVER_CAN_SHARE = 1 << 3, /* always: a clone shares its blocks and costs no space; without
				      it pool_stats.share tells */
	DRIVER_CAN_LIMIT = 1 << 4, /* account, unaccount, limit, usage, usages, occupied */
	DRIVER_CAN_DIFF = 1 << 5,  /* diff */
	DRIVER_MUST_REVEAL = 1 << 6,  /* reveal: showing a snapshot costs a mount */
	DRIVER_CAN_NOTE = 1 << 7,     /* snapshot_noted, note_write, note_each */
	DRIVER_MUST_WALK = 1 << 8,    /* diff looks at all of both trees, whatever differs */
	DRIVER_CAN_WATCH = 1 << 9,    /* watch_root, watch_handle, watch_heads, motion */
	DRIVER_CAN_SEND = 1 << 10,    /* send */
	DRIVER_CAN_RECEIVE = 1 << 11, /* receive */
	DRIVER_MUST_READ = 1 << 12,   /* send reads both trees (portable.h) */
	DRIVER_CAN_WEIGH = 1 << 13,   /* weigh */
};

/* What is counted together: a branch's heads, past and present; or a group of branches. */
enum account { ACCOUNT_BRANCH, ACCOUNT_GROUP };

struct account_name {
	enum account account;
	struct uuid uuid;
};

struct usage {
	bool known;
	uint64_t bytes; /* allocated by writing to these heads and held since, by whatever tree */
	uint64_t limit; /* 0 = none */
};

/*
 * Where a tree stands in the order in which the changes of its pool happen.
 * Points of this order only grow, also over restarts.
 */
struct motion {
	uint64_t number;   /* of the tree, as watch_handle() tells it; another one has it only after
			      the pool was opened anew */
	uint64_t made;	   /* the point at which the tree was made */
	uint64_t contents; /* of the last change of its contents that the file system knows of */
	uint64_t touched;  /* the same, or of what may be one: all is unchanged since `bound` if
			      this is not later */
	uint64_t bound;	   /* the later of the points at which the tree and the snapshot that it is
			      compared with were made; 0: they are not related, so nothing is known */
};

/* How far watch_heads() has come.  Zero: nothing was looked at. */
struct watch_since {
	uint64_t point;
	bool settled; /* nothing can be new before the pool's next point */
};

/* What watch_heads() found: a tree that was written to, made or renamed. */
struct moved_tree {
	uint64_t number;
	bool head;	    /* of `branch`; else it is none (any more) */
	struct uuid branch; /* of a head */
	uint64_t touched;   /* as in struct motion, of what is on disk; 0: not known */
};

struct driver;

/* An open pool.  A driver's own struct begins with it. */
struct pool {
	const struct driver *driver;
	struct pool_spec spec;
	struct pool_identity identity;
	uint32_t grain; /* of the times of files in it: nanoseconds; 1: any, or it has no files */
};

struct driver {
	const char *name;
	unsigned capabilities;
	unsigned kinds; /* of pools that it makes: bits 1 << POOL_... */

	/*
	 * Can this process make and open such pools on this host?
	 * FL_UNSUPPORTED or FL_DENIED, with what is missing and a hint.  Changes
	 * nothing.  NULL: it always can.
	 */
	int (*available)(struct fl_error *err);

	/* --- pools ------------------------------------------------------ */

	/*
	 * Makes the storage that `spec` describes with an empty layout and
	 * `identity`.  Durable.  FL_EXISTS when there is a Flocker pool
	 * already; FL_BUSY when the place is in use or holds something else
	 * (and not spec->force); FL_INVALID for a size that is too small;
	 * FL_UNSUPPORTED when the kernel lacks the file system.  On failure
	 * what the call made is removed again.
	 */
	int (*create)(const struct pool_spec *spec, const struct pool_identity *identity,
		      struct fl_error *err);

	/*
	 * Opens a pool that create() made and takes it for this process alone:
	 * FL_BUSY when another process has it.  Nothing becomes visible
	 * outside.  Incomplete pieces of the layout are made anew; trees are
	 * not touched.  FL_NOT_FOUND when there is nothing at the place,
	 * FL_INVALID when it is no Flocker pool or of a newer format.
	 */
	int (*open)(const struct pool_spec *spec, struct pool **ret, struct fl_error *err);

	/* Ends the use.  What expose() made visible stays if it is in use.  Cannot fail; NULL is
	 * fine. */
	void (*close)(struct pool *pool);

	/* Replaces the identity (adopt).  Atomic, durable, repeatable. */
	int (*identify)(struct pool *pool, const struct pool_identity *identity,
			struct fl_error *err);

	int (*stats)(struct pool *pool, struct pool_stats *ret, struct fl_error *err);

	/*
	 * Enlarges to `size` bytes in all; `size` 0: to all that the device
	 * below has.  Online.  FL_INVALID when that is less than now;
	 * FL_UNSUPPORTED for a POOL_DIRECTORY and a POOL_DATASET, whose size is another's to
	 * change.
	 */
	int (*grow)(struct pool *pool, uint64_t size, struct fl_error *err);

	/* Everything done before this call is durable when it returns. */
	int (*sync)(struct pool *pool, struct fl_error *err);

	/*
	 * Stops (or allows again) all writing to the pool, by everyone, at the
	 * file system itself.  Repeatable.  FL_UNSUPPORTED for a POOL_DIRECTORY,
	 * whose file system others use too.
	 */
	int (*set_read_only)(struct pool *pool, bool read_only, struct fl_error *err);

	/* --- visibility (DRIVER_CAN_EXPOSE) ------------------------------ */

	/*
	 * Makes heads visible below the directory `root`/.heads and snapshots,
	 * read-only, below `root`/.snaps: nosuid, nodev, noatime.  Repeatable;
	 * finds and keeps what an earlier process made visible and did not
	 * take back, and replaces what is left of another pool.
	 */
	int (*expose)(struct pool *pool, const char *root, struct fl_error *err);

	/* Takes it back.  FL_BUSY, and all as before, while somebody uses a file in it. Repeatable.
	 */
	int (*conceal)(struct pool *pool, const char *root, struct fl_error *err);

	/*
	 * Appends the path of a head or snapshot relative to the root given to
	 * expose(): ".heads/<uuid>".  Pure: the tree need not exist.
	 */
	void (*locate)(struct pool *pool, const struct tree *tree, struct text *out);

	/*
	 * Makes one snapshot visible, where expose() alone shows only heads: it is so from
	 * now on until it is deleted or the pool concealed, also to the next process.
	 * Repeatable; nothing while the pool is not exposed.  FL_NOT_FOUND.
	 */
	int (*reveal)(struct pool *pool, const struct tree *tree, struct fl_error *err);

	/* --- trees -------------------------------------------------------- */

	/* An empty head of `branch`, mode 0755.  Durable after sync().  FL_EXISTS. */
	int (*head_create)(struct pool *pool, const struct uuid *branch, struct fl_error *err);

	/* A head of `branch` with the contents of the snapshot `from`.  Atomic, durable. FL_EXISTS,
	 * FL_NOT_FOUND. */
	int (*head_clone)(struct pool *pool, const struct uuid *branch, const struct tree *from,
			  struct fl_error *err);

	/*
	 * The head of `branch` becomes a clone of the snapshot `from`, and what
	 * it was becomes retired/<operation>.  For anyone who resolves the
	 * head's path it is one or the other at every instant.  Durable after
	 * sync().  After a crash tree_info(head).id tells which it is, and the
	 * other one is in staging/<operation> or retired/<operation>;
	 * calling it again completes or repeats it.  Whoever holds the old head
	 * open keeps it.
	 */
	int (*head_swap)(struct pool *pool, const struct uuid *branch, const struct tree *from,
			 const struct uuid *operation, struct fl_error *err);

	/* The head of `branch` becomes retired/<operation>.  Atomic; durable after sync();
	 * repeatable. */
	int (*head_retire)(struct pool *pool, const struct uuid *branch,
			   const struct uuid *operation, struct fl_error *err);

	/*
	 * The tree `from`, a retired one or one in staging that staging_create()
	 * made, becomes the head of `branch`.  Atomic; durable after sync(), but
	 * for what was written to the tree: after a power cut that is whole only
	 * if a sync() came before this call.  Repeatable.  FL_EXISTS, FL_NOT_FOUND.
	 */
	int (*head_restore)(struct pool *pool, const struct tree *from, const struct uuid *branch,
			    struct fl_error *err);

	/* An empty, writable tree staging/<operation>, mode 0755.  It counts for `branch` (NULL:
	 * for none), see account(); where that has no room left: EDQUOT.  FL_EXISTS. */
	int (*staging_create)(struct pool *pool, const struct uuid *operation,
			      const struct uuid *branch, struct fl_error *err);

	/*
	 * A read-only snapshot of `source` (any tree) called `target`: a
	 * snapshot, or a tree in staging for a look that nobody else gets.
	 * Atomic and durable, with everything that was written before the call;
	 * of one instant, but in the dir driver (dir/copy.h).  Its descriptors
	 * (tree_open) refuse writing as far as the process may mount.
	 * FL_EXISTS, FL_NOT_FOUND.  FL_UNSUPPORTED when the source holds
	 * something that a snapshot would leave out (a nested subvolume): names
	 * it.
	 */
	int (*snapshot)(struct pool *pool, const struct tree *source, const struct tree *target,
			struct fl_error *err);

	/*
	 * The same (DRIVER_CAN_NOTE), and with it goes a *note*, a text of up to 128 KiB that the
	 * engine wants to find again with this snapshot when everything else is lost.  Atomic:
	 * there is no snapshot without its note.  NULL: none.
	 */
	int (*snapshot_noted)(struct pool *pool, const struct tree *source,
			      const struct tree *target, const char *note, struct fl_error *err);
	/* Replaces the note of a tree that snapshot() made.  Atomic; durable after sync().
	 * FL_NOT_FOUND. */
	int (*note_write)(struct pool *pool, const struct tree *tree, const char *note,
			  struct fl_error *err);
	/* Calls `each` for every tree with a note, in any order; stops at its first negative answer
	 * and returns it. */
	int (*note_each)(struct pool *pool,
			 int (*each)(void *arg, const struct tree *tree, const char *note,
				     struct fl_error *err),
			 void *arg, struct fl_error *err);

	/*
	 * Removes a snapshot, a retired tree, a staging tree or (not in use by
	 * the engine any more) a head.  Durable after sync().  Missing is
	 * success.  Space comes back later.
	 */
	int (*tree_delete)(struct pool *pool, const struct tree *tree, struct fl_error *err);

	/* FL_NOT_FOUND when there is none. */
	int (*tree_info)(struct pool *pool, const struct tree *tree, struct tree_info *ret,
			 struct fl_error *err);

	/* A descriptor of the tree's root directory, O_RDONLY.  FL_NOT_FOUND.  FL_UNSUPPORTED in
	 * drivers without files. */
	int (*tree_open)(struct pool *pool, const struct tree *tree, int *ret_fd,
			 struct fl_error *err);

	/*
	 * Does the tree (head or retired) hold anything written after its
	 * snapshot `since` was taken?  Makes earlier writes count first (syncs
	 * the file system).  Never answers false for a changed tree; may answer
	 * true for an unchanged one.
	 */
	int (*changed_since)(struct pool *pool, const struct tree *tree, const struct tree *since,
			     bool *ret, struct fl_error *err);

	/*
	 * What differs between two snapshots (or trees in staging that
	 * snapshot() made), sorted by path (DRIVER_CAN_DIFF).  At the cost of
	 * what differs; a file that was written to is then modified, also when
	 * the same was written.  With DRIVER_MUST_WALK by looking at all of both
	 * (compare.h).  Where clones share (DRIVER_CAN_SHARE) files have an identity,
	 * and renames are told; elsewhere heads are compared too: each file is as it
	 * is when its turn comes.  They need not be related.  Stops at the first
	 * negative answer of `each` and returns it.  FL_NOT_FOUND.
	 */
	int (*diff)(struct pool *pool, const struct tree *earlier, const struct tree *later,
		    change_each *each, void *arg, struct fl_error *err);

	/* Calls `each` for every tree in the pool, in any order; stops at its first negative answer
	 * and returns it. */
	int (*list)(struct pool *pool,
		    int (*each)(void *arg, const struct tree *tree, const struct tree_info *info,
				struct fl_error *err),
		    void *arg, struct fl_error *err);

	/* --- from one pool to another ----------------------------------------- */

	/*
	 * What send() writes and receive() reads.  FORM_DELTA is the one that goes from any driver
	 * to any other: driver_send_delta() makes it where this one's own is another, and what
	 * comes in that form is applied to a tree that staging_create() or staging_clone() made, by
	 * a program that is shut in (tree/sandbox.h), not by the driver.
	 */
	enum stream_form form;

	/*
	 * Writes the snapshot `tree` to `fd` as a stream (DRIVER_CAN_SEND) with all
	 * contents and attributes; with `base`, another snapshot (else NULL), only what makes it
	 * out of that one.  A pool of the same driver receives it.  Two streams of one snapshot
	 * need not be the same bytes; of a delta's commands those that are stable
	 * (delta/command.h) are the same in the same order.
	 *
	 * Takes as long as whoever reads.  Reading ends by closing the other end: then this fails
	 * soon, with FL_SYSTEM and EPIPE, also while nothing is written (a program that calls it
	 * ignores SIGPIPE).  After any failure what was written is of no use.  The pool stays as it
	 * is.  The caller keeps both snapshots until the end: one that is deleted meanwhile may
	 * make this fail; or it goes when this is through.
	 *
	 * `base` is best a predecessor of `tree`: between two that were written to at the same time
	 * after they had parted Btrfs may take two files for one (btrfs/send.c).
	 *
	 * FL_NOT_FOUND.  FL_UNSUPPORTED: there is no way from `base` to `tree` (ZFS knows one from
	 * each predecessor in its volume, and from the one that the branch began with; none from a
	 * snapshot that a rollback left behind): try another base, or none.
	 */
	int (*send)(struct pool *pool, const struct tree *base, const struct tree *tree, int fd,
		    struct fl_error *err);

	/*
	 * About how many bytes send() would make of the same two, to tell how long that takes
	 * (DRIVER_CAN_WEIGH).  Reads the metadata that it would read, and nothing else.
	 */
	int (*weigh)(struct pool *pool, const struct tree *base, const struct tree *tree,
		     uint64_t *ret, struct fl_error *err);

	/*
	 * Reads a stream of the driver's own form (DRIVER_CAN_RECEIVE; not FORM_DELTA) from `fd` to
	 * its end and makes the tree staging/<operation> of it:
	 * read-only, complete, and not visible to anybody.  `base` is the snapshot here with the
	 * contents of the one that the stream was made from: that one itself where it was received,
	 * or what was sent where it was made here.  It need not be the newest of its branch.  NULL:
	 * the stream needs none.  What is received counts for no branch (see account()).
	 *
	 * Any failure leaves nothing, and the same may be received again.  So does a crash after
	 * the next open(), or a tree in staging, whose deletion is all that it takes; before
	 * staging_commit() a tree that is there is no proof that it is complete.  A sender that
	 * stops without closing its end is waited for.
	 *
	 * What the driver answers for: a stream that breaks off, or that it does not understand, or
	 * that does not follow `base`, is refused, and nothing outside the tree is touched,
	 * whatever it says.  What it does not: that the contents are those that were sent.  The
	 * caller takes a digest of all that passed through `fd`, compares it with the sender's, and
	 * commits or deletes the tree.  What follows the stream's own end may be passed over.
	 *
	 * FL_EXISTS, FL_NOT_FOUND.  FL_INVALID: this is no such stream, or one that was made from
	 * another snapshot than `base`.  FL_CORRUPT: it is damaged or incomplete.  FL_BUSY (ZFS):
	 * what this one needs another stream is received upon, or made from, just now. FL_NO_SPACE.
	 */
	int (*receive)(struct pool *pool, const struct uuid *operation, const struct tree *base,
		       int fd, struct fl_error *err);

	/*
	 * The number by which streams of the driver's own form know a snapshot
	 * (DRIVER_CAN_RECEIVE): receive() takes what was made from `base` upon one with the same
	 * number.  So has the one that was received in this form, and one with the same contents
	 * that came in another way has not.  0: nothing of this form can be received upon it.
	 * FL_NOT_FOUND.
	 */
	int (*stream_number)(struct pool *pool, const struct tree *tree, uint64_t *ret,
			     struct fl_error *err);

	/*
	 * A writable tree staging/<operation> with the contents and attributes of the snapshot
	 * `from`, to be made into another one.  Counts as staging_create() has it for `branch`
	 * (NULL: for none).  Atomic.  FL_EXISTS, FL_NOT_FOUND.
	 */
	int (*staging_clone)(struct pool *pool, const struct uuid *operation,
			     const struct uuid *branch, const struct tree *from,
			     struct fl_error *err);

	/*
	 * The tree staging/<operation>, which receive(), staging_create() or staging_clone() made
	 * and which nobody writes to any more, becomes the snapshot `target`, read-only, of any
	 * branch: one with a head here or without.  Atomic, durable with all that it holds,
	 * repeatable.  With
	 * DRIVER_CAN_NOTE a note that is to come with it is given to the tree in staging, and
	 * followed by sync(), before.  FL_EXISTS, FL_NOT_FOUND.
	 */
	int (*staging_commit)(struct pool *pool, const struct uuid *operation,
			      const struct tree *target, struct fl_error *err);

	/* --- what is being changed (DRIVER_CAN_WATCH) ------------------------ */

	/*
	 * A directory at the top of the file system, in a mount that nobody sees,
	 * to watch all of it (watch/watch.h).  FL_UNSUPPORTED where this pool has
	 * none.
	 */
	int (*watch_root)(struct pool *pool, int *ret_fd, struct fl_error *err);

	/* The number of the tree that the file of a handle lies in; 0: unknown.  Pure; takes any
	 * bytes. */
	uint64_t (*watch_handle)(int type, const uint8_t *handle, size_t length);

	/*
	 * Calls `each` for every tree that may have been written to, made or
	 * renamed since `*since`, and moves that on; zero: for every tree.  Writes count once the
	 * file system has committed them, so this finds what no event told of.  Answers more trees
	 * than have changed: compare `touched`.  In time that the changed trees take, not all of
	 * them.  Stops at the first negative answer.
	 */
	int (*watch_heads)(struct pool *pool, struct watch_since *since,
			   int (*each)(void *arg, const struct moved_tree *moved,
				       struct fl_error *err),
			   void *arg, struct fl_error *err);

	/*
	 * How a tree stands to a snapshot of it, or to the one that it was cloned
	 * from (`since` NULL: to its own beginning).  In microseconds: syncs
	 * nothing, so what caches hold may not count yet; names, attributes and
	 * sizes do at once.  FL_NOT_FOUND.
	 */
	int (*motion)(struct pool *pool, const struct tree *tree, const struct tree *since,
		      struct motion *ret, struct fl_error *err);

	/* --- space by branch (DRIVER_CAN_LIMIT) ----------------------------- */

	/*
	 * From now on heads made for `branch`, and the one that is there, count
	 * for it and for `group`.  Called before its first head is made.  A pool that does not
	 * count (see pool_stats.quota) does nothing.  Repeatable; durable with the head.
	 */
	int (*account)(struct pool *pool, const struct uuid *branch, const struct uuid *group,
		       struct fl_error *err);

	/*
	 * Takes account() back for a `branch` that came to nothing: `tree`, all
	 * that was written for it (or missing), counts no more at once.  Removes
	 * the account, and with it that of `group` unless NULL.  Repeatable.
	 */
	int (*unaccount)(struct pool *pool, const struct tree *tree, const struct uuid *branch,
			 const struct uuid *group, struct fl_error *err);

	/*
	 * Writing to the heads of the group fails with EDQUOT when they would
	 * hold more than `bytes`; 0: no limit.  What is there stays, and
	 * snapshots, clones, swaps and deletions are not writing.  Repeatable;
	 * durable after sync().  FL_UNSUPPORTED when the pool does not count.
	 */
	int (*limit)(struct pool *pool, const struct uuid *group, uint64_t bytes,
		     struct fl_error *err);

	/* Without looking at files.  What is still in the writing processes' caches is not in it.
	 */
	int (*usage)(struct pool *pool, enum account account, const struct uuid *uuid,
		     struct usage *ret, struct fl_error *err);

	/* The same for many at once, into `ret[0..count-1]`, with the bytes of the last commit. */
	int (*usages)(struct pool *pool, const struct account_name *names, size_t count,
		      struct usage *ret, struct fl_error *err);

	/* The bytes that the files of one tree take, shared or not; with their metadata where the
	 * file system counts both together.  May read all of its metadata, unless it has not
	 * changed since it was asked about last. */
	int (*occupied)(struct pool *pool, const struct tree *tree, uint64_t *ret,
			struct fl_error *err);

	/* --- what the engine keeps in the pool ----------------------------- */

	/*
	 * Replaces the facts of `branch` (made on first use), up to 16 MiB.
	 * Atomic; durable after sync().
	 */
	int (*facts_write)(struct pool *pool, const struct uuid *branch, const char *text,
			   struct fl_error *err);
	/* FL_NOT_FOUND when there are none. */
	int (*facts_read)(struct pool *pool, const struct uuid *branch, struct text *ret,
			  struct fl_error *err);
	/* Calls `each` for every branch that has facts or snapshots. */
	int (*facts_list)(struct pool *pool,
			  int (*each)(void *arg, const struct uuid *branch, struct fl_error *err),
			  void *arg, struct fl_error *err);
	/* Forgets the facts.  FL_BUSY while the branch has snapshots.  Missing is success. */
	int (*facts_delete)(struct pool *pool, const struct uuid *branch, struct fl_error *err);

	/*
	 * Files of the engine, by a name of [a-z.]{1,32} that is none of a
	 * layout's own, else FL_INVALID (kept_file_check()).  write: atomic,
	 * durable.  append: adds at the end, made if missing; survives the
	 * process at once, a power cut after sync(); torn at the end by a crash
	 * at worst.  read: FL_NOT_FOUND, or up to 1 GiB.
	 */
	int (*file_write)(struct pool *pool, const char *name, const void *bytes, size_t length,
			  struct fl_error *err);
	int (*file_append)(struct pool *pool, const char *name, const void *bytes, size_t length,
			   struct fl_error *err);
	int (*file_read)(struct pool *pool, const char *name, struct text *ret,
			 struct fl_error *err);
};

/* All drivers, NULL-terminated; in the order in which --driver lists them. */
extern const struct driver *const drivers[];

/* The name of the one that fits the place, when nobody chose. */
const char *driver_choose(const struct pool_spec *spec);
/* FL_INVALID with the list of known ones, or when the driver's table is wrong. */
must_check int driver_find(const char *name, const struct driver **ret, struct fl_error *err);

/* Do the table's bits and pointers agree?  FL_INVALID names the entry.  For every driver that is
 * asked for, and in the tests. */
must_check int driver_check(const struct driver *driver, struct fl_error *err);

/* How the driver does it, by its bits. */
enum support driver_supports(const struct driver *driver, enum ability ability);

/*
 * As send(), but always as a delta: by the driver, or, where its own form is another, by reading
 * both trees (driver/portable.h), at the cost of both.
 */
must_check int driver_send_delta(struct pool *pool, const struct tree *base,
				 const struct tree *tree, int fd, struct fl_error *err);

/* Names for messages: "heads/<uuid>", "snaps/<uuid>/<snapname>", ... */
#define TREE_TEXT 160
char *tree_format(const struct tree *tree, char text[static TREE_TEXT]);
bool tree_equal(const struct tree *a, const struct tree *b);

/* identity <-> flocker.json, shared by the drivers that keep it as a file. */
void identity_encode(const struct pool_identity *identity, struct text *out);
must_check int identity_decode(const char *text, struct pool_identity *ret, struct fl_error *err);

static inline struct tree tree_head(const struct uuid *branch)
{
	return (struct tree){ .kind = TREE_HEAD, .uuid = *branch };
}

static inline struct tree tree_snapshot(const struct uuid *branch, const struct snapname *name)
{
	return (struct tree){ .kind = TREE_SNAPSHOT, .uuid = *branch, .snapshot = *name };
}

static inline struct tree tree_retired(const struct uuid *operation)
{
	return (struct tree){ .kind = TREE_RETIRED, .uuid = *operation };
}

static inline struct tree tree_staging(const struct uuid *operation)
{
	return (struct tree){ .kind = TREE_STAGING, .uuid = *operation };
}
