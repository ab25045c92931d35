#pragma once

/*
 * What is counted together (quota.c): which groups have a dataset, and in which of them
 * each branch counts.  Part of the index, and under the same lock.
 */

#include "driver/zfs/names.h"

enum group_state {
	GROUP_USED,
	GROUP_KEPT, /* nothing lies in it, but it could not be removed */
	GROUP_GONE, /* has no dataset, only a limit */
};

struct group {
	uint64_t id; /* group_id() */
	struct uuid uuid;
	enum group_state state;
	uint64_t wanted; /* the limit, while ZFS has a larger one: see quota.c; else 0 */
};

/* A branch counts in a group from account() on, or by what its datasets say. */
struct counted {
	struct uuid branch;
	uint64_t group; /* an id */
};

struct accounts {
	struct group *groups;
	size_t group_count;
	struct counted *branches;
	size_t branch_count;
};

void accounts_done(struct accounts *accounts);

/* NULL when there is none. */
struct group *accounts_find_group(const struct accounts *accounts, uint64_t id);
void accounts_add_group(struct accounts *accounts, const struct uuid *uuid);
void accounts_remove_group(struct accounts *accounts, uint64_t id);

/* It has no dataset any more, but `limit` counts when it is made again. */
void accounts_suspend_group(struct accounts *accounts, uint64_t id, uint64_t limit);

/* The group that the branch counts in; 0: none. */
uint64_t accounts_group_of(const struct accounts *accounts, const struct uuid *branch);
/* From now on it counts there; 0: nowhere. */
void accounts_set(struct accounts *accounts, const struct uuid *branch, uint64_t group);
