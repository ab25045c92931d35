#include "tree/output.h"

#include <archive_entry.h>
#include <errno.h>

static int fail(struct output *output, struct fl_error *err)
{
	if (archive_errno(output->archive) == EPIPE) {
		fl_fail(err, FL_UNREACHABLE, "the reader of the archive went away");
		return fl_hint(err, "export again");
	}
	errno = archive_errno(output->archive);
	if (errno > 0)
		return fl_fail_errno(err, "cannot write the archive");
	return fl_fail(err, FL_SYSTEM, "cannot write the archive: %s",
		       archive_error_string(output->archive));
}

/* The tar format is ours (pax.c): to libarchive it is one file of bytes, to be compressed. */
static int open_file(struct archive *a)
{
	struct archive_entry *entry = archive_entry_new();
	int rc;

	if (!entry)
		return ARCHIVE_FATAL;
	archive_entry_set_filetype(entry, AE_IFREG);
	rc = archive_write_header(a, entry);
	archive_entry_free(entry);
	return rc;
}

int output_open(struct output *output, int fd, bool zstd, struct fl_error *err)
{
	struct archive *a = output->archive = archive_write_new();

	if (!a)
		return fl_fail(err, FL_SYSTEM, "cannot set up the archive writer");
	if (archive_write_set_format_raw(a) != ARCHIVE_OK ||
	    (zstd && archive_write_add_filter_zstd(a) != ARCHIVE_OK) ||
	    archive_write_set_bytes_per_block(a, 64 * 1024) != ARCHIVE_OK ||
	    archive_write_set_bytes_in_last_block(a, 1) != ARCHIVE_OK ||
	    archive_write_open_fd(a, fd) != ARCHIVE_OK || open_file(a) != ARCHIVE_OK)
		return fail(output, err);
	return 0;
}

int output_write(struct output *output, const void *bytes, size_t length, struct fl_error *err)
{
	if (length > 0 && archive_write_data(output->archive, bytes, length) != (la_ssize_t)length)
		return fail(output, err);
	return 0;
}

int output_close(struct output *output, struct fl_error *err)
{
	if (archive_write_close(output->archive) != ARCHIVE_OK)
		return fail(output, err);
	return 0;
}

void output_done(struct output *output)
{
	if (output->archive) {
		archive_write_fail(output->archive); /* nothing more is written */
		archive_write_free(output->archive);
	}
	output->archive = NULL;
}
