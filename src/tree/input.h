#pragma once

/*
 * A tar archive that is read from a descriptor, plain or compressed, entry by
 * entry, and known at the end to have been whole.
 */

#include <archive.h>
#include <archive_entry.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/own.h"

struct input {
	struct archive *bytes; /* takes the compression off */
	struct archive *tar;   /* reads what the first gives */
	char *kept;	       /* the last of what the second was given (input.c) */
	uint64_t given;	       /* bytes that the second was given */
	uint64_t filled;       /* end of the last of them that was not zero */
	bool ended;	       /* the first has no more */
	bool broken;	       /* the first failed */
};

/* On `fd`, borrowed. */
must_check int input_open(struct input *input, int fd, struct fl_error *err);
void input_done(struct input *input);
#define own_input own(input_done)

/* How many bytes of the archive, as it is stored, were read. */
uint64_t input_read(const struct input *input);

/*
 * The next entry, borrowed until the next call; NULL at the end of an archive
 * that is whole, after its last byte was read.  Cut off or damaged is
 * FL_CORRUPT; what is no tar archive is FL_INVALID.
 */
must_check int input_next(struct input *input, struct archive_entry **ret, struct fl_error *err);

/*
 * `size` bytes of the archive, decompressed, from `at` bytes behind the start of
 * the headers of that entry.  False: they came too long ago, or did not come.
 */
must_check bool input_header(const struct input *input, uint64_t at, void *ret, size_t size);

/* The next piece of the entry's contents: 1, or 0 at their end.  What is between pieces is a hole.
 */
must_check int input_data(struct input *input, const void **ret, size_t *ret_size,
			  int64_t *ret_offset, struct fl_error *err);
