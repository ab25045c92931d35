#pragma once

/*
 * An engine on the reference driver, or on the one that FLOCKER_TEST_DRIVER
 * names (place.h), in a directory of its own, with the state
 * of all it knows as one text: two states are the same if their texts are.
 */

#include "driver/decorators.h"
#include "driver/mem/mem.h"
#include "engine/internal.h"
#include "tests/check.h"

struct fixture {
	char directory[96];
	struct uuid instance;
	const char *name; /* of the instance; NULL = "here" */
	struct engine *engine;
	struct driver broken;
	const struct driver *whole; /* of which `broken` is a copy */
};

/* Makes the directory and a pool in it, and opens the engine. */
void fixture_begin(struct fixture *fixture);
/* A second one, while the first is there. */
void fixture_begin_beside(struct fixture *fixture, const char *name);
/* Closes the engine and opens it again, as a restart does. */
void fixture_restart(struct fixture *fixture);
/* Removes everything. */
void fixture_end(struct fixture *fixture);

/* A parsed reference; ends the test if it does not parse.  Plain value: no path. */
struct ref reference(const char *text);

/* Writes the file "f" in a head, retired or staging tree. */
void write_tree(struct pool *pool, const struct tree *tree, const char *contents);
/* Writes the file "f" in the head of `branch`. */
void write_head(struct fixture *fixture, const char *branch, const char *contents);
/* Ends the test unless the file "f" in the head of `branch` holds this. */
void check_head(struct fixture *fixture, const char *branch, const char *contents);
/* The same for what a tag, stash or snapshot holds. */
void check_contents(struct fixture *fixture, const char *snapshot, const char *contents);

/* The tree that `ref` stands for: a branch's head, or a snapshot. */
struct tree tree_of(struct fixture *fixture, const char *ref);

/* The verbs, by references as they are typed.  `from` may be NULL. */
must_check int make_volume(struct engine *engine, const char *name, const char *from,
			   struct fl_error *err);
must_check int make_branch(struct engine *engine, const char *name, const char *from,
			   struct fl_error *err);
must_check int make_tag(struct engine *engine, const char *name, const char *target,
			struct fl_error *err);
must_check int take_snapshot(struct engine *engine, const char *branch, const char *name,
			     struct fl_error *err);
must_check int roll_back(struct engine *engine, const char *branch, const char *target,
			 struct fl_error *err);
must_check int destroy(struct engine *engine, const char *ref, struct fl_error *err);

/* Writes the name into the head and takes a snapshot of it; its id.  `message` may be NULL. */
uint64_t snap(struct fixture *fixture, const char *branch, const char *name, const char *message);

/* From here until mend_driver() the engine uses a copy of its driver, whose entries can be
 * replaced. */
struct driver *break_driver(struct fixture *fixture);
void mend_driver(struct fixture *fixture);

/* Volumes, branches, logs, tags, stashes, trash, and the contents of every head.  Heap. */
char *describe(struct fixture *fixture);

/* Ends the test unless the two are the same; prints the lines from the first that differs. */
void check_same_state(const char *wanted, const char *found, const char *when);
