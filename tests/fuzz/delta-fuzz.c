#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "delta/read.h"
#include "delta/write.h"
#include "tests/delta-bytes.h"
#include "tests/fuzz/fuzz.h"

/*
 * A delta of any bytes, as it is and once more with right checksums.  What is refused has a
 * reason; what is accepted, written anew, is read as the same.
 */

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* Ends at the first failure; `again`: the same, made by the writer. */
static bool read_all(const uint8_t *bytes, size_t length, size_t piece, struct text *again)
{
	struct delta_bytes source = { bytes, length, piece };
	own(delta_reader_freep) struct delta_reader *reader = delta_reader_new(delta_bytes_give,
									       &source);
	struct delta_command command;
	struct fl_error err = { 0 };

	delta_put_header(again);
	do {
		int rc = delta_next(reader, &command, &err);

		require(rc == 0 || rc == -FL_CORRUPT || rc == -FL_INVALID);
		require(rc == 0 || (err.code == (enum fl_code) - rc && err.text[0]));
		if (rc < 0)
			return false;
		delta_put(&command, again);
	} while (command.verb != DELTA_END);
	return true;
}

static void try_delta(const uint8_t *data, size_t size)
{
	own_text struct text again = { 0 }, third = { 0 };
	bool whole = read_all(data, size, 7 + size % 1000, &again);

	require(read_all((const uint8_t *)again.bytes, again.length, SIZE_MAX, &third) == whole);
	require(again.length == third.length &&
		memcmp(again.bytes, third.bytes, again.length) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	own_free uint8_t *mended = xcalloc(size + 1, 1);

	try_delta(data, size);
	memcpy(mended, data, size);
	delta_bytes_mend(mended, size);
	try_delta(mended, size);
	return 0;
}
