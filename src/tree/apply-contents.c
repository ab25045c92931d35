#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/fsat.h"
#include "tree/apply.h"
#include "tree/walk.h"

/*
 * Contents.  What is zero from end to end is not written but becomes a hole, as the sender
 * has no other word for one.  What is cloned is shared where the file system can do that;
 * elsewhere it is copied, and holes stay holes.
 */

#define PIECE (off_t)(16 << 20)
#define PUSHED_OUT (off_t)(8 << 20) /* bytes at once: one extent */

static int check_range(uint64_t offset, uint64_t size, struct fl_error *err)
{
	if (offset <= INT64_MAX && size <= INT64_MAX - offset)
		return 0;
	return fl_fail(err, FL_INVALID, "it would be larger than any file can be");
}

static int fail_writing(struct fl_error *err)
{
	if (errno != EFBIG)
		return fl_fail_errno(err, "cannot write it");
	fl_fail(err, FL_INVALID, "it is larger than files can be in this pool");
	return fl_hint(err, "remove it, or transfer the volume to a pool of another kind");
}

static bool is_zero(const char *bytes, size_t length)
{
	return length > 0 && bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0;
}

static int write_all(int fd, const char *bytes, size_t length, off_t at, struct fl_error *err)
{
	while (length > 0) {
		ssize_t n = TEMP_FAILURE_RETRY(pwrite(fd, bytes, length, at));

		if (n < 0)
			return fail_writing(err);
		bytes += n;
		at += n;
		length -= (size_t)n;
	}
	return 0;
}

/* 1: it is one now; 0: this file system has none. */
static int make_hole(int fd, off_t from, off_t to, struct fl_error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fl_fail_errno(err, "cannot look at it");
	if (from < st.st_size &&
	    fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from, to - from) < 0)
		return errno == EOPNOTSUPP ? 0 : fail_writing(err);
	if (to > st.st_size && ftruncate(fd, to) < 0)
		return fail_writing(err);
	return 1;
}

/*
 * What was written goes to the disk while more comes: else all of it would wait for the commit at
 * the end, with nothing to do meanwhile.  It is no more than a hint: what fails is told by the
 * commit.
 */
static void push_out(struct open_file *file, off_t at, size_t length)
{
	if (at != file->to)
		file->from = at;
	file->to = at + (off_t)length;
	if (file->to - file->from < PUSHED_OUT)
		return;
	(void)!sync_file_range(file->fd, file->from, file->to - file->from, SYNC_FILE_RANGE_WRITE);
	file->from = file->to;
}

int apply_write(struct apply *apply, const struct delta_command *command, struct fl_error *err)
{
	off_t at = (off_t)command->offset;
	int hole = 0;

	if (check_range(command->offset, command->data_length, err) < 0 ||
	    apply_open(apply, command->path, err) < 0)
		return fl_failed(err);
	if (is_zero(command->data, command->data_length))
		hole = make_hole(apply->file.fd, at, at + (off_t)command->data_length, err);
	if (hole != 0)
		return hole < 0 ? fl_failed(err) : 0;
	if (write_all(apply->file.fd, command->data, command->data_length, at, err) < 0)
		return fl_failed(err);
	push_out(&apply->file, at, command->data_length);
	return 0;
}

int apply_truncate(struct apply *apply, const struct delta_command *command, struct fl_error *err)
{
	if (check_range(0, command->size, err) < 0 || apply_open(apply, command->path, err) < 0)
		return fl_failed(err);
	return ftruncate(apply->file.fd, (off_t)command->size) < 0 ? fail_writing(err) : 0;
}

/* --- what comes from another file ---------------------------------------------------- */

static int find_source(struct apply *apply, const struct delta_command *command, struct spots **ret,
		       struct fl_error *err)
{
	if (uuid_equal(&command->from_uuid, &apply->tree)) {
		*ret = &apply->from;
		return 0;
	}
	if (apply->options->base && uuid_equal(&command->from_uuid, &apply->base)) {
		*ret = &apply->base_spots;
		return 0;
	}
	return fl_fail(err, FL_INVALID,
		       "its contents are to come from a tree that is neither this one nor the "
		       "base");
}

static int open_source(struct apply *apply, const struct delta_command *command,
		       struct fl_error *err)
{
	struct spots *spots = NULL;
	struct spot spot;
	own_fd int fd = -1;
	struct stat st;

	if (find_source(apply, command, &spots, err) < 0)
		return fl_failed(err);
	if (apply->source_in_base == (spots == &apply->base_spots) &&
	    open_file_is(&apply->source, command->to))
		return 0;
	if (!*command->to)
		return fl_fail(err, FL_CORRUPT, "its contents cannot come from a directory");
	if (spot_find(spots, command->to, &spot, err) < 0 ||
	    apply_open_contents(&spot, O_RDONLY, &st, &fd, err) < 0)
		return fl_failed(err);
	open_file_set(&apply->source, take_fd(fd), command->to);
	apply->source_in_base = spots == &apply->base_spots;
	return 0;
}

/* By the kernel, or by hand where it cannot. */
static ssize_t copy_piece(int from, off_t in, int to, off_t out, size_t length)
{
	static char buffer[256 * 1024];
	ssize_t n = TEMP_FAILURE_RETRY(copy_file_range(from, &in, to, &out, length, 0));

	if (n >= 0 || errno == ENOSPC || errno == EDQUOT || errno == EIO || errno == EFBIG)
		return n;
	n = TEMP_FAILURE_RETRY(
		pread(from, buffer, length < sizeof(buffer) ? length : sizeof(buffer), in));
	return n <= 0 ? n : TEMP_FAILURE_RETRY(pwrite(to, buffer, (size_t)n, out));
}

struct range {
	int from, to;
	off_t shift; /* from where it is to where it goes */
};

static int copy_data(const struct range *range, off_t at, off_t end, struct fl_error *err)
{
	while (at < end) {
		size_t length = (size_t)(end - at < PIECE ? end - at : PIECE);
		ssize_t n = copy_piece(range->from, at, range->to, at + range->shift, length);

		if (n < 0)
			return fail_writing(err);
		if (n == 0)
			return fl_fail(err, FL_CORRUPT, "what it is to come from is too short");
		at += n;
	}
	return 0;
}

/* Where there are no holes, zeros are what is there behind the end, or are written. */
static int copy_hole(const struct range *range, off_t at, off_t end, struct fl_error *err)
{
	static const char zeros[64 * 1024];
	int rc;

	if (at >= end)
		return 0;
	rc = make_hole(range->to, at + range->shift, end + range->shift, err);
	for (; rc == 0 && at < end; at += (off_t)sizeof(zeros)) {
		size_t length = (size_t)(end - at) < sizeof(zeros) ? (size_t)(end - at)
								   : sizeof(zeros);

		if (write_all(range->to, zeros, length, at + range->shift, err) < 0)
			return fl_failed(err);
	}
	return rc < 0 ? fl_failed(err) : 0;
}

static int copy_range(const struct range *range, off_t at, off_t end, struct fl_error *err)
{
	int rc = 1;

	while (at < end) {
		off_t data = at, next = end;

		rc = walk_data(range->from, end, &data, &next, err);
		if (rc < 0 || copy_hole(range, at, rc == 0 ? end : data, err) < 0)
			return fl_failed(err);
		if (rc == 0)
			return 0;
		if (copy_data(range, data, next, err) < 0)
			return fl_failed(err);
		at = next;
	}
	return 0;
}

static int check_source(const struct apply *apply, const struct delta_command *command,
			struct fl_error *err)
{
	struct stat st;

	if (fstat(apply->source.fd, &st) < 0)
		return fl_fail_errno(err, "cannot look at '%.150s'", command->to);
	if (command->from_offset + command->size > (uint64_t)st.st_size)
		return fl_fail(err, FL_CORRUPT, "'%.150s', which it is to come from, is too short",
			       command->to);
	return 0;
}

int apply_clone(struct apply *apply, const struct delta_command *command, struct fl_error *err)
{
	struct file_clone_range clone = { .src_offset = command->from_offset,
					  .src_length = command->size,
					  .dest_offset = command->offset };
	struct range range;

	if (check_range(command->offset, command->size, err) < 0 ||
	    check_range(command->from_offset, command->size, err) < 0 ||
	    apply_open(apply, command->path, err) < 0 || open_source(apply, command, err) < 0 ||
	    check_source(apply, command, err) < 0)
		return fl_failed(err);
	if (command->size == 0) /* to the kernel: up to the end */
		return 0;
	clone.src_fd = apply->source.fd;
	if (ioctl(apply->file.fd, FICLONERANGE, &clone) == 0)
		return 0;
	if (errno == ENOSPC || errno == EDQUOT || errno == EIO || errno == EFBIG)
		return fail_writing(err);
	range = (struct range){ apply->source.fd, apply->file.fd,
				(off_t)command->offset - (off_t)command->from_offset };
	return copy_range(&range, (off_t)command->from_offset,
			  (off_t)(command->from_offset + command->size), err);
}
