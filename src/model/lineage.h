#pragma once

/*
 * Lineage: which snapshot came before which, as a tree.
 *
 * A snapshot is a position: the branch that took it and the time in its
 * storage name.  Only one instance writes a branch, and its times there never
 * repeat and never run backwards (DESIGN section 2), so this order is the order
 * of the sequence numbers; unlike those it can be read back from the pool.  A
 * branch's snapshots fall into *lines*.  A line begins at a time and grows
 * upwards; it has one parent position, the snapshot that its contents began
 * from.  A branch begins with one line (parent: what it was
 * branched from, or none); each rollback begins another (parent: the snapshot
 * gone back to).  The head continues the last line.
 *
 * So the parent of a snapshot is the one before it in its line, or, for the
 * first of its line, the line's parent.  No snapshot stores its parent:
 * when one is thinned its children's parent is the one before it by itself,
 * and nothing is rewritten: a position whose snapshot is gone stands for the
 * newest one before it in its ancestry.
 *
 * The same few lines are kept in the catalogue and in the branch's facts in
 * the pool, so order and parents can be rebuilt without the catalogue.
 *
 * Here are the rules alone, over arrays that the caller owns; no I/O.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/uuid.h"

/* A snapshot's place.  Zero: none (times are positive). */
struct position {
	struct uuid branch;
	int64_t time; /* of its storage name, ns UTC */
};

struct line {
	struct uuid branch;
	int64_t start;		/* the first time that may be in it; 1 for a branch's first line */
	struct position parent; /* or none */
};

/*
 * The lines of all branches of a volume (and what they came from), with unique
 * (branch, start), as lineage_sort() puts them: by branch, then start.
 */
struct lineage {
	const struct line *lines;
	size_t count;
};

/* One stretch of an ancestry: the times [from, to] of one branch, to >= from. */
struct stretch {
	struct uuid branch;
	int64_t from; /* the line's start; no snapshot need exist there */
	int64_t to;
};

void lineage_sort(struct line *lines, size_t count);

bool position_is_none(const struct position *position);
bool position_equal(const struct position *a, const struct position *b);

/* The line that holds (branch, time): the one with the greatest start <= time; NULL if none. */
const struct line *lineage_find(const struct lineage *lineage, const struct uuid *branch,
				int64_t time);

/*
 * The ancestry of `position`, itself included: stretches from the newest to
 * the oldest, at most one per line.  Writes up to `limit` of them and returns
 * how many there are in all; a cycle (a damaged catalogue) ends the walk after
 * `count` lines.
 */
size_t lineage_ancestry(const struct lineage *lineage, const struct position *position,
			struct stretch *ret, size_t limit);

/*
 * The position that a head of `branch` continues from, given the time of the newest
 * snapshot that exists there (0: none): that one if it is in the last line,
 * else the last line's parent.
 */
struct position lineage_head_parent(const struct lineage *lineage, const struct uuid *branch,
				    int64_t newest);

/* Does `position` lie in the ancestry of `of` (itself included)? */
bool lineage_is_ancestor(const struct lineage *lineage, const struct position *position,
			 const struct position *of);

/* The newest position in the ancestries of both; none if there is none (or a cycle). */
struct position lineage_common(const struct lineage *lineage, const struct position *a,
			       const struct position *b);
