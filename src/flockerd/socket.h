#pragma once

/* The unix socket that the daemon listens on. */

#include "base/error.h"
#include "base/own.h"

/*
 * Binds and listens at `path`, mode 0660, group "flocker" if there is one.  A
 * socket that a dead daemon left is replaced; FL_BUSY when somebody listens
 * there, FL_EXISTS when it is something else.
 */
must_check int socket_listen(const char *path, int *ret_fd, struct fl_error *err);

/* Removes it.  Called before it is closed, so that it is never another daemon's. */
void socket_remove(const char *path);
