#pragma once

/*
 * A stream of bytes in both directions, wherever they go: two descriptors
 * (below), or TLS (trust/tls.h).  What replication talks over.
 *
 * Threads: one may read while another writes; transport_shut() may be called
 * from any, also while both wait, and more than once.  Whoever made the
 * transport frees it when no thread is inside any more: shut, join, free.
 *
 * Codes: FL_UNREACHABLE when the connection broke, with its errno; FL_DENIED
 * when the other side said that it does not want us; after transport_shut()
 * an error for which fl_is_cancelled() is true.  An error is final: nothing
 * comes or goes in that direction any more.
 */

#include <stddef.h>

#include "base/error.h"
#include "base/own.h"

struct transport;

struct transport_type {
	const char *name; /* "descriptors", "tls" */

	/*
	 * Up to `length` bytes (at least 1), as soon as there are any.  `*ret` 0: the other side
	 * has finished, and said so where the transport can tell that from a cut.
	 */
	int (*read)(struct transport *transport, void *bytes, size_t length, size_t *ret,
		    struct fl_error *err);
	/* All of them; nothing is kept back. */
	int (*write)(struct transport *transport, const void *bytes, size_t length,
		     struct fl_error *err);
	/* After the last write: the other side reads what is under way, then 0.  Reading goes on.
	 */
	int (*finish)(struct transport *transport, struct fl_error *err);
	/* Wakes who waits in it, and makes every later call fail.  Never blocks. */
	void (*shut)(struct transport *transport);
	/* Never blocks.  To be sure that the last words arrive: finish, then read to the end. */
	void (*free)(struct transport *transport);
};

struct transport {
	const struct transport_type *type; /* first in the struct of each type */
};

must_check int transport_read(struct transport *transport, void *bytes, size_t length, size_t *ret,
			      struct fl_error *err);
/* The same, but fewer than `length` only at the end. */
must_check int transport_fill(struct transport *transport, void *bytes, size_t length, size_t *ret,
			      struct fl_error *err);
must_check int transport_write(struct transport *transport, const void *bytes, size_t length,
			       struct fl_error *err);
must_check int transport_finish(struct transport *transport, struct fl_error *err);
void transport_shut(struct transport *transport);
void transport_free(struct transport *transport);
OWN_FREEP(transport, transport_free)

/*
 * Over a pair of descriptors, pipes or stream sockets, which may be one and the same.  They are
 * taken, also when this fails; their flags stay as they are, for others may share them.  `name`
 * is for messages: what is at the other end ("ssh to alice@b").
 */
must_check int transport_descriptors(int in, int out, const char *name, struct transport **ret,
				     struct fl_error *err);
