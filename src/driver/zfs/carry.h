#pragma once

/*
 * What the engine knows, carried by what it is about: facts of a branch by a dataset, the note
 * of a snapshot by the snapshot, both in user properties (pieces.h).
 *
 *	flocker:facts.BRANCH	on the branch's head; without one, on the dataset that its newest
 *				snapshot lies in, or that carried them last
 *	flocker:note		on a snapshot
 *
 * What is made gets them in the call that makes it.  Later changes wait in memory and are
 * written by the next sync(), one run of `zfs` each, for facts are also in a file of the state,
 * and the engine compares notes at each start.  All of them are read once, when the pool is
 * opened, and only where they are a dataset's or snapshot's own ("local"): what is inherited, or
 * was received, was said of something else.
 */

#include "driver/zfs/index.h"
#include "driver/zfs/pieces.h"

struct zfs_pool;

struct facts_entry {
	struct uuid branch;
	char *text;
	uint64_t serial;    /* of what was written last; 0: nothing */
	bool waiting;	    /* `text` is newer than that */
	bool adrift;	    /* a dataset that carried them is gone */
	uint64_t *carriers; /* ids of datasets that have some */
	size_t carrier_count;
};

struct facts_table {
	struct facts_entry *entries;
	size_t count;
};

void facts_table_done(struct facts_table *table);

/* Reads them all.  The index is read, and nobody else has the pool yet. */
must_check int carry_read(struct zfs_pool *pool, struct fl_error *err);
/* Writes what waits; what fails goes on waiting, and is logged.  Was anything written? */
bool carry_write(struct zfs_pool *pool);

/* The facts are `text` from now on. */
void carry_facts(struct zfs_pool *pool, const struct uuid *branch, const char *text);
/* Heap; NULL when none are known. */
char *carried_facts(struct zfs_pool *pool, const struct uuid *branch);
/* Calls `each` for every branch whose facts are known; not under a lock. */
must_check int carried_branches(struct zfs_pool *pool,
				int (*each)(void *arg, const struct uuid *branch,
					    struct fl_error *err),
				void *arg, struct fl_error *err);
/* No dataset carries them any more. */
must_check int carry_no_facts(struct zfs_pool *pool, const struct uuid *branch,
			      struct fl_error *err);

/* The item is no more; with the mutex. */
void carry_gone(struct zfs_pool *pool, uint64_t id);

/* What something carries from its making on. */
struct birth {
	struct pieces pieces; /* none where it is too long */
	char *text;	      /* heap; NULL: it carries nothing */
	uint64_t serial;
};
void birth_done(struct birth *birth);
#define own_birth own(birth_done)
/* For a dataset or snapshot that is to be `label`, with a note or NULL. */
void carry_begin(struct zfs_pool *pool, const struct label *label, const char *note,
		 struct birth *ret);
/* It was made. */
void carry_end(struct zfs_pool *pool, struct item *item, struct birth *birth);

/* The entries of the table, see driver.h. */
int zfs_note_write(struct pool *pool, const struct tree *tree, const char *note,
		   struct fl_error *err);
int zfs_note_each(struct pool *pool,
		  int (*each)(void *arg, const struct tree *tree, const char *note,
			      struct fl_error *err),
		  void *arg, struct fl_error *err);
