#pragma once

/*
 * A delta: what makes one tree out of another, or out of nothing, as a sequence of
 * commands.
 *
 * The format is that of Btrfs's send streams, version 1 (linux/fs/btrfs/send.h), so
 * that what the kernel makes needs no conversion, and so that a tree can go from any file
 * system to any other in the same form: a driver without a kernel that makes such
 * streams has one made by reading both trees (driver/portable.h), and one applier
 * (tree/apply.h) takes them all.
 *
 *	header   "btrfs-stream\0" (13 bytes), version (le32: 1)
 *	command  length of its attributes in bytes (le32), verb (le16), CRC-32C (le32) of the whole
 *	         command with this field 0, seeded with 0 and not inverted; the attributes
 *	attribute  type (le16), length in bytes (le16), value
 *
 * A command is at most DELTA_COMMAND_MAX bytes with its head.  Numbers are little-endian; a time
 * is seconds (le64) and nanoseconds (le32).  Paths have no NUL at their end, are relative to the
 * tree's root and never empty, but that "" is the root itself.  The first command is SUBVOL or
 * SNAPSHOT, the last END; both once.
 *
 * Between two commands that delta_is_stable() names, the contents of one file come in ascending
 * order: point.h relies on it.
 *
 * Names of new things may be provisional ("o257-7-0") until a RENAME gives the final one.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/uuid.h"

#define DELTA_MAGIC "btrfs-stream"
#define DELTA_VERSION 1
#define DELTA_HEADER 17
#define DELTA_COMMAND_HEAD 10
#define DELTA_COMMAND_MAX (128 * 1024)
#define DELTA_PATH_MAX 4095
#define DELTA_WRITE_MAX (48 * 1024) /* bytes of contents in one WRITE */

/* The numbers are the format's. */
enum delta_verb {
	DELTA_SUBVOL = 1,   /* path, uuid, transid: a new tree */
	DELTA_SNAPSHOT = 2, /* the same, from another one: from_uuid, from_transid */
	DELTA_MKFILE = 3,   /* path */
	DELTA_MKDIR = 4,
	DELTA_MKNOD = 5, /* path, mode, device */
	DELTA_MKFIFO = 6,
	DELTA_MKSOCK = 7,
	DELTA_SYMLINK = 8,	 /* path, to: what it says */
	DELTA_RENAME = 9,	 /* path, to */
	DELTA_LINK = 10,	 /* path: the new name, to: the file that is there */
	DELTA_UNLINK = 11,	 /* path */
	DELTA_RMDIR = 12,	 /* path */
	DELTA_SET_XATTR = 13,	 /* path, name, data */
	DELTA_REMOVE_XATTR = 14, /* path, name */
	DELTA_WRITE = 15,	 /* path, offset, data */
	DELTA_CLONE = 16,	 /* path, offset, size, from_uuid, from_transid, to: the path there,
				    from_offset */
	DELTA_TRUNCATE = 17,	 /* path, size */
	DELTA_CHMOD = 18,	 /* path, mode: permissions alone */
	DELTA_CHOWN = 19,	 /* path, uid, gid */
	DELTA_UTIMES = 20,	 /* path, atime, mtime, ctime */
	DELTA_END = 21,
	DELTA_UPDATE_EXTENT = 22, /* path, offset, size: of a stream without contents */
	DELTA_VERBS = 23,
};

/* One command.  Only the fields of its verb are set; what is borrowed is good until the next. */
struct delta_command {
	enum delta_verb verb;
	const char *path; /* ends in NUL */
	const char *to;	  /* the same */
	const char *name; /* of an extended attribute; the same */
	const void *data;
	size_t data_length; /* bytes */
	uint64_t offset, size;
	uint64_t mode;	 /* MKNOD: with the type; CHMOD: without */
	uint64_t device; /* dev_t as makedev(3) has it */
	uint64_t uid, gid;
	struct timespec atime, mtime, ctime;
	struct uuid uuid;
	uint64_t transid;
	struct uuid from_uuid;
	uint64_t from_transid, from_offset;
};

/* "mkfile", for messages. */
const char *delta_verb_name(enum delta_verb verb);

static inline bool delta_has_contents(enum delta_verb verb)
{
	return verb == DELTA_WRITE || verb == DELTA_CLONE || verb == DELTA_UPDATE_EXTENT;
}

/*
 * What only names, sizes and attributes do, and what has the same order each time that a delta
 * between the same two trees is made; the rest (WRITE, CLONE, UPDATE_EXTENT, and the first command,
 * which names the trees) moves contents, in pieces that differ from time to time.
 */
static inline bool delta_is_stable(enum delta_verb verb)
{
	return !delta_has_contents(verb) && verb != DELTA_SUBVOL && verb != DELTA_SNAPSHOT;
}
