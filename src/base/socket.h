#pragma once

/*
 * Unix stream sockets that have a path: who listens, who connects, who is at the other end.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/own.h"

/*
 * Binds and listens at `path` with mode 0660, or 0600 without a `group`, to whom it belongs
 * if there is such a group.  A socket that a dead program left is replaced; FL_BUSY when
 * somebody listens there, FL_EXISTS when it is something else, FL_INVALID for a path that is
 * too long.  Not for several threads: it sets the umask.
 */
must_check int socket_listen(const char *path, const char *group, int *ret_fd,
			     struct fl_error *err);

/* Removes it.  Called before it is closed, so that it is never another program's. */
void socket_remove(const char *path);

/* FL_NOT_FOUND when there is no socket, or nobody listens on it. */
must_check int socket_connect(const char *path, int *ret_fd, struct fl_error *err);

/* Does `fd` listen at `path`? */
bool socket_is_at(int fd, const char *path);

/* The user at the other end, as it was when they connected; (uid_t)-1: not known. */
uid_t socket_peer(int fd);

/* Nothing on `fd` takes longer than this. */
void socket_set_patience(int fd, unsigned seconds);

/* Words of a short dialogue: each comes as it was sent. */
must_check int socket_send(int fd, const char *text, struct fl_error *err);
/* At most `size` - 1 bytes, with a NUL behind them.  The end of the connection is "". */
must_check int socket_receive(int fd, char *text, size_t size, struct fl_error *err);
