#include "driver/btrfs/stream.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAGIC "btrfs-stream"
#define VERSION 1
#define FIRST_ROOM (256 * 1024)	  /* more than the kernel writes at a time */
#define COMMAND_MAX (1024 * 1024) /* of the kernel: 64 KiB and a little */
#define GATHER_MS 1
#define PATH_ATTRIBUTE 15
#define PATH_TO_ATTRIBUTE 16
#define PATH_LINK_ATTRIBUTE 17

struct header {
	char magic[sizeof(MAGIC)];
	uint32_t version;
} __attribute__((packed));

struct command_header {
	uint32_t length; /* without this header */
	uint16_t type;
	uint32_t checksum;
} __attribute__((packed));

struct attribute_header {
	uint16_t type;
	uint16_t length;
} __attribute__((packed));

static int fail_stream(const char *why, struct fl_error *err)
{
	return fl_fail(err, FL_CORRUPT, "the kernel's list of changes %s", why);
}

/*
 * The kernel writes each command by itself, and waking a reader for each takes
 * longer than to find it.  So what comes within a moment is read together: until
 * then, or until the kernel is done, the pipe has room for it.
 */
static void gather(const struct stream *stream)
{
	struct pollfd end = { .fd = stream->fd };

	if (!stream->full)
		poll(&end, 1, GATHER_MS);
}

/* At least `wanted` bytes in the buffer. */
static int fill(struct stream *stream, size_t wanted, struct fl_error *err)
{
	size_t there = stream->end - stream->start;

	if (there >= wanted)
		return 0;
	memmove(stream->buffer, stream->buffer + stream->start, there);
	stream->start = 0;
	stream->end = there;
	if (wanted > stream->room) {
		stream->room = wanted;
		stream->buffer = xrealloc(stream->buffer, stream->room, 1);
	}
	while (stream->end < wanted) {
		ssize_t n;

		gather(stream);
		n = TEMP_FAILURE_RETRY(
			read(stream->fd, stream->buffer + stream->end, stream->room - stream->end));
		if (n < 0)
			return fl_fail_errno(err, "cannot read the kernel's list of changes");
		if (n == 0)
			return fail_stream("ends too early", err);
		stream->full = (size_t)n == stream->room - stream->end;
		stream->end += (size_t)n;
	}
	return 0;
}

int stream_open(struct stream *stream, int fd, struct fl_error *err)
{
	struct header header;

	*stream = (struct stream){ .fd = fd, .room = FIRST_ROOM };
	stream->buffer = xrealloc(NULL, stream->room, 1);
	if (fill(stream, sizeof(header), err) < 0)
		return fl_failed(err);
	memcpy(&header, stream->buffer + stream->start, sizeof(header));
	stream->start += sizeof(header);
	if (memcmp(header.magic, MAGIC, sizeof(header.magic)) != 0)
		return fail_stream("has no header", err);
	if (le32toh(header.version) != VERSION)
		return fl_fail(err, FL_UNSUPPORTED,
			       "the kernel writes send streams of version %" PRIu32 ", not %d",
			       le32toh(header.version), VERSION);
	return 0;
}

void stream_done(struct stream *stream)
{
	free(stream->buffer);
	text_done(&stream->path);
	text_done(&stream->other);
	*stream = (struct stream){ .fd = -1 };
}

static void keep_path(struct text *text, const char *value, size_t length)
{
	text_clear(text);
	text_add(text, value, length);
}

static int read_attributes(struct stream *stream, const char *at, size_t left, struct fl_error *err)
{
	struct attribute_header header;

	while (left > 0) {
		size_t length;

		if (left < sizeof(header))
			return fail_stream("holds half an attribute", err);
		memcpy(&header, at, sizeof(header));
		length = le16toh(header.length);
		at += sizeof(header);
		left -= sizeof(header);
		if (length > left)
			return fail_stream("holds half an attribute", err);
		if (le16toh(header.type) == PATH_ATTRIBUTE)
			keep_path(&stream->path, at, length);
		else if (le16toh(header.type) == PATH_TO_ATTRIBUTE ||
			 le16toh(header.type) == PATH_LINK_ATTRIBUTE)
			keep_path(&stream->other, at, length);
		at += length;
		left -= length;
	}
	return 0;
}

int stream_next(struct stream *stream, struct stream_command *ret, struct fl_error *err)
{
	struct command_header header;
	size_t length;

	if (fill(stream, sizeof(header), err) < 0)
		return fl_failed(err);
	memcpy(&header, stream->buffer + stream->start, sizeof(header));
	stream->start += sizeof(header);
	length = le32toh(header.length);
	if (length > COMMAND_MAX)
		return fail_stream("holds a command without an end", err);
	if (fill(stream, length, err) < 0)
		return fl_failed(err);
	text_clear(&stream->path);
	text_clear(&stream->other);
	if (read_attributes(stream, stream->buffer + stream->start, length, err) < 0)
		return fl_failed(err);
	stream->start += length;
	*ret = (struct stream_command){
		.type = le16toh(header.type),
		.path = text_get(&stream->path),
		.other = text_get(&stream->other),
	};
	return 0;
}
