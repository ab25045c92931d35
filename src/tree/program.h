#pragma once

/*
 * What flocker-tree and flocker-archive have in common: a verb, its options, the sandbox, and
 * how it went.
 *
 * They are programs of their own so that what somebody else made is read neither by the
 * daemon nor by the command (`flocker cp`), which start them with the descriptors of verbs.h and
 * read what they report on descriptor 4 (report.h).  Two, since who makes a tree of what another
 * host sends needs no library for archives, and what that brings along.
 */

#include "tree/verbs.h"

struct verb {
	const char *name;
	int (*run)(const struct options *options, struct report *report, struct fl_error *err);
	int (*prepare)(const struct options *options, struct fl_error *err); /* outside; or NULL */
	bool writes;	 /* the tree is made, not read */
	bool copies;	 /* from TREE_SOURCE_FD; with devices, which are the administrator's own */
	int highest;	 /* descriptor that it uses */
	uint64_t memory; /* bytes, and what is said when it needs more, with a hint */
	const char *no_memory, *hint;
	const char *slow, *slow_hint; /* said when it takes far too long; NULL: however long */
};

/* `verbs` ends with one without a name.  Returns the exit status: 0 after it said how it went. */
int program_run(char *argv[], const struct verb *verbs, const char *usage);
