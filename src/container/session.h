#pragma once

/*
 * A program that is run for somebody far away, who reads what it writes and writes what it
 * reads: `runc exec` for a client of the API.
 *
 * What it writes comes out of one pipe, as frames: a byte that says whose (enum
 * session_stream), three of zeros, the length of what follows as 32 bits with the highest byte
 * first, and that.  The last frame says how it ended.  A program on a terminal has one output.
 *
 * It lives as long as somebody reads: when the reader leaves, or if none has come within
 * SESSION_PATIENCE, it is sent SIGHUP, and SIGKILL SESSION_GRACE later, and so are its children,
 * which a runtime's do not outlive.
 *
 * A thread of its own starts the program and ends with it.  All functions: any thread.
 */

#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/own.h"
#include "base/terminal.h"

#define SESSION_PATIENCE (10 * CLOCK_SECOND)
#define SESSION_GRACE (2 * CLOCK_SECOND)

enum session_stream {
	SESSION_OUTPUT = 1,
	SESSION_ERRORS = 2,
	SESSION_END = 3, /* its exit status, or 128 + signal, in decimal */
};

#define SESSION_LOG 3 /* the descriptor of a runtime's log */

struct session_options {
	const char *const *argv;
	/*
	 * NULL, or what the runtime `argv` is to run, and where: "the system web/trunk".  It writes
	 * its log to SESSION_LOG; if that says that it has failed, exec-failure.h has the
	 * words and the exit status, and what the runtime says itself is left out.
	 */
	const char *program, *place;
	bool terminal; /* its streams are one */
	bool input;    /* else it reads nothing */
	struct terminal_size size;
};

struct session;

/* Returns when it runs. */
must_check int session_start(const struct session_options *options, struct session **ret,
			     struct fl_error *err);
/* Where it can be read; for one reader.  The descriptor is the caller's.  FL_BUSY: there is one. */
must_check int session_attach(struct session *session, int *ret_fd, struct fl_error *err);
/* Nobody reads, or will. */
void session_leave(struct session *session);
/*
 * Copies from `fd` to what the program reads until either has ended; for one writer.
 * The end of `fd` is then that of its input, but where that is a terminal.
 */
must_check int session_feed(struct session *session, int fd, struct fl_error *err);
must_check int session_resize(struct session *session, const struct terminal_size *size,
			      struct fl_error *err);
/* The program has ended, and nobody is awaited who would read what it said. */
bool session_is_done(struct session *session);
/* Ends it, as if the reader had left, and waits for that.  No other call is under way.  NULL is
 * fine. */
void session_free(struct session *session);
OWN_FREEP(session, session_free)
#define own_session own(session_freep)
