#pragma once

/*
 * A descriptor that another process is given once there is something to give: so that a program
 * can start while what it is to work on is still made.
 */

#include "base/error.h"
#include "base/own.h"

/* Two ends, closed on exec: one gives, one takes. */
must_check int handover_pair(int ret[static 2], struct fl_error *err);
/* `fd` stays the giver's: the taker has one of its own. */
must_check int handover_give(int end, int fd, struct fl_error *err);
/* Waits.  FL_NOT_FOUND when the giver has gone without giving. */
must_check int handover_take(int end, int *ret_fd, struct fl_error *err);
