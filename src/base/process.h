#pragma once

/*
 * A process that somebody else started, held by a descriptor (pidfd): its number can be given
 * to another after its end, the descriptor cannot.  Those that we start: base/spawn.h.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/own.h"

/* FL_NOT_FOUND: there is none of that number.  The caller sees to it that it is still the one that
 * was meant. */
must_check int process_open(pid_t pid, int *ret_fd, struct fl_error *err);
/* One that has ended is success. */
must_check int process_signal(int fd, int number, struct fl_error *err);
/* Blocks until it has ended or the deadline is past (clock_monotonic()); has it? */
must_check bool process_await(int fd, int64_t deadline);
must_check bool process_ended(int fd);
/* Orphans of what this process starts become its children.  For a process that reaps them. */
must_check int process_adopt_orphans(struct fl_error *err);
/* Blocks until the child has ended; it stays to be reaped.  `*ret`: exit status, or 128 + signal.
 */
must_check int process_end(pid_t pid, int *ret, struct fl_error *err);
void process_reap(pid_t pid);
