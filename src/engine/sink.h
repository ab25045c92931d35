#pragma once

/*
 * The other end of a feed: a tree in staging that is made of a stream as it comes.
 *
 * A delta is applied by a program that is shut in (engine/worker.h: flocker-tree
 * apply) to an empty tree or to a clone of the base; another form is the driver's own to receive.
 * Either is driven by a thread of the sink's own, so that a transfer whose link was cut can leave
 * it waiting and come back on another thread.
 *
 * A delta that was not applied to its end leaves its tree half-made, and where that came to
 * (halfway.h), for another transfer to go on with; unless it was the delta that failed.
 *
 * Nothing here proves what is written: who writes has proved it.
 */

#include "driver/driver.h"
#include "engine/halfway.h"
#include "engine/operation.h"
#include "repl/offer.h"

struct sink;

struct sink_options {
	struct engine *engine;
	struct running *running; /* until sink_free() */
	const struct tree *base; /* NULL: of nothing */
	enum stream_form form;
	struct halfway halfway; /* what to note of it; its `tree` and `since` only with `resume` */
	bool resume;		/* that one is gone on with: FORM_DELTA */
};

must_check int sink_start(const struct sink_options *options, struct sink **ret,
			  struct fl_error *err);
/* What failed where it is applied is answered, not the broken pipe. */
must_check int sink_write(struct sink *sink, const void *bytes, size_t length,
			  struct fl_error *err);
/* The stream is at its end: waits until all of it is in the tree.  Once. */
must_check int sink_finish(struct sink *sink, struct fl_error *err);
/* The tree staging/<this>. */
const struct uuid *sink_tree(const struct sink *sink);
/* Of a tree that was gone on with: is it, now that it is finished, the one with this digest? */
must_check int sink_compare(struct sink *sink, const struct step_end *end, struct fl_error *err);
/* Whoever sends it has lied: what came of it is not to be gone on with. */
void sink_spoil(struct sink *sink);
/* It has become a snapshot: sink_free() leaves it alone. */
void sink_keep(struct sink *sink);
/* Ends it, and deletes the tree unless it is to be kept, or stays half-made. */
void sink_free(struct sink *sink);
OWN_FREEP(sink, sink_free)
