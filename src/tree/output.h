#pragma once

/*
 * The archive that is written: bytes to a descriptor, plain or compressed by
 * zstd.  A reader who has gone is FL_UNREACHABLE.
 */

#include <archive.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/own.h"

struct output {
	struct archive *archive;
};

must_check int output_open(struct output *output, int fd, bool zstd, struct fl_error *err);
must_check int output_write(struct output *output, const void *bytes, size_t length,
			    struct fl_error *err);
/* What is compressed but not written yet goes out. */
must_check int output_close(struct output *output, struct fl_error *err);
void output_done(struct output *output);
