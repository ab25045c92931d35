#pragma once

/*
 * One daemon per instance: a lock on RUN/flockerd.lock, which the kernel
 * releases when the process ends, however it ends.  The file holds the pid for
 * the message that a second daemon gives.
 */

#include "base/error.h"
#include "base/own.h"

/* `ret_fd` keeps the lock.  FL_BUSY names the process that has it. */
must_check int single_lock(const char *run, int *ret_fd, struct fl_error *err);
