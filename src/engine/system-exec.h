#pragma once

/*
 * Commands in user systems that run: by the OCI runtime, for clients that read what they
 * write and write what they read (container/session.h).
 *
 * A command belongs to its client: it ends with who reads what it writes, with its system,
 * and with the daemon.  There are EXECS at most at a time.  No lock of a branch is held.
 */

#include "engine/engine.h"

#define EXECS 64
#define EXEC_WORDS 256

struct exec_options {
	const struct ref *ref;
	const char *const *command; /* not looked up in our PATH, but in the system's */
	size_t count;
	const char *user; /* UID[:GID]; NULL: the system's */
	bool terminal;	  /* its streams are a terminal */
	bool input;	  /* it is given something to read; else nothing */
	unsigned rows, columns;
};

/* Starts it.  FL_UNREACHABLE: the system does not run.  FL_BUSY: there are too many. */
must_check int engine_exec_start(struct engine *engine, const struct exec_options *options,
				 struct uuid *ret, struct fl_error *err);

struct exec; /* one that is read */

/* For one reader.  FL_NOT_FOUND: there is none, or nobody came for too long. */
must_check int engine_exec_read(struct engine *engine, const struct uuid *id, struct exec **ret,
				struct fl_error *err);
int exec_fd(const struct exec *exec); /* frames, as in container/session.h; borrowed */
/* The reader leaves.  NULL is fine. */
void exec_close(struct exec *exec);

/* Copies from `fd` until its end or the command's.  For one writer. */
must_check int engine_exec_write(struct engine *engine, const struct uuid *id, int fd,
				 struct fl_error *err);
must_check int engine_exec_resize(struct engine *engine, const struct uuid *id, unsigned rows,
				  unsigned columns, struct fl_error *err);
