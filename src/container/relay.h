#pragma once

/*
 * A program in a running container (docker_exec), with its standard streams as pipes: for who
 * talks to programs of this host in that way too.
 *
 * A thread of its own carries bytes between the pipes and the engine's connection, until the
 * program has ended or was given up.  Nothing of the caller's is held up by an engine that is
 * slow: what does not fit into the pipes of who does not read is dropped.
 */

#include "base/error.h"
#include "base/own.h"
#include "container/docker.h"

struct relay_call {
	const char *socket; /* of the engine */
	int64_t deadline;   /* ns for each of its answers */
	const char *container;
	const char *const *argv;
	const char *const *environment; /* may be NULL */
};

struct relay;

/*
 * Starts it.  `fds`: the program's ends of three pipes, its standard input, output and error;
 * taken, whatever becomes of it.
 */
must_check int relay_start(const struct relay_call *call, int fds[static 3], struct relay **ret,
			   struct fl_error *err);
/* To be polled: readable once it has ended. */
int relay_end_fd(const struct relay *relay);
/*
 * To it and to all that it started, as far as they are processes of this host that still have
 * the word in their environment by which it is known here.
 */
void relay_signal(struct relay *relay, int number);
/*
 * Blocks until it has ended, or for `patience` ns: then it is given up.  `*ret_status`: its
 * exit status, or 128 + signal.  FL_BUSY: it was given up; else why it is not known.
 */
must_check int relay_wait(struct relay *relay, int64_t patience, int *ret_status,
			  struct fl_error *err);
/* Gives it up if it still runs. */
void relay_free(struct relay *relay);
OWN_FREEP(relay, relay_free)
#define own_relay own(relay_freep)
