#pragma once

/*
 * A listening socket that outlives this daemon: whoever connects while none runs
 * waits in its backlog and is served by the next.  It is kept either by the service
 * manager (the socket unit flockerd-plugin.socket), or by a flocker-keeper that is
 * started where there is none (keeper/socket.c) and does not end with this program.
 */

#include "base/error.h"
#include "base/own.h"

struct lasting_options {
	const char *path;    /* "": none is wanted, and one that was kept is released */
	const char *control; /* where the keeper listens for its daemon */
	const char *program; /* flocker-keeper; NULL: it is not installed */
};

/* `*ret_fd` listens at the path; -1 where none is wanted. */
must_check int lasting_take(const struct lasting_options *options, int *ret_fd,
			    struct fl_error *err);

/* Ends the keeper, if there is one, and with it the socket. */
must_check int lasting_release(const char *control, struct fl_error *err);
