#pragma once

/*
 * A listening socket that outlives this daemon, with the requests that come over it:
 * a flocker-keeper listens there, and carries them to whichever daemon there is
 * (keeper/socket.c).  One is started where there is none, by a service manager or
 * before, and does not end with this program.  While this one runs a thread sees to it that
 * there is a keeper.
 */

#include "base/error.h"
#include "base/own.h"

struct lasting;

struct lasting_options {     /* all copied */
	const char *path;    /* "": none is wanted, and one that was kept is released */
	const char *control; /* where the keeper listens for its daemon */
	const char *daemon;  /* where the daemon listens for the keeper */
	const char *program; /* flocker-keeper; NULL: it is not installed */
};

/* `*ret` NULL: none is wanted.  Requests may come from here on. */
must_check int lasting_open(const struct lasting_options *options, struct lasting **ret,
			    struct fl_error *err);
/* The keeper stays.  NULL is fine. */
void lasting_close(struct lasting *lasting);

/* Ends the keeper, if there is one, and with it the socket. */
must_check int lasting_release(const char *control, struct fl_error *err);
