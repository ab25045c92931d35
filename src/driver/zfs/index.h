#pragma once

/*
 * What exists in an open pool: every dataset and snapshot that is ours, read once
 * and kept up by our own calls.  It locks nothing; pool.h says which lock covers it.
 *
 * Items are on the heap and stay where they are until index_remove().
 */

#include "driver/zfs/accounts.h"
#include "driver/zfs/names.h"

struct item {
	uint64_t id;
	bool hidden; /* no tree any more */
	struct tree tree;
	bool replaces; /* as in struct label */
	struct uuid operation;
	bool unwritten;	    /* retired by a swap, which its own property does not say yet */
	struct uuid branch; /* unwritten: whose head it was */
	struct item *home;  /* of a snapshot: the dataset that it lies in; NULL: a dataset */
	char *name;	    /* the whole name of a dataset; of a snapshot what stands behind "@" */
	uint64_t origin;    /* of a clone: the id of the snapshot that it was made from; else 0 */
	uint64_t order;	    /* greater for what was made later */
	int64_t created;
	uint64_t group; /* the group in whose dataset it lies; 0: none */
	bool counted;	/* for the branch `account`, which counts in that group */
	struct uuid account;
	bool read_only;	     /* a dataset that stands for a snapshot */
	bool received;	     /* a dataset in RECEIVED, always hidden: see receive.c */
	bool receiving;	     /* and a stream is under way into it */
	unsigned sending;    /* a snapshot: so many streams are made with it */
	int mount;	     /* its root directory in a mount that nobody sees; -1 */
	dev_t device;	     /* of its files, once it was mounted; 0 */
	bool stuck;	     /* could not be destroyed a moment ago */
	bool told;	     /* and the log says why */
	struct item *mirror; /* zfs-fuse: the clone through which a snapshot is read */
	char *note;	     /* of the engine (carry.h); NULL: none */
	uint64_t note_serial;
	bool note_waiting; /* to be written to its properties */
};

struct index {
	struct item **items;
	size_t count;
	uint64_t last_order;
	struct accounts accounts;
};

void index_done(struct index *index);

/* Takes the name; the item is the index's own. */
struct item *index_add(struct index *index, const struct item *item);
/* Closes its mount and frees it. */
void index_remove(struct index *index, struct item *item);

/* NULL when there is none. */
struct item *index_find(const struct index *index, const struct tree *tree);
struct item *index_find_id(const struct index *index, uint64_t id);

/* Does any snapshot, hidden ones too, lie in the dataset? */
bool index_has_snapshots(const struct index *index, const struct item *dataset);
/* A clone of the snapshot; NULL when there is none. */
struct item *index_find_clone(const struct index *index, const struct item *snapshot);
/* The snapshot in the dataset that was made last; NULL when there is none. */
struct item *index_newest(const struct index *index, const struct item *dataset);
/* Is a stream made with a snapshot in the dataset? */
bool index_is_sending(const struct index *index, const struct item *dataset);
/* Is a snapshot read through it? */
bool index_is_mirror(const struct index *index, const struct item *dataset);
/* Has the branch a snapshot? */
bool index_branch_has_snapshots(const struct index *index, const struct uuid *branch);

/* The name that ZFS knows it by. */
char *item_name(const struct item *item, char name[static ZFS_NAME]);

/*
 * From what `zfs get -Hp -r -o name,property,value,source INDEX_PROPERTIES` printed of
 * `dataset` (cut up).  Passes over what is not ours.  Of several heads of a branch
 * the older ones become retired, and `unwritten`.
 */
#define INDEX_PROPERTIES \
	"type,creation,createtxg,origin,readonly,defer_destroy," TREE_PROPERTY "," ACCOUNT_PROPERTY
void index_read(struct index *index, const char *dataset, char *text);
