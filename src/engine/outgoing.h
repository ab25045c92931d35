#pragma once

/*
 * The stream of one step as its sender has it: made by the driver (feed.h), without what the
 * receiver of a half-made tree has already (delta/skip.h), and as payloads of DATA of which those
 * are kept that the receiver is not through with (repl/chain.h).
 *
 * It outlives its channel.  One thread at a time.
 */

#include "driver/driver.h"
#include "engine/operation.h"
#include "repl/chain.h"
#include "repl/offer.h"

struct engine;
struct outgoing;
struct delta_point;

struct outgoing_options {
	struct engine *engine;
	struct running *running;
	const struct tree *base; /* NULL: all of it */
	const struct tree *tree;
	enum stream_form form;
	bool compress;
	const struct delta_point *point; /* that the receiver has come to; NULL: the start */
};

/*
 * Both trees stay until outgoing_free(), as feed.h has it.  FL_UNSUPPORTED: the driver's own form
 * knows no way from this base.  With a point it first makes the stream
 * up to there, which takes as long as that is; FL_DIVERGED: it is another one, send it from the
 * start.
 */
must_check int outgoing_start(const struct outgoing_options *options, struct outgoing **ret,
			      struct fl_error *err);
void outgoing_free(struct outgoing *outgoing);
OWN_FREEP(outgoing, outgoing_free)

/* Bytes that were left out, since the receiver has them. */
uint64_t outgoing_saved(const struct outgoing *outgoing);
/* About how many bytes it takes to make `tree` of `base` (NULL: of nothing); 0: not known. */
uint64_t outgoing_weigh(struct engine *engine, const struct tree *base, const struct tree *tree);

/* One that the receiver did not get, or the next of the stream; `*ret_some` false: the end. */
must_check int outgoing_next(struct outgoing *outgoing, struct piece *ret, bool *ret_some,
			     struct fl_error *err);
/*
 * What to say at the end; of a tree that was half-made, with the digest, which takes a while.
 * `grain`: of the receiver's times.
 */
must_check int outgoing_end(struct outgoing *outgoing, uint32_t grain, struct step_end *ret,
			    struct fl_error *err);
struct outbox *outgoing_box(struct outgoing *outgoing);
