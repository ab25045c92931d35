#pragma once

/*
 * Threads: started in one way, with one wording of the failure.  What a thread may touch, and
 * who joins it, is said where it is started.
 */

#include <pthread.h>
#include <stddef.h>

#include "base/error.h"
#include "base/own.h"

/* Enough for straight-line code over a few KiB of locals; address space, until it is used. */
#define THREAD_STACK ((size_t)256 * 1024)

/*
 * `stack`: bytes; 0: the system's default, for what recurses or runs a library's depths.
 * The caller joins or detaches it.  FL_SYSTEM, or what errno says, when there can be no more.
 */
must_check int thread_start(pthread_t *ret, size_t stack, void *(*run)(void *arg), void *arg,
			    struct fl_error *err);
