/*
 * flocker-tree: copies a tree, makes its digest, carries out a delta.
 *
 *	flocker-tree copy			5: the tree, 3: an empty one
 *	flocker-tree copy --entry NAME		5: a directory with NAME in it, 3: an empty one
 *	flocker-tree digest [--grain NS]	3: the tree
 *	flocker-tree apply [--devices]		0: a delta, 3: an empty tree
 *	flocker-tree apply --base		0: a delta, 3: the tree to change, 5: its base
 *	flocker-tree apply --late		3: a socket over which the tree comes
 *	flocker-tree apply --point [--resume]	6: a file for how far it came
 */

#include "tree/program.h"

#define DELTA_MEMORY (UINT64_C(64) << 20)

static const struct verb verbs[] = {
	{ .name = "copy",
	  .run = tree_copy,
	  .writes = true,
	  .copies = true,
	  .highest = TREE_SOURCE_FD,
	  .memory = TREE_MEMORY,
	  .no_memory = TREE_TOO_MANY,
	  .hint = "copy its directories one by one" },
	{ .name = "digest",
	  .run = tree_digest,
	  .highest = REPORT_FD,
	  .memory = TREE_MEMORY,
	  .no_memory = TREE_TOO_MANY,
	  .hint = "have fewer files of several names" },
	{ .name = "apply",
	  .run = tree_apply,
	  .prepare = tree_apply_prepare,
	  .writes = true,
	  .highest = TREE_POINT_FD,
	  .memory = DELTA_MEMORY,
	  .no_memory = "the delta takes more than 64 MiB of memory to carry out",
	  .hint = "transfer it anew" },
	{ 0 },
};

int main(int argc, char *argv[])
{
	return program_run(argv, verbs,
			   "flocker-tree copy [--entry NAME] | digest [--grain NANOSECONDS] | "
			   "apply [--base] [--devices] [--late] [--point [--resume]]");
}
