#pragma once

/*
 * The digest of a tree: SHA-256 over a listing of all that is in it, which is the same for equal
 * trees on whatever file system, and different for others.
 *
 * The listing has a record for each entry, a directory before what is in it, and what is in it by
 * the bytes of the names.  A record is, with numbers of 64 bits, little-endian, and before each
 * string its length as such a number:
 *
 *	the type, one byte ('f' file, 'd' directory, 'l' symbolic link, 'p' FIFO, 's' socket,
 *	'c' 'b' devices, 'h' a further name of a file)
 *	the path from the root (of the root itself: ""), a string
 *	of 'h': the path that the file was met under first, a string, and nothing more
 *	mode (without the type), user, group, seconds and nanoseconds of the time of change, these
 *	rounded down to a multiple of the grain
 *	of 'l': where it points, a string; of 'c' 'b': major and minor number
 *	how many extended attributes, and by the bytes of their names: name and value, strings
 *	of 'f': its size; for each 64 KiB of it, counted from its start, that are not zeros
 *	alone: offset and bytes, a string; and UINT64_MAX
 *
 * So it does not matter what is a hole and what zeros.  Left out is what belongs to a file system
 * or to reading: inode numbers, blocks, the sizes of directories, flags (chattr), birth and the
 * times of reading and of the inode's change, and extended attributes that are not the user's
 * (xattrs_keep()).  POSIX ACLs are among the attributes.
 *
 * The grain is 1 ns where both file systems keep that; two trees of which one lies where times are
 * kept in whole seconds are compared at that.
 */

#include <stdint.h>

#include "base/error.h"
#include "base/own.h"
#include "tree/report.h"

#define DIGEST_SIZE 32
#define DIGEST_PIECE 65536

#define DIGEST_COARSEST 1000000000

/* `grain`: nanoseconds, 1 to DIGEST_COARSEST.  Counts in `report` the entries, and the bytes that
 * were read. */
must_check int digest_tree(int root, uint32_t grain, struct report *report,
			   uint8_t ret[static DIGEST_SIZE], struct fl_error *err);
