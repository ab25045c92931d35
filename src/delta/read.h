#pragma once

/*
 * Reads a delta, command by command, from wherever its bytes come.  Pure but for
 * the function that gives the bytes.  It trusts nothing: sizes are bounded before anything
 * is taken, every command's checksum is compared, and a command with too few, too
 * many or unknown attributes is refused; what paths and numbers mean is for the
 * reader to judge.
 */

#include "base/error.h"
#include "base/own.h"
#include "delta/command.h"

/* Up to `length` bytes, `*ret` 0: the end.  As stream_read() (base/stream.h). */
typedef int delta_fill(void *arg, void *bytes, size_t length, size_t *ret, struct fl_error *err);

struct delta_reader;

/* `fill` is not called before the first delta_next(). */
struct delta_reader *delta_reader_new(delta_fill *fill, void *arg);
void delta_reader_free(struct delta_reader *reader);
OWN_FREEP(delta_reader, delta_reader_free)

/*
 * The next command, borrowed until the next call.  After DELTA_END: nothing more
 * is read, and another call is our own mistake.  FL_INVALID: this is no delta, or of
 * another version; FL_CORRUPT: it is damaged, or ends too soon.
 */
must_check int delta_next(struct delta_reader *reader, struct delta_command *ret,
			  struct fl_error *err);

/* FL_CORRUPT: something follows DELTA_END. */
must_check int delta_check_end(struct delta_reader *reader, struct fl_error *err);

/* Its bytes as they came, good as long as the command. */
void delta_raw(const struct delta_reader *reader, const void **ret_bytes, size_t *ret_length);

/* Where in the delta the last command ended: bytes from its start. */
uint64_t delta_position(const struct delta_reader *reader);
