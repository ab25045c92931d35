#pragma once

/*
 * What every transport must do, tried with two ends that talk to each other, whatever is between
 * them.  Each check leaves the ends to the caller.
 */

#include "base/transport.h"

#define ENDS_LARGE ((size_t)8 * 1024 * 1024 + 77) /* bytes: more than any buffer holds */

/* Called by each writer between the eighths of what it writes. */
typedef int ends_between(struct transport *end, int part, struct fl_error *err);

/* Both write that much and read it, at the same time.  `between` may be NULL. */
void ends_talk_both_ways(struct transport *ends[static 2], ends_between *between);

/* Who reads and who writes at the first end are woken by transport_shut(), and told. */
void ends_wake_when_shut(struct transport *ends[static 2]);

/* The first end finishes, and is answered all the same. */
void ends_finish_one_way(struct transport *ends[static 2]);
