#include "tree/input.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "tree/patience.h"

/*
 * A tar archive ends with blocks of zeros, and a reader of libarchive's takes
 * the end of its input between two entries for the end of the archive as well:
 * an upload that broke there would pass for a small archive.  So there are two
 * readers.  The first only decompresses (its format is "raw"), the second reads
 * tar from what the first gives, by way of a callback that counts.  When the
 * second says that it is at the end, the place where it looked for the next
 * header must be within what it was given: only then did it see a block there,
 * and only a block of zeros ends an archive.
 *
 * Then the rest is read, so that a checksum at the end of a compressed stream
 * is looked at and the sender can send to its end.  The rest has to be zeros:
 * two archives one after the other would otherwise lose the second.
 *
 * The last pieces that the second reader was given are kept, so that its entry's
 * headers can be looked at where it has read them wrongly (times.c).
 */

#define BLOCK (64 * 1024)
#define BLOCKS 40 /* kept: more than the headers that libarchive takes fill with one long one */
#define TAR_BLOCK 512
#define WRONG_FORMAT EILSEQ /* what libarchive says of bytes in no format that it knows */

/* libarchive fails without a word where a compressed stream ends too early. */
static const char *reason_of(struct archive *a)
{
	const char *why = archive_error_string(a);

	return why ? why : "it ends too early";
}

static int damaged(struct archive *a, struct fl_error *err)
{
	fl_fail(err, FL_CORRUPT, "the archive is damaged or cut off: %s", reason_of(a));
	return fl_hint(err, "make it anew, or send it again, whole");
}

/* What has not even one header may be a file of another kind as well. */
static int cut_off(const struct input *input, struct fl_error *err)
{
	if (input->given == 0) {
		fl_fail(err, FL_CORRUPT, "the archive is empty, or cut off");
		return fl_hint(err, "see why nothing was written to it, and send it again");
	}
	if (input->given < TAR_BLOCK)
		fl_fail(err, FL_CORRUPT, "the archive is cut off, or is none: it has %zu bytes",
			(size_t)input->given);
	else
		fl_fail(err, FL_CORRUPT, "the archive is cut off");
	return fl_hint(err, "send it again, whole");
}

static void note(struct input *input, const char *bytes, size_t length)
{
	size_t end = length;

	while (end > 0 && bytes[end - 1] == 0)
		end--;
	if (end > 0)
		input->filled = input->given + end;
	input->given += length;
}

/* Its place is known by where it lies in the archive: all pieces but the last are whole. */
static char *place_of(const struct input *input, uint64_t offset)
{
	return input->kept + offset / BLOCK % BLOCKS * BLOCK + offset % BLOCK;
}

static ssize_t fill(struct archive *bytes, char *buffer)
{
	ssize_t length = 0, n;

	do {
		n = archive_read_data(bytes, buffer + length, (size_t)(BLOCK - length));
		length += n > 0 ? n : 0;
	} while (n > 0 && length < BLOCK);
	return n < 0 ? n : length;
}

static ssize_t pull(struct archive *tar, void *arg, const void **ret)
{
	struct input *input = arg;
	char *buffer = place_of(input, input->given);
	ssize_t n;

	*ret = buffer;
	if (input->ended)
		return 0;
	n = fill(input->bytes, buffer);
	if (n < 0) {
		input->broken = true;
		archive_set_error(tar, archive_errno(input->bytes), "%s", reason_of(input->bytes));
		return -1;
	}
	input->ended = n == 0;
	note(input, buffer, (size_t)n);
	patience_earn(input->given);
	return n;
}

static int open_bytes(struct input *input, int fd, struct fl_error *err)
{
	struct archive_entry *entry;
	struct archive *a = input->bytes = archive_read_new();

	if (!a || archive_read_support_format_raw(a) < ARCHIVE_WARN ||
	    archive_read_support_format_empty(a) < ARCHIVE_WARN ||
	    archive_read_support_filter_gzip(a) < ARCHIVE_WARN ||
	    archive_read_support_filter_bzip2(a) < ARCHIVE_WARN ||
	    archive_read_support_filter_xz(a) < ARCHIVE_WARN ||
	    archive_read_support_filter_zstd(a) < ARCHIVE_WARN)
		return fl_fail(err, FL_SYSTEM, "cannot set up the archive reader");
	if (archive_read_open_fd(a, fd, BLOCK) != ARCHIVE_OK)
		return damaged(a, err);
	switch (archive_read_next_header(a, &entry)) {
	case ARCHIVE_OK:
		return 0;
	case ARCHIVE_EOF: /* not a single byte */
		return cut_off(input, err);
	default:
		return damaged(a, err);
	}
}

static int fail(struct input *input, struct fl_error *err)
{
	if (!input->broken && input->ended)
		return cut_off(input, err);
	if (!input->broken && archive_errno(input->tar) == WRONG_FORMAT &&
	    archive_file_count(input->tar) == 0) {
		fl_fail(err, FL_INVALID, "this is no tar archive");
		return fl_hint(err, "give a tar archive, plain or compressed by gzip, bzip2, xz or "
				    "zstd");
	}
	if (archive_errno(input->tar) == ENOMEM) {
		fl_fail(err, FL_UNSUPPORTED, "the archive takes too much memory to read");
		return fl_hint(err, "make it with plainer settings of the compression");
	}
	return damaged(input->tar, err);
}

int input_open(struct input *input, int fd, struct fl_error *err)
{
	struct archive *a;

	*input = (struct input){ .kept = xcalloc(BLOCKS, BLOCK) };
	if (open_bytes(input, fd, err) < 0)
		return fl_failed(err);
	a = input->tar = archive_read_new();
	if (!a || archive_read_support_format_tar(a) != ARCHIVE_OK)
		return fl_fail(err, FL_SYSTEM, "cannot set up the archive reader");
	/* This reads already. */
	if (archive_read_open(a, input, NULL, pull, NULL) != ARCHIVE_OK)
		return fail(input, err);
	return 0;
}

void input_done(struct input *input)
{
	archive_read_free(input->tar);
	archive_read_free(input->bytes);
	free(input->kept);
	*input = (struct input){ 0 };
}

static int finish(struct input *input, struct fl_error *err)
{
	uint64_t end = (uint64_t)archive_read_header_position(input->tar);
	const void *rest;
	ssize_t n;

	if (input->given < end + TAR_BLOCK)
		return cut_off(input, err);
	while ((n = pull(input->tar, input, &rest)) > 0)
		;
	if (n < 0)
		return fail(input, err);
	if (input->filled > end) {
		fl_fail(err, FL_INVALID, "something follows behind the end of the archive");
		return fl_hint(err, "import each archive alone, or join them by "
				    "`tar --concatenate`");
	}
	return 0;
}

/*
 * A name that the locale (always C) has no characters for is kept byte by byte,
 * which is what we want; libarchive warns of it.
 */
static bool harmless(struct archive *tar)
{
	const char *why = archive_error_string(tar);

	return why && strstr(why, "can't be converted");
}

uint64_t input_read(const struct input *input)
{
	return (uint64_t)archive_filter_bytes(input->bytes, -1);
}

int input_next(struct input *input, struct archive_entry **ret, struct fl_error *err)
{
	int rc;

	do
		rc = archive_read_next_header(input->tar, ret);
	while (rc == ARCHIVE_RETRY);

	if (rc == ARCHIVE_EOF) {
		*ret = NULL;
		return finish(input, err);
	}
	if (rc == ARCHIVE_OK || (rc == ARCHIVE_WARN && harmless(input->tar)))
		return 0;
	return fail(input, err);
}

bool input_header(const struct input *input, uint64_t at, void *ret, size_t size)
{
	uint64_t from = (uint64_t)archive_read_header_position(input->tar) + at;
	uint64_t last = input->given - (input->given > 0); /* the piece it is in is the newest */
	char *to = ret;

	if (from + size > input->given || last / BLOCK - from / BLOCK >= BLOCKS)
		return false;
	while (size > 0) {
		size_t n = BLOCK - from % BLOCK;

		n = n < size ? n : size;
		memcpy(to, place_of(input, from), n);
		to += n;
		from += n;
		size -= n;
	}
	return true;
}

int input_data(struct input *input, const void **ret, size_t *ret_size, int64_t *ret_offset,
	       struct fl_error *err)
{
	int rc = archive_read_data_block(input->tar, ret, ret_size, ret_offset);

	if (rc == ARCHIVE_EOF)
		return 0;
	if (rc == ARCHIVE_OK)
		return 1;
	return fail(input, err);
}
