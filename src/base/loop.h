#pragma once

/*
 * Loop devices: a file as a block device.  A device made here frees itself
 * when its last user (mount or descriptor) is gone.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/own.h"

#define LOOP_PATH 32

/*
 * A loop device over the open file `fd`, with direct I/O where the file system
 * below allows it, otherwise through the page cache.  `fd` is open for reading
 * and writing.  `ret_fd` keeps the device alive; `path` is "/dev/loopN".
 */
must_check int loop_attach(int fd, int *ret_fd, char path[static LOOP_PATH], struct fl_error *err);

/* The loop device that is attached to the same file already; FL_NOT_FOUND when none is. */
must_check int loop_find(int fd, int *ret_fd, char path[static LOOP_PATH], struct fl_error *err);

/* Tells the device that its file has grown. */
must_check int loop_resize(int loop_fd, struct fl_error *err);
