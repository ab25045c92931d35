#pragma once

/*
 * Bytes through pipes and sockets: blocking, whole.  `name` is for messages: what
 * is at the other end.
 */

#include <stddef.h>

#include "base/error.h"
#include "base/own.h"

/* All of them.  FL_SYSTEM, with EPIPE when nobody reads any more. */
must_check int stream_write(int fd, const char *name, const void *bytes, size_t length,
			    struct fl_error *err);

/* Up to `length`, as soon as there are any; `*ret` 0: the end. */
must_check int stream_read(int fd, const char *name, void *bytes, size_t length, size_t *ret,
			   struct fl_error *err);

/* The same, but fewer than `length` only at the end. */
must_check int stream_fill(int fd, const char *name, void *bytes, size_t length, size_t *ret,
			   struct fl_error *err);
