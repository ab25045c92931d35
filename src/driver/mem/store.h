#pragma once

/*
 * What a disk would hold for the memory driver: one pool's trees, facts and
 * files.  It locks nothing; pool.h says who does.
 *
 * Every write gives a tree a new version, from one counter per store; a
 * snapshot and a clone take over the version with the contents.  Two trees of
 * one version hold the same, so "changed since" compares two numbers.
 */

#include "driver/driver.h"
#include "driver/mem/map.h"

struct mem_tree {
	struct tree name;
	struct tree_info info;
	uint64_t version;
	struct map files;
	char *note; /* heap; NULL: none */
};

struct store {
	struct store *next;
	char *path;
	struct pool_identity identity;
	uint64_t size;
	bool open;
	uint64_t last_id, last_version;
	struct mem_tree *trees;
	size_t tree_count;
	struct map facts;
	struct map files;
};

void store_free(struct store *store);

/* Borrowed until a tree is added or deleted; NULL when there is none. */
struct mem_tree *store_find_tree(const struct store *store, const struct tree *name);
/* The same, but NULL comes with FL_NOT_FOUND in `err`. */
struct mem_tree *store_get_tree(const struct store *store, const struct tree *name,
				struct fl_error *err);
/* FL_EXISTS when there is a tree called `name`. */
must_check int store_check_free(const struct store *store, const struct tree *name,
				struct fl_error *err);
/* A tree called `name`, empty or with the contents of `from`.  FL_EXISTS, FL_NOT_FOUND. */
must_check int store_add_tree(struct store *store, const struct tree *name, const struct tree *from,
			      struct fl_error *err);
void store_delete_tree(struct store *store, struct mem_tree *tree);
bool store_has_snapshots(const struct store *store, const struct uuid *branch);
/* The bytes of all that it holds. */
uint64_t store_used(const struct store *store);
