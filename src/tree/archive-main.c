/*
 * flocker-archive: packs a tree into a tar archive, unpacks one.
 *
 *	flocker-archive pack [--zstd]			1: the archive, 3: the tree
 *	flocker-archive unpack [--devices] [--setuid]	0: the archive, 3: an empty tree
 *	flocker-archive unpack --plain			0: the archive, 3: an empty tree
 */

#include "tree/program.h"

/* An archive has no reason to take much, and may be made to take all. */
#define ARCHIVE_MEMORY (UINT64_C(256) << 20)

static const struct verb verbs[] = {
	{ .name = "pack",
	  .run = tree_pack,
	  .highest = REPORT_FD,
	  .memory = TREE_MEMORY,
	  .no_memory = TREE_TOO_MANY,
	  .hint = "pack the parts of it alone, with tar, where it is mounted" },
	{ .name = "unpack",
	  .run = tree_unpack,
	  .writes = true,
	  .highest = REPORT_FD,
	  .memory = ARCHIVE_MEMORY,
	  .no_memory = "the archive takes more than 256 MiB of memory to read",
	  .hint = "make it with plainer settings of the compression, and without `--sparse`",
	  .slow = "the archive takes far more time to read than its size explains",
	  .slow_hint = "it may have been made to do so; if not, make it with plainer settings of "
		       "the compression, and without ACLs: `tar --no-acls`" },
	{ 0 },
};

int main(int argc, char *argv[])
{
	return program_run(argv, verbs,
			   "flocker-archive pack [--zstd] | unpack [--devices] [--setuid] | "
			   "unpack --plain");
}
