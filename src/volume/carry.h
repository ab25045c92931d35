#pragma once

/*
 * Bytes between the standard streams and a connected socket, both ways, as they come.
 *
 * The end of standard input is passed on to the socket, which is still read to its end; then
 * standard output ends.  Returns when both directions have ended, when the socket's other side
 * is gone for good, or when nobody reads standard output any more (FL_UNREACHABLE).  One call in a
 * program, which ends soon after: a thread may still wait for standard input.
 */

#include "base/error.h"
#include "base/own.h"

must_check int carry(int socket, struct fl_error *err);
