#pragma once

/*
 * The commands of a Btrfs send stream (version 1), one by one, as this kernel
 * writes them to a pipe.
 *
 * A stream is the header ("btrfs-stream", version) and then commands: length,
 * type and checksum, then the attributes, each type, length, value; all little-endian.
 * What comes from the kernel through a pipe needs no checksum, and none is
 * looked at: this is no reader for a stream from elsewhere.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

/* fs/btrfs/send.h */
enum stream_type {
	STREAM_SUBVOL = 1,
	STREAM_SNAPSHOT,
	STREAM_MKFILE,
	STREAM_MKDIR,
	STREAM_MKNOD,
	STREAM_MKFIFO,
	STREAM_MKSOCK,
	STREAM_SYMLINK,
	STREAM_RENAME,
	STREAM_LINK,
	STREAM_UNLINK,
	STREAM_RMDIR,
	STREAM_SET_XATTR,
	STREAM_REMOVE_XATTR,
	STREAM_WRITE,
	STREAM_CLONE,
	STREAM_TRUNCATE,
	STREAM_CHMOD,
	STREAM_CHOWN,
	STREAM_UTIMES,
	STREAM_END,
	STREAM_UPDATE_EXTENT,
	STREAM_TYPES,
};

struct stream_command {
	enum stream_type type; /* STREAM_END: the last */
	const char *path;      /* of the file that it is about; "" for the tree itself */
	const char *other;     /* RENAME: the new path; LINK: of the file that gets another name */
};

struct stream {
	int fd; /* borrowed */
	char *buffer;
	size_t start, end, room; /* of what was read and not handed out yet */
	bool full;		 /* the last read left something behind */
	struct text path, other;
};

/* Reads the header.  Release with stream_done(), also after a failure. */
must_check int stream_open(struct stream *stream, int fd, struct fl_error *err);
void stream_done(struct stream *stream);

/* The next command, borrowed until the next call.  FL_CORRUPT for what is no command, or an early
 * end. */
must_check int stream_next(struct stream *stream, struct stream_command *ret, struct fl_error *err);
